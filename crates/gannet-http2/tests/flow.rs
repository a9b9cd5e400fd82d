//! Credit as a promise of memory: what is granted fits the budget, and every message arrives that somebody reads.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

mod wire;

use bytes::Bytes;
use gannet_http2::{Config, Connection, Event, Output, StreamKey};
use proptest::prelude::*;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use wire::*;

const SMALLEST: u32 = 64 * 1024;

/// A client and a server, joined in memory; the server's events wait for the test.
struct Pair {
    now: Instant,
    client: Connection,
    server: Connection,
    opened: Vec<StreamKey>,
    /// The server's stream of each identifier, as it was opened.
    accepted: HashMap<u32, StreamKey>,
    events: VecDeque<Event>,
    /// Credit that the server gave: stream → bytes, the initial window included.
    granted: HashMap<u32, u64>,
}

impl Pair {
    fn new(config: &Config) -> Self {
        let now = Instant::now();
        let mut pair = Self {
            now,
            client: Connection::client(config.clone(), now),
            server: Connection::server(config.clone(), now),
            opened: Vec::new(),
            accepted: HashMap::new(),
            events: VecDeque::new(),
            granted: HashMap::new(),
        };
        pair.exchange(&mut std::iter::repeat(usize::MAX));
        pair
    }

    fn open(&mut self) -> StreamKey {
        let key = self.client.open(&fields(REQUEST), false).unwrap();
        self.opened.push(key);
        key
    }

    /// Carries bytes both ways until both are quiet, in pieces of these sizes.
    fn exchange(&mut self, cuts: &mut impl Iterator<Item = usize>) {
        loop {
            let to_server = self.take(true);
            let to_client = self.take(false);
            if to_server.is_empty() && to_client.is_empty() {
                return;
            }
            self.note_credit(&to_client);
            for (mut bytes, server) in [(to_server, true), (to_client, false)] {
                while !bytes.is_empty() {
                    let piece = bytes.split_to(cuts.next().unwrap().clamp(1, bytes.len()));
                    self.give(piece, server);
                }
            }
        }
    }

    fn take(&mut self, from_client: bool) -> Bytes {
        let mut out = Output::new();
        let from = if from_client { &mut self.client } else { &mut self.server };
        while from.poll_transmit(self.now, &mut out) {}
        out.to_vec().into()
    }

    fn give(&mut self, bytes: Bytes, server: bool) {
        let to = if server { &mut self.server } else { &mut self.client };
        to.handle_bytes(self.now, bytes);
        while let Some(event) = to.poll_event(self.now) {
            assert!(!matches!(event, Event::Closed { .. }), "{event:?}");
            if let (true, Event::Headers { key, .. }) = (server, &event) {
                let id = to.stream_id(*key).unwrap();
                self.accepted.insert(id, *key);
                self.granted.insert(id, u64::from(SMALLEST));
            } else if server {
                self.events.push_back(event);
            }
        }
    }

    fn note_credit(&mut self, wire: &[u8]) {
        let mut rest = wire;
        while let [a, b, c, kind, _, d, e, f, g, after @ ..] = rest {
            let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            let id = u32::from_be_bytes([*d, *e, *f, *g]);
            if *kind == WINDOW_UPDATE && id != 0 {
                let credit = u32::from_be_bytes(*after.first_chunk().unwrap());
                *self.granted.entry(id).or_insert(SMALLEST.into()) += u64::from(credit);
            }
            rest = &after[len..];
        }
    }
}

fn body(len: usize) -> Output {
    let mut out = Output::new();
    out.put_bytes(vec![1; len].into());
    out
}

/// The smallest budget for so many streams: each has a window of 64 KiB, and as much again is lent.
fn smallest(streams: u32) -> Config {
    let config = Config::default().max_concurrent_streams(streams).receive_budget(streams * SMALLEST * 2);
    config.check().unwrap();
    assert_eq!(config.initial_window_size(), SMALLEST);
    config
}

/// A message of 4 MiB on each of a hundred streams; the readers of the first `asleep` never ask for theirs. Says how
/// many have arrived.
fn arrivals(asleep: usize) -> usize {
    const MESSAGE: usize = 4 << 20;
    let mut pair = Pair::new(&smallest(100));
    for _ in 0..100 {
        let key = pair.open();
        pair.client.send_last_data(key, &mut body(MESSAGE));
    }
    let mut cuts = std::iter::repeat(64 * 1024);
    pair.exchange(&mut cuts);
    let sleepers: Vec<StreamKey> =
        (0..asleep).map(|number| pair.accepted[&(2 * number as u32 + 1)]).collect();
    let mut got: HashMap<StreamKey, usize> = HashMap::new();
    let mut arrived = 0;
    while let Some(event) = pair.events.pop_front() {
        let Event::Data { key, data, .. } = event else { continue };
        let got = got.entry(key).or_default();
        *got += data.len();
        if sleepers.contains(&key) {
            continue;
        }
        if *got == MESSAGE {
            arrived += 1;
            pair.server.release_capacity(key, MESSAGE);
        } else {
            pair.server.request_credit(key, MESSAGE - *got);
        }
        if pair.events.is_empty() {
            pair.exchange(&mut cuts);
        }
    }
    arrived
}

#[test]
fn large_messages_on_every_stream_arrive() {
    assert_eq!(arrivals(0), 100);
}

#[test]
fn readers_that_sleep_for_ever_hold_up_nobody() {
    assert_eq!(arrivals(10), 90);
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    Send(usize, usize),
    End(usize),
    /// The reader consumes this many of the bytes that came.
    Consume(usize, usize),
    /// The reader waits for a message of which this much is missing.
    Want(usize, usize),
    Reset(usize),
    Answer(usize),
    Pressure(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 0usize..8;
    prop_oneof![
        2 => Just(Step::Open),
        6 => (stream.clone(), prop_oneof![0usize..300, 0usize..300_000]).prop_map(|(s, n)| Step::Send(s, n)),
        1 => stream.clone().prop_map(Step::End),
        6 => (stream.clone(), 0usize..200_000).prop_map(|(s, n)| Step::Consume(s, n)),
        3 => (stream.clone(), 0usize..1_000_000).prop_map(|(s, n)| Step::Want(s, n)),
        1 => stream.clone().prop_map(Step::Reset),
        1 => stream.prop_map(Step::Answer),
        1 => any::<bool>().prop_map(Step::Pressure),
        2 => (0u64..200).prop_map(Step::Wait),
    ]
}

/// The plain model of one stream: what was sent, what came, what was consumed.
#[derive(Default)]
struct Model {
    sent: u64,
    came: u64,
    consumed: u64,
    ended: bool,
    over: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Σ (granted − consumed) over the open streams never passes the budget, nothing comes that was not granted, and
    /// every byte comes in the end.
    #[test]
    fn what_is_granted_fits_the_budget(
        steps in prop::collection::vec(step(), 1..120),
        cuts in prop::collection::vec(prop_oneof![1usize..30, 1usize..50_000], 1..12),
    ) {
        let config = smallest(8);
        let budget = u64::from(8 * SMALLEST * 2);
        let mut pair = Pair::new(&config);
        let mut cuts = cuts.into_iter().cycle();
        let mut models: Vec<Model> = Vec::new();
        let id = |number: usize| 2 * number as u32 + 1;
        for step in steps {
            match step {
                Step::Open if pair.client.open_streams() < 8 => {
                    pair.open();
                    models.push(Model::default());
                }
                Step::Send(s, bytes) if s < models.len() && !models[s].over && !models[s].ended => {
                    pair.client.send_data(pair.opened[s], &mut body(bytes));
                    models[s].sent += bytes as u64;
                }
                Step::End(s) if s < models.len() => {
                    pair.client.end_stream(pair.opened[s]);
                    models[s].ended = true;
                }
                Step::Consume(s, bytes) if s < models.len() && !models[s].over => {
                    let model = &mut models[s];
                    let bytes = (bytes as u64).min(model.came - model.consumed);
                    model.consumed += bytes;
                    pair.server.release_capacity(pair.accepted[&id(s)], bytes as usize);
                }
                Step::Want(s, bytes) if s < models.len() && !models[s].over => {
                    pair.server.request_credit(pair.accepted[&id(s)], bytes);
                }
                Step::Reset(s) if s < models.len() => {
                    pair.server.reset(pair.accepted[&id(s)], gannet_http2::ErrorCode::CANCEL);
                    models[s].over = true;
                }
                Step::Answer(s) if s < models.len() => {
                    pair.server.send_headers(pair.accepted[&id(s)], &status("200"), true);
                    models[s].over = true;
                }
                Step::Pressure(on) => pair.server.set_under_pressure(on),
                Step::Wait(millis) => pair.now += Duration::from_millis(millis),
                _ => {}
            }
            // New streams are refused under pressure: that is tested elsewhere.
            if models.len() != pair.accepted.len() {
                pair.server.set_under_pressure(false);
            }
            pair.exchange(&mut cuts);
            for event in pair.events.drain(..) {
                if let Event::Data { key, data, .. } = event {
                    let number = (0..models.len()).find(|s| pair.accepted[&id(*s)] == key).unwrap();
                    models[number].came += data.len() as u64;
                }
            }
            let mut outstanding = 0;
            for (number, model) in models.iter().enumerate() {
                let granted = pair.granted[&id(number)];
                prop_assert!(model.came <= granted && model.came <= model.sent);
                if pair.server.stream_id(pair.accepted[&id(number)]).is_some() {
                    outstanding += granted - model.consumed;
                }
            }
            prop_assert!(outstanding <= budget, "{} of {}", outstanding, budget);
        }
        // All readers wake up and read until nothing is left.
        pair.server.set_under_pressure(false);
        for _ in 0..200 {
            for (number, model) in models.iter_mut().enumerate().filter(|(_, model)| !model.over) {
                let key = pair.accepted[&id(number)];
                pair.server.release_capacity(key, (model.came - model.consumed) as usize);
                model.consumed = model.came;
            }
            pair.exchange(&mut cuts);
            for event in pair.events.drain(..) {
                if let Event::Data { key, data, .. } = event {
                    let number = (0..models.len()).find(|s| pair.accepted[&id(*s)] == key).unwrap();
                    models[number].came += data.len() as u64;
                }
            }
        }
        for model in models.iter().filter(|model| !model.over) {
            prop_assert_eq!(model.came, model.sent);
        }
    }
}

/// A path with a bandwidth and a delay, in virtual time: one stream is downloaded as fast as it goes. Says how many
/// bytes came in each second.
fn download(bytes_per_ms: usize, one_way_ms: u64, seconds: usize, reads: bool) -> Vec<usize> {
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let config = Config::default();
    let mut client = Connection::client(config.clone(), start);
    let mut server = Connection::server(config, start);
    client.open(&fields(REQUEST), true).unwrap();
    let mut key = None;
    // Bytes on their way: when they arrive, and what.
    let (mut to_server, mut to_client) = (VecDeque::<(u64, Vec<u8>)>::new(), VecDeque::new());
    let mut backlog: VecDeque<u8> = VecDeque::new();
    let mut came = vec![0; seconds];
    for ms in 0..seconds as u64 * 1000 {
        let now = at(ms);
        let mut out = Output::new();
        client.poll_transmit(now, &mut out);
        to_server.push_back((ms + one_way_ms, out.to_vec()));
        let mut out = Output::new();
        server.poll_transmit(now, &mut out);
        backlog.extend(out.to_vec());
        let piece: Vec<u8> = backlog.drain(..backlog.len().min(bytes_per_ms)).collect();
        to_client.push_back((ms + one_way_ms, piece));
        while to_server.front().is_some_and(|(due, _)| *due <= ms) {
            server.handle_bytes(now, to_server.pop_front().unwrap().1.into());
            while let Some(event) = server.poll_event(now) {
                if let Event::Headers { key: opened, .. } = event {
                    server.send_headers(opened, &status("200"), false);
                    key = Some(opened);
                }
            }
        }
        if let Some(key) = key
            && server.queued(key) < 1 << 20
        {
            server.send_data(key, &mut body(1 << 20));
        }
        while to_client.front().is_some_and(|(due, _)| *due <= ms) {
            client.handle_bytes(now, to_client.pop_front().unwrap().1.into());
            while let Some(event) = client.poll_event(now) {
                if let Event::Data { key, data, .. } = event {
                    came[ms as usize / 1000] += data.len();
                    if reads {
                        client.release_capacity(key, data.len());
                    }
                }
            }
        }
    }
    came
}

/// 10 MB/s with a round trip of 100 ms: a window of 64 KiB carries a fifteenth of it, one that follows carries all.
#[test]
fn windows_follow_bandwidth_and_delay() {
    let came = download(10_000, 50, 5, true);
    assert!(came[0] < 7_000_000 && came[4] > 9_500_000, "{came:?}");
    // A path that a window of 64 KiB fills is left alone; a reader that does not read gets its window and no more.
    let came = download(10_000, 1, 2, true);
    assert!(came[1] > 9_500_000, "{came:?}");
    let came = download(10_000, 50, 2, false);
    assert_eq!(came.iter().sum::<usize>(), SMALLEST as usize);
}

/// RFC 9113 §6.9.1: no window is 2 GiB or more, so no budget is.
#[test]
fn a_budget_is_no_more_than_a_window_can_be() {
    let largest = Config::default().receive_budget(i32::MAX as u32);
    largest.check().unwrap();
    let mut pair = Pair::new(&largest);
    pair.open();
    pair.exchange(&mut std::iter::repeat(usize::MAX));
    let error = largest.receive_budget(1 << 31).check().unwrap_err();
    assert!(error.contains("less than 2 GiB"), "{error}");
}

/// Who waits to borrow and goes away is not waited for.
#[test]
fn a_borrower_that_gives_up_lets_the_next_one_go() {
    let config = smallest(8);
    let mut pair = Pair::new(&config);
    let (first, second, third) = (pair.open(), pair.open(), pair.open());
    let mut cuts = std::iter::repeat(usize::MAX);
    pair.exchange(&mut cuts);
    let most = config.largest_message();
    let granted = |pair: &Pair, id: u32| pair.granted[&id];
    // The first has three quarters of the pool, the second wants as much, the third what is left.
    pair.server.request_credit(pair.accepted[&1], most);
    pair.server.request_credit(pair.accepted[&3], most);
    pair.server.request_credit(pair.accepted[&5], SMALLEST as usize + 1000);
    pair.exchange(&mut cuts);
    assert_eq!((granted(&pair, 3), granted(&pair, 5)), (SMALLEST.into(), SMALLEST.into()));
    pair.client.reset(second, gannet_http2::ErrorCode::CANCEL);
    pair.exchange(&mut cuts);
    assert_eq!(granted(&pair, 5), u64::from(SMALLEST) + 1001);
    let _ = (first, third);
}

/// RFC 9113 §6.9: an end without data needs no window, and does not wait behind data that do.
#[test]
fn an_empty_end_waits_for_nothing() {
    let (mut client, keys) = Scripted::client(Config::default(), 2);
    // The connection's window, of 65,535 bytes, is used up.
    client.http2.send_data(keys[0], &mut body(100_000));
    client.transmit();
    client.http2.send_last_data(keys[1], &mut Output::new());
    client.transmit();
    assert!(client.frames().contains(&(DATA, END_STREAM, 3, vec![])));
    assert!(client.http2.queued(keys[0]) > 0);
}
