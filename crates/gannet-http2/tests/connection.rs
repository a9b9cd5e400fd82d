//! Two connections joined in memory, their bytes cut at every place.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

use bytes::Bytes;
use gannet_http2::{Config, Connection, Event, Fields, Name, Output, StreamKey};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Instant;

fn request() -> Fields {
    let mut fields = Fields::new();
    for (name, value) in
        [(Name::Method, "POST"), (Name::Scheme, "http"), (Name::Path, "/a/B"), (Name::Authority, "a")]
    {
        fields.push(name, value.as_bytes());
    }
    fields
}

fn one(name: Name, value: &str) -> Fields {
    let mut fields = Fields::new();
    fields.push(name, value.as_bytes());
    fields
}

fn carry(
    now: Instant,
    from: &mut Connection,
    to: &mut Connection,
    cuts: &mut impl Iterator<Item = usize>,
) -> bool {
    let mut out = Output::new();
    from.poll_transmit(now, &mut out);
    let mut wire = Bytes::from(out.to_vec());
    let moved = !wire.is_empty();
    while !wire.is_empty() {
        let piece = wire.split_to(cuts.next().unwrap_or(usize::MAX).clamp(1, wire.len()));
        to.handle_bytes(now, piece);
        // Only takes the bytes in: what they mean is asked for by the caller when all have come.
        while let Some(event) = to.poll_event(now) {
            EVENTS.with_borrow_mut(|events| events.push(event));
        }
    }
    moved
}

thread_local! {
    static EVENTS: std::cell::RefCell<Vec<Event>> = const { std::cell::RefCell::new(Vec::new()) };
}

fn events() -> Vec<Event> {
    EVENTS.with_borrow_mut(std::mem::take)
}

/// Echoes what comes on each stream until both ends have said everything, whatever the cuts and the sizes.
fn echo(bodies: &[usize], cuts: &[usize], config: Config) {
    let now = Instant::now();
    let mut cuts = cuts.iter().copied().cycle();
    let mut client = Connection::client(config.clone(), now);
    let mut server = Connection::server(config, now);
    let mut keys: HashMap<StreamKey, usize> = HashMap::new();
    for (number, &len) in bodies.iter().enumerate() {
        let key = client.open(&request(), false).unwrap();
        let mut body = Output::new();
        body.put_bytes(vec![number as u8; len].into());
        client.send_last_data(key, &mut body);
        keys.insert(key, number);
    }
    let mut got: HashMap<StreamKey, (usize, bool)> = HashMap::new();
    let mut answers: HashMap<StreamKey, Output> = HashMap::new();
    for _ in 0..100_000 {
        let mut moved = carry(now, &mut client, &mut server, &mut cuts);
        for event in events() {
            match event {
                Event::Headers { key, fields, .. } => {
                    assert_eq!(fields.get(Name::Path), Some(&b"/a/B"[..]));
                    server.send_headers(key, &one(Name::Status, "200"), false);
                    answers.insert(key, Output::new());
                }
                Event::Data { key, data, end_stream } => {
                    server.release_capacity(key, data.len());
                    answers.get_mut(&key).unwrap().put_slice(&data);
                    if end_stream {
                        server.send_data(key, &mut answers.remove(&key).unwrap());
                        server.send_trailers(key, &one(Name::GrpcStatus, "0"));
                    }
                }
                Event::SettingsChanged | Event::Sent { .. } | Event::Ping { .. } => {}
                other => panic!("server: {other:?}"),
            }
        }
        moved |= carry(now, &mut server, &mut client, &mut cuts);
        for event in events() {
            match event {
                Event::Headers { key, .. } => drop(got.insert(key, (0, false))),
                Event::Data { key, data, .. } => {
                    assert!(data.iter().all(|byte| *byte == keys[&key] as u8));
                    got.get_mut(&key).unwrap().0 += data.len();
                    client.release_capacity(key, data.len());
                }
                Event::Trailers { key, fields, .. } => {
                    assert_eq!(fields.get(Name::GrpcStatus), Some(&b"0"[..]));
                    got.get_mut(&key).unwrap().1 = true;
                }
                Event::SettingsChanged | Event::Sent { .. } | Event::Ping { .. } => {}
                other => panic!("client: {other:?}"),
            }
        }
        if !moved {
            break;
        }
    }
    for (key, number) in keys {
        assert_eq!(got.get(&key), Some(&(bodies[number], true)), "stream {number}");
    }
    assert_eq!((client.open_streams(), server.open_streams()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_arrives_whatever_the_cuts(
        bodies in prop::collection::vec(prop_oneof![0usize..100, 0usize..100_000], 1..8),
        cuts in prop::collection::vec(prop_oneof![1usize..20, 1usize..70_000], 1..20),
    ) {
        echo(&bodies, &cuts, Config::default());
    }
}

/// RFC 9113 §6.9: a hundred streams of 300 kB over the smallest windows.
#[test]
fn many_streams_over_small_windows() {
    let config = Config::default().max_concurrent_streams(100).receive_budget(100 * 64 * 1024 * 2);
    config.check().unwrap();
    echo(&[300_000; 100], &[10_000], config);
}

/// One byte at a time, all the way.
#[test]
fn one_byte_at_a_time() {
    echo(&[0, 1, 5000], &[1], Config::default());
}

/// Data that the peer's window holds back, and the trailers that wait behind it.
/// RFC 9113 §5.2: streams with data to send take turns, a frame each.
#[test]
fn a_small_answer_beside_a_large_one_waits_for_a_few_frames() {
    let now = Instant::now();
    let wide = Config::default().max_concurrent_streams(2).receive_budget(256 << 20);
    let (mut client, mut server) =
        (Connection::client(wide, now), Connection::server(Config::default(), now));
    let mut cuts = std::iter::repeat(64 * 1024);
    let (large, small) = (client.open(&request(), true).unwrap(), client.open(&request(), true).unwrap());
    for _ in 0..3 {
        carry(now, &mut client, &mut server, &mut cuts);
        carry(now, &mut server, &mut client, &mut cuts);
    }
    let asked = events().into_iter().filter_map(|event| match event {
        Event::Headers { key, .. } => Some(key),
        _ => None,
    });
    let mut answer = |server: &mut Connection, key, bytes: usize| {
        let mut data = Output::new();
        data.put_bytes(Bytes::from(vec![7; bytes]));
        server.send_headers(key, &one(Name::Status, "200"), false);
        server.send_data(key, &mut data);
        server.send_trailers(key, &one(Name::GrpcStatus, "0"));
        carry(now, server, &mut client, &mut cuts);
    };
    let asked: Vec<StreamKey> = asked.collect();
    answer(&mut server, asked[0], 64 << 20);
    events();
    answer(&mut server, asked[1], 10);
    let mut before = 0;
    let seen = events().into_iter().any(|event| match event {
        Event::Data { key, data, .. } if key == large => {
            before += data.len();
            false
        }
        Event::Data { key, .. } => key == small,
        _ => false,
    });
    assert!(seen && before <= 2 * 16_384, "{before} bytes of the large answer came before the small one");
}

#[test]
fn discarded_data_does_not_hold_up_the_end() {
    let now = Instant::now();
    for discards in [false, true] {
        let mut client = Connection::client(Config::default(), now);
        let mut server = Connection::server(Config::default(), now);
        client.open(&request(), true).unwrap();
        carry(now, &mut client, &mut server, &mut std::iter::empty());
        let key = events()
            .into_iter()
            .find_map(|event| if let Event::Headers { key, .. } = event { Some(key) } else { None })
            .unwrap();
        server.send_headers(key, &one(Name::Status, "200"), false);
        let mut body = Output::new();
        body.put_bytes(vec![0; 1 << 20].into());
        server.send_data(key, &mut body);
        carry(now, &mut server, &mut client, &mut std::iter::empty());
        assert!(server.queued(key) > 0);
        if discards {
            server.discard(key);
        }
        server.send_trailers(key, &one(Name::GrpcStatus, "8"));
        carry(now, &mut server, &mut client, &mut std::iter::empty());
        let ended = events().iter().any(|event| matches!(event, Event::Trailers { .. }));
        assert_eq!(ended, discards);
    }
}

/// A server over nghttp2 does not end its stream while the window is used up to the last byte.
#[test]
fn a_window_that_is_widened_for_a_message_lets_a_byte_more_through() {
    const MESSAGE: usize = 500_000;
    let now = Instant::now();
    let mut client = Connection::client(Config::default(), now);
    let mut server = Connection::server(Config::default(), now);
    let key = client.open(&request(), false).unwrap();
    client.request_credit(key, MESSAGE);
    carry(now, &mut client, &mut server, &mut std::iter::empty());
    let accepted = events().iter().find_map(|event| match event {
        Event::Headers { key, .. } => Some(*key),
        _ => None,
    });
    server.send_headers(accepted.unwrap(), &one(Name::Status, "200"), false);
    let mut body = Output::new();
    body.put_bytes(vec![0; MESSAGE + 100_000].into());
    server.send_data(accepted.unwrap(), &mut body);
    while carry(now, &mut server, &mut client, &mut std::iter::empty()) {}
    let got = events()
        .iter()
        .map(|event| if let Event::Data { data, .. } = event { data.len() } else { 0 })
        .sum::<usize>();
    assert_eq!(got, MESSAGE + 1);
}
