//! HPACK against itself: what is encoded comes back, whatever the tables do, and hostile blocks never panic.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

use gannet_http2::Fields;
use gannet_http2::hpack::{Decoder, Encoder};
use proptest::prelude::*;

fn fields() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        Just("content-type".to_owned()),
        Just(":path".to_owned()),
        Just("grpc-status".to_owned()),
        "[a-z][a-z0-9-]{0,12}",
    ];
    let value = prop_oneof![Just("0".to_owned()), Just("application/grpc".to_owned()), "[ -~]{0,40}"];
    prop::collection::vec((name, value, prop::bool::weighted(0.1)), 0..12).prop_map(|list| {
        let mut fields = Fields::new();
        for (name, value, sensitive) in list {
            if sensitive {
                fields.push_sensitive(name.as_bytes(), value.as_bytes());
            } else {
                fields.push_text(name.as_bytes(), value.as_bytes());
            }
        }
        fields
    })
}

proptest! {
    #[test]
    fn what_is_encoded_comes_back(
        steps in prop::collection::vec((fields(), prop::option::of(0usize..6000), 1usize..4), 1..24),
    ) {
        let mut encoder = Encoder::new(4096);
        let mut decoder = Decoder::new(4096, usize::MAX);
        for (fields, table_size, repeats) in steps {
            if let Some(size) = table_size {
                encoder.set_peer_max_table_size(size);
            }
            for _ in 0..repeats {
                let mut block = Vec::new();
                encoder.encode(&fields, &mut block);
                let decoded = decoder.decode(&block).unwrap();
                prop_assert_eq!(&*decoded.fields, &fields);
            }
        }
    }

    #[test]
    fn arbitrary_blocks_never_panic(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8)) {
        let mut decoder = Decoder::new(4096, 16 * 1024);
        for block in blocks {
            if let Ok(decoded) = decoder.decode(&block) {
                prop_assert!(decoded.oversized || decoded.fields.list_size() <= 16 * 1024);
            }
        }
    }
}

/// A block of a few bytes that names one large entry thousands of times (the HPACK bomb).
#[test]
fn a_bomb_is_cut_at_the_list_limit() {
    let mut decoder = Decoder::new(4096, 16 * 1024);
    let mut block = vec![0x40, 1, b'x', 0x7f, 0x80 | 0x01, 0x1e];
    block.extend(std::iter::repeat_n(b'v', 0x7f + 1 + (0x1e << 7)));
    block.extend(std::iter::repeat_n(0xbe, 10_000));
    let decoded = decoder.decode(&block).unwrap();
    assert!(decoded.oversized);
    assert!(decoded.fields.list_size() <= 16 * 1024);
}

/// A block that changes nothing is recognised when it comes again, and only while the table is the same.
#[test]
fn repeated_blocks_are_the_same_value() {
    let mut decoder = Decoder::new(4096, 16 * 1024);
    let insert = [0x40, 1, b'a', 1, b'1'];
    decoder.decode(&insert).unwrap();
    let first = decoder.decode(&[0x82, 0xbe]).unwrap();
    let second = decoder.decode(&[0x82, 0xbe]).unwrap();
    assert!(!first.repeated && second.repeated);
    assert!(std::sync::Arc::ptr_eq(&first.fields, &second.fields));
    decoder.decode(&[0x40, 1, b'a', 1, b'2']).unwrap();
    let third = decoder.decode(&[0x82, 0xbe]).unwrap();
    assert!(!third.repeated);
    assert_eq!(third.fields.get_text(b"a"), Some(&b"2"[..]));
}
