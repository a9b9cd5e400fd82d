//! gannet as the server.

use crate::greeter::{GreeterServer, Plain};
use crate::peer::{Pairs, Peer, fields, text};
use gannet::{
    Answer, Call, Compression, Interceptor, ListenAddress, MetadataEntry, Next, Result, Server, Status,
};
use gannet_http2::Config;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Sends the metadata `x-echo…` back as trailers, `x-head` as headers, fails where `x-fail` and `x-say-bin` ask for it, compresses where `x-gzip` does.
struct Echo;

impl Interceptor for Echo {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let metadata = call.metadata().clone();
        for entry in &metadata {
            match entry {
                MetadataEntry::Text(name, value) if name.starts_with("x-echo") => {
                    call.set_trailer(name, value)?
                }
                MetadataEntry::Binary(name, value) if name.starts_with("x-echo") => {
                    call.set_trailer_bin(name, &value)?;
                }
                _ => {}
            }
        }
        if let Some(value) = metadata.get("x-head") {
            call.set_header("x-head", value)?;
        }
        if metadata.get("x-gzip").is_some() {
            call.set_compression(Compression::Gzip)?;
        }
        if let Some(message) = metadata.get_bin("x-say-bin") {
            return Err(Status::aborted(String::from_utf8_lossy(&message).into_owned()));
        }
        match metadata.get("x-fail").and_then(|length| length.parse().ok()) {
            Some(length) => Err(Status::aborted("ä".repeat(length))),
            None => next.run(call).await,
        }
    }
}

async fn start() -> SocketAddr {
    let server = Server::new()
        .add(GreeterServer::new(Plain::default()))
        .intercept(Echo)
        .max_decoded_message(100)
        .accept_compression([Compression::Gzip, Compression::Deflate])
        .compression_minimum(10);
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
    tokio::spawn(bound.serve());
    address
}

const REQUEST: Pairs<'static> = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/demo.Greeter/Greet"),
    (":authority", "a"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
];

/// The usual request with these fields in place of its own of the same name; an empty value leaves one out, and a name
/// with `+` is added beside.
fn request(changes: Pairs<'_>) -> Vec<(String, String)> {
    let mut request: Vec<_> = REQUEST.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    for (name, value) in changes {
        let (name, beside) = name.strip_prefix('+').map_or((*name, false), |name| (name, true));
        match request.iter().position(|(known, _): &(String, _)| known == name) {
            Some(place) if !beside && value.is_empty() => {
                request.remove(place);
            }
            Some(place) if !beside => request[place].1 = (*value).to_owned(),
            _ => request.push((name.to_owned(), (*value).to_owned())),
        }
    }
    request
}

/// What comes back for one request on a connection of its own. `open`: the request is not ended.
async fn answer(address: SocketAddr, changes: Pairs<'_>, body: &[u8], open: bool) -> String {
    let mut peer = Peer::client(TcpStream::connect(address).await.unwrap(), Config::default());
    let request = request(changes);
    let pairs: Vec<_> = request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let key = peer.http2.open(&fields(&pairs), false).unwrap();
    peer.send(key, body);
    if !open {
        peer.http2.end_stream(key);
    }
    peer.lines(key, open).await.join(" | ")
}

const YOU: &[u8] = b"\0\0\0\0\x03you";
const GOOD: &str =
    "HEADERS :status=200 content-type=application/grpc | MESSAGE Hello you | TRAILERS grpc-status=0";

/// An answer that is only an end, with this code; the message is not compared.
fn ends(code: u32) -> String {
    format!("HEADERS :status=200 content-type=application/grpc grpc-status={code} grpc-message=")
}

struct Row {
    rule: &'static str,
    changes: Pairs<'static>,
    body: &'static [u8],
    /// What comes back begins with this.
    answer: String,
}

fn row(rule: &'static str, changes: Pairs<'static>, body: &'static [u8], answer: impl Into<String>) -> Row {
    Row { rule, changes, body, answer: answer.into() }
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    let with_trailer = |trailer: &str| format!("{GOOD} {trailer}");
    let json = GOOD.replace("application/grpc", "application/grpc+json");
    vec![
        // PROTOCOL-HTTP2, Requests: Call-Definition.
        row("Method: POST", &[], YOU, GOOD),
        row("Method: another one of gRPC is no gRPC (RFC 9110 §15.5.6: 405)", &[(":method", "GET")], YOU, "HEADERS :status=405 allow=POST"),
        row("Method: PUT", &[(":method", "PUT")], YOU, "HEADERS :status=405 allow=POST"),
        row("Scheme: https", &[(":scheme", "https")], YOU, GOOD),
        row("Path: of no service (statuscodes: method not found)", &[(":path", "/no.Such/Greet")], YOU, ends(12)),
        row("Path: of no method", &[(":path", "/demo.Greeter/No")], YOU, ends(12)),
        row("Path: case-sensitive", &[(":path", "/demo.Greeter/greet")], YOU, ends(12)),
        row("Path: without its slash", &[(":path", "demo.Greeter/Greet")], YOU, ends(12)),
        row("Authority: may be missing", &[(":authority", "")], YOU, GOOD),
        row("TE: is for proxies; a server does without", &[("te", "")], YOU, GOOD),
        row("TE: another value (RFC 9113 §8.2.2)", &[("te", "gzip")], YOU, "RESET 1"),
        // Timeout, in all units.
        row("Timeout: hours", &[("grpc-timeout", "1H")], YOU, GOOD),
        row("Timeout: minutes", &[("grpc-timeout", "1M")], YOU, GOOD),
        row("Timeout: seconds", &[("grpc-timeout", "99999999S")], YOU, GOOD),
        row("Timeout: milliseconds", &[("grpc-timeout", "99999m")], YOU, GOOD),
        row("Timeout: microseconds", &[("grpc-timeout", "99999999u")], YOU, GOOD),
        row("Timeout: nanoseconds, too few to do anything", &[("grpc-timeout", "1n")], b"\0\0\0\0\x08for ever", ends(4)),
        row("Timeout: a positive integer; 0 has passed already", &[("grpc-timeout", "0S")], YOU, ends(4)),
        row("Timeout: at most 8 digits", &[("grpc-timeout", "123456789n")], YOU, ends(13)),
        row("Timeout: no unit", &[("grpc-timeout", "5")], YOU, ends(13)),
        row("Timeout: no such unit", &[("grpc-timeout", "5s")], YOU, ends(13)),
        row("Timeout: no integer", &[("grpc-timeout", "-5S")], YOU, ends(13)),
        // Content-Type.
        row("Content-Type: +proto", &[("content-type", "application/grpc+proto")], YOU, GOOD),
        row("Content-Type: +json", &[("content-type", "application/grpc+json")], YOU, json),
        row("Content-Type: with parameters", &[("content-type", "application/grpc;charset=utf-8")], YOU, GOOD),
        row("Content-Type: not gRPC is 415", &[("content-type", "text/plain")], YOU, "HEADERS :status=415"),
        row("Content-Type: missing is 415", &[("content-type", "")], YOU, "HEADERS :status=415"),
        row("Content-Type: gRPC-Web is another protocol", &[("content-type", "application/grpc-web")], YOU, "HEADERS :status=415"),
        row("Content-Type: a format that nobody here has", &[("content-type", "application/grpc+thrift")], YOU, "HEADERS :status=415"),
        // Message-Encoding (compression.md).
        row("Message-Encoding: identity", &[("grpc-encoding", "identity")], YOU, GOOD),
        row("Message-Encoding: gzip declared, message uncompressed", &[("grpc-encoding", "gzip")], YOU,
            "HEADERS :status=200 content-type=application/grpc grpc-accept-encoding=gzip,deflate | MESSAGE Hello you | TRAILERS grpc-status=0"),
        row("Message-Encoding: unknown, with what is known (test case 4)", &[("grpc-encoding", "snappy")], YOU,
            "HEADERS :status=200 content-type=application/grpc grpc-accept-encoding=gzip,deflate grpc-status=12 grpc-message=messages encoded with \"snappy\""),
        row("Message-Accept-Encoding: the answer in one of them", &[("+grpc-accept-encoding", "identity,gzip"), ("x-gzip", "1")], b"\0\0\0\0\x32yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy",
            "HEADERS :status=200 content-type=application/grpc grpc-encoding=gzip grpc-accept-encoding=gzip,deflate | COMPRESSED \\x1f\\x8b | TRAILERS grpc-status=0"),
        row("Message-Accept-Encoding: not in one that it lacks", &[("+grpc-accept-encoding", "snappy, br"), ("x-gzip", "1")], YOU, GOOD),
        row("Compressed-Flag without Message-Encoding (test case 6)", &[], b"\x01\0\0\0\x03you", ends(13)),
        row("Compressed-Flag with identity (test case 6)", &[("grpc-encoding", "identity")], b"\x01\0\0\0\x03you", ends(13)),
        row("statuscodes: could not decompress", &[("grpc-encoding", "gzip")], b"\x01\0\0\0\x03you",
            "HEADERS :status=200 content-type=application/grpc grpc-status=13 grpc-message=a message could not be decompressed as gzip"),
        // Length-Prefixed-Message.
        row("Compressed-Flag: 0 or 1", &[], b"\x02\0\0\0\x03you", ends(13)),
        row("a message that is cut", &[], b"\0\0\0\0\x04you", ends(13)),
        row("a prefix that is cut", &[], b"\0\0\0\0", ends(13)),
        row("statuscodes: larger than the limit", &[], b"\0\0\0\0\x65", ends(8)),
        row("statuscodes: a length that lies", &[], b"\0\xff\xff\xff\xffyou", ends(8)),
        row("statuscodes: error parsing the request", &[], b"\0\0\0\0\x01\xff", ends(13)),
        row("statuscodes: no message where the method takes one", &[], b"", ends(12)),
        row("statuscodes: two messages where the method takes one", &[], b"\0\0\0\0\x01a\0\0\0\0\x01b", ends(12)),
        row("statuscodes: no message, a stream of answers", &[(":path", "/demo.Greeter/List")], b"", ends(12)),
        row("an empty stream of requests is one", &[(":path", "/demo.Greeter/Batch")], b"", "HEADERS :status=200 content-type=application/grpc | MESSAGE  | TRAILERS grpc-status=0 x-length=0"),
        row("an empty stream of answers has both headers and trailers", &[(":path", "/demo.Greeter/Chat")], b"", "HEADERS :status=200 content-type=application/grpc | TRAILERS grpc-status=0"),
        row("a stream of requests that is cut", &[(":path", "/demo.Greeter/Batch")], b"\0\0\0\0\x01a\0\0\0\0\x04b", ends(13)),
        row("a message of no bytes", &[], b"\0\0\0\0\0", GOOD.replace("you", "")),
        // Responses.
        row("Trailers-Only, and Status-Message percent-encoded", &[], b"\0\0\0\0\x06refuse",
            "HEADERS :status=200 content-type=application/grpc grpc-status=5 grpc-message=no such person: %C3%A4%0A%25 x-why=because"),
        row("Status-Message: no space at either end of a value (RFC 9113 §8.2.1)", &[("x-say-bin", "IGhpIA")], YOU,
            "HEADERS :status=200 content-type=application/grpc grpc-status=10 grpc-message=%20hi%20"),
        row("Trailers after a message", &[(":path", "/demo.Greeter/List")], b"\0\0\0\0\x011",
            "HEADERS :status=200 content-type=application/grpc | MESSAGE 0 | TRAILERS grpc-status=0 x-count=1"),
        // Custom-Metadata.
        row("ASCII-Header", &[("x-echo", "a b~")], YOU, with_trailer("x-echo=a b~")),
        row("several values stay in order", &[("x-echo", "1"), ("+x-echo", "2")], YOU, with_trailer("x-echo=1 x-echo=2")),
        row("ASCII-Value: HTTP's larger range is no error", &[("x-echo", "tab\tin it"), ("x-echo-2", "\u{e4}")], YOU, GOOD),
        row("Binary-Header: padded in, unpadded out", &[("x-echo-bin", "AAE=")], YOU, with_trailer("x-echo-bin=AAE")),
        row("Binary-Header: unpadded", &[("x-echo-bin", "AAE")], YOU, with_trailer("x-echo-bin=AAE")),
        row("Binary-Header: split on commas before decoding", &[("x-echo-bin", "AAE=,/w, aGk")], YOU, with_trailer("x-echo-bin=AAE x-echo-bin=/w x-echo-bin=aGk")),
        row("Binary-Header: no base64 is left out", &[("x-echo-bin", "!!"), ("+x-echo-bin", "AAE")], YOU, with_trailer("x-echo-bin=AAE")),
        row("user-agent and Message-Type are the protocol's", &[("user-agent", "grpc-x/1"), ("grpc-message-type", "demo.Hello")], YOU, GOOD),
    ]
}

#[tokio::test]
async fn each_rule_has_its_answer() {
    let address = start().await;
    for Row { rule, changes, body, answer: expected } in rows() {
        let got = answer(address, changes, body, false).await;
        let same = if expected.ends_with("grpc-message=") {
            got.starts_with(&expected)
        } else {
            begins(&got, &expected)
        };
        assert!(same, "{rule}\n  expected {expected}\n  got      {got}");
    }
}

/// Equal, but for the end of a message for people.
fn begins(got: &str, expected: &str) -> bool {
    if expected.contains("grpc-message=messages") || expected.contains("grpc-message=a message") {
        got.starts_with(expected)
    } else {
        got == expected
    }
}

/// PROTOCOL-HTTP2, Data Frames: their boundaries have nothing to do with those of messages.
#[tokio::test]
async fn a_message_cut_at_every_place_is_the_same_message() {
    let address = start().await;
    for cut in 0..=YOU.len() {
        let mut peer = Peer::client(TcpStream::connect(address).await.unwrap(), Config::default());
        let key = peer.http2.open(&fields(REQUEST), false).unwrap();
        for piece in [&YOU[..cut], &YOU[cut..]] {
            peer.send(key, piece);
            peer.flush().await;
        }
        peer.http2.end_stream(key);
        assert_eq!(peer.lines(key, false).await.join(" | "), GOOD, "cut at {cut}");
    }
}

/// PROTOCOL-HTTP2, Early Server Closure: Trailers, then RST_STREAM with NO_ERROR.
#[tokio::test]
async fn an_answer_before_the_end_of_the_request_resets_the_stream() {
    let address = start().await;
    let broken = answer(address, &[], b"\x02\0\0\0\x03you", true).await;
    assert!(broken.starts_with(&ends(13)) && broken.ends_with(" | RESET 0"), "{broken}");
    let unknown = answer(address, &[(":path", "/no.Such/Method")], b"", true).await;
    assert!(unknown.starts_with(&ends(12)) && unknown.ends_with(" | RESET 0"), "{unknown}");
    let failed = answer(address, &[(":path", "/demo.Greeter/Batch"), ("x-fail", "1")], b"", true).await;
    assert!(failed.starts_with(&ends(10)) && failed.ends_with(" | RESET 0"), "{failed}");
}

/// RFC 9113 §10.5.1: a peer's SETTINGS_MAX_HEADER_LIST_SIZE. A status that is too long for it is cut.
#[tokio::test]
async fn a_long_status_is_cut_to_the_peers_limit() {
    let address = start().await;
    for limit in [200, 1_000, 20_000] {
        let config = Config::default().max_header_list_size(limit);
        let mut peer = Peer::client(TcpStream::connect(address).await.unwrap(), config);
        let request = [REQUEST, &[("x-fail", "100000")]].concat();
        let key = peer.http2.open(&fields(&request), false).unwrap();
        peer.send(key, YOU);
        peer.http2.end_stream(key);
        let lines = peer.lines(key, false).await;
        assert!(lines[0].starts_with(&ends(10)), "{limit}: {lines:?}");
        let message = lines[0].split("grpc-message=").nth(1).unwrap();
        assert!(message.len() % "%C3%A4".len() == 0 && message.len() < limit as usize, "{limit}: {message}");
    }
}

/// RFC 9113 §10.5.1: metadata that is too large for the peer is not sent, and the call's end is. An answer that lacks
/// some of its metadata is none.
#[tokio::test]
async fn metadata_that_the_peer_does_not_take_is_left_out() {
    let address = start().await;
    let long = "v".repeat(2_000);
    let head = "HEADERS :status=200 content-type=application/grpc";
    let too_large = "grpc-status=8 grpc-message=the response's metadata is larger than the client takes \
        (SETTINGS_MAX_HEADER_LIST_SIZE)";
    let ended = |line: &str| format!("{head} {line}");
    let rows: [(&str, Pairs<'_>, String); 6] = [
        ("Greet", &[("x-echo", &long)], format!("{head} | MESSAGE Hello you | TRAILERS {too_large}")),
        ("Greet", &[("x-head", &long)], ended(too_large)),
        ("Batch", &[("x-head", &long)], ended(too_large) + " x-length=3"),
        ("Chat", &[("x-head", &long)], ended(too_large)),
        ("Greet", &[("x-echo", &long), ("x-fail", "1")], ended("grpc-status=10 grpc-message=%C3%A4")),
        ("Greet", &[("x-head", &long), ("x-fail", "1")], ended("grpc-status=10 grpc-message=%C3%A4")),
    ];
    for (method, metadata, expected) in rows {
        let config = Config::default().max_header_list_size(1_000);
        let mut peer = Peer::client(TcpStream::connect(address).await.unwrap(), config);
        let path = format!("/demo.Greeter/{method}");
        let request = request(&[&[(":path", path.as_str())], metadata].concat());
        let pairs: Vec<_> = request.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let key = peer.http2.open(&fields(&pairs), false).unwrap();
        peer.send(key, YOU);
        peer.http2.end_stream(key);
        assert_eq!(peer.lines(key, false).await.join(" | "), expected, "{method}");
    }
}

/// PROTOCOL-HTTP2, Custom-Metadata: reserved names are refused where the application sets them.
#[tokio::test]
async fn reserved_names_are_protected() {
    let mut metadata = gannet::Metadata::new();
    for name in
        ["grpc-status", "grpc-anything", "content-type", "te", "user-agent", ":path", "connection", "host"]
    {
        assert!(metadata.append(name, "1").is_err(), "{name}");
    }
    for (name, value) in [("x", "ä"), ("x", "a\nb"), ("X Y", "1"), ("x-bin", "1"), ("", "1")] {
        assert!(metadata.append(name, value).is_err(), "{name:?} {value:?}");
    }
    metadata.append("X-Upper", " 1 ").unwrap();
    let mut out = gannet_http2::Fields::new();
    metadata.write_to(&mut out);
    assert_eq!(text(&out), "x-upper=1");
}

/// What was answered before an interceptor saw it, as `Server::observe` tells it: what was sent, and the line of it.
#[tokio::test]
async fn what_no_interceptor_sees_is_told() {
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::new()
        .add(GreeterServer::new(Plain::default()))
        .max_decoded_message(100)
        .minimum_deadline(Duration::from_millis(5))
        .observe(move |event| sender.send(event.to_string()).unwrap());
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
    tokio::spawn(bound.serve());
    let rows: [(Pairs<'static>, &[u8], &str); 9] = [
        (
            &[(":path", "/demo.Greeter/Wave")],
            YOU,
            "call of /demo.Greeter/Wave from 127.0.0.1:*: UNIMPLEMENTED: the service has no method",
        ),
        (
            &[(":path", "/x\u{85}\u{202e}")],
            YOU,
            r"call of /x\u{85}\u{202e} from 127.0.0.1:*: UNIMPLEMENTED: no service here answers /x\u{85}\u{202e}",
        ),
        (
            &[("content-type", "text/plain")],
            YOU,
            "request for /demo.Greeter/Greet from 127.0.0.1:*: no gRPC, HTTP 415",
        ),
        (&[("grpc-encoding", "lzma")], YOU, "call of /demo.Greeter/Greet from 127.0.0.1:*: UNIMPLEMENTED: "),
        (
            &[("grpc-timeout", "0m")],
            YOU,
            "call of /demo.Greeter/Greet from 127.0.0.1:*: DEADLINE_EXCEEDED: the deadline had passed",
        ),
        (&[("grpc-timeout", "1m")], YOU, "call of /demo.Greeter/Greet from 127.0.0.1:*: DEADLINE_EXCEEDED: "),
        (
            &[],
            b"",
            "call of /demo.Greeter/Greet from 127.0.0.1:*: UNIMPLEMENTED: the method takes exactly one",
        ),
        (&[], b"\0\0\0\0\xff", "call of /demo.Greeter/Greet from 127.0.0.1:*: RESOURCE_EXHAUSTED: "),
        (&[], b"\0\0\0\0\x09half", "call of /demo.Greeter/Greet from 127.0.0.1:*: INTERNAL: "),
    ];
    for (changes, body, expected) in rows {
        answer(address, changes, body, false).await;
        let line = told.recv().await.unwrap();
        let (before, after) = expected.split_once('*').unwrap();
        let rest =
            line.strip_prefix(before).map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        assert!(rest.is_some_and(|rest| rest.starts_with(after)), "{changes:?}: {line}");
    }
    assert!(answer(address, &[], YOU, false).await.starts_with(GOOD));
    assert!(told.try_recv().is_err(), "what an interceptor sees is told there");
}
