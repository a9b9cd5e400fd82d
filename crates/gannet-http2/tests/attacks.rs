//! A peer that means harm, against each limit of `Config`: what it can make a connection hold, and when it is cut off.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod wire;

use gannet_http2::{Config, ErrorCode, Event, Limit, OpenError, Output};
use std::time::Duration;
use wire::*;

/// A request that is complete (END_STREAM) on this stream.
fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block(REQUEST))
}

fn open_request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block(REQUEST))
}

/// Sends what `next` makes of 0, 1, 2, … until the server ends the connection. Says how many it took.
fn flood(server: &mut Scripted, most: u32, mut next: impl FnMut(u32) -> Vec<u8>) -> u32 {
    for number in 0..most {
        server.receive(&next(number));
        if server.http2.is_closed() {
            return number;
        }
    }
    most
}

/// Each flood in one second; how many are taken is the limit, give or take the frames of the first second.
#[test]
fn floods_are_cut_off() {
    type Next = Box<dyn FnMut(u32) -> Vec<u8>>;
    let odd = |number: u32| 2 * number + 1;
    let rows: Vec<(&str, u32, Limit, Next)> = vec![
        (
            "rapid reset (CVE-2023-44487)",
            501,
            Limit::Resets,
            Box::new(move |n| [open_request(odd(n)), reset(odd(n), 8)].concat()),
        ),
        (
            "resets provoked by WINDOW_UPDATE of 0 (CVE-2025-8671)",
            501,
            Limit::Resets,
            Box::new(move |n| [open_request(odd(n)), window_update(odd(n), 0)].concat()),
        ),
        (
            "resets provoked by DATA after the end (CVE-2025-8671)",
            501,
            Limit::Resets,
            Box::new(move |n| [request(odd(n)), frame(DATA, 0, odd(n), [0])].concat()),
        ),
        (
            "resets provoked by a window that overflows (CVE-2025-8671)",
            501,
            Limit::Resets,
            Box::new(move |n| [open_request(odd(n)), window_update(odd(n), 0x7fff_ffff)].concat()),
        ),
        (
            "resets provoked by malformed requests",
            501,
            Limit::Resets,
            Box::new(move |n| frame(HEADERS, END_HEADERS | END_STREAM, odd(n), block(&[("a", "b")]))),
        ),
        ("streams beyond the limit", 757, Limit::Resets, Box::new(move |n| open_request(odd(n)))),
        ("PING (CVE-2019-9512)", 1001, Limit::IdleFrames, Box::new(|_| frame(PING, 0, 0, [0; 8]))),
        ("answers to no PING", 1001, Limit::IdleFrames, Box::new(|_| frame(PING, ACK, 0, [0; 8]))),
        ("SETTINGS (CVE-2019-9515)", 1001, Limit::IdleFrames, Box::new(|_| frame(SETTINGS, 0, 0, []))),
        (
            "acknowledgements of no SETTINGS",
            1001,
            Limit::IdleFrames,
            Box::new(|_| frame(SETTINGS, ACK, 0, [])),
        ),
        (
            "PRIORITY (CVE-2019-9513)",
            1001,
            Limit::IdleFrames,
            Box::new(|n| frame(PRIORITY, 0, 1, [0, 0, 0, 0, n as u8])),
        ),
        ("WINDOW_UPDATE", 1001, Limit::IdleFrames, Box::new(|_| window_update(0, 1))),
        ("GOAWAY", 1001, Limit::IdleFrames, Box::new(|_| frame(GOAWAY, 0, 0, [0; 8]))),
        ("unknown frames", 1001, Limit::IdleFrames, Box::new(|_| frame(0xfa, 0, 0, []))),
        (
            "empty DATA (CVE-2019-9518)",
            1001,
            Limit::IdleFrames,
            Box::new(|n| if n == 0 { open_request(1) } else { frame(DATA, 0, 1, []) }),
        ),
        (
            "DATA that is nothing but padding",
            1001,
            Limit::IdleFrames,
            Box::new(|n| if n == 0 { open_request(1) } else { frame(DATA, PADDED, 1, [3, 0, 0, 0]) }),
        ),
        (
            "RST_STREAM for a stream that is over (CVE-2019-9514)",
            1002,
            Limit::IdleFrames,
            Box::new(|n| if n == 0 { [open_request(1), reset(1, 8)].concat() } else { reset(1, 8) }),
        ),
        (
            "header blocks for a stream that was reset",
            1002,
            Limit::IdleFrames,
            Box::new(|n| if n == 0 { [open_request(1), window_update(1, 0)].concat() } else { request(1) }),
        ),
    ];
    for (attack, most, limit, next) in rows {
        let mut server = Scripted::server(Config::default());
        let taken = flood(&mut server, 10_000, next);
        assert!((most - 2..=most).contains(&taken), "{attack}: {taken}");
        assert_eq!(server.connection_error(), Some(ErrorCode::ENHANCE_YOUR_CALM), "{attack}");
        assert!(server.hits().iter().any(|(name, _)| *name == limit.name()), "{attack}");
        assert_eq!(server.http2.held_bytes(), 0, "{attack}");
    }
}

/// The same number over minutes is no attack, and neither are resets beside as many calls that end well.
#[test]
fn what_is_spread_over_time_is_no_flood() {
    let mut server = Scripted::server(Config::default());
    for number in 0..5000 {
        server.receive(
            &[open_request(2 * number + 1), reset(2 * number + 1, 8), frame(PING, 0, 0, [0; 8])].concat(),
        );
        server.now += Duration::from_millis(3);
    }
    assert!(!server.http2.is_closed());
}

/// A client that gives up all its calls at once, which is everyday life.
#[test]
fn giving_up_every_call_is_no_attack() {
    let mut server = Scripted::server(Config::default());
    for stream in 0..256 {
        server.receive(&open_request(2 * stream + 1));
    }
    for stream in 0..256 {
        server.receive(&reset(2 * stream + 1, 8));
    }
    assert!(!server.http2.is_closed());
    assert_eq!(server.http2.open_streams(), 0);
}

/// CVE-2024-27316: CONTINUATION without end, in large and in small pieces. What is held stays below the limit.
#[test]
fn continuation_floods() {
    for piece in [16_000, 1, 0] {
        let mut server = Scripted::server(Config::default());
        server.receive(&frame(HEADERS, 0, 1, block(REQUEST)));
        let taken = flood(&mut server, 1000, |_| frame(CONTINUATION, 0, 1, vec![0x82; piece]));
        assert!(taken <= 16, "{taken}");
        assert_eq!(server.connection_error(), Some(ErrorCode::ENHANCE_YOUR_CALM));
        assert_eq!(server.hits(), [(Limit::HeaderBlock.name(), 1)]);
    }
}

/// Who makes us answer and does not read the answers: they are not kept without end.
#[test]
fn answers_that_nobody_reads() {
    let mut server = Scripted::server(Config::default().max_idle_frames(u32::MAX));
    for _ in 0..20_000 {
        server.http2.handle_bytes(server.now, frame(PING, 0, 0, [0; 8]).into());
        while server.http2.poll_event(server.now).is_some() {}
        assert!(server.http2.unsent() < 260 * 1024);
    }
    assert!(server.http2.is_closed());
    assert_eq!(server.hits(), [(Limit::QueuedControl.name(), 1)]);
    // Its last words are thrown away if it does not read those either.
    server.now = server.http2.poll_timeout().unwrap();
    server.http2.handle_timeout(server.now);
    assert!(server.http2.is_abandoned());
    assert_eq!((server.http2.unsent(), server.http2.poll_timeout()), (0, None));
    assert_eq!(server.hits(), [(Limit::CloseTime.name(), 1)]);
}

/// What begins and does not end is cut off within ten seconds.
#[test]
fn what_never_ends_is_cut_off() {
    let half_a_frame = &frame(HEADERS, END_HEADERS, 1, block(REQUEST))[..20];
    let half_a_continuation =
        [frame(HEADERS, 0, 1, block(REQUEST)), vec![0, 0, 9, CONTINUATION, 4, 0, 0, 0, 1, 0x82]].concat();
    for (what, beginning) in [
        ("a block without its end", &frame(HEADERS, 0, 1, block(REQUEST))[..]),
        ("half a HEADERS frame", half_a_frame),
        ("half a CONTINUATION frame", &half_a_continuation),
    ] {
        let mut server = Scripted::server(Config::default());
        let start = server.now;
        server.receive(beginning);
        let deadline = server.http2.poll_timeout().unwrap();
        assert!(deadline - start <= Duration::from_secs(10), "{what}");
        // Dribbling does not move it.
        server.now = start + Duration::from_secs(5);
        server.receive(&[0x82]);
        assert_eq!(server.http2.poll_timeout(), Some(deadline), "{what}");
        server.now = deadline;
        server.http2.handle_timeout(deadline);
        server.transmit();
        assert_eq!(server.connection_error(), Some(ErrorCode::ENHANCE_YOUR_CALM), "{what}");
        assert_eq!(server.hits(), [(Limit::HeaderBlockTime.name(), 1)], "{what}");
    }
}

/// A peer that does not read is held back; what it has sent and nobody has read is not late by that.
#[test]
fn who_is_held_back_is_not_late() {
    let mut server = Scripted::server(Config::default().max_unsent(1 << 20));
    let begun = frame(HEADERS, 0, 1, block(REQUEST));
    server.receive(&begun);
    assert!(!server.http2.is_held_back((1 << 20) - 1000));
    assert!(server.http2.is_held_back(1 << 20) && server.http2.is_held_back(1 << 20));
    assert_eq!(server.hits(), [(Limit::Unsent.name(), 1)]);
    for _ in 0..3 {
        server.now = server.http2.poll_timeout().unwrap();
        server.http2.handle_timeout(server.now);
        assert!(!server.http2.is_closed());
    }
    assert!(!server.http2.is_held_back(0));
    server.now = server.http2.poll_timeout().unwrap();
    server.http2.handle_timeout(server.now);
    assert_eq!(server.hits(), [(Limit::HeaderBlockTime.name(), 1)]);
}

/// RFC 9113 §3.4 and §6.5.3: SETTINGS that never come, and SETTINGS that are never acknowledged.
#[test]
fn settings_late_or_never() {
    let mut silent = Scripted::silent_client(Config::default());
    // A client need not wait for them.
    silent.http2.open(&fields(REQUEST), true).unwrap();
    silent.transmit();
    assert!(silent.frames().iter().any(|(kind, ..)| *kind == HEADERS));
    silent.now = silent.http2.poll_timeout().unwrap();
    silent.http2.handle_timeout(silent.now);
    silent.transmit();
    assert_eq!(silent.connection_error(), Some(ErrorCode::ENHANCE_YOUR_CALM));

    let mut late = Scripted::silent_client(Config::default());
    let key = late.http2.open(&fields(REQUEST), false).unwrap();
    late.now += Duration::from_secs(9);
    late.receive(&frame(SETTINGS, 0, 0, settings(&[(3, 1), (4, 10)])));
    assert!(!late.http2.is_closed());
    // RFC 9113 §6.9.2: they count for streams that are open already.
    let mut data = Output::new();
    data.put_slice(&[7; 100]);
    late.http2.send_last_data(key, &mut data);
    late.transmit();
    let sent: usize =
        late.frames().iter().filter(|(kind, ..)| *kind == DATA).map(|(.., payload)| payload.len()).sum();
    assert_eq!((sent, late.http2.queued(key)), (10, 90));
    assert_eq!(late.http2.open(&fields(REQUEST), true), Err(OpenError::TooManyStreams));
    // Nor does it acknowledge ours.
    late.now = late.http2.poll_timeout().unwrap();
    late.http2.handle_timeout(late.now);
    late.transmit();
    assert_eq!(late.connection_error(), Some(ErrorCode::SETTINGS_TIMEOUT));
}

/// A window of one byte at a time, and one that stays shut: what waits is counted, and new streams are refused.
#[test]
fn window_stalls() {
    let mut server = Scripted::server(Config::default().send_budget(1 << 20));
    server.receive(&frame(SETTINGS, 0, 0, settings(&[(4, 0)])));
    for stream in 0..8 {
        server.receive(&request(2 * stream + 1));
    }
    let keys: Vec<_> = server
        .events
        .iter()
        .filter_map(|event| if let Event::Headers { key, .. } = event { Some(*key) } else { None })
        .collect();
    assert_eq!(keys.len(), 8);
    for &key in &keys {
        server.http2.send_headers(key, &status("200"), false);
        if server.http2.may_queue(400_000) {
            server.http2.send_data(key, &mut output(400_000));
        }
    }
    // Twice the budget is the end; above the budget no new stream is taken.
    assert!(server.http2.held_bytes() <= 2 << 20);
    assert_eq!(server.hits(), [(Limit::SendBudget.name(), 3)]);
    server.receive(&request(101));
    assert_eq!(server.stream_error(101), Some(ErrorCode::REFUSED_STREAM));
    // One byte at a time: a thousand in a second, and that is all.
    let taken = flood(&mut server, 5000, |_| window_update(1, 1));
    assert!(taken <= 1001, "{taken}");
    assert_eq!(server.http2.held_bytes(), 0);
}

fn output(len: usize) -> Output {
    let mut out = Output::new();
    out.put_bytes(vec![7; len].into());
    out
}

/// The HPACK bomb: one large entry, named thousands of times. No more is kept than the list's limit.
#[test]
fn hpack_bombs() {
    let mut server = Scripted::server(Config::default());
    let mut bomb = block(REQUEST);
    // A field of 4,000 bytes into the table, then its index.
    bomb.extend([0x40, 1, b'x', 127, 0xa1, 0x1e]);
    bomb.extend([b'v'; 127 + 0x21 + (0x1e << 7)]);
    // Ten times is too large for its stream, thousands of times for the connection.
    let (mut large, mut bomb) = (bomb.clone(), bomb);
    large.resize(large.len() + 10, 0xbe);
    bomb.resize(16_000, 0xbe);
    for stream in 0..100 {
        server.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 2 * stream + 1, &large));
        assert_eq!(server.stream_error(2 * stream + 1), Some(ErrorCode::ENHANCE_YOUR_CALM));
    }
    assert!(server.events.is_empty());
    server.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 201, &bomb));
    assert_eq!(server.connection_error(), Some(ErrorCode::ENHANCE_YOUR_CALM));
    assert_eq!(server.hits(), [(Limit::HeaderList.name(), 101)]);
}

/// RFC 7541 §4.2 and §6.3: table sizes above what was announced, and a lowered one that is passed over.
#[test]
fn table_size_games() {
    for beginning in [&[0x3f, 0xe2, 0x1f][..], &[0x20, 0x3f, 0xe2, 0x1f]] {
        let mut server = Scripted::server(Config::default());
        server.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 1, [beginning, &block(REQUEST)].concat()));
        assert_eq!(server.connection_error(), Some(ErrorCode::COMPRESSION_ERROR));
    }
    let mut server = Scripted::server(Config::default().header_table_size(100));
    server.receive(&request(1));
    assert_eq!(server.connection_error(), Some(ErrorCode::COMPRESSION_ERROR));
    let mut server = Scripted::server(Config::default().header_table_size(100));
    server.receive(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        [&[0x3f, 100 - 31][..], &block(REQUEST)].concat(),
    ));
    assert!(matches!(server.events[..], [Event::Headers { .. }]));
}

/// RFC 9113 §6.5.3 and RFC 7541 §4.2: sizes that go down and up in one frame empty the table all the same.
#[test]
fn the_smallest_of_several_table_sizes_counts() {
    let (mut client, _) = Scripted::client(Config::default(), 1);
    client.receive(&frame(SETTINGS, 0, 0, settings(&[(1, 0), (1, 4096)])));
    client.forget();
    client.http2.open(&fields(REQUEST), true).unwrap();
    client.transmit();
    let (.., payload) = client.frames().into_iter().find(|(kind, ..)| *kind == HEADERS).unwrap();
    assert_eq!(payload[..4], [0x20, 0x3f, 0xe1, 0x1f]);
    let mut decoder = gannet_http2::hpack::Decoder::new(4096, 16 * 1024);
    assert_eq!(*decoder.decode(&payload).unwrap().fields, fields(REQUEST));
}

/// RFC 9113 §10.5.1: what is larger than the peer takes is never sent.
#[test]
fn the_peers_header_list_limit_is_kept() {
    let long = "b".repeat(500);
    let (mut client, _) = Scripted::client(Config::default(), 0);
    client.receive(&frame(SETTINGS, 0, 0, settings(&[(6, 400)])));
    let large = [REQUEST, &[("x-long", &long)]].concat();
    assert_eq!(client.http2.open(&fields(&large), true), Err(OpenError::FieldsTooLarge));
    client.http2.open(&fields(REQUEST), true).unwrap();

    let mut server = Scripted::server(Config::default());
    server.receive(&[frame(SETTINGS, 0, 0, settings(&[(6, 400)])), request(1), request(3)].concat());
    let keys: Vec<_> = (server.events.drain(..))
        .filter_map(|event| if let Event::Headers { key, .. } = event { Some(key) } else { None })
        .collect();
    server.http2.send_headers(keys[0], &fields(&[(":status", "200"), ("x-long", &long)]), false);
    server.http2.send_headers(keys[1], &status("200"), false);
    assert!(!server.http2.fits_peer(&fields(&[("grpc-message", &long)])));
    server.http2.send_trailers(keys[1], &fields(&[("grpc-message", &long)]));
    server.receive(&[]);
    for stream in [1, 3] {
        assert_eq!(server.stream_error(stream), Some(ErrorCode::INTERNAL_ERROR));
    }
    assert_eq!(server.events.iter().filter(|event| matches!(event, Event::Reset { .. })).count(), 2);
    assert!(!server.http2.is_closed());
}

/// RFC 8441: `:protocol` where it was announced, and only there.
#[test]
fn extended_connect() {
    let connect = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    let bytes = frame(HEADERS, END_HEADERS, 1, block(&connect));
    let mut server = Scripted::server(Config::default());
    server.receive(&bytes);
    assert_eq!(server.stream_error(1), Some(ErrorCode::PROTOCOL_ERROR));
    let mut server = Scripted::server(Config::default().enable_connect_protocol(true));
    server.receive(&[bytes, frame(DATA, 0, 1, b"frames of WebSocket")].concat());
    assert!(matches!(server.events[..], [Event::Headers { .. }, Event::Data { end_stream: false, .. }]));

    let (mut client, _) = Scripted::client(Config::default(), 0);
    assert_eq!(client.http2.open(&fields(&connect), false), Err(OpenError::NoExtendedConnect));
    client.receive(&frame(SETTINGS, 0, 0, settings(&[(8, 1)])));
    assert!(client.http2.peer_settings().enable_connect_protocol);
    client.http2.open(&fields(&connect), false).unwrap();
}

/// Memory is short everywhere: no new stream, nothing lent; then both again.
#[test]
fn under_pressure() {
    let mut server = Scripted::server(Config::default());
    server.receive(&open_request(1));
    let Event::Headers { key, .. } = server.events[0] else { panic!("{:?}", server.events) };
    server.http2.set_under_pressure(true);
    server.http2.request_credit(key, 1 << 20);
    server.receive(&open_request(3));
    assert_eq!(server.stream_error(3), Some(ErrorCode::REFUSED_STREAM));
    assert_eq!(server.hits(), [(Limit::Memory.name(), 1)]);
    assert!(!server.frames().iter().any(|(kind, ..)| *kind == WINDOW_UPDATE));
    server.http2.set_under_pressure(false);
    server.receive(&open_request(5));
    assert_eq!(server.stream_error(5), None);
    assert!(server.frames().iter().any(|(kind, _, id, _)| *kind == WINDOW_UPDATE && *id == 1));
}

/// RFC 9113 §6.8: the first GOAWAY takes what crosses it, the second names the last stream.
#[test]
fn shutting_down_in_two_steps() {
    let mut server = Scripted::server(Config::default());
    server.receive(&open_request(1));
    server.http2.shut_down(server.now);
    server.receive(&open_request(3));
    let go_away = |server: &Scripted| -> Vec<u32> {
        let frames = server.frames().into_iter().filter(|(kind, ..)| *kind == GOAWAY);
        frames.map(|(.., payload)| u32::from_be_bytes(*payload.first_chunk().unwrap())).collect()
    };
    assert_eq!(go_away(&server), [0x7fff_ffff]);
    let (.., ping) = server.frames().into_iter().find(|(kind, ..)| *kind == PING).unwrap();
    server.receive(&frame(PING, ACK, 0, ping));
    assert_eq!(go_away(&server), [0x7fff_ffff, 3]);
    server.receive(&open_request(5));
    assert_eq!(server.stream_error(5), Some(ErrorCode::REFUSED_STREAM));
    assert_eq!(server.http2.open_streams(), 2);
    server.receive(&[reset(1, 8), reset(3, 8)].concat());
    assert!(server.http2.is_drained());
}

/// How much a connection remembers, as text: a list that grows shows itself here, whichever it is.
fn remembered(server: &Scripted) -> usize {
    format!("{:?}", server.http2).len()
}

/// Streams that wait for a window that stays shut, and are reset: nothing of them is kept, however many they are over
/// time.
#[test]
fn streams_that_come_and_go_leave_nothing_behind() {
    let mut server = Scripted::server(Config::default());
    let come_and_go = |server: &mut Scripted, number: u32| {
        let stream = 2 * number + 1;
        server.receive(&open_request(stream));
        let Some(Event::Headers { key, .. }) = server.events.pop() else { panic!("no request") };
        server.http2.send_headers(key, &status("200"), false);
        server.http2.send_data(key, &mut output(100_000));
        // Half of the budget is lent at most, so these wait.
        server.http2.request_credit(key, 10 << 20);
        server.receive(&reset(stream, 8));
        server.forget();
        server.now += Duration::from_millis(10);
    };
    // The connection's window is used up, and one stream has borrowed most of what there is to lend.
    server.receive(&open_request(1));
    let Some(Event::Headers { key, .. }) = server.events.pop() else { panic!("no request") };
    server.http2.send_headers(key, &status("200"), false);
    server.http2.send_data(key, &mut output(100_000));
    server.http2.request_credit(key, 10 << 20);
    for number in 1..1000 {
        come_and_go(&mut server, number);
    }
    let before = remembered(&server);
    for number in 1000..5000 {
        come_and_go(&mut server, number);
    }
    assert!(!server.http2.is_closed());
    let after = remembered(&server);
    assert!(after < before + 2000, "{before} bytes, then {after}");
}

/// A large header block, and blocks of a few bytes that name large entries, are not kept by a connection that is idle.
#[test]
fn large_field_sections_are_not_kept() {
    let mut server = Scripted::server(Config::default().max_header_list_size(64 * 1024));
    let long = "x".repeat(10_000);
    server.receive(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        block(&[REQUEST, &[("x-a", &long)]].concat()),
    ));
    // A field of 3,000 bytes into the table, then sections of its index.
    let entry = [&[0x40, 1, b'x', 127, 0xb9, 0x16][..], &[b'v'; 3000]].concat();
    server.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 3, [block(REQUEST), entry].concat()));
    for number in 0..8 {
        let small = [block(REQUEST), vec![0xbe; 10 + number]].concat();
        for repetition in 0..2 {
            let stream = 5 + 4 * number as u32 + 2 * repetition;
            server.receive(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &small));
        }
    }
    assert_eq!(server.events.len(), 18);
    for stream in 0..18 {
        server.receive(&reset(2 * stream + 1, 8));
    }
    server.forget();
    let kept = remembered(&server);
    // The entry itself, byte by byte, is most of it.
    assert!(kept < 40_000, "{kept}");
}

/// RFC 9113 §6.8 and §5.1: what a client still sends on streams that came after the last one named is passed over.
#[test]
fn streams_after_the_last_one_are_passed_over_to_their_end() {
    let mut server = Scripted::server(Config::default());
    server.receive(&open_request(1));
    server.http2.shut_down(server.now);
    server.now += Duration::from_secs(1);
    server.http2.handle_timeout(server.now);
    server.receive(&open_request(3));
    assert_eq!(server.stream_error(3), Some(ErrorCode::REFUSED_STREAM));
    server.receive(&frame(DATA, 0, 3, [0; 5]));
    server.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 3, block(&[("x-trailer", "1")])));
    assert!(!server.http2.is_closed());
    assert_eq!(server.frames().iter().filter(|(kind, _, id, _)| *kind == RST_STREAM && *id == 3).count(), 1);
    assert_eq!(server.http2.open_streams(), 1);
}

/// RFC 9113 §5.1: a server that allows many streams knows all that a client may not have seen the end of.
#[test]
fn late_frames_of_many_streams() {
    let mut server = Scripted::server(Config::default().max_concurrent_streams(400).receive_budget(64 << 20));
    for stream in 0..400 {
        server.receive(&open_request(2 * stream + 1));
    }
    let events = std::mem::take(&mut server.events);
    for event in events {
        let Event::Headers { key, .. } = event else { panic!("{event:?}") };
        server.http2.reset(key, ErrorCode::CANCEL);
    }
    for stream in 0..400 {
        server.receive(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            2 * stream + 1,
            block(&[("x-trailer", "1")]),
        ));
        server.now += Duration::from_millis(10);
    }
    assert!(!server.http2.is_closed(), "{:?}", server.connection_error());
}

/// RFC 9113 §5.1: who reads a large answer gives credit back for a stream that the server has closed by then.
#[test]
fn credit_for_streams_that_have_ended() {
    let mut server = Scripted::server(Config::default());
    for number in 0..2000 {
        let stream = 2 * number + 1;
        server.receive(&request(stream));
        let Some(Event::Headers { key, .. }) = server.events.pop() else { panic!("no request") };
        server.http2.send_headers(key, &status("200"), false);
        server.http2.send_last_data(key, &mut output(100));
        server.receive(&[window_update(stream, 100), window_update(0, 100)].concat());
        server.forget();
    }
    assert!(!server.http2.is_closed(), "{:?}", server.connection_error());
    assert_eq!(
        flood(&mut server, 2000, |_| window_update(1, 1)),
        1000,
        "what no DATA explains is a flood on them too"
    );
}

/// RFC 9113 §5.1: a large frame for a stream that its sender has reset is one mistake, in however many reads it comes.
#[test]
fn a_frame_in_pieces_is_answered_once() {
    let mut server = Scripted::server(Config::default());
    server.receive(&[open_request(1), reset(1, 8)].concat());
    server.forget();
    for piece in frame(DATA, 0, 1, [0; 16_000]).chunks(1100) {
        server.receive(piece);
    }
    assert_eq!(server.frames().iter().filter(|(kind, ..)| *kind == RST_STREAM).count(), 1);
}
