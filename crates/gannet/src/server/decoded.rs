//! What the calls of a connection hold of messages that have been read: their peer was given credit for the bytes that
//! came, and for nothing that those unfold to.
//!
//! | message | its bytes | decompressed | what its decoding adds |
//! | --- | --- | --- | --- |
//! | the request of a unary or server-streaming call, until the call ends | on the stream's window | here | here |
//! | of a stream, until its reader asks for the next | here | here | here |

use super::load::{Load, ServerLimit};
use crate::compression::{DecompressionLimits, Received};
use crate::{Code, Result, Status};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The account of one connection. It counts towards the server's as well.
#[derive(Debug)]
pub(crate) struct DecodedData {
    held: AtomicUsize,
    most: usize,
    load: Arc<Load>,
}

/// One message's part of it, given back when it is dropped: with the call, or when the reader of a stream asks for the
/// next message.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Arc<DecodedData>,
    bytes: usize,
}

/// A message that takes less is not worth an access to memory that all calls share.
pub(crate) const COUNTED_FROM_BYTES: usize = 16 * 1024;

impl DecodedData {
    pub(super) fn new(most: usize, load: Arc<Load>) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), most, load })
    }

    /// The message as it was before it was compressed, and what is to be held for as long as it is.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED over the limits of one message, or where all calls together hold too much; INTERNAL for bytes
    /// that are not of the compression's format.
    pub(crate) fn decompress(
        self: &Arc<Self>,
        received: Received,
        limits: DecompressionLimits,
    ) -> Result<(Bytes, Charge)> {
        if self.held.load(Ordering::Relaxed) >= self.most {
            return Err(self.exceeded());
        }
        let message = received.decompressed(limits).inspect_err(|status| {
            if status.code() == Code::ResourceExhausted {
                self.load.count(ServerLimit::MessageSize);
            }
        })?;
        let charge = self.charge(message.len())?;
        Ok((message, charge))
    }

    /// Counts what a decoded message takes; `charge` is what is counted for it already.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED where all calls together hold too much.
    #[inline]
    pub(crate) fn hold(self: &Arc<Self>, bytes: usize, charge: &mut Option<Charge>) -> Result<()> {
        if bytes < COUNTED_FROM_BYTES {
            return Ok(());
        }
        let mut more = self.charge(bytes)?;
        if let Some(before) = charge.take() {
            more.absorb(before);
        }
        *charge = Some(more);
        Ok(())
    }

    fn charge(self: &Arc<Self>, bytes: usize) -> Result<Charge> {
        self.load.change_held(bytes as isize);
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        let charge = Charge { account: Arc::clone(self), bytes };
        if before + bytes > self.most {
            return Err(self.exceeded());
        }
        Ok(charge)
    }

    fn exceeded(&self) -> Status {
        self.load.count(ServerLimit::DecodedData);
        Status::resource_exhausted(format!(
            "the calls of this connection hold {} bytes of decoded messages, and more would be too much: try again when \
             some have ended",
            self.most
        ))
    }
}

impl Charge {
    fn absorb(&mut self, mut other: Charge) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.account.held.fetch_sub(self.bytes, Ordering::Relaxed);
            self.account.load.change_held(-(self.bytes as isize));
        }
    }
}
