//! The life of connections: keepalive of both roles, clients that ask too often, age and idleness. Over real sockets,
//! with a clock that stands still but for what a test adds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

mod greeter;

use gannet::{Channel, Code, ListenAddress, Server, ServerHandle};
use gannet_http2::{Config, Connection, Event, Fields, Name, Output, StreamKey};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECOND: Duration = Duration::from_secs(1);
/// How long a test waits for bytes, by the clock of the machine.
const PATIENCE: Duration = Duration::from_secs(20);

async fn start(server: Server) -> (SocketAddr, Arc<Plain>, ServerHandle) {
    let plain = Arc::new(Plain::default());
    let bound = server.add(GreeterServer::from_arc(Arc::clone(&plain))).bind(["127.0.0.1:0"]).await.unwrap();
    let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    (address, plain, handle)
}

/// The other end of a connection, by hand: it says only what the test says.
struct Hand {
    socket: TcpStream,
    http2: Connection,
}

/// What happened on a connection, as far as these tests look.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Ping,
    PingAcknowledged,
    Headers(Option<String>),
    GoAway(String),
    Closed,
}

impl Hand {
    async fn client(address: SocketAddr) -> Self {
        let mut hand = Self {
            socket: TcpStream::connect(address).await.unwrap(),
            http2: Connection::client(Config::default(), Instant::now()),
        };
        hand.write().await;
        while !hand.http2.is_settled() {
            hand.read().await;
        }
        hand.write().await;
        hand
    }

    async fn server(listener: &TcpListener) -> Self {
        let (socket, _) = listener.accept().await.unwrap();
        let mut hand = Self { socket, http2: Connection::server(Config::default(), Instant::now()) };
        hand.write().await;
        hand
    }

    async fn write(&mut self) {
        let mut out = Output::new();
        self.http2.poll_transmit(Instant::now(), &mut out);
        // The other end may have ended the connection.
        let _ = self.socket.write_all(&out.to_vec()).await;
    }

    /// Reads once. Answers nothing by itself.
    async fn read(&mut self) -> Vec<Seen> {
        let mut buffer = vec![0; 64 * 1024];
        // By the real clock, for the one of tokio stands still.
        let socket = &mut self.socket;
        let count = real_timeout(async { socket.read(&mut buffer).await.unwrap_or(0) }).await;
        if count == 0 {
            return vec![Seen::Closed];
        }
        buffer.truncate(count);
        self.http2.handle_bytes(Instant::now(), buffer.into());
        let mut seen = Vec::new();
        while let Some(event) = self.http2.poll_event(Instant::now()) {
            seen.extend(match event {
                Event::Ping { .. } => Some(Seen::Ping),
                Event::PingAcknowledged { .. } => Some(Seen::PingAcknowledged),
                Event::Headers { fields, .. } | Event::Trailers { fields, .. } => {
                    let status = fields.get(Name::GrpcStatus);
                    Some(Seen::Headers(status.map(|status| String::from_utf8_lossy(status).into_owned())))
                }
                Event::GoAway { debug, .. } => {
                    Some(Seen::GoAway(String::from_utf8_lossy(&debug).into_owned()))
                }
                _ => None,
            });
        }
        seen
    }

    /// Reads until this is seen; the rest is no matter.
    async fn sees(&mut self, expected: Seen) {
        loop {
            let seen = self.read().await;
            if seen.contains(&expected) {
                return;
            }
            assert!(!seen.contains(&Seen::Closed), "closed before {expected:?}");
        }
    }

    async fn call(&mut self, text: &str) -> StreamKey {
        let mut head = Fields::new();
        let fields = [
            (Name::Method, "POST"),
            (Name::Scheme, "http"),
            (Name::Path, "/demo.Greeter/Greet"),
            (Name::Authority, "a"),
            (Name::ContentType, "application/grpc"),
            (Name::Te, "trailers"),
        ];
        for (name, value) in fields {
            head.push(name, value.as_bytes());
        }
        let key = self.http2.open(&head, false).unwrap();
        let mut body = Output::new();
        body.put_slice(&[&[0], &(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat());
        self.http2.send_last_data(key, &mut body);
        self.write().await;
        key
    }
}

/// Waits by the machine's clock.
async fn real_timeout<T>(future: impl Future<Output = T>) -> T {
    let (give_up, given_up) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(PATIENCE);
        let _ = give_up.send(());
    });
    tokio::select! {
        done = future => done,
        _ = given_up => panic!("nothing came within {PATIENCE:?}"),
    }
}

/// Moves the clock that stands still, and lets everybody see it.
async fn advance(time: Duration) {
    tokio::time::advance(time).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// Keeps the clock from moving by itself while a test waits for a socket.
struct StandStill(tokio::task::JoinHandle<()>);

impl StandStill {
    fn new() -> Self {
        tokio::time::pause();
        // tokio moves a paused clock when no task can run; this one always can.
        Self(tokio::spawn(async {
            loop {
                std::thread::sleep(Duration::from_micros(200));
                tokio::task::yield_now().await;
            }
        }))
    }
}

impl Drop for StandStill {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// gRFC A8: a server that is silent is asked, and its calls end when it does not answer.
#[tokio::test]
async fn a_client_gives_up_a_server_that_vanished() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = Channel::builder(&format!("ipv4:{}", listener.local_addr().unwrap()))
        .unwrap()
        .keepalive_interval(30 * SECOND)
        .keepalive_timeout(5 * SECOND)
        .build();
    let call = tokio::spawn(async move { GreeterClient::new(channel).greet(hello("you")).await });
    let mut server = Hand::server(&listener).await;
    server.sees(Seen::Headers(None)).await;
    // The client's SETTINGS are acknowledged, and from then on nothing is.
    settle(&mut server).await;
    let _still = StandStill::new();
    advance(29 * SECOND).await;
    advance(2 * SECOND).await;
    server.sees(Seen::Ping).await;
    advance(4 * SECOND).await;
    assert!(!call.is_finished());
    advance(2 * SECOND).await;
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("does not answer: a keepalive PING"), "{status}");
}

/// Until the server has seen what was written before: it answers a PING of ours.
async fn settle(hand: &mut Hand) {
    hand.http2.ping([1; 8]);
    hand.write().await;
    hand.sees(Seen::PingAcknowledged).await;
}

/// gRFC A9: the same for a server, with calls or without.
#[tokio::test]
async fn a_server_gives_up_a_client_that_vanished() {
    let (address, plain, handle) =
        start(Server::new().keepalive_interval(30 * SECOND).keepalive_timeout(5 * SECOND)).await;
    let (mut idle, mut calling) = (Hand::client(address).await, Hand::client(address).await);
    calling.call("for ever").await;
    plain.begun().await;
    let _still = StandStill::new();
    advance(31 * SECOND).await;
    idle.sees(Seen::Ping).await;
    calling.sees(Seen::Ping).await;
    // One answers, one does not.
    calling.write().await;
    settle(&mut calling).await;
    advance(6 * SECOND).await;
    assert_eq!(idle.read().await, [Seen::Closed]);
    advance(25 * SECOND).await;
    calling.sees(Seen::Ping).await;
    advance(6 * SECOND).await;
    assert_eq!(calling.read().await, [Seen::Closed]);
    assert_eq!(plain.cancelled().await, gannet::CancelReason::ConnectionLost);
    let hits = handle.load().limit_hits;
    assert!(hits.contains(&("keepalive_time", 2)), "{hits:?}");
}

/// gRFC A9: too_many_pings, and a client that heeds it.
#[tokio::test]
async fn a_client_that_asks_too_often_is_ended() {
    let (address, _, handle) = start(Server::new()).await;
    let mut client = Hand::client(address).await;
    for _ in 0..3 {
        client.http2.ping([0; 8]);
        client.write().await;
        client.sees(Seen::PingAcknowledged).await;
    }
    client.http2.ping([0; 8]);
    client.write().await;
    client.sees(Seen::GoAway("too_many_pings".to_owned())).await;
    assert!(handle.load().limit_hits.contains(&("pings", 1)));

    // Where it is allowed it is.
    let (address, ..) = start(Server::new().min_ping_interval(Duration::ZERO).pings_without_calls()).await;
    let mut client = Hand::client(address).await;
    for _ in 0..10 {
        client.http2.ping([0; 8]);
        client.write().await;
        client.sees(Seen::PingAcknowledged).await;
    }
}

/// gRFC A8: the interval doubles.
#[tokio::test]
async fn a_client_that_is_told_asks_half_as_often() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = Channel::builder(&format!("ipv4:{}", listener.local_addr().unwrap()))
        .unwrap()
        .keepalive_interval(10 * SECOND)
        .build();
    let client = GreeterClient::new(channel);
    let (one, other) = (client.clone(), client);
    let call = tokio::spawn(async move { one.greet(hello("you")).await });
    let mut server = Hand::server(&listener).await;
    server.sees(Seen::Headers(None)).await;
    server.http2.close(gannet_http2::ErrorCode::ENHANCE_YOUR_CALM, "too_many_pings");
    server.write().await;
    drop(server);
    let status = call.await.unwrap().unwrap_err();
    assert!(status.message().contains("too_many_pings"), "{status}");

    let _call = tokio::spawn(async move { other.greet(hello("you")).await });
    let mut server = Hand::server(&listener).await;
    server.sees(Seen::Headers(None)).await;
    // The client's SETTINGS are acknowledged, and from then on nothing is.
    settle(&mut server).await;
    let _still = StandStill::new();
    advance(11 * SECOND).await;
    advance(8 * SECOND).await;
    server.http2.ping(*b"hello???");
    server.write().await;
    // Nothing but the answer has come in 19 s; after 20 more of silence it asks.
    assert_eq!(server.read().await, [Seen::PingAcknowledged]);
    advance(21 * SECOND).await;
    server.sees(Seen::Ping).await;
}

/// gRFC A9: age, a tenth more or less, then the grace, then UNAVAILABLE.
#[tokio::test]
async fn an_old_connection_drains_and_then_is_cut() {
    let server = Server::new().max_connection_age(100 * SECOND).max_connection_age_grace(10 * SECOND);
    let (address, plain, _) = start(server).await;
    let mut client = Hand::client(address).await;
    client.call("for ever").await;
    plain.begun().await;
    let _still = StandStill::new();
    advance(85 * SECOND).await;
    client.call("you").await;
    client.sees(Seen::Headers(Some("0".to_owned()))).await;
    advance(26 * SECOND).await;
    client.sees(Seen::GoAway("shutting down".to_owned())).await;
    // The PING of the two steps is answered, and the second GOAWAY comes.
    client.write().await;
    client.sees(Seen::GoAway("shut down".to_owned())).await;
    advance(11 * SECOND).await;
    client.sees(Seen::Headers(Some("14".to_owned()))).await;
}

/// gRFC A9: only connections without a call are idle.
#[tokio::test]
async fn an_idle_connection_is_ended() {
    let (address, plain, _) = start(Server::new().max_connection_idle(60 * SECOND)).await;
    let (mut idle, mut busy) = (Hand::client(address).await, Hand::client(address).await);
    busy.call("for ever").await;
    plain.begun().await;
    let _still = StandStill::new();
    advance(61 * SECOND).await;
    idle.sees(Seen::GoAway("shutting down".to_owned())).await;
    idle.write().await;
    idle.sees(Seen::GoAway("shut down".to_owned())).await;
    advance(200 * SECOND).await;
    busy.call("you").await;
    busy.sees(Seen::Headers(Some("0".to_owned()))).await;
}
