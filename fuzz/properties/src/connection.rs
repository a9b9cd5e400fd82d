//! One connection of either role, whose peer, application and clock do anything.

use crate::choices::Choices;
use crate::ledger::Ledger;
use crate::peer::Peer;
use crate::wire::{request, response, trailers};
use bytes::Bytes;
use gannet_http2::{Config, Connection, ErrorCode, Event, Output, StreamKey};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const STREAMS: u32 = 4;
/// The smallest that gives each stream a window.
const RECEIVE_BUDGET: u32 = STREAMS * 2 * 64 * 1024;
const QUEUED_CONTROL: usize = 4096;
/// What a connection puts out by itself beside the answers that `max_queued_control` counts: one of them too many, its
/// SETTINGS, its GOAWAYs, PINGs of its own.
const OWN_BYTES: usize = 1024;
/// What a connection without streams may remember, as text. Its HPACK tables and the identifiers of the last streams
/// are most of it.
const REMEMBERED_TEXT: usize = 128 * 1024;

/// Whatever the peer sends, however it is cut, whenever time passes, and whatever the application does in between: no
/// panic; what is held fits the limits, what is sent the windows; each stream has at most one end and no event after it; timers that have fired
/// lie in the future; and when the peer goes away, or does nothing more, everything ends.
pub fn connection(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut subject = Subject::new(&mut choices);
    while !choices.is_empty() {
        subject.step(&mut choices);
        subject.check();
    }
    subject.wind_up();
}

/// The connection under test, and what must be true of it.
struct Subject {
    http2: Connection,
    is_server: bool,
    now: Instant,
    peer: Peer,
    /// Sent by the peer, not yet delivered.
    wire: Vec<u8>,
    /// What the connection may send; `None` for a peer that does not read at once.
    ledger: Option<Ledger>,
    /// Every stream that the application has ever heard of.
    streams: BTreeMap<StreamKey, Stream>,
    keys: Vec<StreamKey>,
    /// What the application has given to be sent, frames' heads included.
    given: usize,
    is_closed: bool,
}

/// What the application knows of a stream.
#[derive(Default)]
struct Stream {
    unread: usize,
    /// END_STREAM or a reset has come.
    has_ended: bool,
    was_reset: bool,
    /// The application has ended its side, or all of it.
    ended_by_us: bool,
}

impl Subject {
    fn new(choices: &mut Choices<'_>) -> Self {
        let config = Config::default()
            .max_concurrent_streams(STREAMS)
            .receive_budget(RECEIVE_BUDGET)
            .send_budget(64 * 1024)
            .max_header_list_size(2048)
            .max_header_block(4096)
            .max_resets(20)
            .max_idle_frames(100)
            .max_queued_control(QUEUED_CONTROL);
        let (is_server, now) = (choices.flag(), Instant::now());
        let http2 = match is_server {
            true => Connection::server(config, now),
            false => Connection::client(config, now),
        };
        let (mut peer, mut wire) = (Peer::new(choices, is_server), Vec::new());
        peer.greet(choices, &mut wire);
        let (streams, keys) = (BTreeMap::new(), Vec::new());
        let ledger = choices.flag().then(Ledger::new);
        Self { http2, is_server, now, peer, wire, ledger, streams, keys, given: 0, is_closed: false }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(16) {
            0..=5 => self.peer.speak(choices, &mut self.wire),
            6..=7 => self.deliver(usize::MAX),
            8 => self.deliver(1 + choices.below(64)),
            9 => self.pass(Duration::from_millis(u64::from(choices.byte()).pow(2) / 4)),
            10 => self.transmit(),
            11 => self.act_on_connection(choices),
            _ => self.act_on_stream(choices),
        }
        self.drain();
        if self.ledger.is_some() {
            self.transmit();
        }
    }

    fn deliver(&mut self, most: usize) {
        let rest = self.wire.split_off(most.min(self.wire.len()));
        let piece = std::mem::replace(&mut self.wire, rest);
        if let Some(ledger) = &mut self.ledger {
            ledger.came(&piece);
        }
        self.http2.handle_bytes(self.now, Bytes::from(piece));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.http2.poll_timeout().is_some_and(|at| at <= self.now) {
            self.http2.handle_timeout(self.now);
            assert!(self.http2.poll_timeout().is_none_or(|at| at > self.now), "a timer that fires for ever");
        }
    }

    fn transmit(&mut self) {
        let mut out = Output::new();
        while self.http2.poll_transmit(self.now, &mut out) {}
        if let Some(ledger) = &mut self.ledger {
            ledger.sent(&out.to_vec());
        }
    }

    fn act_on_connection(&mut self, choices: &mut Choices<'_>) {
        match choices.below(8) {
            0 => self.http2.ping([0; 8]),
            1 => self.http2.shut_down(self.now),
            2 => self.http2.set_under_pressure(choices.flag()),
            3 if choices.rarely(8) => self.http2.close(ErrorCode::NO_ERROR, "enough"),
            _ if !self.is_server => {
                let ended_by_us = choices.flag();
                if let Ok(key) = self.http2.open(&request(), ended_by_us) {
                    self.begin(key);
                    self.peer.hears_of(self.http2.stream_id(key).unwrap_or_default());
                    self.stream(key).ended_by_us = ended_by_us;
                }
            }
            _ => {}
        }
        self.given += 100;
    }

    /// Does something to a stream, dead ones among them.
    fn act_on_stream(&mut self, choices: &mut Choices<'_>) {
        if self.keys.is_empty() {
            return;
        }
        let back = choices.below(self.keys.len().min(8));
        let key = self.keys[self.keys.len() - 1 - back];
        let len = match choices.below(4) {
            0 => choices.below(200),
            1 => 100_000,
            _ => 2000,
        };
        let mut body = Output::new();
        body.put_bytes(vec![1; len].into());
        self.given += len + 9 * (len / 16_384 + 1) + 100;
        match choices.below(10) {
            0..=1 if self.is_server => self.http2.send_headers(key, &response(), false),
            2 => self.http2.send_data(key, &mut body),
            3 => {
                self.http2.send_last_data(key, &mut body);
                self.stream(key).ended_by_us = true;
            }
            4 => {
                self.http2.send_trailers(key, &trailers());
                self.stream(key).ended_by_us = true;
            }
            5 => {
                self.http2.end_stream(key);
                self.stream(key).ended_by_us = true;
            }
            6 => {
                self.http2.reset(key, ErrorCode::CANCEL);
                assert_eq!(self.http2.stream_id(key), None);
                self.stream(key).ended_by_us = true;
            }
            7 => self.http2.request_credit(key, len),
            8 => self.http2.discard(key),
            _ => {
                let read = len.min(self.stream(key).unread);
                self.http2.release_capacity(key, read);
                self.stream(key).unread -= read;
            }
        }
    }

    fn begin(&mut self, key: StreamKey) {
        assert!(self.streams.insert(key, Stream::default()).is_none(), "a key that was used before");
        self.keys.push(key);
    }

    fn stream(&mut self, key: StreamKey) -> &mut Stream {
        match self.streams.get_mut(&key) {
            Some(stream) => stream,
            None => panic!("an event of a stream that nobody knows"),
        }
    }

    /// The stream of an event that is not its last; it must not have had that.
    fn living(&mut self, key: StreamKey) -> &mut Stream {
        let stream = self.stream(key);
        assert!(!stream.has_ended && !stream.was_reset, "an event after the stream's end");
        stream
    }

    fn drain(&mut self) {
        while let Some(event) = self.http2.poll_event(self.now) {
            assert!(!self.is_closed, "{event:?} after the last event");
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Headers { key, end_stream, .. } => {
                if self.is_server {
                    self.begin(key);
                }
                self.living(key).has_ended = end_stream;
            }
            Event::Informational { key, .. } => drop(self.living(key)),
            Event::Data { key, data, end_stream } => {
                let stream = self.living(key);
                stream.unread += data.len();
                stream.has_ended = end_stream;
            }
            Event::Trailers { key, .. } => self.living(key).has_ended = true,
            Event::Reset { key, .. } => {
                assert!(!std::mem::replace(&mut self.stream(key).was_reset, true), "reset twice");
                assert_eq!(self.http2.stream_id(key), None);
            }
            Event::Sent { key } => {
                assert!(self.streams.contains_key(&key));
            }
            Event::Closed { .. } => self.is_closed = true,
            _ => {}
        }
    }

    fn check(&mut self) {
        assert_eq!(self.is_closed, self.http2.is_closed());
        assert!(self.http2.open_streams() <= if self.is_server { STREAMS as usize } else { usize::MAX });
        assert!(self.http2.unsent() <= self.given + QUEUED_CONTROL + OWN_BYTES);
        let (mut unread, mut queued, mut open) = (0, 0, 0);
        for (key, stream) in &self.streams {
            queued += self.http2.queued(*key);
            if self.http2.stream_id(*key).is_some() {
                (unread, open) = (unread + stream.unread, open + 1);
            } else if !self.is_closed {
                // RFC 9113 §5.1: nothing vanishes without a word.
                assert!(
                    stream.has_ended || stream.was_reset || stream.ended_by_us,
                    "a stream without an end"
                );
            }
        }
        assert_eq!(open, self.http2.open_streams());
        assert!(unread <= RECEIVE_BUDGET as usize, "{unread} bytes wait for the application");
        assert!(queued <= self.given);
    }

    /// The peer does nothing more; then it goes away.
    fn wind_up(&mut self) {
        self.deliver(usize::MAX);
        self.drain();
        self.check();
        for _ in 0..4 {
            if let Some(at) = self.http2.poll_timeout() {
                self.pass(at.saturating_duration_since(self.now));
                self.drain();
            }
        }
        assert_eq!(self.http2.poll_timeout(), None, "there is always another timer");
        assert!(self.http2.is_settled() || self.is_closed, "a peer that says nothing is kept");
        for key in std::mem::take(&mut self.keys) {
            self.http2.reset(key, ErrorCode::CANCEL);
        }
        self.transmit();
        assert_eq!((self.http2.open_streams(), self.http2.unsent(), self.http2.held_bytes()), (0, 0, 0));
        let remembered = format!("{:?}", self.http2).len();
        assert!(remembered <= REMEMBERED_TEXT, "{remembered} bytes of text");
        self.http2.handle_eof();
        self.drain();
        assert!(self.is_closed && self.http2.is_closed());
    }
}
