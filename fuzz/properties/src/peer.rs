//! A peer that sends what the choices say: frames that are mostly well-formed, so that they get far.

use crate::choices::Choices;
use crate::wire::{self, put_frame};
use gannet_http2::hpack::Encoder;
use gannet_http2::{Fields, Name};

/// What the other end of a connection under test sends.
pub(crate) struct Peer {
    /// It speaks to a server.
    is_client: bool,
    /// It sends anything; one that is not keeps to the rules, so that its connection lives.
    is_rude: bool,
    encoder: Encoder,
    /// The highest stream that it has named.
    last_id: u32,
    /// The streams that it may send on, and whether it has sent a head there.
    open: Vec<(u32, bool)>,
}

impl Peer {
    pub(crate) fn new(choices: &mut Choices<'_>, is_client: bool) -> Self {
        let is_rude = choices.flag();
        Self { is_client, is_rude, encoder: Encoder::new(4096), last_id: 0, open: Vec::new() }
    }

    /// The connection under test, a client, has opened a stream.
    pub(crate) fn hears_of(&mut self, id: u32) {
        self.open.push((id, false));
        self.last_id = id;
    }

    /// What every connection begins with; a rude peer begins otherwise now and then.
    pub(crate) fn greet(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        if self.is_rude && choices.rarely(8) {
            return;
        }
        if self.is_client {
            wire.extend_from_slice(wire::PREFACE);
        }
        self.settings(choices, wire);
        put_frame(wire, wire::SETTINGS, wire::ACK, 0, &[]);
    }

    /// One more frame, or bytes that are none.
    pub(crate) fn speak(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        if self.is_rude { self.speak_freely(choices, wire) } else { self.speak_by_the_rules(choices, wire) }
    }

    fn speak_by_the_rules(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        match choices.below(12) {
            0..=2 if self.is_client => {
                self.last_id += 1 + self.last_id % 2;
                let ends = choices.flag();
                self.section(wire, self.last_id, &wire::request(), ends);
                self.open.push((self.last_id, true));
                self.end_last_if(ends);
            }
            8 => self.window_update(choices, wire),
            9 => self.settings(choices, wire),
            10 => put_frame(wire, wire::PING, 0, 0, b"question"),
            _ if self.open.is_empty() => {}
            turn => {
                let place = choices.below(self.open.len().min(8));
                let place = self.open.len() - 1 - place;
                self.open.push(self.open[place]);
                self.open.swap_remove(place);
                self.go_on(choices, wire, turn == 11);
            }
        }
    }

    /// The next thing on the last of the open streams.
    fn go_on(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>, ends: bool) {
        let Some(last) = self.open.last_mut() else { return };
        let (id, has_head) = (last.0, std::mem::replace(&mut last.1, true));
        if !has_head {
            self.section(wire, id, &wire::response(), ends);
        } else if ends && choices.flag() {
            self.section(wire, id, &wire::trailers(), true);
        } else if ends && choices.flag() {
            put_frame(wire, wire::RST_STREAM, 0, id, &[0, 0, 0, 8]);
        } else {
            let len = choices.pick(&[1, 100, 5000, 16_384]);
            put_frame(wire, wire::DATA, u8::from(ends) * wire::END_STREAM, id, &vec![7; len]);
        }
        self.end_last_if(ends);
    }

    fn end_last_if(&mut self, ends: bool) {
        if ends {
            self.open.pop();
        }
    }

    fn section(&mut self, wire: &mut Vec<u8>, id: u32, fields: &Fields, ends: bool) {
        let mut block = Vec::new();
        self.encoder.encode(fields, &mut block);
        put_frame(wire, wire::HEADERS, wire::END_HEADERS | (u8::from(ends) * wire::END_STREAM), id, &block);
    }

    fn speak_freely(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        match choices.below(20) {
            0..=4 => self.headers(choices, wire),
            5..=9 => self.data(choices, wire),
            10 => self.window_update(choices, wire),
            11 => self.settings(choices, wire),
            12 => put_frame(wire, wire::SETTINGS, wire::ACK, 0, &[]),
            13 => put_frame(wire, wire::PING, choices.byte() & wire::ACK, 0, b"bandwide"),
            14 => {
                let id = self.known_id(choices);
                put_frame(wire, wire::RST_STREAM, 0, id, &[0, 0, 0, choices.byte()]);
            }
            15 => self.go_away(choices, wire),
            16 => {
                let id = self.known_id(choices);
                put_frame(wire, wire::PRIORITY, 0, id, choices.bytes(5));
            }
            17 => {
                let (id, flags) = (self.known_id(choices), choices.byte());
                put_frame(wire, wire::CONTINUATION, flags, id, choices.bytes(8));
            }
            18 => {
                let (kind, flags) = (choices.byte(), choices.byte());
                let (id, len) = (self.known_id(choices), choices.below(20));
                put_frame(wire, kind, flags, id, choices.bytes(len));
            }
            _ => {
                let len = choices.below(32);
                wire.extend_from_slice(choices.bytes(len));
            }
        }
    }

    /// A stream that has been named, now and then another.
    fn known_id(&mut self, choices: &mut Choices<'_>) -> u32 {
        match choices.byte() {
            255 if self.is_rude => choices.number(),
            254 if self.is_rude => 0,
            back => self.last_id.saturating_sub(2 * u32::from(back % 4)).max(1),
        }
    }

    fn headers(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        let opens = self.is_client && !choices.rarely(4);
        let id = if opens { self.last_id + 1 + self.last_id % 2 } else { self.known_id(choices) };
        self.last_id = self.last_id.max(id & 0x7fff_fffe | 1);
        let mut block = Vec::new();
        if choices.rarely(8) {
            let len = choices.below(40);
            block.extend_from_slice(choices.bytes(len));
        } else {
            let fields = if opens { request(choices) } else { self.later_section(choices) };
            self.encoder.encode(&fields, &mut block);
        }
        let end_stream = choices.byte() & wire::END_STREAM;
        let pieces = if choices.rarely(4) { 1 + choices.below(20) } else { 1 };
        let size = block.len().div_ceil(pieces).max(1);
        let count = block.len().div_ceil(size).max(1);
        for place in 0..count {
            let piece = &block[(place * size).min(block.len())..((place + 1) * size).min(block.len())];
            let (kind, flags) =
                if place == 0 { (wire::HEADERS, end_stream) } else { (wire::CONTINUATION, 0) };
            // A rare block has no end.
            let ends = place + 1 == count && !choices.rarely(32);
            put_frame(wire, kind, flags | if ends { wire::END_HEADERS } else { 0 }, id, piece);
        }
    }

    /// A response, or trailers.
    fn later_section(&self, choices: &mut Choices<'_>) -> Fields {
        let mut fields = Fields::new();
        if !self.is_client && !choices.rarely(3) {
            fields.push(
                Name::Status,
                choices.pick(&["200", "100", "103", "101", "304", "204", "0"]).as_bytes(),
            );
        }
        put_extra(choices, &mut fields);
        fields
    }

    fn data(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        let id = self.known_id(choices);
        let len = match choices.below(16) {
            0..=5 => choices.below(4),
            6..=12 => 100,
            13..=14 => 5000,
            _ => 16_384,
        };
        let mut payload = vec![7; len];
        let mut flags = choices.byte() & wire::END_STREAM;
        if choices.rarely(8)
            && let Some(first) = payload.first_mut()
        {
            flags |= 8;
            *first = choices.byte();
        }
        put_frame(wire, wire::DATA, flags, id, &payload);
    }

    fn window_update(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        let id = if self.last_id == 0 || choices.flag() { 0 } else { self.known_id(choices) };
        let increment = match choices.below(4) {
            0 => 1 + u32::from(choices.byte()),
            1 if self.is_rude => choices.number(),
            _ => 50_000,
        };
        put_frame(wire, wire::WINDOW_UPDATE, 0, id, &increment.to_be_bytes());
    }

    fn settings(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        let mut payload = Vec::new();
        for _ in 0..choices.below(4) {
            let (identifier, value) = match choices.below(8) {
                0 => (1, u32::from(choices.byte()) * 64),
                1 => (3, u32::from(choices.byte())),
                2 => (4, u32::from(choices.byte())),
                3 if self.is_rude => (4, choices.number()),
                3 => (4, u32::from(choices.byte()) * 1024),
                4 => (5, 16_384 + u32::from(choices.byte())),
                5 => (6, 200 + u32::from(choices.byte()) * 8),
                6 => (8, 1),
                _ if self.is_rude => (u16::from(choices.byte()), choices.number()),
                _ => (0xff, 0),
            };
            payload.extend_from_slice(&u16::to_be_bytes(identifier));
            payload.extend_from_slice(&value.to_be_bytes());
        }
        put_frame(wire, wire::SETTINGS, 0, 0, &payload);
    }

    fn go_away(&mut self, choices: &mut Choices<'_>, wire: &mut Vec<u8>) {
        let last = self.known_id(choices);
        let payload = [&last.to_be_bytes()[..], &[0, 0, 0, choices.byte()], b"because"].concat();
        put_frame(wire, wire::GOAWAY, 0, 0, &payload);
    }
}

fn request(choices: &mut Choices<'_>) -> Fields {
    let mut fields = Fields::new();
    fields.push(Name::Method, choices.pick(&["POST", "POST", "GET", "HEAD", "CONNECT"]).as_bytes());
    fields.push(Name::Scheme, b"http");
    fields.push(Name::Path, choices.pick(&["/a/B", "/a/C", "/", ""]).as_bytes());
    fields.push(Name::Authority, b"a");
    put_extra(choices, &mut fields);
    fields
}

/// Fields that may come after the pseudo-header fields, and some that may not.
fn put_extra(choices: &mut Choices<'_>, fields: &mut Fields) {
    for _ in 0..choices.below(4) {
        match choices.below(10) {
            0 => fields.push(Name::ContentLength, choices.pick(&["0", "5", "100", "x"]).as_bytes()),
            1 => fields.push(Name::Te, choices.pick(&["trailers", "gzip"]).as_bytes()),
            2 => fields.push(Name::Connection, b"close"),
            3 => fields.push(Name::GrpcStatus, b"0"),
            4 => fields.push(Name::Protocol, b"websocket"),
            5 => fields.push_text(b"X-Upper", b"1"),
            6 => fields.push_sensitive(b"x-secret", b"secret"),
            7 => {
                let len = choices.below(3000);
                fields.push_text(b"x-long", &vec![b'v'; len]);
            }
            _ => fields.push_text(b"x-any", &[b'a' + choices.byte() % 26]),
        }
    }
}
