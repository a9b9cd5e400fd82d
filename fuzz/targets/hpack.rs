//! Arbitrary header blocks: no panic, no list beyond its limit; what is decoded can be encoded and comes back.
#![no_main]

use gannet_http2::hpack::{Decoder, Encoder};
use libfuzzer_sys::fuzz_target;

const LIST_LIMIT: usize = 16 * 1024;

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new(4096, LIST_LIMIT);
    let mut encoder = Encoder::new(4096);
    let mut back = Decoder::new(4096, LIST_LIMIT);
    for block in data.split(|byte| *byte == 0xfe) {
        let Ok(decoded) = decoder.decode(block) else { return };
        assert!(decoded.fields.list_size() <= LIST_LIMIT);
        let mut again = Vec::new();
        encoder.encode(&decoded.fields, &mut again);
        assert_eq!(*back.decode(&again).unwrap().fields, *decoded.fields);
    }
});
