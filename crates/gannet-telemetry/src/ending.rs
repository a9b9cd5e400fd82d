//! How a call ended, whether its future came to its end or was dropped.

use gannet::{Answer, Call, CancelReason, Code, Next, Result, Status};
use std::time::{Duration, Instant};

/// What is known when a call is over.
pub(crate) struct Ending<'a> {
    pub(crate) call: &'a Call,
    pub(crate) took: Duration,
    pub(crate) how: How<'a>,
}

pub(crate) enum How<'a> {
    Answered,
    Failed(&'a Status),
    /// The future was dropped: the client has gone, the deadline has passed, the server has been shut down.
    Cut(Option<CancelReason>),
}

impl How<'_> {
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
            tell(&Ending { call: self.call, took: self.start.elapsed(), how });
        }
    }
}

impl<T: FnOnce(&Ending<'_>)> Drop for Running<'_, T> {
    fn drop(&mut self) {
        if self.tell.is_some() {
            let reason = self.call.cancellation().reason();
            self.end(How::Cut(reason));
        }
    }
}
