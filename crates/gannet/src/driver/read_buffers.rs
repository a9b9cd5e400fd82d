//! Buffers to read into. A connection holds one only while bytes come: an idle one keeps none.

use bytes::{Bytes, BytesMut};
use std::cell::RefCell;

/// One read takes at most this much: enough for some five hundred small calls.
pub(super) const READ_BUFFER_BYTES: usize = 64 * 1024;
/// How many buffers a thread keeps.
const KEPT: usize = 4;

thread_local! {
    static FREE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer of [`READ_BUFFER_BYTES`].
pub(super) fn take() -> BytesMut {
    FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
        let mut buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
        // Split once, a buffer has its count of owners, which `Bytes` made of it else allocate at every read.
        drop(buffer.split_to(0));
        buffer
    })
}

/// Gives a buffer back that was read into or not.
pub(super) fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    // A buffer that was split or grown is not worth keeping.
    if buffer.capacity() < READ_BUFFER_BYTES {
        return;
    }
    FREE.with_borrow_mut(|free| {
        if free.len() < KEPT {
            free.push(buffer);
        }
    });
}

/// Gives the buffer behind these bytes back, unless a message still holds a slice of it.
pub(super) fn reclaim(bytes: Bytes) {
    if let Ok(buffer) = bytes.try_into_mut() {
        give_back(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_serves_again_once_nobody_holds_a_slice_of_it() {
        let mut buffer = take();
        let place = buffer.as_ptr();
        buffer.extend_from_slice(b"read");
        let read = buffer.freeze();
        let slice = read.slice(1..2);
        reclaim(read);
        let mut other = take();
        assert_ne!(other.as_ptr(), place, "somebody holds a slice");
        drop(slice);
        other.extend_from_slice(b"more");
        let place = other.as_ptr();
        reclaim(other.freeze());
        let again = take();
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, READ_BUFFER_BYTES));
    }
}
