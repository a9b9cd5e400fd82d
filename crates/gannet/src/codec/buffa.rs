//! Messages by buffa. The only module of this crate that names it.

use super::Codec;
use crate::{Format, Output, Result, Status};
use ::buffa::{
    DEFAULT_ELEMENT_MEMORY_LIMIT, DEFAULT_UNKNOWN_FIELD_LIMIT, DecodeContext, EncodeSink, Message,
    RECURSION_LIMIT, UnknownField,
};
use bytes::Bytes;
use std::cell::Cell;

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

    #[inline]
    fn decode(format: Format, message: Bytes) -> Result<M> {
        Self::decode_measured(format, message, &mut 0)
    }

    /// What counts are the elements of repeated fields and maps, of which buffa takes 32 MiB in one message, and unknown
    /// fields.
    fn decode_measured(format: Format, message: Bytes, memory: &mut usize) -> Result<M> {
        only_proto(format)?;
        let unknown_fields = Cell::new(DEFAULT_UNKNOWN_FIELD_LIMIT);
        let elements = Cell::new(DEFAULT_ELEMENT_MEMORY_LIMIT);
        let context = DecodeContext::new(RECURSION_LIMIT, &unknown_fields).with_element_memory(&elements);
        let mut decoded = M::default();
        let merged = if message.len() < SHARED_FROM_BYTES {
            decoded.merge(&mut &message[..], context)
        } else {
            decoded.merge(&mut { message }, context)
        };
        // grpc/grpc doc/statuscodes.md: an error in parsing a protobuf message is INTERNAL.
        merged.map_err(|error| Status::internal(format!("the message could not be decoded: {error}")))?;
        *memory += DEFAULT_ELEMENT_MEMORY_LIMIT - elements.get();
        *memory += (DEFAULT_UNKNOWN_FIELD_LIMIT - unknown_fields.get()) * size_of::<UnknownField>();
        Ok(decoded)
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
