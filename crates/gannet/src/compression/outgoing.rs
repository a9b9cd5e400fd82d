//! Messages on their way out.

use super::Compression;
use crate::{Output, Result, Status};
use bytes::Bytes;
use gannet_core::Prefix;

/// What messages that are sent have to keep to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outgoing {
    /// The largest message, before it is compressed, in bytes.
    pub(crate) max_bytes: usize,
    pub(crate) compression: Compression,
    /// Messages of fewer bytes are not compressed.
    pub(crate) compression_minimum_bytes: usize,
}

/// Appends one length-prefixed message (PROTOCOL-HTTP2, Length-Prefixed-Message). On an error nothing stays.
#[inline]
pub(crate) fn put_message(
    out: &mut Output,
    rules: &Outgoing,
    encode: impl FnOnce(&mut Output) -> Result<()>,
) -> Result<usize> {
    if rules.compression != Compression::Identity {
        let mut plain = Output::new();
        encode(&mut plain)?;
        return put_compressed(out, rules, plain.into_bytes());
    }
    let start = out.mark();
    out.put_slice(&[0; Prefix::LEN]);
    let prefix = encode(out).and_then(|()| rules.prefix(false, out.len_since(start) - Prefix::LEN));
    match prefix {
        Ok(prefix) => {
            out.patch(start, &prefix.encode());
            Ok(out.len_since(start))
        }
        Err(status) => {
            out.truncate(start);
            Err(status)
        }
    }
}

/// Appends a message that is encoded already: compressed where that makes it smaller.
pub(crate) fn put_compressed(out: &mut Output, rules: &Outgoing, plain: Bytes) -> Result<usize> {
    let start = out.mark();
    let prefix = rules.prefix(false, plain.len())?;
    // compression.md: a peer may choose not to compress, where it would result in small or negative gains.
    let worthwhile = plain.len() >= rules.compression_minimum_bytes;
    let compressed = if worthwhile { rules.compression.compress(&plain) } else { None };
    match compressed {
        Some(mut compressed) => {
            compressed.shrink_to_fit();
            out.put_slice(&Prefix::new(true, compressed.len())?.encode());
            out.put_bytes(Bytes::from(compressed));
        }
        None => {
            out.put_slice(&prefix.encode());
            out.put_bytes(plain);
        }
    }
    Ok(out.len_since(start))
}

impl Outgoing {
    #[inline]
    fn prefix(&self, compressed: bool, len: usize) -> Result<Prefix> {
        if len > self.max_bytes {
            return Err(Status::resource_exhausted(format!(
                "a message of {len} bytes is larger than the limit of {} for sending",
                self.max_bytes
            )));
        }
        Prefix::new(compressed, len)
    }
}
