//! What the calls of a connection hold of decompressed messages. Their peer was given credit for the bytes that came, and
//! for nothing that those unfold to.

use super::load::{Load, ServerLimit};
use crate::compression::{DecompressionLimits, Received};
use crate::{Code, Result, Status};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The account of one connection. It counts towards the server's as well.
#[derive(Debug)]
pub(crate) struct DecompressedData {
    held: AtomicUsize,
    most: usize,
    load: Arc<Load>,
}

/// One message's part of it, given back when it is dropped: with the call, or when the reader of a stream asks for the
/// next message.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Arc<DecompressedData>,
    bytes: usize,
}

impl DecompressedData {
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
        let charge = self.charge(message.len());
        if self.held.load(Ordering::Relaxed) > self.most {
            return Err(self.exceeded());
        }
        Ok((message, charge))
    }

    fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        self.load.change_held(bytes as isize);
        Charge { account: Arc::clone(self), bytes }
    }

    fn exceeded(&self) -> Status {
        self.load.count(ServerLimit::DecompressedData);
        Status::resource_exhausted(format!(
            "the calls of this connection hold {} bytes of decompressed messages, and more would be too much: try again \
             when some have ended",
            self.most
        ))
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.load.change_held(-(self.bytes as isize));
    }
}
