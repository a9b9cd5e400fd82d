//! A status that the client makes says in which phase of the call it arose.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod greeter;

use gannet::{Channel, Code, Failure, Http2Config, Phase, Server, Status};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn client(target: &str) -> GreeterClient {
    GreeterClient::new(Channel::new(target).unwrap())
}

/// An address where nobody listens.
fn nobody() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A server whose connections read and answer as `answer` says, and its address.
async fn server_that_answers(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer).await;
        }
    });
    address
}

/// How a call of each kind ends.
async fn all_four(client: &GreeterClient) -> [Status; 4] {
    let list = async { client.list(hello("for ever")).await?.next().await.map(drop) };
    let chat = async { client.chat().await?.1.next().await.map(drop) };
    [
        client.greet(hello("for ever")).await.unwrap_err(),
        list.await.unwrap_err(),
        client.batch().finish().await.unwrap_err(),
        chat.await.unwrap_err(),
    ]
}

#[track_caller]
fn assert_failure(status: &Status, phase: Phase, peer: Option<&str>, attempts: u32) {
    let failure = status.failure().unwrap_or_else(|| panic!("no phase: {status:?}"));
    assert_eq!((failure.phase(), failure.peer(), failure.attempts()), (phase, peer, attempts), "{status:?}");
    assert_eq!(status.phase(), Some(phase));
}

/// RFC 1035 §2.3.4: a label has at most 63 bytes. A name with a longer one is asked of nobody.
#[tokio::test]
async fn resolve() {
    let name = "x".repeat(64);
    for status in all_four(&client(&format!("dns:///{name}:50051"))).await {
        assert_failure(&status, Phase::Resolve, None, 0);
        assert!(status.source().is_some());
    }
}

#[tokio::test]
async fn connect() {
    let address = nobody();
    for status in all_four(&client(&format!("ipv4:{address}"))).await {
        assert_failure(&status, Phase::Connect, Some(&address), 0);
        assert!(status.source().unwrap().is::<std::io::Error>());
    }
    let unix = client("unix:/nobody/listens/here");
    assert_failure(&all_four(&unix).await[0], Phase::Connect, Some("unix:/nobody/listens/here"), 0);
    // The first word is no HTTP/2, or there is none.
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let address = server_that_answers(answer).await;
        let status = client(&address).greet(hello("you")).await.unwrap_err();
        assert_failure(&status, Phase::Connect, Some(&address), 0);
    }
}

/// A call that waits for a connection knows why there is none.
#[tokio::test]
async fn connect_until_the_deadline() {
    let address = nobody();
    let call = client(&address).greet(hello("you")).wait_for_ready().deadline(Duration::from_millis(50));
    let status = call.await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_failure(&status, Phase::Connect, Some(&address), 0);
    let error = status.failure().and_then(Failure::connection_error).unwrap();
    assert_eq!(error.code(), Code::Unavailable);
    assert_failure(error, Phase::Connect, Some(&address), 0);
}

#[tokio::test(start_paused = true)]
async fn queue_for_a_stream() {
    let plain = Arc::new(Plain::default());
    let server = Server::new()
        .add(GreeterServer::from_arc(Arc::clone(&plain)))
        .http2(Http2Config::default().max_concurrent_streams(1));
    let client = GreeterClient::new(Channel::to_server(server));
    let _first = tokio::spawn(client.greet(hello("for ever")));
    plain.begun().await;
    let second = Duration::from_secs(1);
    let unary = client.greet(hello("you")).deadline(second).await.unwrap_err();
    let mut list = client.list(hello("1")).deadline(second).await.unwrap();
    for status in [unary, list.next().await.unwrap_err()] {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_failure(&status, Phase::Queue, Some("in-process"), 1);
    }
}

/// RFC 9113 §10.5.1: what the server does not take is not sent.
#[tokio::test]
async fn send() {
    let client = GreeterClient::new(Channel::in_process(GreeterServer::new(Plain::default())));
    client.greet(hello("you")).await.unwrap();
    let call = client.greet(hello("you")).metadata("x-long", &"a".repeat(20_000));
    assert_failure(&call.await.unwrap_err(), Phase::Send, Some("in-process"), 1);
    // The deadline has passed before the first attempt.
    let call = client.greet(hello("you")).deadline(Duration::ZERO);
    assert_failure(&call.await.unwrap_err(), Phase::Send, None, 0);
}

#[tokio::test(start_paused = true)]
async fn wait_until_the_deadline() {
    let client = GreeterClient::in_process(Plain::default());
    let second = Duration::from_secs(1);
    let unary = client.greet(hello("for ever")).deadline(second).await.unwrap_err();
    let mut list = client.list(hello("for ever")).deadline(second).await.unwrap();
    for status in [unary, list.next().await.unwrap_err()] {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_failure(&status, Phase::Wait, Some("in-process"), 1);
    }
}

/// The server is gone in the middle of a call: it may have done its work.
#[tokio::test]
async fn wait_until_the_connection_is_lost() {
    // RFC 9113 §6.5, an empty SETTINGS frame: the server is ready. Then it ends the connection when the call comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.write_all(b"\0\0\0\x04\0\0\0\0\0").await;
            let mut seen = Vec::new();
            // A HEADERS frame of stream 1 that has END_HEADERS.
            while !seen.windows(6).any(|bytes| bytes == b"\x01\x04\0\0\0\x01") {
                if socket.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        }
    });
    let status = client(&address).greet(hello("you")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_failure(&status, Phase::Wait, Some(&address), 1);
}

/// What the server says is its own, and so is what its handler got from another server.
#[tokio::test]
async fn a_servers_status_has_no_phase() {
    let client = GreeterClient::in_process(Plain::default());
    for status in [
        client.greet(hello("refuse")).await.unwrap_err(),
        client.unknown(hello("you")).await.unwrap_err(),
        client.list(hello("unread")).await.unwrap().next().await.err().unwrap_or_else(|| Status::aborted("")),
    ] {
        assert!(status.phase().is_none(), "{status:?}");
    }
}
