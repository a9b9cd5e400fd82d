//! Length-prefixed messages (PROTOCOL-HTTP2, Length-Prefixed-Message).

mod buffers;

use crate::status::{Result, Status};
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;

/// The longest message that is taken where nobody says otherwise, as in other gRPC implementations.
pub const DEFAULT_MESSAGE_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// The five bytes before each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Whether the message is compressed as `grpc-encoding` says.
    pub compressed: bool,
    /// The length of the message as it is sent, in bytes.
    pub len: u32,
}

impl Prefix {
    /// How many bytes a prefix has.
    pub const LEN: usize = 5;

    /// The prefix of a message of `len` bytes.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` where the length does not fit into four bytes.
    #[inline]
    pub fn new(compressed: bool, len: usize) -> Result<Self> {
        let too_long =
            |_| Status::resource_exhausted(format!("a message of {len} bytes is too long to be sent"));
        Ok(Self { compressed, len: u32::try_from(len).map_err(too_long)? })
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub const fn encode(self) -> [u8; Prefix::LEN] {
        let [a, b, c, d] = self.len.to_be_bytes();
        [self.compressed as u8, a, b, c, d]
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// `INTERNAL` where the first byte is neither 0 nor 1.
    #[inline]
    pub fn decode([flag, a, b, c, d]: [u8; Prefix::LEN]) -> Result<Self> {
        let len = u32::from_be_bytes([a, b, c, d]);
        match flag {
            // PROTOCOL-HTTP2, Compressed-Flag.
            0 => Ok(Self { compressed: false, len }),
            1 => Ok(Self { compressed: true, len }),
            _ => Err(Status::internal(format!(
                "a message begins with the byte {flag} where only 0 or 1 may stand"
            ))),
        }
    }
}

/// One message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether the message is compressed as `grpc-encoding` says.
    pub compressed: bool,
    /// The message without its prefix.
    pub message: Bytes,
}

/// Makes messages of the bytes of one stream, one way.
///
/// A message that lies within one piece is a slice of it; one that spans pieces is gathered in a buffer that grows
/// with the bytes that came, not with the length that was promised. After an error the stream is lost: every further
/// call gives the error again.
///
/// ```
/// use bytes::Bytes;
/// use gannet_core::Deframer;
///
/// let mut deframer = Deframer::new(4096);
/// deframer.push(Bytes::from_static(b"\0\0\0\0\x02hi\0\0\0\0\x05wor"));
/// assert_eq!(deframer.next()?.unwrap().message, "hi");
/// assert_eq!(deframer.next()?, None);
/// assert_eq!(deframer.needed(), 2);
/// deframer.push(Bytes::from_static(b"ld"));
/// assert_eq!(deframer.next()?.unwrap().message, "world");
/// # Ok::<(), gannet_core::Status>(())
/// ```
#[derive(Debug)]
pub struct Deframer {
    /// The first piece that is not read to its end, apart from the others so that one piece allocates nothing.
    first: Bytes,
    /// What one piece did not do for; given back when it is empty.
    spanning: Option<Box<Spanning>>,
    limit_bytes: u32,
    may_be_compressed: bool,
}

#[derive(Debug, Default)]
struct Spanning {
    /// The begun message: what there is of its prefix and then of itself. No further piece is looked at before it is
    /// whole.
    begun: BytesMut,
    /// The pieces after `first`, none of them empty.
    pieces: VecDeque<Bytes>,
    /// How many bytes `pieces` have.
    pieces_len: usize,
}

impl Spanning {
    fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.pieces_len == 0
    }
}

impl Deframer {
    /// For messages of at most `limit_bytes`, not counting the prefix, as they are sent. No message may be compressed
    /// until [`Deframer::allow_compressed`] says so.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        let limit_bytes = u32::try_from(limit_bytes).unwrap_or(u32::MAX);
        Self { first: Bytes::new(), spanning: None, limit_bytes, may_be_compressed: false }
    }

    /// Whether the stream declared a `grpc-encoding` other than `identity`.
    pub fn allow_compressed(&mut self, allowed: bool) {
        self.may_be_compressed = allowed;
    }

    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.first.is_empty() && self.spanning.as_ref().is_none_or(|spanning| spanning.pieces.is_empty()) {
            self.first = piece;
            return;
        }
        let spanning = self.spanning.get_or_insert_default();
        spanning.pieces_len += piece.len();
        spanning.pieces.push_back(piece);
    }

    /// The next whole message, if there is one. What there is of a message that is not whole is copied out of its
    /// piece, so that it does not keep a large read buffer alive.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` for a message over the limit, as soon as its prefix is there; `INTERNAL` for a broken
    /// prefix, or a compressed message where none may be.
    #[expect(clippy::should_implement_trait, reason = "it is not an iterator: it goes on after None")]
    pub fn next(&mut self) -> Result<Option<Frame>> {
        self.fill_first();
        if self.is_empty() {
            return Ok(None);
        }
        if !self.has_begun()
            && let Some(frame) = self.next_within_first()?
        {
            return Ok(Some(frame));
        }
        self.gather()
    }

    /// How many more bytes the first message wants, or its prefix while that is not whole; 0 where no message has
    /// begun or a whole one waits. This much credit lets it complete.
    #[must_use]
    pub fn needed(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        let buffered = self.buffered();
        match self.peek_prefix() {
            None => Prefix::LEN - buffered,
            Some([_, len @ ..]) => (Prefix::LEN + u32::from_be_bytes(len) as usize).saturating_sub(buffered),
        }
    }

    /// How many bytes wait here, of whole messages or begun ones, prefixes included.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let spanning =
            self.spanning.as_ref().map_or(0, |spanning| spanning.begun.len() + spanning.pieces_len);
        self.first.len() + spanning
    }

    /// Whether a message has begun that is not whole. Asked after [`Deframer::next`] gave `None`, at the end of the
    /// stream.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        !self.is_empty()
    }

    /// The stream has ended and [`Deframer::next`] gave `None`.
    ///
    /// # Errors
    /// `INTERNAL` in the middle of a message.
    pub fn finish(&self) -> Result<()> {
        if self.is_mid_message() {
            let needed = self.needed();
            return Err(Status::internal(format!(
                "the stream ended {needed} bytes before the end of a message"
            )));
        }
        Ok(())
    }

    /// Copies what waits in pieces of fewer than `below_bytes` into memory of its own, so that a few bytes of a
    /// message that nobody fetches do not keep a large read buffer alive.
    pub fn detach(&mut self, below_bytes: usize) {
        if self.is_empty() {
            return;
        }
        let detached = |piece: &Bytes| match piece.len() < below_bytes {
            true => Bytes::copy_from_slice(piece),
            false => piece.clone(),
        };
        self.first = detached(&self.first);
        if let Some(spanning) = &mut self.spanning {
            for piece in &mut spanning.pieces {
                *piece = detached(piece);
            }
        }
    }

    /// The usual state between the pieces of a stream of small messages.
    #[inline]
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.spanning.as_ref().is_none_or(|spanning| spanning.is_empty())
    }

    fn has_begun(&self) -> bool {
        self.spanning.as_ref().is_some_and(|spanning| !spanning.begun.is_empty())
    }

    /// Moves the next piece to the first place where that is empty.
    fn fill_first(&mut self) {
        let Some(spanning) = &mut self.spanning else { return };
        if self.first.is_empty() {
            self.first = spanning.pieces.pop_front().unwrap_or_default();
            spanning.pieces_len -= self.first.len();
        }
        if spanning.pieces.is_empty() && spanning.begun.is_empty() {
            self.spanning = None;
        }
    }

    /// The next message where all of it lies in the first piece.
    fn next_within_first(&mut self) -> Result<Option<Frame>> {
        let Some(&prefix) = self.first.first_chunk() else { return Ok(None) };
        let prefix = self.checked_prefix(prefix)?;
        let end = Prefix::LEN + prefix.len as usize;
        if self.first.len() < end {
            return Ok(None);
        }
        // The last message of a piece takes it over; another one shares it.
        let mut message = match self.first.len() == end {
            true => std::mem::take(&mut self.first),
            false => self.first.split_to(end),
        };
        message.advance(Prefix::LEN);
        Ok(Some(Frame { compressed: prefix.compressed, message }))
    }

    /// Copies pieces to the begun message until it is whole or there is no piece left.
    fn gather(&mut self) -> Result<Option<Frame>> {
        // An error stays one: the prefix is looked at before anything is taken.
        while let prefix = self.peek_prefix().map(|prefix| self.checked_prefix(prefix)).transpose()?
            && !self.first.is_empty()
        {
            let whole = Prefix::LEN + prefix.map_or(0, |prefix| prefix.len as usize);
            let begun = &mut self.spanning.get_or_insert_default().begun;
            let wanted = whole - begun.len();
            let taken = wanted.min(self.first.len());
            reserve_by_what_came(begun, taken, wanted);
            begun.extend_from_slice(&self.first[..taken]);
            self.first.advance(taken);
            if let Some(prefix) = prefix.filter(|_| taken == wanted) {
                return Ok(Some(self.take_begun(prefix)));
            }
            self.fill_first();
        }
        Ok(None)
    }

    /// The begun message, which is whole.
    fn take_begun(&mut self, prefix: Prefix) -> Frame {
        let begun = self.spanning.as_mut().map(|spanning| std::mem::take(&mut spanning.begun));
        let mut message = begun.unwrap_or_default().freeze();
        buffers::keep(&message);
        message.advance(Prefix::LEN);
        self.fill_first();
        Frame { compressed: prefix.compressed, message }
    }

    fn checked_prefix(&self, bytes: [u8; Prefix::LEN]) -> Result<Prefix> {
        let prefix = Prefix::decode(bytes)?;
        // compression.md, test case 6.
        if prefix.compressed && !self.may_be_compressed {
            return Err(Status::internal(
                "a message has the Compressed-Flag but the stream has no grpc-encoding",
            ));
        }
        if prefix.len > self.limit_bytes {
            let (len, limit) = (prefix.len, self.limit_bytes);
            let message = format!("a message of {len} bytes is larger than the limit of {limit}");
            return Err(Status::resource_exhausted(message));
        }
        Ok(prefix)
    }

    /// The prefix of the first message, wherever its bytes lie.
    fn peek_prefix(&self) -> Option<[u8; Prefix::LEN]> {
        let (begun, pieces) = match &self.spanning {
            Some(spanning) => (&spanning.begun[..], Some(&spanning.pieces)),
            None => (&[][..], None),
        };
        let later = pieces.into_iter().flatten().flat_map(|piece| piece.iter());
        let mut bytes = begun.iter().chain(self.first.iter()).chain(later);
        let mut prefix = [0; Prefix::LEN];
        for place in &mut prefix {
            *place = *bytes.next()?;
        }
        Some(prefix)
    }
}

/// Makes room for `taken` bytes and some of those to come: never more than the message wants, and never more than
/// eight times what is there (a promised length costs its sender something). So a message is copied once for each eight
/// times that it grows, and one of 64 KiB, whose first frame has a quarter of it, never.
fn reserve_by_what_came(begun: &mut BytesMut, taken: usize, wanted: usize) {
    const FIRST_BYTES: usize = 1024;
    if begun.is_empty() {
        *begun = buffers::take(wanted);
    }
    if begun.capacity() - begun.len() < taken {
        let some = (7 * begun.len() + 8 * taken).max(FIRST_BYTES);
        begun.reserve(wanted.min(some).max(taken));
    }
}

#[cfg(test)]
mod tests;
