//! Frames on the wire (RFC 9113 §4.1 and §6).

use crate::output::Output;

/// The nine octets before every frame's payload.
pub(crate) const HEAD_BYTES: usize = 9;
/// What a client sends before its first frame (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) mod kind {
    //! Frame types (RFC 9113 §6).
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(crate) mod flag {
    //! Frame flags (RFC 9113 §6).
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// A frame's head, parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) len: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream_id: u32,
}

impl Head {
    /// Reads a head; `None` where fewer than nine octets are there.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind, flags, d, e, f, g] = bytes.first_chunk::<HEAD_BYTES>()?;
        Some(Self {
            len: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            // RFC 9113 §4.1: the reserved bit is ignored.
            stream_id: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff,
        })
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Writes a frame's head.
#[inline]
pub(crate) fn head(len: usize, kind: u8, flags: u8, stream_id: u32) -> [u8; HEAD_BYTES] {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let [d, e, f, g] = stream_id.to_be_bytes();
    [a, b, c, kind, flags, d, e, f, g]
}

/// Appends a whole frame with a small payload.
pub(crate) fn put(out: &mut Output, kind: u8, flags: u8, stream_id: u32, payload: &[u8]) {
    out.put_slice(&head(payload.len(), kind, flags, stream_id));
    out.put_slice(payload);
}

pub(crate) fn put_window_update(out: &mut Output, stream_id: u32, increment: u32) {
    put(out, kind::WINDOW_UPDATE, 0, stream_id, &increment.to_be_bytes());
}

pub(crate) fn put_reset(out: &mut Output, stream_id: u32, code: crate::ErrorCode) {
    put(out, kind::RST_STREAM, 0, stream_id, &code.0.to_be_bytes());
}

pub(crate) fn put_go_away(out: &mut Output, last_stream_id: u32, code: crate::ErrorCode, debug: &str) {
    let payload = [&last_stream_id.to_be_bytes()[..], &code.0.to_be_bytes(), debug.as_bytes()].concat();
    put(out, kind::GOAWAY, 0, 0, &payload);
}

/// A payload that may be padded, without its padding (RFC 9113 §6.1): where it begins and ends. `None` where the
/// padding is longer than what is left.
pub(crate) fn unpadded(head: Head, payload: &[u8]) -> Option<(usize, usize)> {
    if !head.has(flag::PADDED) {
        return Some((0, payload.len()));
    }
    let padding = usize::from(*payload.first()?);
    let end = payload.len().checked_sub(padding)?;
    (end >= 1).then_some((1, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_there_and_back() {
        let bytes = head(0x01_02_03, kind::DATA, flag::PADDED, 0x7fff_ffff);
        let parsed = Head::parse(&bytes).unwrap();
        let expected = Head { len: 0x01_02_03, kind: 0, flags: 8, stream_id: 0x7fff_ffff };
        assert_eq!(parsed, expected);
        assert_eq!(Head::parse(&bytes[..8]), None);
        assert_eq!(Head::parse(&[0, 0, 0, 0, 0, 0x80, 0, 0, 1]).unwrap().stream_id, 1);
    }

    /// RFC 9113 §6.1: padding that is as long as the payload or longer is a connection error.
    #[test]
    fn padding() {
        let head = Head { len: 0, kind: kind::DATA, flags: flag::PADDED, stream_id: 1 };
        assert_eq!(unpadded(head, &[2, b'a', 0, 0]), Some((1, 2)));
        assert_eq!(unpadded(head, &[0]), Some((1, 1)));
        assert_eq!(unpadded(head, &[3, 0, 0]), None);
        assert_eq!(unpadded(head, &[]), None);
        assert_eq!(unpadded(Head { flags: 0, ..head }, &[9]), Some((0, 1)));
    }
}
