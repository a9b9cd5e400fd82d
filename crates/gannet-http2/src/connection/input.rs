//! Received bytes, cut into frames.

use crate::error::{ConnectionError, ErrorCode};
use crate::frame::{HEAD_BYTES, Head, flag, kind};
use bytes::{Buf, Bytes};

/// Bytes that have come and are not yet parsed. A frame that lies within one read is a slice of it. One that is cut by the
/// end of a read is gathered, except for DATA, which is handed out in the pieces that it comes in.
#[derive(Debug)]
pub(super) struct Input {
    /// What is still expected of the client's preface.
    preface: &'static [u8],
    bytes: Bytes,
    /// The beginning of a frame whose rest has not come. It grows with the bytes that come, not with the length that
    /// was promised.
    partial: Vec<u8>,
    /// What is still to come of a DATA frame that is handed out in pieces.
    rest: Option<Head>,
    max_frame_size: usize,
}

/// With fewer bytes at the end of a read a DATA frame is gathered: a piece costs as much as a frame.
const PIECE_BYTES: usize = 1024;

impl Input {
    pub(super) fn new(preface: &'static [u8], max_frame_size: u32) -> Self {
        Self {
            preface,
            bytes: Bytes::new(),
            partial: Vec::new(),
            rest: None,
            max_frame_size: max_frame_size as usize,
        }
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
        self.rest = None;
    }

    pub(super) fn is_between_frames(&self) -> bool {
        self.bytes.is_empty() && self.partial.is_empty() && self.rest.is_none()
    }

    /// Whether a HEADERS or CONTINUATION frame has begun and not ended.
    pub(super) fn is_in_header_block(&self) -> bool {
        Head::parse(&self.partial).is_some_and(|head| matches!(head.kind, kind::HEADERS | kind::CONTINUATION))
    }

    /// The next whole frame; `None` where its end has not come.
    ///
    /// A large DATA frame may come in pieces: the first has the length of the whole frame, those after it the length 0,
    /// and only the last ends the stream.
    #[inline]
    pub(super) fn next_frame(&mut self) -> Result<Option<(Head, Bytes)>, ConnectionError> {
        if !self.preface.is_empty() && !self.take_preface()? {
            return Ok(None);
        }
        if let Some(rest) = self.rest.take() {
            return Ok(self.next_piece(rest));
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
            // Padding stands at the end, but counts at the beginning.
            let divisible = head.kind == kind::DATA && !head.has(flag::PADDED);
            if divisible && self.bytes.len() >= HEAD_BYTES + PIECE_BYTES {
                self.bytes.advance(HEAD_BYTES);
                let piece = std::mem::take(&mut self.bytes);
                self.rest = Some(Head { len: head.len - piece.len(), ..head });
                return Ok(Some((Head { flags: 0, ..head }, piece)));
            }
        }
        self.partial.extend_from_slice(&self.bytes);
        self.bytes = Bytes::new();
        Ok(None)
    }

    /// More of a DATA frame whose beginning has been handed out.
    fn next_piece(&mut self, rest: Head) -> Option<(Head, Bytes)> {
        let piece = self.bytes.split_to(rest.len.min(self.bytes.len()));
        let is_last = piece.len() == rest.len;
        if !is_last {
            self.rest = Some(Head { len: rest.len - piece.len(), ..rest });
        }
        let flags = if is_last { rest.flags } else { 0 };
        (!piece.is_empty()).then_some((Head { len: 0, flags, ..rest }, piece))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::head;

    fn pieces(input: &mut Input, bytes: &[u8]) -> Vec<(usize, u8, usize)> {
        input.push(Bytes::copy_from_slice(bytes));
        let next =
            || input.next_frame().unwrap().map(|(head, payload)| (head.len, head.flags, payload.len()));
        std::iter::from_fn(next).collect()
    }

    /// The whole length with the first piece, the end of the stream with the last.
    #[test]
    fn data_comes_in_pieces() {
        let mut input = Input::new(b"", 16_384);
        let end = flag::END_STREAM;
        let frame = [&head(10_000, kind::DATA, end, 1)[..], &[7; 10_000]].concat();
        assert_eq!(pieces(&mut input, &frame[..5009]), [(10_000, 0, 5000)]);
        assert_eq!(pieces(&mut input, &frame[5009..5010]), [(0, 0, 1)]);
        assert!(!input.is_between_frames());
        let next = [&frame[5010..], &frame[..]].concat();
        assert_eq!(pieces(&mut input, &next), [(0, end, 4999), (10_000, end, 10_000)]);
        assert!(input.is_between_frames());
    }

    #[test]
    fn what_can_not_be_divided_is_gathered() {
        for (kind, flags, cut) in [
            (kind::HEADERS, flag::END_HEADERS, 5009),
            (kind::DATA, flag::PADDED, 5009),
            (kind::DATA, 0, HEAD_BYTES + PIECE_BYTES - 1),
            (kind::DATA, 0, HEAD_BYTES - 1),
        ] {
            let mut input = Input::new(b"", 16_384);
            let frame = [&head(10_000, kind, flags, 1)[..], &[7; 10_000]].concat();
            assert_eq!(pieces(&mut input, &frame[..cut]), []);
            assert_eq!(pieces(&mut input, &frame[cut..]), [(10_000, flags, 10_000)], "{kind} {flags} {cut}");
        }
    }
}
