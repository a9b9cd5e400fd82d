//! A span a call, and the W3C trace context that joins those of several processes.

mod context;

pub use context::TraceContext;

use gannet::{Answer, Call, Interceptor, Next, Result, Side};
use tracing::Instrument;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Puts a `tracing` span around every call, and carries the W3C `traceparent` on.
///
/// On a server it takes the caller's `traceparent`, or begins a trace where there is none; handlers find the context in
/// the call's extensions. On a client it sends the context on: that of the call whose handler makes this one, where both
/// sides have the interceptor. `tracestate` goes along unread.
///
/// The span has the target `gannet::call`, the name `call`, and the fields `method`, `trace_id` and `span_id`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace(());

impl Trace {
    /// On either side, around every call.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl Interceptor for Trace {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let caller =
            TraceContext::of_metadata(call.metadata()).or_else(|| CURRENT.try_with(Clone::clone).ok());
        let context = caller.map_or_else(TraceContext::begin, |caller| caller.child());
        if call.side() == Side::Client {
            context.write_to(call.metadata_mut())?;
        }
        call.extensions_mut().insert(context.clone());
        let span = tracing::info_span!(
            target: "gannet::call",
            "call",
            method = call.spec().path,
            trace_id = %context.trace_id(),
            span_id = %context.span_id(),
        );
        CURRENT.scope(context, next.run(call)).instrument(span).await
    }
}
