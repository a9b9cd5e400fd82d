//! A handler's polls: where the bytes came in while they are short, else in a task of its own.

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

/// What became of a call by a poll in its connection's task.
pub(super) enum Polled {
    /// Ended: its answer goes into the write of this turn.
    Done(Ended),
    /// To be kept or spawned as it is: a future that was polled may not move, but its box may.
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
/// For a call that is spawned when it is pending the waker does nothing: its task polls it again, and by the contract of
/// `poll` that waker counts.
/// `unconstrained`, or tokio's budget of the connection's task (128 a turn) would make ready handlers look pending.
/// A panic is the call's own INTERNAL; the future is dropped inside the same guard, for its `Drop` may panic too.
pub(super) fn poll_here(mut future: BoxFuture<'static, Ended>, waker: &Waker) -> Polled {
    let polled = catch_unwind(AssertUnwindSafe(|| {
        let mut context = Context::from_waker(waker);
        match pin!(unconstrained(future.as_mut())).poll(&mut context) {
            Poll::Ready(ended) => {
                drop(future);
                Polled::Done(ended)
            }
            Poll::Pending => Polled::Pending(future),
        }
    }));
    polled.unwrap_or_else(|panic| Polled::Done(panicked(&*panic)))
}

/// Drops a call that was cut short; nobody is left to tell of a panic.
pub(super) fn drop_here(future: BoxFuture<'static, Ended>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
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

/// Whether a method's calls may be polled in the connection's task. It is earned: a method whose polls are long would
/// delay its neighbours, so its calls are spawned.
#[derive(Debug, Default)]
pub(super) struct Inline {
    /// Moving average of a poll's time in nanoseconds.
    average: AtomicU32,
    polls: AtomicU32,
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
    /// Spawn it before it is polled.
    Spawned,
}

impl Inline {
    /// The clock is read every so many polls; it costs 28 ns a look.
    const MEASURED_EVERY: u32 = 8;
    /// A spawned method gets another chance every so many polls.
    const TRIED_AGAIN_EVERY: u32 = 1024;
    /// Where the limit is nothing, everything is above it.
    const ALWAYS_COUNTED_NANOS: u32 = 1000;

    /// `longest_nanos`: above this average a method's calls are spawned.
    pub(super) fn dispatch(&self, longest_nanos: u32) -> Dispatch {
        let poll = self.polls.fetch_add(1, Ordering::Relaxed);
        if self.average.load(Ordering::Relaxed) > longest_nanos {
            return if poll.is_multiple_of(Self::TRIED_AGAIN_EVERY) {
                Dispatch::Measured
            } else {
                Dispatch::Spawned
            };
        }
        if poll.is_multiple_of(Self::MEASURED_EVERY) { Dispatch::Measured } else { Dispatch::Here }
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

    /// A slow poll counts for no more than a little above the limit, however long it took (a page fault, a cold start, a
    /// descheduled thread): it takes some in a row to condemn a method. So those that follow it are measured too.
    pub(super) fn measured(&self, since: Instant, longest_nanos: u32) {
        let nanos = u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX);
        let before = self.average.load(Ordering::Relaxed);
        let slow = nanos > longest_nanos;
        let counted = nanos.min(longest_nanos.saturating_mul(2).saturating_add(Self::ALWAYS_COUNTED_NANOS));
        let average = before - before / 8 + counted / 8;
        // A spawned method that was quick this time has earned a fresh start.
        let average = if before > longest_nanos && !slow { nanos } else { average };
        self.average.store(average, Ordering::Relaxed);
        if slow && average <= longest_nanos {
            self.polls.store(0, Ordering::Relaxed);
        }
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
    fn slow_polls_condemn_a_method_only_in_a_row() {
        let long_ago = Instant::now() - Duration::from_millis(30);
        for before in [0, 1_000] {
            let inline = Inline::default();
            inline.average.store(before, Ordering::Relaxed);
            for _ in 0..3 {
                inline.measured(long_ago, LONGEST_NANOS);
                assert_eq!(inline.dispatch(LONGEST_NANOS), Dispatch::Measured);
            }
            for _ in 0..20 {
                inline.measured(Instant::now(), LONGEST_NANOS);
            }
            let mut in_a_row = 0;
            while inline.dispatch(LONGEST_NANOS) != Dispatch::Spawned {
                inline.measured(long_ago, LONGEST_NANOS);
                in_a_row += 1;
            }
            assert!((4..=8).contains(&in_a_row), "{in_a_row}");
        }
    }

    #[test]
    fn no_poll_is_quick_enough_for_no_time() {
        let inline = Inline::default();
        assert_eq!(inline.dispatch(0), Dispatch::Measured);
        inline.measured(Instant::now() - Duration::from_micros(1), 0);
        assert_eq!(inline.dispatch(0), Dispatch::Spawned);
    }
}
