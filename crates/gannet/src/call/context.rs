//! The deadline that calls made from a handler inherit.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What calls to other servers inherit from the call whose handler makes them.
///
/// A handler's own calls inherit by themselves. A task that it spawns takes the context along:
///
/// ```
/// # async fn handler(call: &gannet::Call) {
/// let context = call.context();
/// tokio::spawn(context.scope(async { /* calls made here have the handler's deadline */ }));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CallContext {
    deadline: Option<Instant>,
}

impl CallContext {
    pub(crate) fn new(deadline: Option<Instant>) -> Self {
        Self { deadline }
    }

    /// The context of the handler that runs now; empty outside of one.
    #[must_use]
    pub fn current() -> Self {
        Self { deadline: DEADLINE.get() }
    }

    /// The deadline that calls made now inherit.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Runs a future in this context.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(future);
        std::future::poll_fn(|cx| self.poll(future.as_mut(), cx)).await
    }

    /// Polls a future in this context. It is a thread-local set around each poll, so that nothing is paid per call
    /// but two writes.
    pub(crate) fn poll<F: Future + ?Sized>(
        self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let _restore = Restore(DEADLINE.replace(self.deadline));
        future.poll(cx)
    }
}

/// Puts the outer context back, after a panic too.
struct Restore(Option<Instant>);

impl Drop for Restore {
    fn drop(&mut self) {
        DEADLINE.set(self.0);
    }
}
