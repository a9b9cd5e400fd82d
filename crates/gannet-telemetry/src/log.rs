//! One line a call.

mod text;

use crate::TraceContext;
use crate::ending::{Ending, told_of};
use gannet::{Answer, Call, Code, Direction, Interceptor, Next, Result, ServerEvent};
use std::error::Error;
use std::fmt::{self, Write};
use tracing::{Level, event};

/// An event of a call, at the level of its code.
macro_rules! line {
    ($code:expr, $($fields:tt)*) => {
        match $code {
            Some(Code::Internal | Code::Unknown | Code::DataLoss) => {
                event!(target: "gannet::call", Level::ERROR, $($fields)*);
            }
            Some(Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted) => {
                event!(target: "gannet::call", Level::WARN, $($fields)*);
            }
            _ => event!(target: "gannet::call", Level::INFO, $($fields)*),
        }
    };
}

/// Writes one event a call to `tracing`, when the call is over, with the target `gannet::call`.
///
/// Its fields: `method`, `code`, `took_us` (microseconds), `peer`, `request_bytes`, `response_bytes` (as on the wire),
/// `trace_id` where [`Trace`](crate::Trace) is outside of it, and of a call that failed the status's `message` and, where
/// there is one, its `cause` with all of its sources, which the peer never sees. What may hold a client's words is escaped
/// and cut, so that nobody writes lines of their own into the log.
///
/// | code | level |
/// | --- | --- |
/// | INTERNAL, UNKNOWN, DATA_LOSS | ERROR: somebody has to look |
/// | UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED | WARN |
/// | all others | INFO |
#[derive(Clone, Copy, Debug, Default)]
pub struct Log {
    as_text: bool,
}

impl Log {
    /// On either side, around every call.
    #[must_use]
    pub fn new() -> Self {
        Self { as_text: false }
    }

    /// Hands each line to the subscriber as one text, in the field `method`, in place of many fields.
    ///
    /// A log of text (`tracing_subscriber::fmt`) has the same lines, and making them costs two thirds. A subscriber that wants
    /// fields, as those for JSON and OpenTelemetry do, finds none: for them leave it out.
    ///
    /// ```
    /// let server = gannet::Server::new().intercept(gannet_telemetry::Log::new().as_text());
    /// # drop(server);
    /// ```
    #[must_use]
    pub fn as_text(mut self) -> Self {
        self.as_text = true;
        self
    }

    /// What no interceptor sees, for [`Server::observe`](gannet::Server::observe): calls that were refused before have
    /// their line as others have, without the times and sizes; what else happens is a warning with the target
    /// `gannet::server`.
    ///
    /// ```
    /// use gannet::Server;
    /// use gannet_telemetry::Log;
    ///
    /// let server = Server::new().intercept(Log::new()).observe(Log::server_event);
    /// # drop(server);
    /// ```
    pub fn server_event(event: &ServerEvent<'_>) {
        match event {
            ServerEvent::CallRefused { peer, path, status } => {
                let (method, message) = (OneLine(path), OneLine(status.message()));
                let (code, cause) = (status.code(), causes(status.source()));
                line!(Some(code), %method, code = code.name(), %peer, %message, cause);
            }
            ServerEvent::RequestRefused { peer, path, http_status } => {
                let (method, code) = (OneLine(path), format_args!("HTTP {http_status}"));
                line!(None::<Code>, %method, %code, %peer, message = "no gRPC");
            }
            other => event!(target: "gannet::server", Level::WARN, "{other}"),
        }
    }
}

impl Interceptor for Log {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        told_of(call, next, if self.as_text { write_text } else { write }).await
    }
}

/// What a line says is found only where there is a line: `event!` asks for no value that nobody wants.
fn write(ending: &Ending<'_>) {
    let Ending { call, how, .. } = ending;
    line!(
        how.code(),
        method = call.spec().path,
        code = how.code_name(),
        took_us = u64::try_from(ending.took().as_micros()).unwrap_or(u64::MAX),
        peer = %call.peer(),
        request_bytes = call.message_bytes(Direction::Request),
        response_bytes = call.message_bytes(Direction::Response),
        trace_id = call.extensions().get::<TraceContext>().map(|context| display(context.trace_id())),
        message = how.message().map(|message| display(OneLine(message))),
        cause = causes(how.cause()),
    );
}

fn write_text(ending: &Ending<'_>) {
    // A `message` is escaped char by char by `tracing_subscriber::fmt`, which costs more than all the fields: the text is
    // that of the first of them, and all that follows it.
    line!(ending.how.code(), method = %text::of(ending));
}

/// At most so much of a client's words is logged.
const LONGEST_CHARS: usize = 500;

/// A text of which nobody knows what is in it.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.chars();
        rest.by_ref().take(LONGEST_CHARS).try_for_each(|one| match one {
            // They end no line, and read better as they are.
            '"' | '\'' | '\\' => f.write_char(one),
            _ => one.escape_debug().try_for_each(|escaped| f.write_char(escaped)),
        })?;
        f.write_str(if rest.next().is_some() { "…" } else { "" })
    }
}

/// An error and its sources, `a: b: c`.
fn causes(error: Option<&(dyn Error + 'static)>) -> Option<String> {
    let mut text = error?.to_string();
    let mut next = error?.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_a_client_stays_on_its_line_and_short() {
        assert_eq!(OneLine(r#"user "7\n" not found"#).to_string(), r#"user "7\n" not found"#);
        assert_eq!(OneLine("a\r\n\u{1b}[31m\u{2028}ä").to_string(), r"a\r\n\u{1b}[31m\u{2028}ä");
        let long = OneLine(&"\n".repeat(10_000)).to_string();
        assert_eq!(long.chars().count(), 2 * LONGEST_CHARS + 1);
    }
}
