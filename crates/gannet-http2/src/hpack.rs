//! HPACK, header compression for HTTP/2 (RFC 7541).

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod static_table;
mod table;

pub use decoder::{Decoded, Decoder};
pub use encoder::Encoder;

/// A header block that can't be decoded: a connection error of type COMPRESSION_ERROR (RFC 9113 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HpackError(pub &'static str);

impl HpackError {
    /// A small block that unfolds to a huge list.
    pub const BOMB: Self = Self("a field section many times larger than allowed (an HPACK bomb)");
}

impl std::fmt::Display for HpackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for HpackError {}
