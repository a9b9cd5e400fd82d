//! What is counted.

use std::ops::{Index, IndexMut};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted of a connection. The last ones are times: when one of the others was last counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Counter {
    CallsStarted,
    CallsSucceeded,
    CallsFailed,
    StreamsStarted,
    StreamsSucceeded,
    StreamsFailed,
    MessagesSent,
    MessagesReceived,
    KeepalivesSent,
    /// The window that the peer grants, and the one that it is granted (RFC 9113 §5.2).
    SendWindow,
    ReceiveWindow,
    LastCallStarted,
    LastMessageSent,
    LastMessageReceived,
}

const COUNTERS: usize = Counter::LastMessageReceived as usize + 1;

/// The times, each with what it is the time of.
const TIMES: [(Counter, Counter); 3] = [
    (Counter::LastCallStarted, Counter::CallsStarted),
    (Counter::LastMessageSent, Counter::MessagesSent),
    (Counter::LastMessageReceived, Counter::MessagesReceived),
];

/// What one connection has counted, in its own task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts([u64; COUNTERS]);

impl Counts {
    /// A call has come to its end.
    #[inline]
    pub(crate) fn call_ended(&mut self, well: bool) {
        self[if well { Counter::CallsSucceeded } else { Counter::CallsFailed }] += 1;
    }

    /// Adds what others have counted; of the times the last one counts.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0).take(Counter::SendWindow as usize) {
            *sum += count;
        }
        for (time, _) in TIMES {
            self[time] = self[time].max(other[time]);
        }
    }
}

impl Index<Counter> for Counts {
    type Output = u64;

    #[inline]
    fn index(&self, counter: Counter) -> &u64 {
        &self.0[counter as usize]
    }
}

impl IndexMut<Counter> for Counts {
    #[inline]
    fn index_mut(&mut self, counter: Counter) -> &mut u64 {
        &mut self.0[counter as usize]
    }
}

/// Counts that others may look at. One task writes them.
#[derive(Debug, Default)]
pub(super) struct Shown([AtomicU64; COUNTERS]);

impl Shown {
    /// Shows these counts. What has moved since the last time has happened at `mark`.
    pub(super) fn show(&self, counts: &Counts, mark: u64) {
        for (time, of) in TIMES {
            if self.get(of) != counts[of] {
                self.set(time, mark);
            }
        }
        for (shown, count) in self.0.iter().zip(counts.0).take(Counter::LastCallStarted as usize) {
            shown.store(count, Ordering::Relaxed);
        }
    }

    /// Counts one more, from any task.
    pub(super) fn count(&self, counter: Counter) {
        self.0[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set(&self, counter: Counter, value: u64) {
        self.0[counter as usize].store(value, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counts {
        Counts(std::array::from_fn(|place| self.0[place].load(Ordering::Relaxed)))
    }

    fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}
