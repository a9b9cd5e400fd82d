//! How a call ended, whether its future came to its end or was dropped.

use gannet::{Answer, Call, CancelReason, Code, Next, Result, Status};
use std::error::Error;
use std::time::{Duration, Instant};

/// What is known when a call is over.
pub(crate) struct Ending<'a> {
    pub(crate) call: &'a Call,
    pub(crate) how: How<'a>,
    start: Instant,
}

impl Ending<'_> {
    /// How long the call has taken so far. It reads the clock, which who tells nothing need not.
    pub(crate) fn took(&self) -> Duration {
        self.start.elapsed()
    }
}

pub(crate) enum How<'a> {
    Answered,
    Failed(&'a Status),
    /// The future was dropped: the client has gone, the deadline has passed, the server has been shut down.
    Cut(Option<CancelReason>),
    /// The handler has panicked, or an interceptor inside of this one.
    Panicked,
}

impl<'a> How<'a> {
    /// The name of the code that the peer sees; `OK` where the call ended well.
    pub(crate) fn code_name(&self) -> &'static str {
        self.code().map_or("OK", Code::name)
    }

    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            How::Answered => None,
            How::Failed(status) => Some(status.code()),
            How::Cut(Some(CancelReason::Deadline)) => Some(Code::DeadlineExceeded),
            How::Cut(Some(CancelReason::Shutdown | CancelReason::ConnectionLost)) => Some(Code::Unavailable),
            How::Cut(Some(CancelReason::ProtocolError)) => Some(Code::Internal),
            How::Cut(_) => Some(Code::Cancelled),
            How::Panicked => Some(Code::Internal),
        }
    }

    /// In words; nothing where the call ended well.
    pub(crate) fn message(&self) -> Option<&'a str> {
        Some(match self {
            How::Answered => return None,
            How::Failed(status) => status.message(),
            How::Cut(Some(CancelReason::ClientReset)) => "the client cancelled the call",
            How::Cut(Some(CancelReason::Deadline)) => "the deadline passed",
            How::Cut(Some(CancelReason::ConnectionLost)) => "the connection was lost",
            How::Cut(Some(CancelReason::Shutdown)) => "the server shut down",
            How::Cut(Some(_)) => "the peer broke the protocol",
            How::Cut(None) => "given up",
            How::Panicked => "the handler panicked",
        })
    }

    /// What is behind a failure, which the peer does not see.
    pub(crate) fn cause(&self) -> Option<&'a (dyn Error + 'static)> {
        match *self {
            How::Failed(status) => status.source(),
            _ => None,
        }
    }
}

/// Runs the rest of a call and tells how it ended, exactly once.
pub(crate) async fn told_of<T>(call: &mut Call, next: Next<'_>, tell: T) -> Result<Answer>
where
    T: FnOnce(&Ending<'_>) + Send,
{
    let mut running = Running { call, start: Instant::now(), tell: Some(tell) };
    let result = next.run(running.call).await;
    running.end(match &result {
        Ok(_) => How::Answered,
        Err(status) => How::Failed(status),
    });
    result
}

/// A call that runs. It holds the call itself, so that there is one to tell of when the future is dropped.
struct Running<'a, T: FnOnce(&Ending<'_>)> {
    call: &'a mut Call,
    start: Instant,
    tell: Option<T>,
}

impl<T: FnOnce(&Ending<'_>)> Running<'_, T> {
    fn end(&mut self, how: How<'_>) {
        if let Some(tell) = self.tell.take() {
            tell(&Ending { call: self.call, how, start: self.start });
        }
    }
}

impl<T: FnOnce(&Ending<'_>)> Drop for Running<'_, T> {
    fn drop(&mut self) {
        if self.tell.is_some() {
            // A panic unwinds through here before the server makes INTERNAL of it.
            let how = if std::thread::panicking() {
                How::Panicked
            } else {
                How::Cut(self.call.cancellation().reason())
            };
            self.end(how);
        }
    }
}
