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
    FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(READ_BUFFER_BYTES))
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
