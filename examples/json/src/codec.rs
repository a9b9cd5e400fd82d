//! The codec: protobuf as it is, and ProtoJSON where the call asks for it.

use bytes::Bytes;
use gannet::{Buffa, Codec, Format, Output, Result, Status, buffa};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;

/// Every message in both formats: `application/grpc` by buffa, `application/grpc+json` by serde_json.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProtoOrJson;

impl<M: buffa::Message + Serialize + DeserializeOwned> Codec<M> for ProtoOrJson {
    fn encode(format: Format, message: &M, out: &mut Output) -> Result<()> {
        match format {
            Format::Json => serde_json::to_writer(Writer(out), message).map_err(|error| {
                Status::internal("the message could not be written as JSON").with_source(error)
            }),
            other => Buffa::encode(other, message, out),
        }
    }

    fn decode(format: Format, message: Bytes) -> Result<M> {
        match format {
            // As for protobuf: what can't be read is INTERNAL (grpc/grpc doc/statuscodes.md).
            Format::Json => serde_json::from_slice(&message).map_err(|error| {
                Status::internal(format!("the message is not the JSON of its type: {error}"))
            }),
            other => Buffa::decode(other, message),
        }
    }

    /// JSON takes about the memory of its text; protobuf may take more.
    fn decode_measured(format: Format, message: Bytes, memory: &mut usize) -> Result<M> {
        match format {
            Format::Json => Self::decode(format, message),
            other => Buffa::decode_measured(other, message, memory),
        }
    }
}

/// What serde_json writes to.
struct Writer<'a>(&'a mut Output);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.put_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
