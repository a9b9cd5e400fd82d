//! Peers that do not read what they asked for: they are held back, cost what is stated, and go on once they read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

mod greeter;

use gannet::{Channel, Http2Config, ListenAddress, Server, ServerHandle};
use gannet_http2::{Connection, Event, Fields, Name, Output};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const MIB: usize = 1024 * 1024;

async fn start(server: Server) -> (SocketAddr, ServerHandle, GreeterClient) {
    let bound = server.add(GreeterServer::new(Plain::default())).bind(["127.0.0.1:0"]).await.unwrap();
    let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    (address, handle, GreeterClient::new(Channel::new(&format!("ipv4:{address}")).unwrap()))
}

/// Windows as wide as HTTP/2 has them, and not a byte read (CVE-2019-9517): the answer waits where it is made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_read() {
    const MESSAGES: usize = 100 * 1024;
    let (address, handle, others) = start(Server::new()).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let wide = Http2Config::default().max_concurrent_streams(1).receive_budget(i32::MAX as u32);
    let mut http2 = Connection::client(wide, Instant::now());
    let mut head = Fields::new();
    for (name, value) in [
        (Name::Method, "POST"),
        (Name::Scheme, "http"),
        (Name::Path, "/demo.Greeter/List"),
        (Name::Authority, "a"),
        (Name::ContentType, "application/grpc"),
        (Name::Te, "trailers"),
    ] {
        head.push(name, value.as_bytes());
    }
    let key = http2.open(&head, false).unwrap();
    let (mut request, mut out) = (Output::new(), Output::new());
    let text = format!("{MESSAGES} KiB");
    request.put_slice(&[&[0], &(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat());
    http2.send_last_data(key, &mut request);
    http2.poll_transmit(Instant::now(), &mut out);
    socket.write_all(&out.to_vec()).await.unwrap();

    // The answer begins, and comes to a stop while others are served.
    socket.readable().await.unwrap();
    for _ in 0..500 {
        others.greet(hello("you")).await.unwrap();
        let held = handle.load().held_bytes;
        assert!(held < 8 * MIB, "{held} bytes wait for a client that reads nothing");
    }

    let (mut buffer, mut read, mut ended) = (vec![0; 256 * 1024], 0, false);
    while !ended {
        let count = socket.read(&mut buffer).await.unwrap();
        assert!(count > 0, "closed after {read} bytes");
        http2.handle_bytes(Instant::now(), buffer[..count].to_vec().into());
        while let Some(event) = http2.poll_event(Instant::now()) {
            match event {
                Event::Data { data, .. } => {
                    read += data.len();
                    http2.release_capacity(key, data.len());
                }
                Event::Trailers { fields, .. } => {
                    assert_eq!(fields.get(Name::GrpcStatus), Some(&b"0"[..]));
                    ended = true;
                }
                _ => {}
            }
        }
        let mut out = Output::new();
        http2.poll_transmit(Instant::now(), &mut out);
        socket.write_all(&out.to_vec()).await.unwrap();
    }
    assert_eq!(read, MESSAGES * (1024 + 5));
}

/// One that asks and asks and reads nothing: there is a limit to the answers that wait for it, and with them to its
/// requests. They are all answered once it reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_who_reads_no_answers() {
    // Each is answered by as much as it says, which the kernel's buffers do not hold together.
    const REQUESTS: usize = 6_000;
    const PATH_BYTES: usize = 2_000;
    let patient = Http2Config::default().max_unsent(MIB).settings_timeout(Duration::from_secs(600));
    let (address, handle, others) = start(Server::new().http2(patient)).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
    let (mut from, mut to) = socket.connect(address).await.unwrap().into_split();
    let writer = tokio::spawn(async move {
        to.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat())
            .await?;
        for number in 0..REQUESTS {
            let path = format!("/{number:0>width$}", width = PATH_BYTES - 1);
            to.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 2 * number as u32 + 1, &head(&path)))
                .await?;
        }
        Ok::<_, std::io::Error>(to)
    });
    let held_back = async || handle.load().limit_hits.contains(&("unsent", 1));
    tokio::time::timeout(Duration::from_secs(60), async {
        while !held_back().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the server reads on and on");
    for _ in 0..200 {
        others.greet(hello("you")).await.unwrap();
        let held = handle.load().held_bytes;
        // The limit, and the answers to what one more read brings.
        assert!(held < MIB + 256 * 1024, "{held} bytes wait for a client that reads nothing");
    }
    assert!(!writer.is_finished(), "what nobody answers fits into the kernel's buffers: send more");

    let (mut bytes, mut answers) = (Vec::new(), 0);
    while answers < REQUESTS {
        bytes.reserve(64 * 1024);
        assert!(from.read_buf(&mut bytes).await.unwrap() > 0, "closed after {answers} answers");
        let mut rest = &bytes[..];
        while let Some((&[a, b, c, kind, flags, ..], _)) = rest.split_first_chunk::<9>() {
            let Some(later) = rest.get(9 + u32::from_be_bytes([0, a, b, c]) as usize..) else { break };
            answers += usize::from(kind == HEADERS && flags & END_STREAM != 0);
            assert!(kind != GOAWAY, "ended after {answers} answers");
            rest = later;
        }
        bytes = rest.to_vec();
    }
    writer.await.unwrap().unwrap();
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request's head, in literals without indexing (RFC 7541 §6.2.2).
fn head(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // RFC 7541 §5.1: an integer with a prefix of seven bits.
            let mut rest = text.len();
            if rest < 127 {
                block.push(rest as u8);
            } else {
                block.push(127);
                rest -= 127;
                while rest >= 128 {
                    block.push(rest as u8 | 128);
                    rest >>= 7;
                }
                block.push(rest as u8);
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// Two peers with much for each other: neither waits with reading for the other to read first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_ends_send_much_at_once() {
    let server = Server::new().add(GreeterServer::new(Plain::default()));
    let client = GreeterClient::new(Channel::to_server(server));
    let chats = (0..250).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let (mut outbound, mut inbound) = client.chat().await?;
            let text = "x".repeat(60_000);
            for _ in 0..4 {
                outbound.send(hello(&text)).await?;
            }
            outbound.finish();
            let mut read = 0;
            while inbound.next().await?.is_some() {
                read += 1;
            }
            Ok::<_, gannet::Status>(read)
        })
    });
    let all = async {
        for chat in chats.collect::<Vec<_>>() {
            assert_eq!(chat.await.unwrap().unwrap(), 4);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("both ends wait for each other");
}
