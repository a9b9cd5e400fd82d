//! A client and a server, joined by two pipes that cut anywhere, against a model of what each has said.

use crate::choices::Choices;
use crate::ledger::Ledger;
use crate::wire::{request, response, trailers};
use bytes::Bytes;
use gannet_http2::{Config, Connection, ErrorCode, Event, Output, StreamKey};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// All that time may pass: peers that dawdle longer are cut off, which is another property's matter.
const MOST_TIME: Duration = Duration::from_secs(5);
/// A peer that asks more often is cut off.
const MOST_PINGS: u32 = 200;

/// Whatever the two applications do, however the bytes are cut and whenever they arrive: neither end finds fault with the
/// other or sends more than flow control allows; each stream's bytes arrive in order, once; when both have said all, everything has arrived that nobody cut
/// short, with its end; and what a client may try again the server's application has never seen.
pub fn joined(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut pair = Pair::new(&mut choices);
    while !choices.is_empty() {
        pair.step(&mut choices);
    }
    pair.finish();
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Client,
    Server,
}

struct Pair {
    now: Instant,
    passed: Duration,
    pings: u32,
    client: Connection,
    server: Connection,
    /// To the server, and to the client.
    up: Pipe,
    down: Pipe,
    streams: Vec<Stream>,
    by_client_key: HashMap<StreamKey, usize>,
    by_server_key: HashMap<StreamKey, usize>,
}

/// Bytes on their way to one end.
struct Pipe {
    bytes: Vec<u8>,
    /// What the end that writes to this pipe may send.
    ledger: Ledger,
}

/// One stream: what each side has said on it, and what has arrived.
struct Stream {
    client_key: StreamKey,
    server_key: Option<StreamKey>,
    answered: bool,
    request: Direction,
    response: Direction,
    /// The client was told that no server has seen it.
    unprocessed: bool,
}

#[derive(Default)]
struct Direction {
    sent: usize,
    finished: Option<End>,
    arrived: usize,
    unread: usize,
    ended: Option<End>,
    /// Somebody has ended the stream before its time: what was sent need not arrive.
    cut_short: bool,
}

/// How a side ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Data,
    Trailers,
}

impl Pair {
    fn new(choices: &mut Choices<'_>) -> Self {
        // Resets are the applications' wish here.
        let mut config = Config::default().max_resets(u32::MAX);
        if choices.flag() {
            config = config.max_concurrent_streams(4).receive_budget(4 * 2 * 64 * 1024);
        }
        let now = Instant::now();
        Self {
            now,
            passed: Duration::ZERO,
            pings: 0,
            client: Connection::client(config.clone(), now),
            server: Connection::server(config, now),
            up: Pipe::new(),
            down: Pipe::new(),
            streams: Vec::new(),
            by_client_key: HashMap::new(),
            by_server_key: HashMap::new(),
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(20) {
            0..=1 => self.open(choices.rarely(3)),
            2..=5 => {
                let most = if choices.rarely(3) { usize::MAX } else { 1 + choices.below(2000) };
                self.carry(choices.pick(&[Side::Client, Side::Server]), most);
            }
            6 => self.exchange(),
            7 => {
                let time = Duration::from_millis(u64::from(choices.byte())).min(MOST_TIME - self.passed);
                (self.now, self.passed) = (self.now + time, self.passed + time);
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
            }
            8 => self.act_on_connection(choices),
            _ if self.streams.is_empty() => {}
            _ => self.act_on_stream(choices),
        }
    }

    fn open(&mut self, ends: bool) {
        let Ok(client_key) = self.client.open(&request(), ends) else { return };
        let request = Direction { finished: ends.then_some(End::Data), ..Direction::default() };
        assert!(self.by_client_key.insert(client_key, self.streams.len()).is_none());
        self.streams.push(Stream {
            client_key,
            server_key: None,
            answered: false,
            request,
            response: Direction::default(),
            unprocessed: false,
        });
    }

    fn act_on_connection(&mut self, choices: &mut Choices<'_>) {
        match choices.below(6) {
            0..=1 if self.pings < MOST_PINGS => {
                self.pings += 1;
                self.end(choices.pick(&[Side::Client, Side::Server])).ping(*b"question");
            }
            2 if choices.rarely(4) => self.server.shut_down(self.now),
            3 => self.server.set_under_pressure(true),
            _ => self.server.set_under_pressure(false),
        }
    }

    fn act_on_stream(&mut self, choices: &mut Choices<'_>) {
        let number = self.streams.len() - 1 - choices.below(self.streams.len().min(8));
        let side = choices.pick(&[Side::Client, Side::Server]);
        let len = match choices.below(4) {
            0 => choices.below(100),
            1 => 1 + choices.below(60_000),
            _ => 500,
        };
        match choices.below(10) {
            0..=3 => self.send(number, side, len),
            4 => self.end_side(number, side, choices.pick(&[End::Data, End::Trailers])),
            5 if choices.rarely(4) => self.reset(number, side),
            6 => self.want(number, side, len),
            _ => self.read(number, side, len),
        }
    }

    fn end(&mut self, side: Side) -> &mut Connection {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// The stream's key on this side; `None` where the server has not heard of it.
    fn key(&self, number: usize, side: Side) -> Option<StreamKey> {
        match side {
            Side::Client => Some(self.streams[number].client_key),
            Side::Server => self.streams[number].server_key,
        }
    }

    /// What this side says on the stream.
    fn says(&mut self, number: usize, side: Side) -> &mut Direction {
        let stream = &mut self.streams[number];
        if side == Side::Client { &mut stream.request } else { &mut stream.response }
    }

    /// What this side hears.
    fn hears(&mut self, number: usize, side: Side) -> &mut Direction {
        self.says(number, if side == Side::Client { Side::Server } else { Side::Client })
    }

    /// A server answers before it says anything else.
    fn answer(&mut self, number: usize, side: Side, key: StreamKey) {
        if side == Side::Server && !std::mem::replace(&mut self.streams[number].answered, true) {
            self.server.send_headers(key, &response(), false);
        }
    }

    fn send(&mut self, number: usize, side: Side, len: usize) {
        let Some(key) = self.key(number, side) else { return };
        if self.says(number, side).finished.is_some() {
            return;
        }
        self.answer(number, side, key);
        let from = self.says(number, side).sent;
        let mut body = Output::new();
        body.put_bytes((from..from + len).map(|place| byte_at(number, side, place)).collect());
        self.end(side).send_data(key, &mut body);
        self.says(number, side).sent += len;
    }

    fn end_side(&mut self, number: usize, side: Side, how: End) {
        let Some(key) = self.key(number, side) else { return };
        if self.says(number, side).finished.is_some() {
            return;
        }
        self.answer(number, side, key);
        match how {
            End::Data => self.end(side).end_stream(key),
            End::Trailers => self.end(side).send_trailers(key, &trailers()),
        }
        self.says(number, side).finished = Some(how);
        if side == Side::Server && self.hears(number, side).ended.is_none() {
            // RFC 9113 §8.1: a server that has answered need not hear the request to its end.
            self.hears(number, side).cut_short = true;
        }
    }

    fn reset(&mut self, number: usize, side: Side) {
        let Some(key) = self.key(number, side) else { return };
        self.end(side).reset(key, ErrorCode::CANCEL);
        self.cut_short(number);
    }

    fn cut_short(&mut self, number: usize) {
        let stream = &mut self.streams[number];
        (stream.request.cut_short, stream.response.cut_short) = (true, true);
    }

    /// A begun message wants this many bytes more than have come.
    fn want(&mut self, number: usize, side: Side, len: usize) {
        if let Some(key) = self.key(number, side) {
            self.end(side).request_credit(key, len);
        }
    }

    fn read(&mut self, number: usize, side: Side, most: usize) {
        let Some(key) = self.key(number, side) else { return };
        let len = most.min(self.hears(number, side).unread);
        self.end(side).release_capacity(key, len);
        self.hears(number, side).unread -= len;
    }

    /// Carries so many bytes to this side. Says whether there were any.
    fn carry(&mut self, to: Side, most: usize) -> bool {
        let (from, pipe, back) = match to {
            Side::Server => (&mut self.client, &mut self.up, &mut self.down),
            Side::Client => (&mut self.server, &mut self.down, &mut self.up),
        };
        let mut out = Output::new();
        from.poll_transmit(self.now, &mut out);
        pipe.write(&out.to_vec());
        let piece = pipe.read(most, &mut back.ledger);
        let (now, moved) = (self.now, !piece.is_empty());
        self.end(to).handle_bytes(now, Bytes::from(piece));
        self.hear(Side::Client);
        self.hear(Side::Server);
        moved
    }

    fn exchange(&mut self) {
        while self.carry(Side::Server, usize::MAX) | self.carry(Side::Client, usize::MAX) {}
    }

    fn hear(&mut self, side: Side) {
        let now = self.now;
        while let Some(event) = self.end(side).poll_event(now) {
            self.take(side, event);
        }
    }

    fn number(&self, side: Side, key: StreamKey) -> usize {
        let known = if side == Side::Client { &self.by_client_key } else { &self.by_server_key };
        match known.get(&key) {
            Some(number) => *number,
            None => panic!("an event of a stream that nobody opened"),
        }
    }

    fn take(&mut self, side: Side, event: Event) {
        match event {
            Event::Headers { key, end_stream, .. } => {
                if side == Side::Server {
                    self.accept(key);
                }
                self.arrive(self.number(side, key), side, &[], end_stream.then_some(End::Data));
            }
            Event::Data { key, data, end_stream } => {
                self.arrive(self.number(side, key), side, &data, end_stream.then_some(End::Data));
            }
            Event::Trailers { key, .. } => {
                self.arrive(self.number(side, key), side, &[], Some(End::Trailers))
            }
            Event::Reset { key, unprocessed, code, reason, .. } => {
                let number = self.number(side, key);
                if unprocessed {
                    assert!(side == Side::Client && self.streams[number].server_key.is_none());
                    self.streams[number].unprocessed = true;
                }
                // What the client has heard to its end stays heard.
                let early = side == Side::Client && code == ErrorCode::NO_ERROR;
                let stream = &self.streams[number];
                assert!(
                    unprocessed || stream.request.cut_short && (early || stream.response.cut_short),
                    "nobody reset it: {code} {reason}"
                );
                self.cut_short_by(number, early);
            }
            Event::Closed { error } => panic!("{error:?}"),
            Event::Informational { .. } => panic!("nobody sent it"),
            _ => {}
        }
    }

    fn cut_short_by(&mut self, number: usize, early: bool) {
        self.streams[number].request.cut_short = true;
        if !early {
            self.streams[number].response.cut_short = true;
        }
    }

    /// The server has heard of a stream: the client's, in the order in which they were opened.
    fn accept(&mut self, key: StreamKey) {
        let id = self.server.stream_id(key).unwrap_or_default() as usize;
        let number = (id - 1) / 2;
        let stream = &mut self.streams[number];
        assert!(stream.server_key.replace(key).is_none() && !stream.unprocessed);
        assert!(self.by_server_key.insert(key, number).is_none());
    }

    fn arrive(&mut self, number: usize, side: Side, data: &[u8], end: Option<End>) {
        let other = if side == Side::Client { Side::Server } else { Side::Client };
        let direction = self.hears(number, side);
        assert!(direction.ended.is_none(), "something after the end");
        for (place, byte) in (direction.arrived..).zip(data) {
            assert!(*byte == byte_at(number, other, place), "stream {number}, byte {place}");
        }
        direction.arrived += data.len();
        direction.unread += data.len();
        direction.ended = end;
        assert!(direction.arrived <= direction.sent);
        if let Some(end) = end {
            assert_eq!((direction.finished, direction.arrived), (Some(end), direction.sent));
        }
    }

    /// Everybody says the rest and reads all.
    fn finish(&mut self) {
        self.server.set_under_pressure(false);
        let total: usize = self.streams.iter().map(|stream| stream.request.sent + stream.response.sent).sum();
        // Each round empties every window, of which the smallest is 64 KiB.
        for _ in 0..10 + total / 1024 {
            self.exchange();
            if self.streams.iter().all(Stream::is_over) {
                break;
            }
            for number in 0..self.streams.len() {
                for side in [Side::Client, Side::Server] {
                    self.end_side(number, side, End::Data);
                    self.read(number, side, usize::MAX);
                }
            }
        }
        for (number, stream) in self.streams.iter().enumerate() {
            for direction in [&stream.request, &stream.response] {
                let whole = direction.arrived == direction.sent && direction.ended == direction.finished;
                assert!(direction.cut_short || whole, "stream {number} is not whole");
            }
        }
        assert_eq!((self.client.open_streams(), self.server.open_streams()), (0, 0));
        assert_eq!((self.client.held_bytes(), self.server.held_bytes()), (0, 0));
    }
}

impl Pipe {
    fn new() -> Self {
        Self { bytes: Vec::new(), ledger: Ledger::new() }
    }

    fn write(&mut self, sent: &[u8]) {
        self.ledger.sent(sent);
        self.bytes.extend_from_slice(sent);
    }

    /// Takes at most so many bytes out. What they allow counts from now on for the way `back`.
    fn read(&mut self, most: usize, back: &mut Ledger) -> Vec<u8> {
        let rest = self.bytes.split_off(most.min(self.bytes.len()));
        let piece = std::mem::replace(&mut self.bytes, rest);
        back.came(&piece);
        piece
    }
}

impl Stream {
    fn is_over(&self) -> bool {
        [&self.request, &self.response]
            .iter()
            .all(|direction| direction.cut_short || direction.ended.is_some())
    }
}

/// What stands at this place of what a side says on a stream.
fn byte_at(number: usize, side: Side, place: usize) -> u8 {
    (place / 251 + place % 251 + 7 * number + side as usize) as u8
}
