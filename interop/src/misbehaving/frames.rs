//! Frames as bytes (RFC 9113 §4.1).

use std::io::{Read, Result};

pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const RST_STREAM: u8 = 0x3;
pub(super) const SETTINGS: u8 = 0x4;
pub(super) const PING: u8 = 0x6;
pub(super) const GOAWAY: u8 = 0x7;
pub(super) const WINDOW_UPDATE: u8 = 0x8;

pub(super) const END_STREAM: u8 = 0x1;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;

/// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113 §6.5.2).
pub(super) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
/// SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.5.2).
pub(super) const INITIAL_WINDOW_SIZE: u16 = 0x4;

/// The first bytes of a client (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `:status: 200` of HPACK's static table and `content-type: application/grpc` as a literal (RFC 7541 §6.1, §6.2.2).
pub(super) const RESPONSE_HEADERS: &[u8] = b"\x88\x00\x0ccontent-type\x10application/grpc";
/// `grpc-status: 0` as a literal.
pub(super) const TRAILERS: &[u8] = b"\x00\x0bgrpc-status\x010";

/// A frame that has come.
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    pub(super) fn read(from: &mut impl Read) -> Result<Self> {
        let mut head = [0; 9];
        from.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        from.read_exact(&mut payload)?;
        Ok(Self { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff, payload })
    }

    /// The number in a WINDOW_UPDATE.
    pub(super) fn increment(&self) -> i64 {
        let number = self.payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        i64::from(number & 0x7fff_ffff)
    }

    /// The value of a setting, where the frame has it.
    pub(super) fn setting(&self, id: u16) -> Option<u32> {
        let (settings, _) = self.payload.as_chunks::<6>();
        let of = |[a, b, value @ ..]: &[u8; 6]| {
            (u16::from_be_bytes([*a, *b]) == id).then_some(u32::from_be_bytes(*value))
        };
        settings.iter().find_map(of)
    }
}

/// A frame to send.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut bytes = len[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}
