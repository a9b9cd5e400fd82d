//! Zstandard (RFC 8878).

use super::Broken;
use std::io::Read;
use zstd::stream::read::Decoder;

/// RFC 8878 §3.1.1.1.2: decoders are recommended to take windows of at least 8 MiB, and a frame asks for the memory
/// before it has earned any.
const MAX_WINDOW_LOG: u32 = 23;
const LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

/// `None` where the message would not get smaller: no more room is given to it than it has.
pub(super) fn compress(message: &[u8]) -> Option<Vec<u8>> {
    let mut compressed = Vec::with_capacity(message.len());
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).ok()?;
    compressor.compress_to_buffer(message, &mut compressed).ok().map(|_| compressed)
}

/// Decompresses all of it; nothing beyond the limit and one byte.
pub(super) fn decompress(message: &[u8], limit: usize) -> Result<Vec<u8>, Broken> {
    let mut decoder = Decoder::with_buffer(message).map_err(Broken::malformed)?.single_frame();
    decoder.window_log_max(MAX_WINDOW_LOG).map_err(Broken::malformed)?;
    let most = limit.saturating_add(1);
    let mut out = Vec::with_capacity(most.min(message.len().saturating_mul(2)));
    decoder.by_ref().take(most as u64).read_to_end(&mut out).map_err(Broken::malformed)?;
    if out.len() > limit {
        return Err(Broken::TooLong);
    }
    if decoder.finish().is_empty() { Ok(out) } else { Err(Broken::malformed("bytes after its end")) }
}
