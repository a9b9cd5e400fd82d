//! The memory of large gathered messages, for those that follow.
//!
//! A message of 64 KiB that is read and dropped would take its memory from the system and give it back each time: at the
//! end of the heap that is two system calls and a fault for every page.

use bytes::{Bytes, BytesMut};
use std::cell::RefCell;

/// How many messages a thread remembers, and how large they may be: at most a megabyte a thread is held.
const KEPT: usize = 4;
const SMALLEST: usize = 16 * 1024;
const LARGEST: usize = 256 * 1024;

thread_local! {
    static LAST: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// Remembers the memory of a message that somebody is about to read.
pub(super) fn keep(message: &Bytes) {
    if !(SMALLEST..=LARGEST).contains(&message.len()) {
        return;
    }
    LAST.with_borrow_mut(|last| {
        if last.len() == KEPT {
            last.remove(0);
        }
        last.push(message.clone());
    });
}

/// An empty buffer for a message of this length: one whose message nobody holds any more, where that is not larger than
/// what is wanted.
pub(super) fn take(wanted: usize) -> BytesMut {
    let found = LAST.with_borrow_mut(|last| {
        let place = last.iter().position(|message| message.len() <= wanted && message.is_unique())?;
        last.remove(place).try_into_mut().ok()
    });
    let mut buffer = found.unwrap_or_default();
    buffer.clear();
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_serves_again_once_nobody_reads_it() {
        let message = Bytes::from(vec![1; SMALLEST]);
        let place = message.as_ptr();
        keep(&message);
        assert_eq!(take(LARGEST).capacity(), 0, "somebody reads it");
        drop(message);
        assert_eq!(take(SMALLEST - 1).capacity(), 0, "a short message must not hold a long one's memory");
        let buffer = take(LARGEST);
        assert_eq!((buffer.as_ptr(), buffer.len()), (place, 0));
        keep(&Bytes::from(vec![1; SMALLEST - 1]));
        assert_eq!(take(LARGEST).capacity(), 0, "small ones are not worth it");
    }
}
