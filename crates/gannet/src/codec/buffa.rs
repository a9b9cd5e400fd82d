//! Messages by buffa. The only module of this crate that names it.

use super::Codec;
use crate::{Format, Output, Result, Status};
use ::buffa::{EncodeSink, Message};
use bytes::Bytes;

/// The codec of messages that buffa-codegen made: binary protobuf.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buffa;

/// Below this a message is decoded from a slice and its fields of bytes are copies, so that a field of one byte never
/// holds on to the connection's read buffer; above it they are slices.
const SHARED_FROM_BYTES: usize = 4 * 1024;

impl<M: Message> Codec<M> for Buffa {
    fn encode(format: Format, message: &M, out: &mut Output) -> Result<()> {
        only_proto(format)?;
        message
            .try_encode(&mut Sink(out))
            .map_err(|error| Status::internal("the message could not be encoded").with_source(error))
    }

    fn decode(format: Format, message: Bytes) -> Result<M> {
        only_proto(format)?;
        let decoded = if message.len() < SHARED_FROM_BYTES {
            M::decode_from_slice(&message)
        } else {
            M::decode(&mut { message })
        };
        // grpc/grpc doc/statuscodes.md: an error in parsing a protobuf message is INTERNAL.
        decoded.map_err(|error| Status::internal(format!("the message could not be decoded: {error}")))
    }
}

fn only_proto(format: Format) -> Result<()> {
    match format {
        Format::Proto => Ok(()),
        other => Err(Status::unimplemented(format!("this method's messages have no {other:?} form"))),
    }
}

struct Sink<'a>(&'a mut Output);

impl EncodeSink for Sink<'_> {
    const IS_SEGMENTED: bool = true;

    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.0.put_u8(value);
    }
    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.0.put_slice(bytes);
    }
    #[inline]
    fn put_u32_le(&mut self, value: u32) {
        self.0.put_slice(&value.to_le_bytes());
    }
    #[inline]
    fn put_u64_le(&mut self, value: u64) {
        self.0.put_slice(&value.to_le_bytes());
    }
    #[inline]
    fn put_shared(&mut self, bytes: Bytes) {
        self.0.put_bytes(bytes);
    }
}
