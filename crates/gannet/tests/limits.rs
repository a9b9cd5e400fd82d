//! Limits through the whole stack: who is slow, or means harm, does not hold up the others.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod greeter;

use gannet::{Channel, Code, Http2Config, Server, ServerHandle};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::sync::Arc;
use std::time::Duration;

/// A server on a free port: where it is.
async fn start(server: Server) -> (String, ServerHandle) {
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let (target, handle) = (format!("ipv4:{}", bound.addresses()[0]), bound.handle());
    tokio::spawn(bound.serve());
    (target, handle)
}

/// A client of a server on a free port, both with these limits.
async fn connect(server: Server, config: Http2Config) -> GreeterClient {
    let (target, _) = start(server.add(GreeterServer::new(Plain::default()))).await;
    GreeterClient::new(Channel::builder(&target).unwrap().http2(config).build())
}

/// Ten handlers sleep with a large message under way; ninety others get theirs, over the smallest windows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_sleep_hold_up_nobody() {
    let config = Http2Config::default().max_concurrent_streams(100).receive_budget(100 * 64 * 1024 * 2);
    let client = connect(Server::new().http2(config.clone()), config).await;
    let large = hello(&"x".repeat(2 << 20));
    for _ in 0..10 {
        let (client, large) = (client.clone(), large.clone());
        tokio::spawn(async move {
            let mut batch = client.batch();
            batch.send(hello("for ever")).await.unwrap();
            batch.send(large).await.unwrap();
            batch.finish().await
        });
    }
    let others: Vec<_> = (0..90)
        .map(|_| {
            let (client, large) = (client.clone(), large.clone());
            tokio::spawn(async move {
                let mut batch = client.batch();
                batch.send(large).await?;
                batch.finish().await
            })
        })
        .collect();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), large);
    }
}

/// A message limit above what the default budget can lend: such a message arrives all the same.
#[tokio::test]
async fn a_message_as_large_as_its_limit_arrives() {
    let server = Server::new().max_decoded_message(40 << 20).add(GreeterServer::new(Plain::default()));
    let (target, _) = start(server).await;
    let channel = Channel::builder(&target).unwrap().max_decoded_message(40 << 20).build();
    let text = "x".repeat(39 << 20);
    let answer = GreeterClient::new(channel).greet(hello(&text)).await.unwrap();
    assert_eq!(answer.0.len(), text.len() + "Hello ".len());
}

/// RFC 9113 §10.5.1: metadata that the server does not take ends its own call, with a reason.
#[tokio::test]
async fn metadata_beyond_the_servers_limit() {
    let client = connect(Server::new(), Http2Config::default()).await;
    client.greet(hello("you")).await.unwrap();
    let error = client.greet(hello("you")).metadata("x-long", &"a".repeat(20_000)).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    assert!(error.message().contains("larger than the server takes"), "{error}");
    client.greet(hello("you")).await.unwrap();
}

/// More held by all connections than the server may: nobody new is served, and once it is less all are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_bounded_for_all_connections_together() {
    let server = Server::new().memory_budget(512 * 1024).add(GreeterServer::new(Plain::default()));
    let (target, handle) = start(server).await;
    let connect = || GreeterClient::new(Channel::builder(&target).unwrap().build());
    // Twelve uploads of which nothing is read hold all that their windows allow.
    let hoarder = connect();
    let uploads: Vec<_> = (0..12)
        .map(|_| {
            let client = hoarder.clone();
            tokio::spawn(async move {
                let mut batch = client.batch();
                batch.send(hello("for ever")).await.unwrap();
                loop {
                    batch.send(hello(&"x".repeat(60_000))).await.unwrap();
                }
            })
        })
        .collect();
    let wait_for = async |wanted: &dyn Fn(usize) -> bool| {
        while !wanted(handle.load().held_bytes) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    wait_for(&|held| held > 512 * 1024).await;
    let other = connect();
    let error = other.greet(hello("you")).deadline(Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error.code(), Code::DeadlineExceeded | Code::Unavailable), "{error}");
    assert!(handle.load().held_bytes < 2 * 1024 * 1024);
    for upload in uploads {
        upload.abort();
    }
    wait_for(&|held| held < 512 * 1024).await;
    assert_eq!(
        other.greet(hello("you")).deadline(Duration::from_secs(20)).await.unwrap(),
        hello("Hello you")
    );
}

/// One peer has as many connections as it may; the next is closed, and counted.
#[tokio::test]
async fn connections_of_one_peer() {
    let server = Server::new().max_connections_per_peer(2).add(GreeterServer::new(Plain::default()));
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let address = bound.addresses()[0].to_string();
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    let mut third = tokio::net::TcpStream::connect(&address).await.unwrap();
    let mut byte = [0; 1];
    assert_eq!(tokio::io::AsyncReadExt::read(&mut third, &mut byte).await.unwrap_or(0), 0);
    assert_eq!(hits(&handle, "connections_per_peer"), 1);
    drop(kept);
    let client = GreeterClient::new(Channel::new(&format!("ipv4:{address}")).unwrap());
    let mut tries = 0;
    // The server takes its time to see that the others are gone.
    while client.greet(hello("you")).await.is_err() {
        tries += 1;
        assert!(tries < 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Connections that serve, that only begin, that are refused, fail at their beginning, or are given up: each counts for as
/// long as it is there.
#[tokio::test]
async fn connections_are_counted_while_they_are_open() {
    let server = Server::new().max_connections_per_peer(3).handshake_timeout(Duration::from_secs(1));
    let bound = server.add(GreeterServer::new(Plain::default())).bind(["127.0.0.1:0"]).await.unwrap();
    let address = bound.addresses()[0].to_string();
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    let open = async |expected: usize| until(async || handle.load().connections == expected).await;
    let connect = || GreeterClient::new(Channel::new(&format!("ipv4:{address}")).unwrap());
    let raw = async || tokio::net::TcpStream::connect(&address).await.unwrap();
    let closed = async |mut socket: tokio::net::TcpStream| {
        let mut rest = Vec::new();
        // Reset or ended, it is closed.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut rest).await;
    };
    assert_eq!(handle.load().connections, 0);

    let (one, other) = (connect(), connect());
    one.greet(hello("you")).await.unwrap();
    other.greet(hello("you")).await.unwrap();
    assert_eq!(handle.load().connections, 2);
    let silent = raw().await;
    open(3).await;
    closed(raw().await).await;
    assert_eq!(hits(&handle, "connections_per_peer"), 1);
    open(3).await;
    closed(silent).await;
    assert_eq!(hits(&handle, "handshake_time"), 1);
    open(2).await;
    let mut http1 = raw().await;
    tokio::io::AsyncWriteExt::write_all(&mut http1, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    closed(http1).await;
    open(2).await;
    drop(one);
    open(1).await;

    for _ in 0..100 {
        drop(raw().await);
        // The system may have it before the server does.
        open(1).await;
    }
    let (near, far) = tokio::io::duplex(1024);
    let serving = handle.clone();
    let given_up = tokio::spawn(async move {
        serving.serve_connection(far, gannet::PeerAddress::InProcess).await;
    });
    open(2).await;
    given_up.abort();
    open(1).await;
    drop((near, other));
    open(0).await;
}

/// One peer with many connections has as many streams as it may on all of them together. Others have theirs.
#[tokio::test]
async fn streams_of_one_peer() {
    const MOST: u64 = 40;
    let plain = Arc::new(Plain::default());
    let server = Server::new().max_streams_per_peer(MOST as usize);
    let server = server.add(GreeterServer::from_arc(Arc::clone(&plain)));
    // A socket's path is no network: who comes that way is not counted.
    let socket = std::env::temp_dir().join(format!("gannet-limits-{}", std::process::id()));
    let unix = format!("unix:{}", socket.display());
    let bound = server.bind(["127.0.0.1:0", &unix]).await.unwrap();
    let target = format!("ipv4:{}", bound.addresses()[0]);
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    let connect = || GreeterClient::new(Channel::builder(&target).unwrap().build());
    let other = GreeterClient::new(Channel::new(&unix).unwrap());
    // Ten connections with twenty streams each, one kind of call after the other.
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..10 {
        let client = connect();
        for number in 0..20 {
            let client = client.clone();
            let call = tokio::spawn(async move {
                if number % 2 == 0 {
                    return client.greet(hello("for ever")).await;
                }
                let mut batch = client.batch();
                batch.send(hello("for ever")).await?;
                batch.finish().await
            });
            if open.len() < MOST as usize {
                plain.begun().await;
                open.push(call);
            } else {
                let error = call.await.unwrap().unwrap_err();
                assert_eq!(error.code(), Code::Unavailable, "{error}");
                refused += 1;
            }
        }
    }
    assert_eq!((open.len() as u64, refused), (MOST, 200 - MOST));
    assert!(hits(&handle, "streams_per_peer") >= refused);
    other.greet(hello("you")).await.unwrap();

    // Each that ends makes room for another.
    let client = connect();
    client.greet(hello("you")).await.unwrap_err();
    for call in open.drain(..20) {
        call.abort();
    }
    until(async || client.greet(hello("you")).await.is_ok()).await;
    for _ in 0..100 {
        client.greet(hello("you")).await.unwrap();
    }
    client.unknown(hello("you")).await.unwrap_err();
}

/// How often a limit was run into.
fn hits(handle: &ServerHandle, limit: &str) -> u64 {
    let hits = handle.load().limit_hits;
    hits.iter().find(|(name, _)| *name == limit).map(|(_, hits)| *hits).unwrap()
}

/// Waits for what another task of this process is about to do.
async fn until(mut done: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

/// Small messages that unfold to large ones, in calls that wait: so much of it and no more, and others are served.
#[cfg(feature = "gzip")]
#[tokio::test]
async fn decompressed_data_of_a_connection_is_bounded() {
    let plain = Arc::new(Plain::default());
    let server = Server::new().max_decoded_message(1 << 20).decoded_budget(3 << 20);
    let (target, handle) = start(server.add(GreeterServer::from_arc(Arc::clone(&plain)))).await;
    let connect = || {
        let channel = Channel::builder(&target).unwrap().compression(gannet::Compression::Gzip);
        GreeterClient::new(channel.build())
    };
    let (hoarder, other) = (connect(), connect());
    let (waits, ends) = (hello(&format!("for ever{}", "x".repeat(900_000))), hello(&"x".repeat(900_000)));
    let mut unary = Vec::new();
    for _ in 0..2 {
        unary.push(tokio::spawn(hoarder.greet(waits.clone())));
        plain.begun().await;
    }
    let mut stream = hoarder.batch();
    stream.send(waits.clone()).await.unwrap();
    plain.begun().await;
    assert!(handle.load().held_bytes >= 3 * 900_000);

    let refused = hoarder.greet(ends.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.message().contains("decoded messages"), "{refused}");
    let mut refused = hoarder.batch();
    refused.send(ends.clone()).await.unwrap();
    assert_eq!(refused.finish().await.unwrap_err().code(), Code::ResourceExhausted);
    assert_eq!(hits(&handle, "decoded_data"), 2);
    // What is not compressed, and what is another's, goes on.
    hoarder.greet(hello("you")).await.unwrap();
    other.greet(ends.clone()).await.unwrap();

    drop(stream);
    unary.pop().unwrap().abort();
    until(async || hoarder.greet(ends.clone()).await.is_ok()).await;
    unary.iter().for_each(|call| call.abort());
    // A connection reports what it holds in steps.
    until(async || handle.load().held_bytes < 64 * 1024).await;
}

/// Large messages of streams that their handlers have read and keep: as many as the budget takes, and others are served.
#[tokio::test]
async fn messages_that_handlers_keep_are_bounded() {
    let plain = Arc::new(Plain::default());
    let server = Server::new().max_decoded_message(1 << 20).decoded_budget(3 << 20);
    let (target, handle) = start(server.add(GreeterServer::from_arc(Arc::clone(&plain)))).await;
    let connect = || GreeterClient::new(Channel::new(&target).unwrap());
    let (hoarder, other) = (connect(), connect());
    let (waits, ends) = (hello(&format!("for ever{}", "x".repeat(900_000))), hello(&"x".repeat(900_000)));
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = hoarder.batch();
        stream.send(waits.clone()).await.unwrap();
        plain.begun().await;
        streams.push(stream);
    }
    assert!(handle.load().held_bytes >= 3 * 900_000);
    let batch = async |client: &GreeterClient| {
        let mut stream = client.batch();
        stream.send(ends.clone()).await?;
        stream.send(ends.clone()).await?;
        stream.finish().await
    };
    let refused = batch(&hoarder).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(hits(&handle, "decoded_data") >= 1);
    hoarder.greet(hello("you")).await.unwrap();
    batch(&other).await.unwrap();
    streams.pop();
    // One after the other: what was read counts no more when the next is asked for.
    until(async || batch(&hoarder).await.is_ok()).await;
    drop(streams);
    // The answers that were fetched meanwhile are held no more either, though nothing has happened since.
    until(async || handle.load().held_bytes < 64 * 1024).await;
}

/// The requests of calls that run stay on their streams' windows: so much of them and no more comes.
#[tokio::test]
async fn requests_of_running_calls_are_bounded() {
    let (target, handle) = start(Server::new().add(GreeterServer::new(Plain::default()))).await;
    let connect = || GreeterClient::new(Channel::new(&target).unwrap());
    let (hoarder, other) = (connect(), connect());
    let waits = hello(&format!("for ever{}", "x".repeat(1 << 20)));
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(hoarder.greet(waits.clone()))).collect();
    until(async || handle.load().held_bytes >= 10 << 20).await;
    for _ in 0..200 {
        other.greet(hello("you")).await.unwrap();
        let held = handle.load().held_bytes;
        assert!((10 << 20..33 << 20).contains(&held), "{held} bytes of 100 MiB are held");
    }
    calls.iter().for_each(|call| call.abort());
    until(async || handle.load().held_bytes < 64 * 1024).await;
}

/// Requests that are too large, in one piece, in a stream, and only once they are decompressed: each is counted.
#[cfg(feature = "gzip")]
#[tokio::test]
async fn requests_that_are_too_large_are_counted() {
    let server = Server::new().max_decoded_message(10_000).add(GreeterServer::new(Plain::default()));
    let (target, handle) = start(server).await;
    let client = GreeterClient::new(Channel::new(&target).unwrap());
    let large = hello(&"x".repeat(20_000));
    let mut batch = client.batch();
    batch.send(large.clone()).await.unwrap();
    let ends = [
        client.greet(large.clone()).await.unwrap_err(),
        batch.finish().await.unwrap_err(),
        client.greet(large).compression(gannet::Compression::Gzip).await.unwrap_err(),
    ];
    for status in ends {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    }
    assert_eq!(hits(&handle, "message_size"), 3);
}
