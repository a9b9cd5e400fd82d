//! Frames by hand: what a broken or hostile peer sends, and what it gets.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use bytes::Bytes;
use gannet_http2::{Config, Connection, ErrorCode, Event, Fields, Name, Output, StreamKey};
use std::time::Instant;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const ACK: u8 = 1;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const WITH_PRIORITY: u8 = 0x20;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let len = payload.len() as u32;
    [&len.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A SETTINGS payload.
pub fn settings(list: &[(u16, u32)]) -> Vec<u8> {
    list.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, code.to_be_bytes())
}

/// A header block that changes no table: every field a literal without indexing.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len() {
                short @ 0..127 => block.push(short as u8),
                long => {
                    block.push(127);
                    let mut rest = long - 127;
                    while rest >= 128 {
                        block.push(rest as u8 | 128);
                        rest /= 128;
                    }
                    block.push(rest as u8);
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

pub const REQUEST: &[(&str, &str)] =
    &[(":method", "POST"), (":scheme", "http"), (":path", "/a/B"), (":authority", "a")];

pub fn fields(list: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in list {
        fields.push_text(name.as_bytes(), value.as_bytes());
    }
    fields
}

pub fn status(code: &str) -> Fields {
    let mut fields = Fields::new();
    fields.push(Name::Status, code.as_bytes());
    fields
}

/// One end of a connection whose other end is written by hand.
pub struct Scripted {
    pub http2: Connection,
    pub now: Instant,
    /// Every event so far.
    pub events: Vec<Event>,
    /// Every byte that it has sent.
    pub sent: Vec<u8>,
}

impl Scripted {
    /// A server whose client has said hello and has acknowledged its SETTINGS.
    #[allow(clippy::disallowed_methods, reason = "a test has its own clock")]
    pub fn server(config: Config) -> Self {
        let now = Instant::now();
        let mut this = Self { http2: Connection::server(config, now), now, events: vec![], sent: vec![] };
        this.receive(PREFACE);
        this.receive(&frame(SETTINGS, 0, 0, []));
        this.receive(&frame(SETTINGS, ACK, 0, []));
        this.forget();
        this
    }

    /// A client with this many requests open (streams 1, 3, …) and not ended, whose server has said hello.
    pub fn client(config: Config, requests: usize) -> (Self, Vec<StreamKey>) {
        let mut this = Self::silent_client(config);
        this.receive(&frame(SETTINGS, 0, 0, []));
        this.receive(&frame(SETTINGS, ACK, 0, []));
        let keys = (0..requests).map(|_| this.http2.open(&fields(REQUEST), false).unwrap()).collect();
        this.transmit();
        this.forget();
        (this, keys)
    }

    /// A client whose server has said nothing.
    #[allow(clippy::disallowed_methods, reason = "a test has its own clock")]
    pub fn silent_client(config: Config) -> Self {
        let now = Instant::now();
        Self { http2: Connection::client(config, now), now, events: vec![], sent: vec![] }
    }

    /// Takes bytes in; events and answers are kept.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.http2.handle_bytes(self.now, Bytes::copy_from_slice(bytes));
        while let Some(event) = self.http2.poll_event(self.now) {
            self.events.push(event);
        }
        self.transmit();
    }

    pub fn transmit(&mut self) {
        let mut out = Output::new();
        self.http2.poll_transmit(self.now, &mut out);
        self.sent.extend_from_slice(&out.to_vec());
    }

    pub fn forget(&mut self) {
        self.events.clear();
        self.sent.clear();
    }

    /// Kind, flags, stream and payload of every frame that was sent.
    pub fn frames(&self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        let mut rest = self.sent.strip_prefix(PREFACE).unwrap_or(&self.sent);
        let mut frames = Vec::new();
        while let [a, b, c, kind, flags, d, e, f, g, after @ ..] = rest {
            let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let id = u32::from_be_bytes([*d, *e, *f, *g]);
            frames.push((*kind, *flags, id, after[..len].to_vec()));
            rest = &after[len..];
        }
        frames
    }

    /// The code of the GOAWAY that was sent, and whether the connection is closed.
    pub fn connection_error(&self) -> Option<ErrorCode> {
        let frames = self.frames();
        let (.., payload) = frames.iter().rev().find(|(kind, ..)| *kind == GOAWAY)?;
        self.http2.is_closed().then(|| ErrorCode(u32::from_be_bytes(*payload[4..].first_chunk().unwrap())))
    }

    /// The code of the RST_STREAM that was sent for this stream.
    pub fn stream_error(&self, stream: u32) -> Option<ErrorCode> {
        let frames = self.frames();
        let mut resets = frames.iter().filter(|(kind, _, id, _)| *kind == RST_STREAM && *id == stream);
        resets.next().map(|(.., payload)| ErrorCode(u32::from_be_bytes(*payload.first_chunk().unwrap())))
    }

    /// How often each limit was hit.
    pub fn hits(&mut self) -> Vec<(&'static str, u32)> {
        let mut hits = Vec::new();
        self.http2.take_limit_hits(|limit, count| hits.push((limit.name(), count)));
        hits
    }
}
