//! Compression through the whole stack (grpc/grpc doc/compression.md).

#![cfg(feature = "gzip")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod greeter;

use gannet::{Answer, Call, Channel, Code, Compression, Interceptor, Next, Result, Server};
use greeter::{GreeterClient, GreeterServer, Hello, Plain, hello};

/// Long enough to be compressed.
fn long() -> Hello {
    hello(&"again and again, ".repeat(200))
}

fn server() -> Server {
    Server::new().add(GreeterServer::new(Plain::default())).intercept(Tells)
}

fn client(server: Server) -> GreeterClient {
    GreeterClient::new(Channel::to_server(server))
}

/// Says in a header how the request came, and compresses the answer as the request's metadata ask for it.
struct Tells;

impl Interceptor for Tells {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        call.set_header("x-request-compression", call.request_compression().name())?;
        let asked =
            call.metadata().get("x-compress").and_then(|name| Compression::from_name(name.as_bytes()));
        if let Some(compression) = asked {
            call.set_compression(compression)?;
        }
        next.run(call).await
    }
}

/// compression.md, test case 1: data must not be compressed where nobody says so.
#[tokio::test]
async fn nothing_is_compressed_by_default() {
    let client = client(server());
    let response = client.greet(long()).response().await.unwrap();
    assert_eq!(response.headers.get("x-request-compression"), Some("identity"));
    assert_eq!(response.compression, Compression::Identity);
}

/// compression.md, test cases 2 and 3: the default of the channel or server, then what the call says.
#[tokio::test]
async fn each_side_compresses_as_it_is_told() {
    for compression in Compression::ALL.iter().copied() {
        let channel = Channel::to_server(server().compression(compression));
        let plain = GreeterClient::new(channel);
        let response = plain.greet(long()).response().await.unwrap();
        assert_eq!(response.compression, compression);
        let response = plain.greet(long()).compression(compression).response().await.unwrap();
        assert_eq!(response.headers.get("x-request-compression"), Some(compression.name()));
        assert_eq!(response.message, hello(&format!("Hello {}", long().0)));
        // The call's own word on the server.
        let response = plain.greet(long()).metadata("x-compress", "identity").response().await.unwrap();
        assert_eq!(response.compression, Compression::Identity);
        let response = client(server()).greet(long()).metadata("x-compress", compression.name());
        assert_eq!(response.response().await.unwrap().compression, compression);
    }
}

#[tokio::test]
async fn short_messages_stay_as_they_are() {
    let client = client(server().compression(Compression::Gzip).compression_minimum(100));
    let response = client.greet(hello("you")).compression(Compression::Gzip).response().await.unwrap();
    assert_eq!(response.headers.get("x-request-compression"), Some("identity"));
    assert_eq!(response.compression, Compression::Identity);
    let response = client.greet(hello(&"x".repeat(100))).response().await.unwrap();
    assert_eq!(response.compression, Compression::Gzip);
}

#[tokio::test]
async fn streams_both_ways_and_single_messages_uncompressed() {
    let client = client(server().compression(Compression::Gzip));
    let (mut outbound, mut inbound) = client.chat().compression(Compression::Deflate).await.unwrap();
    for compressed in [true, false, true] {
        outbound.compress(compressed);
        // The handler does with its answer as was done with the message.
        outbound.send(long()).await.unwrap();
        assert_eq!(inbound.next().await.unwrap().unwrap().0, format!("Echo: {}", long().0));
        let expected = if compressed { Compression::Gzip } else { Compression::Identity };
        assert_eq!(inbound.compression(), expected);
    }
    outbound.finish();
    assert_eq!(inbound.next().await.unwrap(), None);

    let mut batch = client.batch().compression(Compression::Gzip);
    batch.send(long()).await.unwrap();
    batch.compress(false);
    batch.send(long()).await.unwrap();
    assert_eq!(batch.finish().await.unwrap().0.len(), 2 * long().0.len());

    let mut list = client.list(hello("2")).compression(Compression::Gzip).await.unwrap();
    assert_eq!(list.next().await.unwrap(), Some(hello("0")));
}

/// compression.md: for a client that is known not to support it the message is sent uncompressed.
#[tokio::test]
async fn a_client_that_accepts_nothing_gets_nothing_compressed() {
    let address = {
        let bound = server().compression(Compression::Gzip).bind(["127.0.0.1:0"]).await.unwrap();
        let address = bound.addresses()[0].to_string();
        tokio::spawn(bound.serve());
        address
    };
    let channel = Channel::builder(&address).unwrap().accept_compression([]).build();
    let response = GreeterClient::new(channel).greet(long()).response().await.unwrap();
    assert_eq!(response.compression, Compression::Identity);
}

/// compression.md, test case 4.
#[tokio::test]
async fn what_the_server_does_not_accept_is_unimplemented() {
    let client = client(server().accept_compression([Compression::Deflate]));
    let status = client.greet(long()).compression(Compression::Gzip).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(status.message(), "messages encoded with \"gzip\" are not accepted here; accepted: deflate");
    assert!(client.greet(long()).compression(Compression::Deflate).await.is_ok());
}

/// The limit is for what comes out, whatever came in.
#[tokio::test]
async fn limits_count_decompressed_bytes() {
    for compression in Compression::ALL.iter().copied().filter(|one| *one != Compression::Identity) {
        let client = client(server().max_decoded_message(1000));
        let bomb = client.greet(hello(&"x".repeat(2_000_000))).compression(compression);
        let status = bomb.await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        let (mut outbound, mut inbound) = client.chat().compression(compression).await.unwrap();
        outbound.send(hello(&"x".repeat(2_000_000))).await.unwrap();
        let status = inbound.next().await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    }
}

/// A message may become 1 MiB; beyond that the ratio counts.
#[tokio::test]
async fn the_ratio_ends_a_bomb_below_the_absolute_limit() {
    let text = hello(&"x".repeat(2_000_000));
    let strict = client(server().max_decompression_ratio(10));
    let status = strict.greet(text.clone()).compression(Compression::Gzip).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("10 times"), "{status}");
    let lenient = client(server().max_decompression_ratio(10_000));
    assert!(lenient.greet(text).compression(Compression::Gzip).await.is_ok());
}
