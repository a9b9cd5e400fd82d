//! A token that says that a call is over, and why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::Notify;

/// Why a call ended before its handler did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum CancelReason {
    /// The client cancelled the call (RST_STREAM).
    ClientReset = 1,
    /// The deadline passed.
    Deadline = 2,
    /// The connection was lost.
    ConnectionLost = 3,
    /// The server shut down and the grace was over.
    Shutdown = 4,
    /// The peer broke a rule of the protocol on this call.
    ProtocolError = 5,
}

impl CancelReason {
    fn of(number: u8) -> Option<Self> {
        [Self::ClientReset, Self::Deadline, Self::ConnectionLost, Self::Shutdown, Self::ProtocolError]
            .into_iter()
            .find(|reason| *reason as u8 == number)
    }
}

/// A token that tells work which outlives a handler that its call is over. Clones see the same call.
///
/// A handler never sees its own cancellation as an `await`, for its future is dropped; the token is for what it
/// spawned, and for `Drop`.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    reason: AtomicU8,
    changed: Notify,
}

impl Cancellation {
    /// Why the call was cut short; `None` while it runs and after a regular end.
    #[must_use]
    pub fn reason(&self) -> Option<CancelReason> {
        CancelReason::of(self.0.reason.load(Ordering::Acquire))
    }

    /// Resolves when the call is cut short. Pends for ever after a regular end.
    pub async fn cancelled(&self) -> CancelReason {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, or a cancellation between the two would be missed.
            changed.as_mut().enable();
            if let Some(reason) = self.reason() {
                return reason;
            }
            changed.await;
        }
    }

    /// The first reason counts.
    pub(crate) fn cancel(&self, reason: CancelReason) {
        let first = self.0.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.0.changed.notify_waiters();
        }
    }

    /// Whether nobody else holds it and nothing happened to it, so that another call may have it.
    pub(crate) fn is_unused(&mut self) -> bool {
        Arc::get_mut(&mut self.0).is_some_and(|token| *token.reason.get_mut() == 0)
    }
}
