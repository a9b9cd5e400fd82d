//! All four kinds of calls through the whole stack: in process, and over TCP.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

mod greeter;

use gannet::{CancelReason, Channel, Code, Server, ServerHandle, Status};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::sync::Arc;
use std::time::Duration;

/// A server on a free port, and a client of it.
async fn over_tcp(server: Server) -> (GreeterClient, ServerHandle) {
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let target = format!("ipv4:{}", bound.addresses()[0]);
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    (GreeterClient::new(Channel::new(&target).unwrap()), handle)
}

async fn all_four(client: &GreeterClient) {
    assert_eq!(client.greet(hello("you")).await.unwrap(), hello("Hello you"));

    let mut list = client.list(hello("3")).await.unwrap();
    let mut got = Vec::new();
    while let Some(message) = list.next().await.unwrap() {
        got.push(message.0);
    }
    assert_eq!(got, ["0", "1", "2"]);
    assert_eq!(list.trailers().get("x-count"), Some("3"));

    let mut batch = client.batch();
    for text in ["a", "b", "c"] {
        batch.send(hello(text)).await.unwrap();
    }
    let response = batch.response().await.unwrap();
    assert_eq!(response.message, hello("abc"));
    assert_eq!(response.trailers.get("x-length"), Some("3"));

    let (mut outbound, mut inbound) = client.chat().await.unwrap();
    for text in ["x", "y"] {
        outbound.send(hello(text)).await.unwrap();
        assert_eq!(inbound.next().await.unwrap(), Some(hello(&format!("Echo: {text}"))));
    }
    outbound.finish();
    assert_eq!(inbound.next().await.unwrap(), None);
}

#[tokio::test]
async fn four_kinds_in_process() {
    all_four(&GreeterClient::in_process(Plain::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_kinds_over_tcp() {
    let (client, _handle) = over_tcp(Server::new().add(GreeterServer::new(Plain::default()))).await;
    all_four(&client).await;
}

#[tokio::test]
async fn a_spawned_handler_answers_as_well() {
    let client = GreeterClient::new(Channel::to_server(
        Server::new().add(GreeterServer::new(Plain::default())).always_spawn(),
    ));
    all_four(&client).await;
    assert_eq!(client.greet(hello("wait")).await.unwrap(), hello("Hello wait"));
}

#[tokio::test]
async fn a_thousand_calls_at_once() {
    let (client, _handle) = over_tcp(Server::new().add(GreeterServer::new(Plain::default()))).await;
    let calls: Vec<_> = (0..1000)
        .map(|number| {
            let client = client.clone();
            tokio::spawn(async move { client.greet(hello(&number.to_string())).await })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap(), hello(&format!("Hello {number}")));
    }
}

/// Larger than any window, both ways.
#[tokio::test]
async fn large_messages() {
    let server = Server::new().add(GreeterServer::new(Plain::default()));
    let (client, _handle) = over_tcp(server).await;
    let text = "x".repeat(3_000_000);
    let answer = client.greet(hello(&text)).await.unwrap();
    assert_eq!(answer.0.len(), text.len() + "Hello ".len());
    let (mut outbound, mut inbound) = client.chat().await.unwrap();
    for _ in 0..3 {
        outbound.send(hello(&text)).await.unwrap();
        assert_eq!(inbound.next().await.unwrap().unwrap().0.len(), text.len() + "Echo: ".len());
    }
}

async fn status(client: &GreeterClient, text: &str) -> Status {
    client.greet(hello(text)).await.unwrap_err()
}

#[tokio::test]
async fn errors_have_their_status() {
    let client = GreeterClient::in_process(Plain::default());
    let refused = status(&client, "refuse").await;
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "no such person: ä\n%"));
    assert_eq!(refused.metadata().get("x-why"), Some("because"));
    let panicked = status(&client, "panic").await;
    assert_eq!((panicked.code(), panicked.message()), (Code::Internal, "the handler panicked"));
    let panicked = status(&client, "panic later").await;
    assert_eq!(panicked.code(), Code::Internal);
    let unknown = client.unknown(hello("a")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    // The connection has survived all of it.
    assert!(client.greet(hello("you")).await.is_ok());
}

#[tokio::test]
async fn metadata_goes_both_ways() {
    let client = GreeterClient::in_process(Plain::default());
    let call =
        client.greet(hello("metadata")).metadata("x-text", "a b").metadata_bin("x-bytes-bin", &[0, 255]);
    let response = call.response().await.unwrap();
    assert_eq!(response.headers.get("x-text"), Some("a b"));
    assert_eq!(response.trailers.get_bin("x-bytes-bin").as_deref(), Some(&[0, 255][..]));
    let mistake = client.greet(hello("a")).metadata("bad name", "1").await.unwrap_err();
    assert!(mistake.message().contains("bad name"), "{mistake}");
}

#[tokio::test]
async fn message_limits_hold() {
    let server = Server::new().add(GreeterServer::new(Plain::default())).max_decoded_message(100);
    let client = GreeterClient::new(Channel::to_server(server));
    let status = client.greet(hello(&"x".repeat(101))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(client.greet(hello(&"x".repeat(90))).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_ends_the_call_on_both_sides() {
    let plain = Arc::new(Plain::default());
    let client = GreeterClient::in_process(Arc::clone(&plain));
    let status = client.greet(hello("for ever")).deadline(Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(plain.cancelled().await, CancelReason::Deadline);
    let mut list = client.list(hello("for ever")).deadline(Duration::from_millis(200)).await.unwrap();
    assert_eq!(list.next().await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn dropping_a_call_cancels_it() {
    let plain = Arc::new(Plain::default());
    let client = GreeterClient::in_process(Arc::clone(&plain));
    let call = tokio::spawn(client.greet(hello("for ever")));
    plain.begun().await;
    call.abort();
    assert_eq!(plain.cancelled().await, CancelReason::ClientReset);
    let list = client.list(hello("for ever")).await.unwrap();
    plain.begun().await;
    drop(list);
    assert_eq!(plain.cancelled().await, CancelReason::ClientReset);
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("ipv4:{}", socket.local_addr().unwrap());
    drop(socket);
    let client = GreeterClient::new(Channel::new(&target).unwrap());
    let status = client.greet(hello("you")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().starts_with("connecting to 127.0.0.1:"), "{status}");
}

#[tokio::test]
async fn a_shutdown_lets_calls_finish_and_ends_what_is_left() {
    let plain = Arc::new(Plain::default());
    let (client, handle) = over_tcp(Server::new().add(GreeterServer::from_arc(Arc::clone(&plain)))).await;
    let wait = tokio::spawn(client.greet(hello("wait")));
    let for_ever = tokio::spawn(client.greet(hello("for ever")));
    plain.begun().await;
    let report = handle.shutdown(Duration::from_millis(300)).await;
    assert_eq!(report.cut, 1);
    assert_eq!(wait.await.unwrap().unwrap(), hello("Hello wait"));
    let status = for_ever.await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "server is shutting down"));
}

/// Messages that together pass the window while the last of them is on its way: its credit must not wait for a batch.
#[tokio::test]
async fn a_message_that_the_window_cuts_arrives() {
    let client = GreeterClient::in_process(Plain::default());
    let (mut outbound, mut inbound) = client.chat().await.unwrap();
    for size in [27_182, 8, 1_828, 45_904, 60_000, 10] {
        outbound.send(hello(&"x".repeat(size))).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(5), inbound.next()).await.unwrap();
        assert_eq!(answer.unwrap().unwrap().0.len(), size + "Echo: ".len());
    }
    let mut batch = client.batch();
    for size in [27_182, 8, 1_828, 45_904] {
        batch.send(hello(&"x".repeat(size))).await.unwrap();
    }
    let answer = tokio::time::timeout(Duration::from_secs(5), batch.finish()).await.unwrap();
    assert_eq!(answer.unwrap().0.len(), 74_922);
}

/// The status overtakes what the client has left no window for.
#[tokio::test]
async fn what_is_discarded_does_not_hold_up_the_status() {
    let client = GreeterClient::in_process(Plain::default());
    let mut list = client.list(hello("unread")).await.unwrap();
    let ended = async {
        while list.trailers().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    let mut whole = 0;
    let status = loop {
        match list.next().await {
            Ok(message) => whole += usize::from(message.is_some()),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "read faster"));
    assert!(whole < 10, "all was sent");
}
