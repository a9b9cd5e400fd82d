//! HPACK (RFC 7541).

use crate::choices::Choices;
use gannet_http2::Fields;
use gannet_http2::hpack::{Decoder, Encoder};

const LIST_LIMIT: usize = 16 * 1024;
const LARGEST_TABLE: usize = 8192;

/// Arbitrary blocks decode to lists within the limit, and what was decoded comes back from our encoder. What our encoder
/// makes of arbitrary lists, while the peer changes the size of the table, a decoder of that size understands; and it is
/// not longer than the list.
pub fn hpack(data: &[u8]) {
    let mut choices = Choices::new(data);
    if choices.flag() { arbitrary_blocks(&mut choices) } else { arbitrary_lists(&mut choices) }
}

fn arbitrary_blocks(choices: &mut Choices<'_>) {
    let mut decoder = Decoder::new(4096, LIST_LIMIT);
    let mut encoder = Encoder::new(4096);
    let mut back = Decoder::new(4096, LIST_LIMIT);
    while !choices.is_empty() {
        let len = choices.below(128);
        let block = choices.bytes(len);
        for _ in 0..2 {
            let Ok(decoded) = decoder.decode(block) else { return };
            assert!(decoded.fields.list_size() <= LIST_LIMIT);
            let mut again = Vec::new();
            encoder.encode(&decoded.fields, &mut again);
            let came_back = back.decode(&again).map(|decoded| decoded.fields);
            assert_eq!(came_back, Ok(decoded.fields));
        }
    }
}

fn arbitrary_lists(choices: &mut Choices<'_>) {
    let own_size = choices.below(LARGEST_TABLE);
    let mut encoder = Encoder::new(own_size);
    let mut decoder = Decoder::new(4096, usize::MAX);
    while !choices.is_empty() {
        if choices.rarely(4) {
            let size = choices.below(LARGEST_TABLE);
            encoder.set_peer_max_table_size(size);
            decoder.set_max_table_size(size);
        }
        let fields = list(choices);
        let mut block = Vec::new();
        encoder.encode(&fields, &mut block);
        // Two table size updates of up to three bytes may stand before it (RFC 7541 §4.2).
        assert!(block.len() <= fields.list_size() + 6, "{} bytes for {fields:?}", block.len());
        let came_back = decoder.decode(&block).map(|decoded| decoded.fields);
        assert_eq!(came_back.as_deref(), Ok(&fields));
    }
}

fn list(choices: &mut Choices<'_>) -> Fields {
    const NAMES: &[&[u8]] =
        &[b":path", b"content-type", b"grpc-status", b"x-request-id", b"x-tenant", b"date"];
    let mut fields = Fields::new();
    for _ in 0..choices.below(8) {
        let name = if choices.rarely(4) { choices.bytes(6) } else { choices.pick(NAMES) };
        let value = match choices.below(8) {
            0 => choices.bytes(20).to_vec(),
            1 => vec![choices.byte(); choices.below(5000)],
            _ => vec![b'0' + choices.byte() % 4],
        };
        if choices.rarely(8) {
            fields.push_sensitive(name, &value);
        } else {
            fields.push_text(name, &value);
        }
    }
    fields
}
