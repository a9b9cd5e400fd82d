//! Received bytes, cut into frames.

use crate::error::{ConnectionError, ErrorCode};
use crate::frame::{HEAD_BYTES, Head, kind};
use bytes::{Buf, Bytes};

/// Bytes that have come and are not yet parsed. A frame that lies within one read is a slice of it; only one that is
/// cut by the end of a read is gathered.
#[derive(Debug)]
pub(super) struct Input {
    /// What is still expected of the client's preface.
    preface: &'static [u8],
    bytes: Bytes,
    /// The beginning of a frame whose rest has not come. It grows with the bytes that come, not with the length that
    /// was promised.
    partial: Vec<u8>,
    max_frame_size: usize,
}

impl Input {
    pub(super) fn new(preface: &'static [u8], max_frame_size: u32) -> Self {
        Self { preface, bytes: Bytes::new(), partial: Vec::new(), max_frame_size: max_frame_size as usize }
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.bytes.is_empty() {
            self.bytes = bytes;
        } else {
            // Only a driver that did not drain the events comes here.
            self.bytes = [&self.bytes[..], &bytes[..]].concat().into();
        }
    }

    pub(super) fn clear(&mut self) {
        self.bytes = Bytes::new();
        self.partial = Vec::new();
    }

    pub(super) fn is_between_frames(&self) -> bool {
        self.bytes.is_empty() && self.partial.is_empty()
    }

    /// Whether a HEADERS or CONTINUATION frame has begun and not ended.
    pub(super) fn is_in_header_block(&self) -> bool {
        Head::parse(&self.partial).is_some_and(|head| matches!(head.kind, kind::HEADERS | kind::CONTINUATION))
    }

    /// The next whole frame; `None` where its end has not come.
    #[inline]
    pub(super) fn next_frame(&mut self) -> Result<Option<(Head, Bytes)>, ConnectionError> {
        if !self.preface.is_empty() && !self.take_preface()? {
            return Ok(None);
        }
        if !self.partial.is_empty() {
            return self.finish_partial();
        }
        if let Some(head) = Head::parse(&self.bytes) {
            self.check(head)?;
            if self.bytes.len() >= HEAD_BYTES + head.len {
                self.bytes.advance(HEAD_BYTES);
                return Ok(Some((head, self.bytes.split_to(head.len))));
            }
        }
        self.partial.extend_from_slice(&self.bytes);
        self.bytes = Bytes::new();
        Ok(None)
    }

    fn finish_partial(&mut self) -> Result<Option<(Head, Bytes)>, ConnectionError> {
        if self.partial.len() < HEAD_BYTES {
            self.gather(HEAD_BYTES);
        }
        let Some(head) = Head::parse(&self.partial) else { return self.starved() };
        self.check(head)?;
        self.gather(HEAD_BYTES + head.len);
        if self.partial.len() < HEAD_BYTES + head.len {
            return self.starved();
        }
        let payload = Bytes::from(std::mem::take(&mut self.partial)).split_off(HEAD_BYTES);
        Ok(Some((head, payload)))
    }

    /// All bytes have been used: the read buffer is let go.
    fn starved(&mut self) -> Result<Option<(Head, Bytes)>, ConnectionError> {
        self.bytes = Bytes::new();
        Ok(None)
    }

    /// Moves bytes to the partial frame until it has this length.
    fn gather(&mut self, len: usize) {
        let missing = len.saturating_sub(self.partial.len()).min(self.bytes.len());
        self.partial.extend_from_slice(&self.bytes.split_to(missing));
    }

    /// RFC 9113 §4.2: a frame larger than we announced is refused before it has come.
    fn check(&self, head: Head) -> Result<(), ConnectionError> {
        if head.len <= self.max_frame_size {
            return Ok(());
        }
        let reason = "a frame is larger than SETTINGS_MAX_FRAME_SIZE (RFC 9113 §4.2)";
        Err(ConnectionError::local(ErrorCode::FRAME_SIZE_ERROR, reason))
    }

    /// RFC 9113 §3.4. Says whether it is complete.
    fn take_preface(&mut self) -> Result<bool, ConnectionError> {
        let count = self.preface.len().min(self.bytes.len());
        let (expected, rest) = self.preface.split_at(count);
        if self.bytes[..count] != *expected {
            return Err(ConnectionError::protocol(
                "the connection does not begin with the preface (RFC 9113 §3.4)",
            ));
        }
        self.bytes.advance(count);
        self.preface = rest;
        Ok(self.preface.is_empty())
    }
}
