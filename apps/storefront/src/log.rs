//! The log: one line per call on standard error.

use gannet::{
    Answer, Call, CancelReason, Cancellation, Code, Interceptor, MethodSpec, Next, Peer, Result, Status,
};
use std::error::Error;
use std::io::IsTerminal;
use std::time::Instant;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Begins to write the log to standard error; coloured where that is a terminal. `RUST_LOG` says how much (default
/// `info`).
pub fn start() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal() && !is_plain)
        .with_writer(std::io::stderr)
        .init();
}

/// Logs each call at its end, however it ends: `/user.v1.UserService/GetUser OK 1.2ms peer=127.0.0.1:40000`.
///
/// Requests and answers are not logged, so that no password ever is.
#[derive(Debug)]
pub struct CallLog;

impl Interceptor for CallLog {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        if !tracing::enabled!(Level::INFO) {
            return next.run(call).await;
        }
        let mut line = Line::begin(call);
        let result = next.run(call).await;
        line.has_ended = true;
        line.write(result.as_ref().err());
        result
    }
}

/// A call that runs. Dropped before its end, it says why the call was cut short.
struct Line {
    spec: &'static MethodSpec,
    peer: Peer,
    begun: Instant,
    cancellation: Cancellation,
    has_ended: bool,
}

impl Line {
    fn begin(call: &Call) -> Self {
        let (spec, peer, cancellation) = (call.spec(), call.peer().clone(), call.cancellation());
        Self { spec, peer, begun: Instant::now(), cancellation, has_ended: false }
    }

    fn write(&self, status: Option<&Status>) {
        let Some(status) = status else {
            return tracing::info!("{}", self.text("OK", ""));
        };
        let what = describe(status);
        let text = self.text(status.code().name(), &what);
        match status.code() {
            // Somebody should look into these.
            Code::Internal | Code::Unknown | Code::DataLoss => tracing::error!("{text}"),
            _ => tracing::info!("{text}"),
        }
    }

    fn text(&self, code: &str, what: &str) -> String {
        format!("{} {code} {:.1?} peer={}{what}", self.spec.path, self.begun.elapsed(), self.peer)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.has_ended {
            self.write(Some(&cut_short(self.cancellation.reason())));
        }
    }
}

/// What the other side was told, or would have been.
fn cut_short(reason: Option<CancelReason>) -> Status {
    match reason {
        Some(CancelReason::ClientReset) => Status::cancelled("the client cancelled the call"),
        Some(CancelReason::ConnectionLost) => Status::cancelled("the connection was lost"),
        Some(CancelReason::Deadline) => Status::deadline_exceeded("the deadline passed"),
        Some(CancelReason::Shutdown) => Status::unavailable("server is shutting down"),
        Some(_) => Status::internal("the client broke the protocol"),
        None => Status::internal("the handler panicked"),
    }
}

/// At most so much of a message is logged: it may quote what a client sent.
const LONGEST_MESSAGE_CHARS: usize = 200;

/// The message and its causes. Quoted, so that no client can write lines of its own into the log.
fn describe(status: &Status) -> String {
    let message: String = status.message().chars().take(LONGEST_MESSAGE_CHARS).collect();
    let mut text = format!(" message={message:?}");
    let mut cause = status.source();
    while let Some(error) = cause {
        text.push_str(&format!(" cause={:?}", error.to_string()));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_its_line() {
        let status = Status::not_found(format!("User {} not found", "\n\x1b[31m".repeat(100)));
        let text = describe(&status);
        assert!(!text.contains(['\n', '\x1b']), "{text}");
        assert!(text.len() < 2_000, "{text}");
    }

    #[test]
    fn causes_are_for_the_log() {
        let status = Status::internal("reading users").with_source("disk on fire");
        assert_eq!(describe(&status), r#" message="reading users" cause="disk on fire""#);
    }
}
