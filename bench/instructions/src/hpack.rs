//! Header blocks of requests that differ in one field, so that nothing is known from the block before.

use crate::Outcome;
use gannet_http2::hpack::{Decoder, Encoder};
use gannet_http2::{Fields, Name};
use std::hint::black_box;

/// Encodes so many requests.
pub(crate) fn encode(count: usize) -> Outcome {
    let mut encoder = Encoder::new(4096);
    let requests: Vec<Fields> = (0..DIFFERENT).map(request).collect();
    let mut block = Vec::new();
    for number in 0..count {
        block.clear();
        encoder.encode(&requests[number % DIFFERENT], &mut block);
        black_box(&block);
    }
    Ok(())
}

/// Decodes so many requests.
pub(crate) fn decode(count: usize) -> Outcome {
    let mut encoder = Encoder::new(4096);
    let blocks: Vec<Vec<u8>> = (0..=DIFFERENT)
        .map(|number| {
            let mut block = Vec::new();
            encoder.encode(&request(number), &mut block);
            block
        })
        .collect();
    let mut decoder = Decoder::new(4096, 16 * 1024);
    // The first block fills the table; those after it only refer to it.
    decoder.decode(&blocks[0])?;
    for number in 0..count {
        black_box(decoder.decode(&blocks[1 + number % DIFFERENT])?);
    }
    Ok(())
}

/// More than a decoder remembers.
const DIFFERENT: usize = 16;

fn request(number: usize) -> Fields {
    let mut fields = Fields::new();
    fields.push(Name::Method, b"POST");
    fields.push(Name::Scheme, b"http");
    fields.push(Name::Path, b"/bench.v1.Echo/Unary");
    fields.push(Name::Authority, b"127.0.0.1:50051");
    fields.push(Name::Te, b"trailers");
    fields.push(Name::GrpcTimeout, format!("{}m", 1000 + number).as_bytes());
    fields.push(Name::ContentType, b"application/grpc");
    fields.push(Name::UserAgent, b"grpc-rust-gannet/0.1.0");
    fields.push_text(b"x-tenant", b"7");
    fields
}
