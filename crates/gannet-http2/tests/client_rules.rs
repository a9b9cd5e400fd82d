//! What h2spec holds servers to, held by clients: bytes of a broken server, and the error that the RFC names.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod wire;

use gannet_http2::{Config, ErrorCode, Event};
use wire::*;

/// How a client answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Connection(ErrorCode),
    /// Stream 1 is reset; the connection lives.
    Stream(ErrorCode),
    Fine,
}

use ErrorCode as E;
use Outcome::{Connection, Fine, Stream};

fn response(flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, 1, block(fields))
}

const OK: &[(&str, &str)] = &[(":status", "200")];

/// Two requests are open, streams 1 and 3.
fn check(rows: Vec<(&str, Vec<Vec<u8>>, Outcome)>) {
    for (rule, script, expected) in rows {
        let (mut client, _) = Scripted::client(Config::default(), 2);
        for bytes in script {
            client.receive(&bytes);
        }
        let outcome = match (client.connection_error(), client.stream_error(1)) {
            (Some(code), _) => Connection(code),
            (None, Some(code)) => Stream(code),
            (None, None) => Fine,
        };
        assert_eq!(outcome, expected, "{rule}: {:?}", client.events);
        if let Stream(code) = expected {
            let told = client
                .events
                .iter()
                .filter(|event| matches!(event, Event::Reset { code: c, .. } if *c == code));
            assert_eq!(told.count(), 1, "{rule}");
            // The connection goes on.
            client.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 3, block(OK)));
            assert!(matches!(client.events.last(), Some(Event::Headers { end_stream: true, .. })), "{rule}");
        }
    }
}

#[test]
fn frames() {
    check(vec![
        ("§4.1 unknown types are ignored", vec![frame(0x42, 0xff, 1, [1, 2, 3])], Fine),
        ("§4.1 undefined flags are ignored", vec![frame(PING, 0xf0, 0, [0; 8])], Fine),
        (
            "§4.1 the reserved bit is ignored",
            vec![frame(WINDOW_UPDATE, 0, 0x8000_0001, 1u32.to_be_bytes())],
            Fine,
        ),
        (
            "§4.2 a frame above SETTINGS_MAX_FRAME_SIZE",
            vec![frame(DATA, 0, 1, [0; 16_385])],
            Connection(E::FRAME_SIZE_ERROR),
        ),
        (
            "§4.3 a block that can't be decoded",
            vec![frame(HEADERS, END_HEADERS, 1, [0xff, 0xff, 0xff, 0xff, 0xff])],
            Connection(E::COMPRESSION_ERROR),
        ),
        (
            "§4.3 a block that another frame interrupts",
            vec![frame(HEADERS, 0, 1, block(OK)), frame(PING, 0, 0, [0; 8])],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§4.3 a block that another stream interrupts",
            vec![frame(HEADERS, 0, 1, block(OK)), frame(CONTINUATION, END_HEADERS, 3, [])],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§4.3 a block in pieces",
            vec![
                frame(HEADERS, 0, 1, []),
                frame(CONTINUATION, 0, 1, block(OK)),
                frame(CONTINUATION, END_HEADERS, 1, []),
            ],
            Fine,
        ),
        (
            "§6.10 CONTINUATION without HEADERS",
            vec![frame(CONTINUATION, END_HEADERS, 1, [])],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§6.10 CONTINUATION on stream 0",
            vec![frame(HEADERS, 0, 1, block(OK)), frame(CONTINUATION, END_HEADERS, 0, [])],
            Connection(E::PROTOCOL_ERROR),
        ),
        ("§6.1 DATA on stream 0", vec![frame(DATA, 0, 0, [0])], Connection(E::PROTOCOL_ERROR)),
        (
            "§6.1 padding as long as the payload",
            vec![response(0, OK), frame(DATA, PADDED, 1, [1])],
            Connection(E::PROTOCOL_ERROR),
        ),
        ("§6.1 padding", vec![response(0, OK), frame(DATA, PADDED, 1, [1, 7, 0])], Fine),
        (
            "§6.2 HEADERS on stream 0",
            vec![frame(HEADERS, END_HEADERS, 0, block(OK))],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§6.2 padding longer than the block",
            vec![frame(HEADERS, END_HEADERS | PADDED, 1, [9, 0])],
            Connection(E::PROTOCOL_ERROR),
        ),
        ("§6.3 PRIORITY is ignored", vec![frame(PRIORITY, 0, 1, [0, 0, 0, 3, 7])], Fine),
        ("§6.3 PRIORITY on stream 0", vec![frame(PRIORITY, 0, 0, [0; 5])], Connection(E::PROTOCOL_ERROR)),
        ("§6.3 PRIORITY of another length", vec![frame(PRIORITY, 0, 1, [0; 4])], Stream(E::FRAME_SIZE_ERROR)),
        ("§6.4 RST_STREAM on stream 0", vec![reset(0, 8)], Connection(E::PROTOCOL_ERROR)),
        ("§6.4 RST_STREAM on an idle stream", vec![reset(99, 8)], Connection(E::PROTOCOL_ERROR)),
        (
            "§6.4 RST_STREAM of another length",
            vec![frame(RST_STREAM, 0, 1, [0; 3])],
            Connection(E::FRAME_SIZE_ERROR),
        ),
        ("§6.5 SETTINGS on a stream", vec![frame(SETTINGS, 0, 1, [])], Connection(E::PROTOCOL_ERROR)),
        (
            "§6.5 SETTINGS of another length",
            vec![frame(SETTINGS, 0, 0, [0; 5])],
            Connection(E::FRAME_SIZE_ERROR),
        ),
        (
            "§6.5 an acknowledgement with a payload",
            vec![frame(SETTINGS, ACK, 0, [0; 6])],
            Connection(E::FRAME_SIZE_ERROR),
        ),
        (
            "§6.5.2 a server announces push",
            vec![frame(SETTINGS, 0, 0, settings(&[(2, 1)]))],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§6.5.2 ENABLE_PUSH of 2",
            vec![frame(SETTINGS, 0, 0, settings(&[(2, 2)]))],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§6.5.2 a window above 2^31-1",
            vec![frame(SETTINGS, 0, 0, settings(&[(4, 1 << 31)]))],
            Connection(E::FLOW_CONTROL_ERROR),
        ),
        (
            "§6.5.2 a frame size below 2^14",
            vec![frame(SETTINGS, 0, 0, settings(&[(5, 16_383)]))],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§6.5.2 a frame size above 2^24-1",
            vec![frame(SETTINGS, 0, 0, settings(&[(5, 1 << 24)]))],
            Connection(E::PROTOCOL_ERROR),
        ),
        ("§6.5.2 unknown settings are ignored", vec![frame(SETTINGS, 0, 0, settings(&[(0xf000, 1)]))], Fine),
        (
            "RFC 8441 §3 extended CONNECT is taken back",
            vec![frame(SETTINGS, 0, 0, settings(&[(8, 1), (8, 0)]))],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§8.4 PUSH_PROMISE to a client that takes none",
            vec![frame(PUSH_PROMISE, END_HEADERS, 1, [0, 0, 0, 2])],
            Connection(E::PROTOCOL_ERROR),
        ),
        ("§6.7 PING on a stream", vec![frame(PING, 0, 1, [0; 8])], Connection(E::PROTOCOL_ERROR)),
        ("§6.7 PING of another length", vec![frame(PING, 0, 0, [0; 7])], Connection(E::FRAME_SIZE_ERROR)),
        ("§6.8 GOAWAY on a stream", vec![frame(GOAWAY, 0, 1, [0; 8])], Connection(E::PROTOCOL_ERROR)),
        ("§6.8 GOAWAY too short", vec![frame(GOAWAY, 0, 0, [0; 7])], Connection(E::FRAME_SIZE_ERROR)),
        ("§6.9 WINDOW_UPDATE of 0 on a stream", vec![window_update(1, 0)], Stream(E::PROTOCOL_ERROR)),
        (
            "§6.9 WINDOW_UPDATE of 0 on the connection",
            vec![window_update(0, 0)],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§6.9 WINDOW_UPDATE of another length",
            vec![frame(WINDOW_UPDATE, 0, 1, [0; 3])],
            Connection(E::FRAME_SIZE_ERROR),
        ),
        ("§6.9 WINDOW_UPDATE on an idle stream", vec![window_update(99, 1)], Connection(E::PROTOCOL_ERROR)),
        (
            "§6.9.1 a stream's window above 2^31-1",
            vec![window_update(1, 0x7fff_ffff)],
            Stream(E::FLOW_CONTROL_ERROR),
        ),
        (
            "§6.9.1 the connection's window above 2^31-1",
            vec![window_update(0, 0x7fff_ffff)],
            Connection(E::FLOW_CONTROL_ERROR),
        ),
        (
            "§6.9.2 SETTINGS take a window above 2^31-1",
            vec![window_update(1, 0x7fff_0000), frame(SETTINGS, 0, 0, settings(&[(4, 100_000)]))],
            Connection(E::FLOW_CONTROL_ERROR),
        ),
    ]);
}

#[test]
fn streams() {
    check(vec![
        (
            "§5.1 HEADERS on a stream that was not opened",
            vec![frame(HEADERS, END_HEADERS, 99, block(OK))],
            Connection(E::PROTOCOL_ERROR),
        ),
        (
            "§5.1.1 HEADERS on a stream of the server",
            vec![frame(HEADERS, END_HEADERS, 2, block(OK))],
            Connection(E::PROTOCOL_ERROR),
        ),
        ("§5.1 DATA on an idle stream", vec![frame(DATA, 0, 99, [0])], Connection(E::PROTOCOL_ERROR)),
        (
            "§5.1 DATA after END_STREAM",
            vec![response(END_STREAM, OK), frame(DATA, 0, 1, [0])],
            Stream(E::STREAM_CLOSED),
        ),
        (
            "§5.1 HEADERS after END_STREAM",
            vec![response(END_STREAM, OK), response(END_STREAM, &[("a", "b")])],
            Stream(E::STREAM_CLOSED),
        ),
        ("§5.1 WINDOW_UPDATE after RST_STREAM is ignored", vec![reset(1, 8), window_update(1, 1)], Fine),
        ("§5.1 RST_STREAM twice is ignored", vec![reset(1, 8), reset(1, 8)], Fine),
        (
            "§5.3.1 of RFC 7540, a stream that depends on itself",
            vec![frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, [&[0, 0, 0, 1, 0][..], &block(OK)].concat())],
            Stream(E::PROTOCOL_ERROR),
        ),
    ]);
}

#[test]
fn messages() {
    let data = |flags, payload: &[u8]| frame(DATA, flags, 1, payload);
    check(vec![
        ("§8.1 DATA before the head", vec![data(0, b"x")], Stream(E::PROTOCOL_ERROR)),
        (
            "§8.1 an informational response first",
            vec![response(0, &[(":status", "103")]), response(0, OK), data(END_STREAM, b"")],
            Fine,
        ),
        (
            "§8.1 an informational response with END_STREAM",
            vec![response(END_STREAM, &[(":status", "100")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.1 DATA after an informational response",
            vec![response(0, &[(":status", "100")]), data(0, b"x")],
            Stream(E::PROTOCOL_ERROR),
        ),
        ("§8.6 101", vec![response(0, &[(":status", "101")])], Stream(E::PROTOCOL_ERROR)),
        (
            "§8.1 trailers",
            vec![response(0, OK), data(0, b"x"), response(END_STREAM, &[("grpc-status", "0")])],
            Fine,
        ),
        (
            "§8.1 trailers without END_STREAM",
            vec![response(0, OK), response(0, &[("grpc-status", "0")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.1 trailers with a pseudo-header field",
            vec![response(0, OK), response(END_STREAM, OK)],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.2.1 an upper-case name",
            vec![response(0, &[(":status", "200"), ("X-A", "b")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.2.1 a line break in a value",
            vec![response(0, &[(":status", "200"), ("a", "b\r\nc")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.2.2 a connection-specific field",
            vec![response(0, &[(":status", "200"), ("connection", "close")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.3 an unknown pseudo-header field",
            vec![response(0, &[(":status", "200"), (":a", "b")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.3 a pseudo-header field of requests",
            vec![response(0, &[(":status", "200"), (":path", "/")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.3 a pseudo-header field after a regular one",
            vec![response(0, &[("a", "b"), (":status", "200")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        ("§8.3.2 no :status", vec![response(0, &[("a", "b")])], Stream(E::PROTOCOL_ERROR)),
        (
            "§8.3.2 :status twice",
            vec![response(0, &[(":status", "200"), (":status", "200")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.1.1 content-length met",
            vec![
                response(0, &[(":status", "200"), ("content-length", "3")]),
                data(0, b"a"),
                data(END_STREAM, b"bc"),
            ],
            Fine,
        ),
        (
            "§8.1.1 more than content-length",
            vec![response(0, &[(":status", "200"), ("content-length", "1")]), data(0, b"abc")],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.1.1 less than content-length",
            vec![response(0, &[(":status", "200"), ("content-length", "9")]), data(END_STREAM, b"abc")],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.1.1 less than content-length, with trailers",
            vec![
                response(0, &[(":status", "200"), ("content-length", "9")]),
                data(0, b"abc"),
                response(END_STREAM, &[("a", "b")]),
            ],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§8.1.1 content-length and no DATA",
            vec![response(END_STREAM, &[(":status", "200"), ("content-length", "9")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "RFC 9110 §8.6, 304 announces what it does not carry",
            vec![response(END_STREAM, &[(":status", "304"), ("content-length", "9")])],
            Fine,
        ),
        (
            "RFC 9110 §8.6, content-length that is no number",
            vec![response(0, &[(":status", "200"), ("content-length", "x")])],
            Stream(E::PROTOCOL_ERROR),
        ),
        (
            "§10.5.1 a field section above the limit",
            vec![response(0, &[(":status", "200"), ("a", &"b".repeat(16_350))])],
            Stream(E::ENHANCE_YOUR_CALM),
        ),
    ]);
}

/// RFC 9110 §9.3.2.
#[test]
fn a_response_to_head_announces_what_it_does_not_carry() {
    let (mut client, _) = Scripted::client(Config::default(), 0);
    let request = [(":method", "HEAD"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    client.http2.open(&fields(&request), true).unwrap();
    client.receive(&response(0, &[(":status", "200"), ("content-length", "9")]));
    client.receive(&frame(DATA, END_STREAM, 1, []));
    assert!(matches!(client.events[..], [Event::Headers { .. }, Event::Data { end_stream: true, .. }]));
}

/// RFC 9113 §3.4: the server's first frame is SETTINGS.
#[test]
fn the_first_frame_is_settings() {
    for first in
        [frame(PING, 0, 0, [0; 8]), frame(SETTINGS, ACK, 0, []), b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()]
    {
        let mut client = Scripted::silent_client(Config::default());
        client.receive(&first);
        assert!(client.connection_error().is_some(), "{first:?}");
    }
}
