//! What is not gRPC on a server's port, and what is gRPC but broken: the answer that the documents name, and the
//! server lives.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod greeter;

use bytes::Bytes;
use gannet::{
    BoxFuture, Channel, ForeignConnection, ForeignIo, HttpHandler, HttpRequest, ListenAddress, Peer,
    PeerAddress, Server,
};
use gannet_http2::{Config, Connection, Event, Fields, Name, Output};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn start(server: Server) -> SocketAddr {
    let bound = server.add(GreeterServer::new(Plain::default())).bind(["127.0.0.1:0"]).await.unwrap();
    let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
    tokio::spawn(bound.serve());
    address
}

/// All that the server says to these bytes until it closes.
async fn answer_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    // A reset of the connection is an end as well.
    let _ =
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("the server keeps the connection");
    answer
}

async fn still_serves(address: SocketAddr) {
    let client = GreeterClient::new(Channel::new(&format!("ipv4:{address}")).unwrap());
    assert_eq!(client.greet(hello("you")).await.unwrap(), hello("Hello you"));
}

/// One request by hand: its fields, its body; the response's head, its body and its trailers.
async fn request(
    address: SocketAddr,
    fields: &[(Name, &str)],
    body: &[u8],
) -> (Fields, Vec<u8>, Option<Fields>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let now = Instant::now();
    let mut http2 = Connection::client(Config::default(), now);
    let mut head = Fields::new();
    for (name, value) in [(Name::Scheme, "http"), (Name::Authority, "a")].iter().chain(fields) {
        head.push(*name, value.as_bytes());
    }
    let key = http2.open(&head, false).unwrap();
    let mut out = Output::new();
    out.put_slice(body);
    http2.send_last_data(key, &mut out);
    let (mut response, mut data) = (Fields::new(), Vec::new());
    loop {
        http2.poll_transmit(now, &mut out);
        socket.write_all(&out.to_vec()).await.unwrap();
        out.clear();
        while let Some(event) = http2.poll_event(now) {
            match event {
                Event::Headers { fields, end_stream: true, .. } => return ((*fields).clone(), data, None),
                Event::Headers { fields, .. } => response = (*fields).clone(),
                Event::Data { data: piece, end_stream, .. } => {
                    data.extend_from_slice(&piece);
                    http2.release_capacity(key, piece.len());
                    if end_stream {
                        return (response, data, None);
                    }
                }
                Event::Trailers { fields, .. } => return (response, data, Some((*fields).clone())),
                Event::Reset { reason, .. } => panic!("reset: {reason}"),
                Event::Closed { error } => panic!("closed: {error:?}"),
                _ => {}
            }
        }
        let mut buffer = vec![0; 16 * 1024];
        let read =
            tokio::time::timeout(Duration::from_secs(5), socket.read(&mut buffer)).await.unwrap().unwrap();
        assert_ne!(read, 0, "the server closed the connection");
        buffer.truncate(read);
        http2.handle_bytes(now, buffer.into());
    }
}

#[tokio::test]
async fn http_1_is_told_where_it_is() {
    let address = start(Server::new()).await;
    let answer = answer_to(address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let text = String::from_utf8(answer).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 ") && text.contains("gRPC over HTTP/2"), "{text}");
    still_serves(address).await;
}

/// RFC 9113 §5.4.1: GOAWAY with the code of the error, then the end.
#[tokio::test]
async fn broken_frames_end_their_connection_and_no_other() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    let address = start(Server::new()).await;
    let rows: [(&str, &[u8], u8); 5] = [
        ("a frame before SETTINGS", b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0", 1),
        ("PING of seven octets", b"\0\0\0\x04\0\0\0\0\0\0\0\x07\x06\0\0\0\0\0\0\0\0\0\0\0\0", 6),
        ("a frame of a megabyte", b"\0\0\0\x04\0\0\0\0\0\x10\0\0\0\0\0\0\0\x01", 6),
        ("a header block that is none", b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\xff", 9),
        ("DATA on an idle stream", b"\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\0\0\x05a", 1),
    ];
    for (name, bytes, code) in rows {
        let answer = answer_to(address, &[PREFACE, bytes].concat()).await;
        let goaway = answer.windows(5).position(|window| window[0] == 7 && window[1..] == [0; 4]);
        // Kind, flags, stream, last stream, and the code's last octet.
        let start = goaway.unwrap_or_else(|| panic!("{name}: no GOAWAY in {answer:02x?}"));
        assert_eq!(answer[start + 13], code, "{name}: {answer:02x?}");
    }
    // A client that vanishes in the middle of anything.
    for cut in 0..PREFACE.len() + SETTINGS.len() {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(&[PREFACE, SETTINGS].concat()[..cut]).await.unwrap();
    }
    still_serves(address).await;
}

struct Mirror;

impl HttpHandler for Mirror {
    fn handle(&self, mut request: HttpRequest) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut head = Fields::new();
            head.push(Name::Status, b"200");
            request.responder.head(head);
            while let Ok(Some(piece)) = request.body.next().await {
                request.responder.data(piece).await.unwrap();
            }
            let mut trailers = Fields::new();
            trailers.push_text(b"x-end", b"1");
            request.responder.end(Some(trailers));
        })
    }
}

#[tokio::test]
async fn the_http_door_answers_what_is_no_grpc() {
    let address = start(Server::new().http_handler(Mirror)).await;
    for len in [10, 200_000] {
        let body = vec![7; len];
        let fields = [(Name::Method, "PUT"), (Name::Path, "/x")];
        let (head, data, trailers) = request(address, &fields, &body).await;
        assert_eq!(head.get(Name::Status), Some(&b"200"[..]));
        assert_eq!(data, body);
        assert_eq!(trailers.unwrap().get_text(b"x-end"), Some(&b"1"[..]));
    }
    still_serves(address).await;
}

struct Shout;

impl ForeignConnection for Shout {
    fn serve(&self, peer: Peer, read: Bytes, mut io: Box<dyn ForeignIo>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            assert!(matches!(peer.address(), PeerAddress::Tcp(_)));
            io.write_all(&read.to_ascii_uppercase()).await.unwrap();
            io.shutdown().await.unwrap();
        })
    }
}

#[tokio::test]
async fn the_foreign_door_gets_the_bytes_and_the_connection() {
    let address = start(Server::new().foreign_connections(Shout)).await;
    assert_eq!(answer_to(address, b"hello there").await, b"HELLO THERE");
    still_serves(address).await;
}
