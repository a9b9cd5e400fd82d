//! gzip (RFC 1952) and deflate (RFC 1950), both around DEFLATE.

use super::Broken;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use std::cell::RefCell;
use std::thread::LocalKey;

/// What stands around the compressed bytes.
#[derive(Clone, Copy)]
pub(super) enum Wrapper {
    Gzip,
    Zlib,
}

/// The largest window of DEFLATE: what every peer's compressor may use.
const WINDOW_BITS: u8 = 15;

thread_local! {
    // A compressor takes some 256 KiB: a thread makes one at most, and keeps it for the messages that follow.
    static GZIP: RefCell<Option<Compress>> = const { RefCell::new(None) };
    static ZLIB: RefCell<Option<Compress>> = const { RefCell::new(None) };
}

impl Wrapper {
    fn kept(self) -> &'static LocalKey<RefCell<Option<Compress>>> {
        match self {
            Self::Gzip => &GZIP,
            Self::Zlib => &ZLIB,
        }
    }

    fn new_compress(self) -> Compress {
        let level = flate2::Compression::default();
        match self {
            Self::Gzip => Compress::new_gzip(level, WINDOW_BITS),
            Self::Zlib => Compress::new(level, true),
        }
    }

    fn new_decompress(self) -> Decompress {
        match self {
            Self::Gzip => Decompress::new_gzip(WINDOW_BITS),
            Self::Zlib => Decompress::new(true),
        }
    }
}

/// `None` where the message would not get smaller: no more room is given to it than it has.
pub(super) fn compress(wrapper: Wrapper, message: &[u8]) -> Option<Vec<u8>> {
    wrapper.kept().with_borrow_mut(|kept| {
        let compress = kept.get_or_insert_with(|| wrapper.new_compress());
        compress.reset();
        let mut compressed = Vec::with_capacity(message.len());
        let status = compress.compress_vec(message, &mut compressed, FlushCompress::Finish);
        matches!(status, Ok(Status::StreamEnd)).then_some(compressed)
    })
}

/// Decompresses all of it, into memory that grows with what came out and never beyond the limit and one byte.
///
/// One message is one member (RFC 1952 §2.2): what comes after it is an error, as it is to grpc's C core.
pub(super) fn decompress(wrapper: Wrapper, message: &[u8], limit: usize) -> Result<Vec<u8>, Broken> {
    let mut decompress = wrapper.new_decompress();
    let most = limit.saturating_add(1);
    let mut out = Vec::with_capacity(most.min(message.len().saturating_mul(2).max(256)));
    loop {
        let read = usize::try_from(decompress.total_in()).unwrap_or(usize::MAX);
        let rest = message.get(read..).unwrap_or_default();
        let status = decompress.decompress_vec(rest, &mut out, FlushDecompress::None);
        if out.len() > limit {
            return Err(Broken::TooLong);
        }
        match status.map_err(Broken::malformed)? {
            Status::StreamEnd => {
                let read = usize::try_from(decompress.total_in()).unwrap_or(usize::MAX);
                return if read == message.len() {
                    Ok(out)
                } else {
                    Err(Broken::malformed("bytes after its end"))
                };
            }
            Status::Ok | Status::BufError if out.len() == out.capacity() => {
                out.reserve_exact(out.len().max(256).min(most - out.len()));
            }
            Status::Ok | Status::BufError => return Err(Broken::malformed("it ends too early")),
        }
    }
}
