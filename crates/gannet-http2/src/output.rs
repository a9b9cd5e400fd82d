//! Bytes on their way out: small ones gathered, big ones kept as they are.

use bytes::Bytes;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Encoded bytes: small ones together in one buffer, big ones as segments of their own, so that they leave by a
/// vectored write and are never copied.
///
/// ```
/// use gannet_http2::Output;
///
/// let mut output = Output::new();
/// output.put_slice(b"small");
/// output.put_bytes(bytes::Bytes::from(vec![0; 1 << 20])); // not copied
/// assert_eq!(output.len(), 5 + (1 << 20));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Closed pieces, in order, before `tail`.
    segments: VecDeque<Segment>,
    /// Where small bytes gather.
    tail: Vec<u8>,
    /// How many bytes of the first piece (segment, or tail where there is none) have left.
    consumed: usize,
    len: usize,
}

#[derive(Clone, Debug)]
enum Segment {
    /// A tail that a big piece has closed; still open to [`Output::patch`].
    Gathered(Vec<u8>),
    Shared(Bytes),
}

impl Segment {
    fn as_slice(&self) -> &[u8] {
        match self {
            Segment::Gathered(bytes) => bytes,
            Segment::Shared(bytes) => bytes,
        }
    }
}

/// A place in an [`Output`], to write over it ([`Output::patch`]) or go back to it ([`Output::truncate`]).
/// It is good until bytes are taken from the front.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    segments: usize,
    tail: usize,
    len: usize,
}

impl Output {
    /// A piece of at least this many bytes stays a segment of its own: below it a copy is cheaper than one more
    /// slice in the write (16 KiB: copied in 0.4 µs).
    pub const OWN_SEGMENT_BYTES: usize = 16 * 1024;
    /// The same for a part of such a piece, which a frame cuts off: it is in no cache, and one more slice costs less than
    /// to fetch and store it.
    const OWN_PART_BYTES: usize = 2 * 1024;
    /// Up to this many bytes are copied to an output whose buffer is the larger one.
    const COPIED_BYTES: usize = 1024;
    /// A tail above this is given back rather than kept for the next bytes: more than a turn of a busy stream has.
    const KEPT_TAIL_BYTES: usize = 256 * 1024;

    /// Without any bytes; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { segments: VecDeque::new(), tail: Vec::new(), consumed: 0, len: 0 }
    }

    /// How many bytes wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends one byte.
    #[inline]
    pub fn put_u8(&mut self, byte: u8) {
        self.tail.push(byte);
        self.len += 1;
    }

    /// Appends a copy of these bytes.
    #[inline]
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Appends these bytes, without a copy where there are [`Output::OWN_SEGMENT_BYTES`] or more.
    #[inline]
    pub fn put_bytes(&mut self, bytes: Bytes) {
        if bytes.len() < Self::OWN_SEGMENT_BYTES {
            return self.put_slice(&bytes);
        }
        self.put_segment(bytes);
    }

    fn put_segment(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.close_tail();
        self.segments.push_back(Segment::Shared(bytes));
    }

    /// Makes room for this many small bytes.
    pub fn reserve(&mut self, additional: usize) {
        self.tail.reserve(additional);
    }

    /// The present end.
    #[must_use]
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark { segments: self.segments.len(), tail: self.tail.len(), len: self.len }
    }

    /// Writes over bytes that were appended by `put_slice` or `put_u8` right after `mark`.
    #[inline]
    pub fn patch(&mut self, mark: Mark, bytes: &[u8]) {
        let piece = match self.segments.get_mut(mark.segments) {
            None => &mut self.tail,
            Some(Segment::Gathered(piece)) => piece,
            // A mark right before a shared segment has no small bytes to write over.
            Some(Segment::Shared(_)) => return,
        };
        if let Some(place) = piece.get_mut(mark.tail..mark.tail + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// Removes what was appended after `mark`.
    pub fn truncate(&mut self, mark: Mark) {
        if let Some(Segment::Gathered(piece)) = self.segments.get_mut(mark.segments) {
            self.tail = std::mem::take(piece);
        } else if self.segments.len() > mark.segments {
            self.tail.clear();
        }
        self.segments.truncate(mark.segments);
        self.tail.truncate(mark.tail);
        self.len = mark.len;
    }

    /// How many bytes were appended after `mark`.
    #[must_use]
    #[inline]
    pub fn len_since(&self, mark: Mark) -> usize {
        self.len - mark.len
    }

    /// Moves all bytes of `other` to the end of this one.
    pub fn append(&mut self, other: &mut Output) {
        let larger_buffer = self.tail.capacity() <= other.tail.capacity();
        if self.is_empty() && (larger_buffer || other.len > Self::COPIED_BYTES) {
            std::mem::swap(self, other);
            other.clear();
        } else {
            let all = other.len;
            other.move_to(all, self);
        }
    }

    /// Moves the first `count` bytes (at most all) to the end of `target`; big segments are shared, not copied.
    pub fn move_to(&mut self, count: usize, target: &mut Output) {
        let mut left = count.min(self.len);
        while left > 0 {
            let Some(segment) = self.segments.front_mut() else {
                target.put_slice(&self.tail[self.consumed..self.consumed + left]);
                return self.advance(left);
            };
            let available = segment.as_slice().len() - self.consumed;
            let taken = available.min(left);
            match segment {
                Segment::Gathered(bytes) => {
                    target.put_slice(&bytes[self.consumed..self.consumed + taken]);
                }
                Segment::Shared(bytes) if taken < Self::OWN_PART_BYTES => {
                    target.put_slice(&bytes[self.consumed..self.consumed + taken]);
                }
                Segment::Shared(bytes) => {
                    target.put_segment(bytes.slice(self.consumed..self.consumed + taken))
                }
            }
            self.advance(taken);
            left -= taken;
        }
    }

    /// Fills `slices` with the bytes from the front, for a vectored write; says how many were filled.
    pub fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut skip = self.consumed;
        let pieces = self.segments.iter().map(Segment::as_slice).chain(std::iter::once(&self.tail[..]));
        for piece in pieces {
            let rest = &piece[skip..];
            skip = 0;
            if rest.is_empty() {
                continue;
            }
            let Some(slice) = slices.get_mut(filled) else { break };
            *slice = IoSlice::new(rest);
            filled += 1;
        }
        filled
    }

    /// The bytes at the front that lie in one piece.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        match self.segments.front() {
            Some(segment) => &segment.as_slice()[self.consumed..],
            None => &self.tail[self.consumed..],
        }
    }

    /// Whether everything lies in one piece, so that [`Output::front`] is all of it.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.front().len() == self.len
    }

    /// Forgets the first `count` bytes (at most all): they have been written.
    pub fn advance(&mut self, count: usize) {
        let mut left = count.min(self.len);
        self.len -= left;
        while let Some(segment) = self.segments.front() {
            let available = segment.as_slice().len() - self.consumed;
            if left < available {
                self.consumed += left;
                return;
            }
            left -= available;
            self.consumed = 0;
            self.segments.pop_front();
        }
        self.consumed += left;
        if self.consumed == self.tail.len() {
            self.consumed = 0;
            self.tail.clear();
            if self.tail.capacity() > Self::KEPT_TAIL_BYTES {
                self.tail = Vec::new();
            }
        }
    }

    /// Forgets all bytes.
    pub fn clear(&mut self) {
        self.advance(self.len);
    }

    /// Whether small bytes have room to gather in.
    #[must_use]
    pub const fn has_buffer(&self) -> bool {
        self.tail.capacity() > 0
    }

    /// Lends an empty buffer for small bytes to gather in.
    pub fn lend_buffer(&mut self, buffer: Vec<u8>) {
        if self.tail.is_empty() {
            self.tail = buffer;
            self.tail.clear();
        }
    }

    /// Takes the memory, for a connection that goes idle. `None` while bytes wait in it, or where there is none.
    pub fn take_buffer(&mut self) -> Option<Vec<u8>> {
        if !self.is_empty() {
            return None;
        }
        self.segments = VecDeque::new();
        Some(std::mem::take(&mut self.tail)).filter(|buffer| buffer.capacity() > 0)
    }

    /// Gives the memory back where nothing waits in it and it is more than this.
    pub fn give_back_above(&mut self, bytes: usize) {
        if self.is_empty() && self.tail.capacity() > bytes {
            self.tail = Vec::new();
        }
    }

    /// All bytes in one piece: a copy unless they are one shared segment or one tail.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.segments.is_empty() {
            return Bytes::from(self.tail).slice(self.consumed..);
        }
        if self.segments.len() == 1
            && self.tail.is_empty()
            && let Some(Segment::Shared(bytes)) = self.segments.pop_front()
        {
            return bytes.slice(self.consumed..);
        }
        Bytes::from(self.to_vec())
    }

    /// A copy of all bytes in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len);
        let pieces = self.segments.iter().map(Segment::as_slice).chain(std::iter::once(&self.tail[..]));
        let mut skip = self.consumed;
        for piece in pieces {
            all.extend_from_slice(&piece[skip..]);
            skip = 0;
        }
        all
    }

    fn close_tail(&mut self) {
        if self.tail.len() > if self.segments.is_empty() { self.consumed } else { 0 } {
            self.segments.push_back(Segment::Gathered(std::mem::take(&mut self.tail)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed() -> (Output, Vec<u8>) {
        let mut output = Output::new();
        let big = Bytes::from(vec![7u8; 20_000]);
        output.put_slice(b"head");
        output.put_bytes(big.clone());
        output.put_u8(1);
        output.put_bytes(big.clone());
        let expected = [b"head", &big[..], &[1], &big[..]].concat();
        (output, expected)
    }

    #[test]
    fn bytes_come_out_in_order() {
        let (output, expected) = mixed();
        assert_eq!(output.len(), expected.len());
        assert_eq!(output.to_vec(), expected);
        assert_eq!(output.clone().into_bytes(), expected);
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = output.io_slices(&mut slices);
        assert_eq!(slices[..filled].iter().flat_map(|s| s.to_vec()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn moving_and_advancing_at_every_step_size() {
        for step in [1, 3, 4, 5, 16_384, 19_999, 20_004, 50_000] {
            let (mut output, expected) = mixed();
            let (mut target, mut moved) = (Output::new(), 0);
            while !output.is_empty() {
                output.move_to(step, &mut target);
                moved = (moved + step).min(expected.len());
                assert_eq!(target.len(), moved);
                assert_eq!(output.len(), expected.len() - moved);
            }
            assert_eq!(target.to_vec(), expected);
        }
    }

    #[test]
    fn a_prefix_is_patched_after_a_big_piece_closed_its_buffer() {
        let mut output = Output::new();
        output.put_slice(b"before");
        let mark = output.mark();
        output.put_slice(&[0; 5]);
        output.put_bytes(Bytes::from(vec![9; 16_384]));
        output.patch(mark, b"PATCH");
        assert_eq!(&output.to_vec()[..12], b"beforePATCH\x09");
        assert_eq!(output.len_since(mark), 5 + 16_384);
        output.truncate(mark);
        assert_eq!(output.to_vec(), b"before");
        assert_eq!(output.len(), 6);
    }

    #[test]
    fn truncating_to_a_mark_before_a_shared_segment() {
        let mut output = Output::new();
        let mark = output.mark();
        output.put_bytes(Bytes::from(vec![9; 16_384]));
        output.put_slice(b"after");
        output.truncate(mark);
        assert!(output.is_empty());
        assert_eq!(output.to_vec(), b"");
    }

    #[test]
    fn appending_keeps_both() {
        let (mut output, mut expected) = mixed();
        let mut other = Output::new();
        other.put_slice(b"tail");
        output.append(&mut other);
        expected.extend_from_slice(b"tail");
        assert!(other.is_empty());
        assert_eq!(output.to_vec(), expected);
    }
}
