//! Arbitrary pieces of a message stream: no panic, and never more memory than what came.
#![no_main]

use bytes::Bytes;
use gannet_core::Deframer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [cut, data @ ..] = data else { return };
    let mut deframer = Deframer::new(64 * 1024);
    let mut taken = 0;
    for piece in data.chunks(usize::from(*cut).max(1)) {
        deframer.push(Bytes::copy_from_slice(piece));
        loop {
            match deframer.next() {
                Ok(Some(frame)) => taken += frame.message.len() + 5,
                Ok(None) => break,
                Err(_) => return,
            }
        }
        deframer.detach(16);
        assert!(taken + deframer.buffered() <= data.len());
    }
    assert_eq!(deframer.finish().is_ok(), !deframer.is_mid_message());
});
