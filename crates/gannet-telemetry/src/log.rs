//! One line a call.

use crate::ending::{Ending, How, told_of};
use gannet::{Answer, Call, Code, Direction, Interceptor, Next, Result};
use std::error::Error;
use tracing::{Level, event};

/// Writes one event a call to `tracing`, when the call is over, with the target `gannet::call`.
///
/// Its fields: `method`, `code`, `took_us` (microseconds), `peer`, `request_bytes`, `response_bytes` (as on the wire),
/// and of a call that failed the status's `message` and, where there is one, its `cause` with all of its sources, which
/// the peer never sees.
///
/// | code | level |
/// | --- | --- |
/// | INTERNAL, UNKNOWN, DATA_LOSS | ERROR: somebody has to look |
/// | UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED | WARN |
/// | all others | INFO |
#[derive(Clone, Copy, Debug, Default)]
pub struct Log(());

impl Log {
    /// On either side, around every call.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

impl Interceptor for Log {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        told_of(call, next, write).await
    }
}

macro_rules! line {
    ($level:expr, $ending:ident, $($more:tt)*) => {
        event!(
            target: "gannet::call",
            $level,
            method = $ending.call.spec().path,
            code = $ending.how.code_name(),
            took_us = u64::try_from($ending.took.as_micros()).unwrap_or(u64::MAX),
            peer = %$ending.call.peer(),
            request_bytes = $ending.call.message_bytes(Direction::Request),
            response_bytes = $ending.call.message_bytes(Direction::Response),
            $($more)*
        )
    };
}

fn write(ending: &Ending<'_>) {
    let (message, cause) = match &ending.how {
        How::Answered => return line!(Level::INFO, ending,),
        How::Failed(status) => (status.message().to_owned(), causes(status.source())),
        How::Cut(Some(reason)) => (format!("cut short: {reason:?}"), None),
        How::Cut(None) => ("given up".to_owned(), None),
    };
    match ending.how.code() {
        Some(Code::Internal | Code::Unknown | Code::DataLoss) => line!(Level::ERROR, ending, message, cause),
        Some(Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted) => {
            line!(Level::WARN, ending, message, cause);
        }
        _ => line!(Level::INFO, ending, message, cause),
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
