//! A gannet service inside an axum app, called by gannet's client over TCP.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::Router;
use axum::routing::get;
use gannet::{Channel, Code, Server};
use gannet_interop::cases::{self, CASES, Soak};
use gannet_interop::misbehaving::Misbehaviour;
use gannet_interop::proto::grpc::testing::{
    ResponseParameters, StreamingOutputCallRequest, TestServiceClient,
};
use gannet_interop::service;
use gannet_tower::HttpService;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The app on a free port, and gannet's part of it.
async fn start() -> (SocketAddr, HttpService) {
    start_server(service::server()).await
}

async fn start_server(server: Server) -> (SocketAddr, HttpService) {
    let grpc = HttpService::new(server).unwrap();
    let app = Router::new()
        .route("/", get(async || "hello from axum"))
        .route_service("/grpc.testing.TestService/{method}", grpc.clone())
        .route_service("/xds.service.orca.v3.OpenRcaService/{method}", grpc.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, grpc)
}

fn channel(address: SocketAddr) -> Channel {
    Channel::new(&format!("ipv4:{address}")).unwrap()
}

/// The official cases: all four kinds, metadata, trailers, statuses, compression, cancellation, deadlines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_official_case_passes() {
    let (address, _grpc) = start().await;
    let long = Duration::from_secs(60);
    let soak = Soak { iterations: 3, max_latency: long, overall_timeout: long, ..Soak::default() };
    for case in CASES.iter().filter(|case| case.parse::<Misbehaviour>().is_err()) {
        let connect = || channel(address);
        cases::run(case, &connect, &soak).await.unwrap_or_else(|status| panic!("{case}: {status}"));
    }
}

#[tokio::test]
async fn the_app_answers_beside_it() {
    let (address, _grpc) = start().await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello from axum"), "{answer}");
}

/// PROTOCOL-HTTP2: gRPC needs HTTP/2.
#[tokio::test]
async fn http_1_is_refused() {
    let (address, _grpc) = start().await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = b"POST /grpc.testing.TestService/EmptyCall HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
        content-type: application/grpc\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0";
    socket.write_all(request).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 505"), "{answer}");
}

/// More streams than a connection carries, all open at once: none waits for the end of another.
#[tokio::test]
async fn many_open_streams() {
    const STREAMS: usize = 350;
    let (address, _grpc) = start().await;
    let parameters = ResponseParameters { size: 1, ..Default::default() };
    let request = StreamingOutputCallRequest { response_parameters: vec![parameters], ..Default::default() };
    let mut open = Vec::new();
    while open.len() < STREAMS {
        let client = TestServiceClient::new(channel(address));
        for _ in 0..50 {
            let (mut requests, mut responses) = client.full_duplex_call().await.unwrap();
            requests.send(request.clone()).await.unwrap();
            assert!(responses.next().await.unwrap().is_some());
            open.push((requests, responses));
        }
    }
    for (requests, mut responses) in open {
        requests.finish();
        assert!(responses.next().await.unwrap().is_none());
    }
}

/// gannet ends its connections in memory as it does others: whoever calls does not notice.
#[tokio::test]
async fn a_pipe_that_ends_is_replaced() {
    let (address, _grpc) =
        start_server(service::server().max_connection_age(Duration::from_millis(20))).await;
    let client = TestServiceClient::new(channel(address));
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(300) {
        client.empty_call(Default::default()).await.unwrap();
    }
}

#[tokio::test]
async fn the_server_ends_in_order_and_then_says_so() {
    let (address, grpc) = start().await;
    let client = TestServiceClient::new(channel(address));
    let (requests, mut responses) = client.full_duplex_call().await.unwrap();
    let parameters = ResponseParameters { size: 1, ..Default::default() };
    let mut requests = requests;
    let request = StreamingOutputCallRequest { response_parameters: vec![parameters], ..Default::default() };
    requests.send(request).await.unwrap();
    assert!(responses.next().await.unwrap().is_some());
    let handle = grpc.handle();
    let shutdown = tokio::spawn(async move { handle.shutdown(Duration::from_secs(30)).await });
    requests.finish();
    assert!(responses.next().await.unwrap().is_none());
    assert_eq!(shutdown.await.unwrap().cut, 0);
    let status = client.empty_call(Default::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}
