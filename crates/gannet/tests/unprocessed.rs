//! Calls that no server has seen are tried again on another connection (gRFC A6, "Transparent Retries").

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod greeter;

use gannet::{Channel, Code, Phase};
use gannet_http2::{Config, Connection, ErrorCode, Event, Fields, Name, Output};
use greeter::{GreeterClient, Hello, hello};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server does with the first streams that it sees.
#[derive(Clone, Copy, Debug)]
enum Refusal {
    /// RST_STREAM(REFUSED_STREAM).
    Reset,
    /// GOAWAY with the last stream 0, then the connection's end.
    GoAway,
    /// RST_STREAM(REFUSED_STREAM), but only after 128 KiB of the stream.
    Late,
}

/// Refuses so many streams, then echoes: every message back, and the end.
async fn server(refusal: Refusal, refused: u32) -> (GreeterClient, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("ipv4:{}", listener.local_addr().unwrap());
    let seen = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, refusal, refused, Arc::clone(&count)));
        }
    });
    (GreeterClient::new(Channel::new(&target).unwrap()), seen)
}

async fn serve(mut socket: TcpStream, refusal: Refusal, refused: u32, seen: Arc<AtomicU32>) {
    let now = Instant::now();
    let mut http2 = Connection::server(Config::default(), now);
    let fields = |pairs: &[(Name, &str)]| {
        let mut fields = Fields::new();
        pairs.iter().for_each(|(name, value)| fields.push(*name, value.as_bytes()));
        fields
    };
    let head = fields(&[(Name::Status, "200"), (Name::ContentType, "application/grpc")]);
    let trailers = fields(&[(Name::GrpcStatus, "0")]);
    let mut buffer = vec![0; 64 * 1024];
    let mut late = None;
    loop {
        let mut out = Output::new();
        http2.poll_transmit(now, &mut out);
        if socket.write_all(&out.to_vec()).await.is_err() || http2.is_closed() {
            return;
        }
        let Ok(count @ 1..) = socket.read(&mut buffer).await else { return };
        http2.handle_bytes(now, buffer[..count].to_vec().into());
        while let Some(event) = http2.poll_event(now) {
            match event {
                Event::Headers { key, .. } if seen.fetch_add(1, Ordering::Relaxed) < refused => match refusal
                {
                    Refusal::Reset => http2.reset(key, ErrorCode::REFUSED_STREAM),
                    Refusal::Late => late = Some((key, 0)),
                    Refusal::GoAway => {
                        // GOAWAY of this kind can't be had from the state machine: it has seen the stream.
                        let goaway = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";
                        let _ = socket.write_all(goaway).await;
                        return;
                    }
                },
                Event::Headers { key, .. } => http2.send_headers(key, &head, false),
                Event::Data { key, data, .. } if late.is_some_and(|(refused, _)| refused == key) => {
                    http2.release_capacity(key, data.len());
                    let bytes = late.map_or(0, |(_, bytes)| bytes + data.len());
                    late = Some((key, bytes));
                    if bytes > 128 * 1024 {
                        http2.reset(key, ErrorCode::REFUSED_STREAM);
                    }
                }
                Event::Data { key, data, end_stream } => {
                    http2.release_capacity(key, data.len());
                    let mut out = Output::new();
                    out.put_bytes(data);
                    http2.send_data(key, &mut out);
                    if end_stream {
                        http2.send_trailers(key, &trailers);
                    }
                }
                _ => {}
            }
        }
    }
}

async fn all_four(client: &GreeterClient) -> Vec<Result<Hello, Code>> {
    let code = |status: gannet::Status| status.code();
    // Where the call has ended already its status comes by the other end as well.
    let mut batch = client.batch();
    let _ = batch.send(hello("batch")).await;
    let (mut outbound, mut inbound) = client.chat().await.unwrap();
    let _ = outbound.send(hello("chat")).await;
    let mut list = client.list(hello("list")).await.unwrap();
    vec![
        client.greet(hello("greet")).await.map_err(code),
        list.next().await.map(Option::unwrap).map_err(code),
        inbound.next().await.map(Option::unwrap).map_err(code),
        batch.finish().await.map_err(code),
    ]
}

#[tokio::test]
async fn all_kinds_of_calls_are_tried_again() {
    for refusal in [Refusal::Reset, Refusal::GoAway] {
        let (client, seen) = server(refusal, 3).await;
        let texts = ["greet", "list", "chat", "batch"].map(|text| Ok(hello(text)));
        assert_eq!(all_four(&client).await, texts, "{refusal:?}");
        assert!(seen.load(Ordering::Relaxed) >= 7, "{refusal:?}");
    }
}

/// More than is kept can't be sent again.
#[tokio::test]
async fn a_long_stream_of_requests_is_not() {
    let (client, _) = server(Refusal::Late, 1).await;
    let mut batch = client.batch();
    let mut end = Ok(());
    for _ in 0..100 {
        if end.is_ok() {
            end = batch.send(hello(&"x".repeat(16 * 1024))).await;
        }
    }
    let status = match end {
        Ok(()) => batch.finish().await.unwrap_err(),
        Err(status) => status,
    };
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

#[tokio::test]
async fn a_server_that_refuses_for_ever_is_unavailable() {
    let (client, seen) = server(Refusal::Reset, u32::MAX).await;
    assert_eq!(all_four(&client).await, [const { Err(Code::Unavailable) }; 4]);
    assert!(seen.load(Ordering::Relaxed) <= 20, "{seen:?}");
    // No server has seen it, however often it was sent.
    let status = client.greet(hello("you")).await.unwrap_err();
    let failure = status.failure().unwrap();
    assert_eq!((failure.phase(), failure.attempts()), (Phase::Send, 5));
    assert!(failure.peer().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
}
