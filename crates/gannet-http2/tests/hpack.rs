//! HPACK against itself: what is encoded comes back, whatever the tables do, and hostile blocks never panic.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

use gannet_http2::Fields;
use gannet_http2::hpack::{Decoder, Encoder, HpackError};
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
    let (mut large, mut bomb) = (block.clone(), block);
    large.extend(std::iter::repeat_n(0xbe, 20));
    let decoded = decoder.decode(&large).unwrap();
    assert!(decoded.oversized);
    assert!(decoded.fields.list_size() <= 16 * 1024);
    // Far beyond it nothing more is decoded at all.
    bomb.extend(std::iter::repeat_n(0xbe, 10_000));
    assert_eq!(decoder.decode(&bomb).unwrap_err(), HpackError::BOMB);
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

fn section(list: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in list {
        fields.push_text(name.as_bytes(), value.as_bytes());
    }
    fields
}

fn encoded_len(encoder: &mut Encoder, list: &[(&str, &str)]) -> usize {
    let mut block = Vec::new();
    encoder.encode(&section(list), &mut block);
    block.len()
}

/// A client that calls several methods in turn says each path once; after that it is an index.
#[test]
fn every_value_of_a_well_known_name_is_found_again() {
    let mut encoder = Encoder::new(4096);
    let paths = ["/a.B/First", "/a.B/Second", "/a.B/Third"];
    for path in paths {
        assert!(encoded_len(&mut encoder, &[(":path", path)]) > 5);
    }
    for path in paths {
        assert_eq!(encoded_len(&mut encoder, &[(":path", path)]), 1, "{path}");
    }
}

/// A name whose value is another one with every call does not push out the fields that repeat.
#[test]
fn changing_values_of_a_custom_name_leave_the_table_alone() {
    for value_len in [8, 36, 500, 900] {
        let mut encoder = Encoder::new(4096);
        let mut decoder = Decoder::new(4096, usize::MAX);
        let steady = [(":path", "/a.B/Method"), ("x-tenant", "seven"), ("user-agent", "gannet")];
        encoded_len(&mut encoder, &steady);
        for call in 0..200 {
            encoded_len(&mut encoder, &[("x-request-id", &format!("{call:0value_len$}"))]);
        }
        assert_eq!(encoded_len(&mut encoder, &steady), 3, "values of {value_len} bytes");

        // What the peer makes of it stands still as well: the same block is recognised.
        let mut encoder = Encoder::new(4096);
        let mut repeated = 0;
        for call in 0..50 {
            for list in [&steady[..], &[("x-request-id", &format!("{call:0value_len$}"))]] {
                let mut block = Vec::new();
                encoder.encode(&section(list), &mut block);
                let decoded = decoder.decode(&block).unwrap();
                assert_eq!(*decoded.fields, section(list));
                repeated += usize::from(decoded.repeated);
            }
        }
        // One in five is lost to the blocks between, for only the last few blocks are remembered.
        assert!(repeated > 30, "{repeated}");
    }
}

/// RFC 7541 §4.2: after the allowed size was lowered the next block begins with a size update.
#[test]
fn a_lowered_table_size_must_be_said() {
    let lowered = || {
        let mut decoder = Decoder::new(4096, 16 * 1024);
        decoder.decode(&[0x82]).unwrap();
        decoder.set_max_table_size(100);
        decoder
    };
    for silent in [&[0x82][..], &[], &[0x40, 1, b'a', 1, b'1'], &[0x82, 0x20]] {
        lowered().decode(silent).unwrap_err();
    }
    for said in [&[0x20, 0x82][..], &[0x20], &[0x3f, 100 - 31, 0x82], &[0x20, 0x3f, 100 - 31]] {
        let mut decoder = lowered();
        decoder.decode(said).unwrap();
        decoder.decode(&[0x82]).unwrap();
    }
    // RFC 7541 §6.3: and to no more than what is allowed.
    lowered().decode(&[0x3f, 101 - 31, 0x82]).unwrap_err();
    // A size that the peer's encoder does not reach changes nothing for it.
    let mut decoder = Decoder::new(4096, 16 * 1024);
    decoder.decode(&[0x20]).unwrap();
    decoder.set_max_table_size(100);
    decoder.decode(&[0x82]).unwrap();
}

/// RFC 7541 §4.2: an encoder that uses less than the initial 4,096 bytes says so in its first block.
#[test]
fn a_small_table_is_announced() {
    for size in [0, 100, 4095] {
        let mut encoder = Encoder::new(size);
        let mut decoder = Decoder::new(4096, usize::MAX);
        decoder.set_max_table_size(size);
        for _ in 0..3 {
            let mut block = Vec::new();
            let list =
                section(&[(":path", "/a"), ("x-a", "1"), ("x-b", "a value that is some bytes longer")]);
            encoder.encode(&list, &mut block);
            assert_eq!(*decoder.decode(&block).unwrap().fields, list);
        }
    }
}
