//! gannet as the client. It is strict: what is not a whole good answer is not OK.

use crate::greeter::{GreeterClient, hello};
use crate::peer::{Pairs, Peer, fields, text};
use gannet::{Channel, Code, Compression, Result, Status};
use gannet_http2::{ErrorCode, Event};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// What a scripted server does with a request.
#[derive(Clone, Copy)]
enum Play {
    Headers(Pairs<'static>),
    Data(&'static [u8]),
    /// Headers or trailers with END_STREAM.
    End(Pairs<'static>),
    /// An empty DATA frame with END_STREAM.
    EndData,
    Reset(u32),
    Wait(Duration),
}
use Play::{Data, End, EndData, Headers, Reset, Wait};

const HEAD: Play = Headers(&[(":status", "200"), ("content-type", "application/grpc")]);
const ANSWER: Play = Data(b"\0\0\0\0\x02hi");
const OK: Play = End(&[("grpc-status", "0")]);

/// A server that plays the same to every request, and what it has seen.
struct Scripted {
    client: GreeterClient,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    heads: Vec<String>,
    /// The codes of RST_STREAM.
    resets: Vec<u32>,
}

async fn scripted(script: &[Play]) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("ipv4:{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (script, record) = (script.to_vec(), Arc::clone(&seen));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(Peer::server(socket), script.clone(), Arc::clone(&record)));
        }
    });
    let accepted = [Compression::Gzip, Compression::Deflate];
    let channel = Channel::builder(&target).unwrap().accept_compression(accepted).build();
    Scripted { client: GreeterClient::new(channel), seen }
}

async fn serve(mut peer: Peer, script: Vec<Play>, seen: Arc<Mutex<Seen>>) {
    while let Some(event) = peer.event().await {
        seen.lock().unwrap().resets = peer.resets();
        let key = match event {
            Event::Headers { key, fields, .. } => {
                seen.lock().unwrap().heads.push(text(&fields));
                key
            }
            Event::Data { key, data, .. } => {
                peer.http2.release_capacity(key, data.len());
                continue;
            }
            _ => continue,
        };
        for play in &script {
            match *play {
                Headers(pairs) => peer.http2.send_headers(key, &fields(pairs), false),
                Data(bytes) => peer.send(key, bytes),
                End(pairs) if pairs.iter().any(|(name, _)| *name == ":status") => {
                    peer.http2.send_headers(key, &fields(pairs), true);
                }
                End(pairs) => peer.http2.send_trailers(key, &fields(pairs)),
                EndData => peer.http2.end_stream(key),
                Reset(code) => peer.http2.reset(key, ErrorCode(code)),
                Wait(time) => tokio::time::sleep(time).await,
            }
        }
    }
}

/// How a unary call of this server ends.
async fn outcome(script: &[Play]) -> Result<String> {
    let scripted = scripted(script).await;
    scripted.client.greet(hello("you")).await.map(|answer| answer.0)
}

struct Row {
    rule: &'static str,
    script: Vec<Play>,
    code: Code,
    /// A part of the message.
    says: &'static str,
}

fn row(rule: &'static str, script: &[Play], code: Code, says: &'static str) -> Row {
    Row { rule, script: script.to_vec(), code, says }
}

const fn end_of(status: Pairs<'static>) -> Play {
    End(status)
}

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    vec![
        // statuscodes.md: response cardinality violation.
        row("no message", &[HEAD, OK], Code::Unimplemented, "without an answer"),
        row("no message, Trailers-Only", &[End(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")])], Code::Unimplemented, "without an answer"),
        row("two messages", &[HEAD, ANSWER, ANSWER, OK], Code::Unimplemented, "more than one answer"),
        // Length-Prefixed-Message.
        row("a message that is cut", &[HEAD, Data(b"\0\0\0\0\x03hi"), OK], Code::Internal, "before the end of a message"),
        row("a message and a cut one", &[HEAD, ANSWER, Data(b"\0\0"), OK], Code::Internal, "before the end of a message"),
        row("Compressed-Flag: 0 or 1", &[HEAD, Data(b"\x07\0\0\0\x02hi"), OK], Code::Internal, "begins with the byte 7"),
        row("Compressed-Flag without Message-Encoding", &[HEAD, Data(b"\x01\0\0\0\x02hi"), OK], Code::Internal, "no grpc-encoding"),
        row("compression.md, test case 5", &[Headers(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "snappy")]), Data(b"\x01\0\0\0\x02hi"), OK], Code::Internal, "accepted: gzip,deflate"),
        row("statuscodes: could not decompress", &[Headers(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "gzip")]), Data(b"\x01\0\0\0\x02hi"), OK], Code::Internal, "could not be decompressed as gzip"),
        row("statuscodes: error parsing the response", &[HEAD, Data(b"\0\0\0\0\x01\xff"), OK], Code::Internal, "utf-8"),
        row("statuscodes: larger than the limit", &[HEAD, Data(b"\0\xff\xff\xff\xffhi")], Code::ResourceExhausted, "larger than the limit"),
        // Responses.
        row("no Status", &[HEAD, ANSWER, end_of(&[("x", "y")])], Code::Unknown, "without a grpc-status"),
        row("no Trailers", &[HEAD, ANSWER, EndData], Code::Internal, "without a status"),
        row("statuscodes: error parsing the status", &[HEAD, ANSWER, end_of(&[("grpc-status", "fine")])], Code::Unknown, "not a number"),
        row("a Status of the future", &[HEAD, ANSWER, end_of(&[("grpc-status", "77"), ("grpc-message", "new")])], Code::Unknown, "new"),
        row("Trailers-Only", &[End(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "no%20one")])], Code::NotFound, "no one"),
        row("Status after a message", &[HEAD, ANSWER, end_of(&[("grpc-status", "10")])], Code::Aborted, ""),
        row("Status-Message: broken percent-encoding is kept", &[HEAD, end_of(&[("grpc-status", "10"), ("grpc-message", "100% %zz %C3%A4")])], Code::Aborted, "100% %zz ä"),
        row("Content-Type: another one", &[Headers(&[(":status", "200"), ("content-type", "text/html")]), Data(b"<html>")], Code::Unknown, "text/html"),
        row("Content-Type: none", &[Headers(&[(":status", "200")]), Data(b"?")], Code::Unknown, "not gRPC"),
        // http-grpc-status-mapping.md.
        row("400", &[End(&[(":status", "400")])], Code::Internal, "HTTP status 400"),
        row("401", &[End(&[(":status", "401")])], Code::Unauthenticated, "401"),
        row("403", &[End(&[(":status", "403")])], Code::PermissionDenied, "403"),
        row("404", &[Headers(&[(":status", "404"), ("content-type", "text/html")]), Data(b"gone")], Code::Unimplemented, "404"),
        row("429", &[End(&[(":status", "429")])], Code::Unavailable, "429"),
        row("431", &[End(&[(":status", "431")])], Code::Internal, "431"),
        row("502", &[End(&[(":status", "502")])], Code::Unavailable, "502"),
        row("503", &[Headers(&[(":status", "503"), ("content-type", "text/plain")]), Data(b"later"), EndData], Code::Unavailable, "503"),
        row("504", &[End(&[(":status", "504")])], Code::Unavailable, "504"),
        row("all other codes", &[End(&[(":status", "500")])], Code::Unknown, "500"),
        row("all other codes, a redirect", &[End(&[(":status", "302"), ("location", "/")])], Code::Unknown, "302"),
        row("if grpc-status was provided it must be used", &[End(&[(":status", "503"), ("content-type", "application/grpc"), ("grpc-status", "9")])], Code::FailedPrecondition, ""),
        // PROTOCOL-HTTP2, Errors: RST_STREAM.
        row("NO_ERROR", &[HEAD, Reset(0)], Code::Internal, "NO_ERROR"),
        row("PROTOCOL_ERROR", &[Reset(1)], Code::Internal, "PROTOCOL_ERROR"),
        row("INTERNAL_ERROR", &[Reset(2)], Code::Internal, "INTERNAL_ERROR"),
        row("FLOW_CONTROL_ERROR", &[Reset(3)], Code::Internal, "FLOW_CONTROL_ERROR"),
        row("SETTINGS_TIMEOUT", &[Reset(4)], Code::Internal, "SETTINGS_TIMEOUT"),
        row("FRAME_SIZE_ERROR", &[Reset(6)], Code::Internal, "FRAME_SIZE_ERROR"),
        row("REFUSED_STREAM", &[Reset(7)], Code::Unavailable, "REFUSED_STREAM"),
        row("CANCEL", &[HEAD, ANSWER, Reset(8)], Code::Cancelled, "CANCEL"),
        row("COMPRESSION_ERROR", &[Reset(9)], Code::Internal, "COMPRESSION_ERROR"),
        row("CONNECT_ERROR", &[Reset(10)], Code::Internal, "CONNECT_ERROR"),
        row("ENHANCE_YOUR_CALM", &[Reset(11)], Code::ResourceExhausted, "bandwidth"),
        row("INADEQUATE_SECURITY", &[Reset(12)], Code::PermissionDenied, "not secure enough"),
    ]
}

#[tokio::test]
async fn each_rule_has_its_status() {
    assert_eq!(outcome(&[HEAD, ANSWER, OK]).await.unwrap(), "hi");
    for Row { rule, script, code, says } in rows() {
        let status = outcome(&script).await.expect_err(rule);
        assert_eq!(status.code(), code, "{rule}: {status}");
        assert!(status.message().contains(says), "{rule}: {status}");
    }
}

/// http-grpc-status-mapping.md: 1xx should be skipped. PROTOCOL-HTTP2: leading zeros in Status.
#[tokio::test]
async fn what_is_good_in_spite_of_its_looks() {
    let informational = Headers(&[(":status", "103"), ("link", "</a>")]);
    assert_eq!(outcome(&[informational, HEAD, ANSWER, OK]).await.unwrap(), "hi");
    let proto = Headers(&[(":status", "200"), ("content-type", "application/grpc+proto;q=1")]);
    assert_eq!(outcome(&[proto, ANSWER, OK]).await.unwrap(), "hi");
    assert_eq!(
        outcome(&[HEAD, Data(b"\0\0"), Data(b"\0\0\x02"), Data(b"h"), Data(b"i"), OK]).await.unwrap(),
        "hi"
    );
    assert_eq!(outcome(&[HEAD, ANSWER, End(&[("grpc-status", "00")])]).await.unwrap(), "hi");
}

/// PROTOCOL-HTTP2, Requests: the order of the fields, and their values.
#[tokio::test]
async fn the_head_of_a_request() {
    let Scripted { client, seen } = scripted(&[HEAD, ANSWER, OK]).await;
    let call = client.greet(hello("you")).deadline(Duration::from_secs(3600));
    let call =
        call.metadata("x-text", "a b").metadata_bin("x-bytes-bin", &[0, 1]).compression(Compression::Gzip);
    call.await.unwrap();
    let head = seen.lock().unwrap().heads[0].clone();
    let (before, rest) = head.split_once(" grpc-timeout=").unwrap();
    let (timeout, after) = rest.split_once(' ').unwrap();
    let authority = before.split(":authority=").nth(1).unwrap();
    assert_eq!(before, format!(":method=POST :scheme=http :path=/demo.Greeter/Greet :authority={authority}"));
    // "Implementations should send Timeout immediately after the reserved headers", a positive integer and a unit.
    assert!(timeout.ends_with('m') && timeout.len() <= 9, "{timeout}");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        after,
        format!(
            "te=trailers content-type=application/grpc grpc-encoding=gzip grpc-accept-encoding=gzip,deflate \
             user-agent=grpc-rust-gannet/{version} x-text=a b x-bytes-bin=AAE"
        )
    );
}

/// PROTOCOL-HTTP2, Early Server Closure: a client that gets Trailers before its own end resets with NO_ERROR.
#[tokio::test]
async fn a_status_before_the_end_of_the_request() {
    let Scripted { client, seen } =
        scripted(&[End(&[(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "7")])])
            .await;
    let mut batch = client.batch();
    // The status may come before or after the message has left.
    let sent = batch.send(hello("a")).await;
    let status = match sent {
        Ok(()) => batch.finish().await.unwrap_err(),
        Err(status) => status,
    };
    assert_eq!(status.code(), Code::PermissionDenied);
    let (outbound, mut inbound) = client.chat().await.unwrap();
    assert_eq!(inbound.next().await.unwrap_err().code(), Code::PermissionDenied);
    drop(outbound);
    // A server sees frames when the next thing comes: another call.
    let _ = client.greet(hello("you")).await;
    assert!(seen.lock().unwrap().resets.contains(&0), "{:?}", seen.lock().unwrap().resets);
}

/// PROTOCOL-HTTP2, Client Cancellation: a CANCELLED that comes after the deadline is DEADLINE_EXCEEDED.
#[tokio::test]
async fn a_cancellation_by_the_server_after_the_deadline() {
    let late = Wait(Duration::from_millis(60));
    for script in [&[HEAD, late, Reset(8)][..], &[HEAD, late, End(&[("grpc-status", "1")])]] {
        let call = scripted(script).await.client.greet(hello("you")).deadline(Duration::from_millis(50));
        let status: Status = call.await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    }
}
