//! Frames on the wire, written and read without the code under test.

use gannet_http2::{Fields, Name};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// RFC 9113 §4.2: the largest that a frame can say.
pub(crate) const LARGEST_PAYLOAD: usize = (1 << 24) - 1;

pub(crate) fn put_frame(wire: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    wire.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    wire.extend_from_slice(&[kind, flags]);
    wire.extend_from_slice(&stream.to_be_bytes());
    wire.extend_from_slice(payload);
}

/// One frame, as it stands on the wire.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
}

/// The first frame of these bytes and what follows it; `None` where it is not whole.
pub(crate) fn split_frame(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (&[a, b, c, kind, _, d, e, f, g], rest) = bytes.split_first_chunk::<9>()?;
    let len = u32::from_be_bytes([0, a, b, c]) as usize;
    let (payload, rest) = rest.split_at_checked(len)?;
    Some((Frame { kind, stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff, payload }, rest))
}

/// The frames of all that an end has sent. Panics where the bytes are anything but whole frames of at most this size.
pub(crate) fn whole_frames(sent: &[u8], largest_payload: usize) -> Vec<Frame<'_>> {
    let mut rest = sent.strip_prefix(PREFACE).unwrap_or(sent);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let Some((frame, after)) = split_frame(rest) else { panic!("a frame is cut: {rest:?}") };
        assert!(frame.payload.len() <= largest_payload, "a frame is larger than its receiver takes");
        frames.push(frame);
        rest = after;
    }
    frames
}

pub(crate) fn fields(list: &[(Name, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in list {
        fields.push(*name, value.as_bytes());
    }
    fields
}

pub(crate) fn request() -> Fields {
    fields(&[(Name::Method, "POST"), (Name::Scheme, "http"), (Name::Path, "/a/B"), (Name::Authority, "a")])
}

pub(crate) fn response() -> Fields {
    fields(&[(Name::Status, "200")])
}

pub(crate) fn trailers() -> Fields {
    fields(&[(Name::GrpcStatus, "0")])
}
