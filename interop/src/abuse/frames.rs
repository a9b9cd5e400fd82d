//! Frames by hand (RFC 9113 §4.1).

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The preface, SETTINGS with this one parameter where there is one, and the answer to the server's.
pub(super) fn hello(setting: Option<(u16, u32)>) -> Vec<u8> {
    let payload =
        setting.map_or(Vec::new(), |(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat());
    [PREFACE, &frame(SETTINGS, 0, 0, payload), &frame(SETTINGS, ACK, 0, [])].concat()
}

pub(super) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

/// The header block of a call of the interop service: literals without indexing (RFC 7541 §6.2.2).
pub(super) fn call(method: &str) -> Vec<u8> {
    let path = format!("/grpc.testing.TestService/{method}");
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let texts = fields.iter().map(|(name, value)| {
        let len = |text: &str| text.len() as u8;
        [&[0, len(name)], name.as_bytes(), &[len(value)], value.as_bytes()].concat()
    });
    texts.collect::<Vec<_>>().concat()
}

/// The `number`th stream of a client.
pub(super) fn stream(number: u32) -> u32 {
    2 * number + 1
}
