//! Frames: how bytes are cut makes no difference.

use crate::choices::Choices;
use crate::peer::Peer;
use crate::wire;
use bytes::Bytes;
use gannet_http2::{Config, Connection, Event, Output, StreamKey};
use std::time::Instant;

/// The same bytes, in one piece and cut anywhere, are the same events in the same order, are answered with the same
/// bytes, and those are whole frames. What is received and not consumed fits the budget.
pub fn frames(data: &[u8]) {
    let mut choices = Choices::new(data);
    let is_server = choices.flag();
    let cut = if choices.flag() { 1 + choices.below(64) } else { 1 + choices.below(8192) };
    let mut peer = Peer::new(&mut choices, is_server);
    if !is_server {
        OPENED.iter().for_each(|(id, _)| peer.hears_of(*id));
    }
    let mut sent = Vec::new();
    peer.greet(&mut choices, &mut sent);
    while !choices.is_empty() {
        peer.speak(&mut choices, &mut sent);
    }
    let now = Instant::now();
    let whole = heard(is_server, now, &mut std::iter::once(&sent[..]));
    let pieces = heard(is_server, now, &mut sent.chunks(cut));
    assert_eq!(whole, pieces);
    wire::whole_frames(&whole.answered, wire::LARGEST_PAYLOAD);
}

/// The requests of a client, and whether they are whole.
const OPENED: [(u32, bool); 3] = [(1, true), (3, false), (5, false)];

/// What a connection makes of what it receives.
#[derive(Debug, PartialEq)]
struct Heard {
    events: Vec<Noted>,
    answered: Vec<u8>,
    open_streams: usize,
    is_closed: bool,
}

#[derive(Debug, PartialEq)]
enum Noted {
    /// All of a stream's data up to what comes next: a large frame may be handed out in pieces.
    Data {
        key: StreamKey,
        bytes: usize,
        end_stream: bool,
    },
    Other(String),
}

fn note(events: &mut Vec<Noted>, event: Event) {
    match (event, events.last_mut()) {
        (
            Event::Data { key, data, end_stream: ends },
            Some(Noted::Data { key: before, bytes, end_stream }),
        ) if key == *before => {
            (*bytes, *end_stream) = (*bytes + data.len(), ends);
        }
        (Event::Data { key, data, end_stream }, _) => {
            events.push(Noted::Data { key, bytes: data.len(), end_stream });
        }
        (event, last) => {
            // The beginning of a frame that broke a rule may have been handed out before its end came.
            let broken = |key| matches!(event, Event::Reset { key: reset, .. } if reset == key);
            if matches!(last, Some(Noted::Data { key, .. }) if broken(*key)) {
                events.pop();
            }
            events.push(Noted::Other(format!("{event:?}")));
        }
    }
}

fn heard(is_server: bool, now: Instant, pieces: &mut dyn Iterator<Item = &[u8]>) -> Heard {
    let config = Config::default();
    let mut connection = match is_server {
        true => Connection::server(config, now),
        false => Connection::client(config, now),
    };
    if !is_server {
        for (_, ended) in OPENED {
            assert!(connection.open(&wire::request(), ended).is_ok());
        }
    }
    let mut events = Vec::new();
    for piece in pieces {
        connection.handle_bytes(now, Bytes::copy_from_slice(piece));
        while let Some(event) = connection.poll_event(now) {
            note(&mut events, event);
        }
    }
    let (open_streams, is_closed) = (connection.open_streams(), connection.is_closed());
    let mut answered = Output::new();
    while connection.poll_transmit(now, &mut answered) {}
    Heard { events, answered: answered.to_vec(), open_streams, is_closed }
}
