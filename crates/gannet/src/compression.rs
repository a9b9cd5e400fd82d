//! Compression of messages (grpc/grpc doc/compression.md).
//!
//! Each message is compressed by itself: nothing of one stays for the next (PROTOCOL-HTTP2, Compressed-Flag).

#[cfg(feature = "gzip")]
mod deflate;
mod encodings;
mod outgoing;
mod received;
#[cfg(feature = "zstd")]
mod zstd;

pub(crate) use encodings::Encodings;
pub(crate) use outgoing::{Outgoing, put_compressed, put_message};
pub(crate) use received::{DecompressionLimits, Received};

use crate::Result;
use bytes::Bytes;

/// How messages are compressed: the `grpc-encoding` of a call.
///
/// Nothing is compressed unless somebody says so: [`Server::compression`](crate::Server::compression),
/// [`ChannelBuilder::compression`](crate::ChannelBuilder::compression), or for one call its own setter. What is
/// understood is told to the peer in `grpc-accept-encoding`.
///
/// Do not compress what holds a secret beside something that an attacker may choose: its length then tells of the
/// secret (the attack CRIME).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    Identity,
    /// The format of RFC 1952. Feature `gzip`, on by default. Every gRPC implementation knows it.
    #[cfg(feature = "gzip")]
    Gzip,
    /// The format of RFC 1950 (zlib), which HTTP calls deflate. Feature `gzip`.
    #[cfg(feature = "gzip")]
    Deflate,
    /// The format of RFC 8878: smaller and several times faster than gzip, but known to few. Feature `zstd`, off by
    /// default, because it builds a C library.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    /// All that this build knows, what a peer may prefer first.
    pub const ALL: &'static [Compression] = &[
        Self::Identity,
        #[cfg(feature = "gzip")]
        Self::Gzip,
        #[cfg(feature = "gzip")]
        Self::Deflate,
        #[cfg(feature = "zstd")]
        Self::Zstd,
    ];

    /// The name on the wire, as in `grpc-encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
            #[cfg(feature = "gzip")]
            Self::Deflate => "deflate",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }

    /// The compression of this name; `None` where this build does not know it.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|compression| compression.name().as_bytes() == name)
    }

    /// The compression that is this number `as u8`.
    pub(crate) fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// The message in fewer bytes; `None` where it would not get smaller.
    fn compress(self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Identity => {
                let _ = message;
                None
            }
            #[cfg(feature = "gzip")]
            Self::Gzip => deflate::compress(deflate::Wrapper::Gzip, message),
            #[cfg(feature = "gzip")]
            Self::Deflate => deflate::compress(deflate::Wrapper::Zlib, message),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::compress(message),
        }
    }

    /// The message as it was, of at most `limit` bytes: nothing is decompressed beyond it.
    fn decompress(self, message: &Bytes, limit: usize) -> Result<Bytes, Broken> {
        let _ = limit;
        match self {
            Self::Identity => Ok(message.clone()),
            #[cfg(feature = "gzip")]
            Self::Gzip => deflate::decompress(deflate::Wrapper::Gzip, message, limit).map(Bytes::from),
            #[cfg(feature = "gzip")]
            Self::Deflate => deflate::decompress(deflate::Wrapper::Zlib, message, limit).map(Bytes::from),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::decompress(message, limit).map(Bytes::from),
        }
    }
}

/// Why a message could not be decompressed.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "gzip", feature = "zstd")),
    expect(dead_code, reason = "without a compression nothing can be broken")
)]
enum Broken {
    /// There is more than the limit allows.
    TooLong,
    /// The bytes are not of the format.
    Malformed(String),
}

impl Broken {
    #[cfg(any(feature = "gzip", feature = "zstd"))]
    fn malformed(what: impl std::fmt::Display) -> Self {
        Self::Malformed(what.to_string())
    }
}

/// What a builder says of compression, the same on both sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompressionSettings {
    /// What messages are sent with where the call does not say.
    pub(crate) send: Compression,
    /// Messages of fewer bytes are sent as they are.
    pub(crate) minimum_bytes: usize,
    /// What may come.
    pub(crate) accepted: Encodings,
    /// A message may become this many times longer by decompression, beyond what is always allowed.
    pub(crate) max_ratio: usize,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self { send: Compression::Identity, minimum_bytes: 1024, accepted: Encodings::all(), max_ratio: 200 }
    }
}

impl CompressionSettings {
    pub(crate) fn outgoing(&self, max_bytes: usize) -> Outgoing {
        Outgoing { max_bytes, compression: self.send, compression_minimum_bytes: self.minimum_bytes }
    }

    pub(crate) fn decompression(&self, max_bytes: usize) -> DecompressionLimits {
        DecompressionLimits { max_bytes, max_ratio: self.max_ratio }
    }
}

/// The builder methods of servers and channels.
macro_rules! compression_setters {
    ($($settings:ident).+) => {
        /// How messages are compressed where the call does not say. Default [`Compression::Identity`](crate::Compression::Identity): not at all.
        ///
        /// A server compresses only for clients that accept it.
        #[must_use]
        pub fn compression(mut self, compression: crate::Compression) -> Self {
            self.$($settings).+.send = compression;
            self
        }

        /// Messages of fewer bytes than this are sent uncompressed. Default 1024: below that a message fits into one
        /// packet anyway.
        #[must_use]
        pub fn compression_minimum(mut self, bytes: usize) -> Self {
            self.$($settings).+.minimum_bytes = bytes;
            self
        }

        /// What may come compressed, and is announced in `grpc-accept-encoding`. Default all that this build knows.
        /// What is not accepted ends its call: UNIMPLEMENTED on a server, INTERNAL on a client.
        #[must_use]
        pub fn accept_compression(
            mut self,
            accepted: impl IntoIterator<Item = crate::Compression>,
        ) -> Self {
            self.$($settings).+.accepted = accepted.into_iter().collect();
            self
        }

        /// How many times longer a message may become by decompression. Default 200; a message may always become
        /// 1 MiB. More ends its call with RESOURCE_EXHAUSTED, as more than `max_decoded_message` does; nothing is
        /// decompressed beyond the limit.
        #[must_use]
        pub fn max_decompression_ratio(mut self, ratio: usize) -> Self {
            self.$($settings).+.max_ratio = ratio;
            self
        }
    };
}
pub(crate) use compression_setters;

/// What came can't be decompressed because nobody here knows how (compression.md, test cases 4 and 5).
pub(crate) fn unknown_encoding(name: &[u8], accepted: Encodings) -> String {
    let name = String::from_utf8_lossy(name);
    let accepted = accepted.to_string();
    let accepted = if accepted.is_empty() { "identity only".to_owned() } else { accepted };
    format!("messages encoded with {name:?} are not accepted here; accepted: {accepted}")
}

#[cfg(all(test, feature = "gzip"))]
mod tests;
