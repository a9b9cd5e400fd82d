//! The first poll of a handler: where the bytes came in, and in a task of its own only if it has to wait.

use super::shared::ServerShared;
use crate::call::{Call, CallContext};
use crate::service::BoxFuture;
use crate::{Answer, Result, Service, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use tokio::task::unconstrained;

/// A call at its end. The call comes back with its response metadata, except from a panic.
pub(crate) struct Ended {
    pub(crate) call: Option<Call>,
    pub(crate) result: Result<Answer>,
}

/// What became of a call's first poll.
pub(super) enum FirstPoll {
    /// Ended in the connection's task: its answer goes into the write of this turn.
    Done(Ended),
    /// To be spawned as it is: a future that was polled may not move, but its box may.
    Pending(BoxFuture<'static, Ended>),
}

/// The whole life of a call: interceptors, handler, and the call handed back.
pub(super) fn run(
    server: Arc<ServerShared>,
    service: Arc<dyn Service>,
    method: usize,
    mut call: Call,
) -> BoxFuture<'static, Ended> {
    Box::pin(async move {
        let context = CallContext::new(call.deadline());
        let result = {
            let mut running = server.chain().run(&service, method, &mut call);
            std::future::poll_fn(|cx| context.poll(running.as_mut(), cx)).await
        };
        Ended { call: Some(call), result }
    })
}

/// Polls a call once, in the connection's task.
///
/// The waker does nothing: whoever spawns the future polls it again, and by the contract of `poll` that waker counts.
/// `unconstrained`, or tokio's budget of the connection's task (128 a turn) would make ready handlers look pending.
/// A panic is the call's own INTERNAL; the future is dropped inside the same guard, for its `Drop` may panic too.
pub(super) fn first_poll(mut future: BoxFuture<'static, Ended>) -> FirstPoll {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(unconstrained(future.as_mut())).poll(&mut context) {
            Poll::Ready(ended) => {
                drop(future);
                FirstPoll::Done(ended)
            }
            Poll::Pending => FirstPoll::Pending(future),
        }
    }));
    polled.unwrap_or_else(|panic| FirstPoll::Done(panicked(&*panic)))
}

/// Polls a spawned call to its end; a panic ends the call and nothing else.
pub(super) async fn guarded(future: BoxFuture<'static, Ended>) -> Ended {
    let mut future = Some(future);
    std::future::poll_fn(|cx| {
        let Some(running) = &mut future else { return Poll::Pending };
        match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(ended)) => {
                let dropped = catch_unwind(AssertUnwindSafe(|| drop(future.take())));
                Poll::Ready(dropped.map_or_else(|panic| panicked(&*panic), |()| ended))
            }
            Err(panic) => {
                // Its destructor may panic as well; the first panic is the one to tell.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(future.take())));
                Poll::Ready(panicked(&*panic))
            }
        }
    })
    .await
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Ended {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    // The text stays on this side: it may say what a client must not know.
    let status = Status::internal("the handler panicked").with_source(Panicked(text.to_owned()));
    Ended { call: None, result: Err(status) }
}

#[derive(Debug)]
struct Panicked(String);

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the handler panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

/// Whether a method's calls may take their first poll in the connection's task. It is earned: a method whose first
/// poll is long would delay its neighbours, so its calls are spawned at once.
#[derive(Debug, Default)]
pub(super) struct Inline {
    /// Moving average of the first poll's time in nanoseconds; 0 before the first measure.
    average: AtomicU32,
    calls: AtomicU32,
    /// The last first poll was pending.
    waits: AtomicBool,
}

/// What is to be done with one call of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dispatch {
    /// Poll it here.
    Here,
    /// Poll it here and say how long that took.
    Measured,
    /// Spawn it before its first poll.
    Spawned,
}

impl Inline {
    /// The clock is read every so many calls; it costs 28 ns a look.
    const MEASURED_EVERY: u32 = 8;
    /// A spawned method gets another chance every so many calls.
    const TRIED_AGAIN_EVERY: u32 = 1024;

    /// `longest_nanos`: above this average a method's calls are spawned.
    pub(super) fn dispatch(&self, longest_nanos: u32) -> Dispatch {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.average.load(Ordering::Relaxed) > longest_nanos {
            return if call.is_multiple_of(Self::TRIED_AGAIN_EVERY) {
                Dispatch::Measured
            } else {
                Dispatch::Spawned
            };
        }
        if call.is_multiple_of(Self::MEASURED_EVERY) { Dispatch::Measured } else { Dispatch::Here }
    }

    /// Whether the next call is likely to outlive its first poll.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// How a first poll went.
    pub(super) fn polled(&self, waits: bool) {
        if waits != self.waits() {
            self.waits.store(waits, Ordering::Relaxed);
        }
    }

    pub(super) fn measured(&self, since: Instant, longest_nanos: u32) {
        let nanos = u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX);
        let before = self.average.load(Ordering::Relaxed);
        // One slow poll (a page fault, a descheduled thread) must not condemn a method: an eighth of the new value.
        let average = if before == 0 { nanos } else { before - before / 8 + nanos / 8 };
        // A spawned method that was quick this time has earned a fresh start.
        let average = if before > longest_nanos && nanos < longest_nanos { nanos } else { average };
        self.average.store(average, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LONGEST_NANOS: u32 = 5_000;

    #[test]
    fn a_slow_method_is_spawned_and_gets_another_chance() {
        let inline = Inline::default();
        assert_eq!(inline.dispatch(LONGEST_NANOS), Dispatch::Measured);
        inline.average.store(50_000, Ordering::Relaxed);
        let dispatched: Vec<_> = (0..2048).map(|_| inline.dispatch(LONGEST_NANOS)).collect();
        assert_eq!(dispatched.iter().filter(|d| **d == Dispatch::Measured).count(), 2);
        assert!(!dispatched.contains(&Dispatch::Here));
        inline.measured(Instant::now(), LONGEST_NANOS);
        assert_ne!(inline.dispatch(LONGEST_NANOS), Dispatch::Spawned);
    }

    #[test]
    fn one_slow_poll_does_not_condemn_a_quick_method() {
        let inline = Inline::default();
        inline.average.store(500, Ordering::Relaxed);
        inline.measured(Instant::now() - Duration::from_micros(30), LONGEST_NANOS);
        assert_ne!(inline.dispatch(LONGEST_NANOS), Dispatch::Spawned);
    }
}
