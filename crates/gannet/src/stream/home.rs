//! Where a handler that stays in its connection's task is woken.

use super::{Link, StreamPair};
use crate::driver::lock::AtomicU8;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Wake;

/// The place of a server's stream on its connection, where its handler waits for its next poll. To wake it is post in the
/// connection's mailbox, once until it is polled; while it is polled, a note for whoever polls.
pub(crate) struct Home {
    link: Link,
    state: AtomicU8,
}

const WAITS: u8 = 0;
const WOKEN: u8 = 1;
const POLLED: u8 = 2;

/// Each step is a read and a write in one, so that a poll sees what was done before every wake-up that came before it,
/// also where that found another's.
impl Home {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, state: AtomicU8::new(WAITS) }
    }

    pub(crate) fn wake(&self) {
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) == WAITS {
            self.link.mailbox.wake(self.link.key);
        }
    }

    /// Before a poll: whoever wakes the handler from now on means the next one.
    pub(crate) fn begin_poll(&self) {
        self.state.swap(POLLED, Ordering::AcqRel);
    }

    /// After a poll that left the handler waiting. Whether it was woken meanwhile: nobody else will say so.
    pub(crate) fn end_poll(&self) -> bool {
        let waits = self.state.compare_exchange(POLLED, WAITS, Ordering::AcqRel, Ordering::Acquire);
        if waits.is_err() {
            self.state.swap(WOKEN, Ordering::AcqRel);
        }
        waits.is_err()
    }
}

/// The waker of such a handler: it needs no memory of its own. Its stream holds it while the handler waits for a message,
/// and so itself; [`StreamPair::end`] undoes that.
impl Wake for StreamPair {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(home) = &self.home {
            home.wake();
        }
    }
}
