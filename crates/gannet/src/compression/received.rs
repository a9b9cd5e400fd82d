//! Messages as they came.

use super::{Broken, Compression};
use crate::stream::COPIED_BELOW_BYTES;
use crate::{Result, Status};
use bytes::Bytes;
use gannet_core::Frame;

/// A message as it came. It waits compressed, and is decompressed by the task that reads it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) message: Bytes,
    /// `Identity` where its Compressed-Flag was 0.
    pub(crate) compression: Compression,
}

/// How long a message may be once it is decompressed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DecompressionLimits {
    pub(crate) max_bytes: usize,
    pub(crate) max_ratio: usize,
}

impl DecompressionLimits {
    /// What a message may become whatever the ratio says: short texts of one repeated character are no attack.
    const ALWAYS_ALLOWED_BYTES: usize = 1024 * 1024;

    fn of(self, compressed_bytes: usize) -> usize {
        let by_ratio = compressed_bytes.saturating_mul(self.max_ratio).max(Self::ALWAYS_ALLOWED_BYTES);
        self.max_bytes.min(by_ratio)
    }

    fn exceeded(self, compressed_bytes: usize) -> Status {
        let limit = self.of(compressed_bytes);
        let ratio = if limit < self.max_bytes {
            format!(", {} times its {compressed_bytes} compressed bytes", self.max_ratio)
        } else {
            String::new()
        };
        Status::resource_exhausted(format!(
            "a compressed message is larger than the limit of {limit} bytes when decompressed{ratio}"
        ))
    }
}

impl Received {
    /// A message of a stream with this `grpc-encoding`.
    #[inline]
    pub(crate) fn of(frame: Frame, encoding: Compression) -> Self {
        let compression = if frame.compressed { encoding } else { Compression::Identity };
        Self { message: frame.message, compression }
    }

    /// In memory of its own where it is a small slice of the read buffer.
    pub(crate) fn detached(mut self) -> Self {
        if self.message.len() < COPIED_BELOW_BYTES {
            self.message = Bytes::copy_from_slice(&self.message);
        }
        self
    }

    /// The message as it was before it was compressed.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED over the limits, INTERNAL for bytes that are not of the compression's format.
    #[inline]
    pub(crate) fn decompressed(self, limits: DecompressionLimits) -> Result<Bytes> {
        if self.compression == Compression::Identity {
            return Ok(self.message);
        }
        let (len, limit) = (self.message.len(), limits.of(self.message.len()));
        self.compression.decompress(&self.message, limit).map_err(|broken| match broken {
            Broken::TooLong => limits.exceeded(len),
            Broken::Malformed(why) => {
                // statuscodes.md: could not decompress, but compression algorithm supported.
                let name = self.compression.name();
                Status::internal(format!("a message could not be decompressed as {name}: {why}"))
            }
        })
    }
}
