//! Buffers to gather small frames in. A connection holds some only while it has work: an idle one keeps none.

use bytes::Bytes;
use gannet_http2::Output;
use std::cell::RefCell;

/// What a new buffer has room for: the answers of some thirty small calls.
const FIRST_BYTES: usize = 4 * 1024;
/// How many buffers a thread keeps.
const KEPT: usize = 4;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer; one that has served before has grown to what was needed.
pub(crate) fn take() -> Vec<u8> {
    FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(FIRST_BYTES))
}

/// Gives a buffer back, whatever is in it.
pub(crate) fn give_back(mut buffer: Vec<u8>) {
    buffer.clear();
    FREE.with_borrow_mut(|free| {
        if free.len() < KEPT && buffer.capacity() >= FIRST_BYTES {
            free.push(buffer);
        }
    });
}

/// An empty output with such a buffer.
pub(crate) fn output() -> Output {
    let mut output = Output::new();
    output.lend_buffer(take());
    output
}

/// All bytes in one piece. Few are copied out, to memory of their size, and the buffer serves others.
pub(crate) fn into_bytes(mut output: Output) -> Bytes {
    if output.len() > FIRST_BYTES {
        return output.into_bytes();
    }
    let bytes = Bytes::from(output.to_vec());
    output.clear();
    output.take_buffer().into_iter().for_each(give_back);
    bytes
}
