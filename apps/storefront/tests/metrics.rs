//! `--metrics`: the page after some calls, and what else can be asked of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use gannet::Code;
use shop::program::{Program, refused};
use shop::{fails, new_user};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use storefront::proto::user::v1::{GetUserRequest, ListUsersRequest, UserServiceClient};

/// What the page answers to a request: the head, and the body.
fn ask(address: &str, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn start(data: &std::path::Path, arguments: &[&str]) -> (Program, String) {
    let program = Program::start(data, &[&["--metrics", "127.0.0.1:0"], arguments].concat());
    let address = program.metrics.strip_suffix("/metrics").unwrap().to_owned();
    (program, address)
}

/// gRFC A66, with Prometheus' suffixes.
#[tokio::test]
async fn calls_are_counted_by_method_and_code() {
    let data = tempfile::tempdir().unwrap();
    let (program, page) = start(data.path(), &[]);
    let users = UserServiceClient::new(program.channel());
    users.create_user(new_user("ann")).await.unwrap();
    users.create_user(new_user("bob")).await.unwrap();
    let missing = GetUserRequest { id: "7".into(), ..Default::default() };
    fails(users.get_user(missing).await, Code::NotFound, "7");
    let mut list = users.list_users(ListUsersRequest::default()).await.unwrap();
    while list.next().await.unwrap().is_some() {}

    // A call is counted when it is over for the server, which may be after its client has the answer.
    let listed = r#"grpc_server_call_duration_seconds_count{grpc_method="user.v1.UserService/ListUsers",grpc_status="OK"} 1"#;
    let mut tries = 0;
    let (head, text) = loop {
        let (head, text) = ask(&page, "GET /metrics");
        if text.contains(listed) {
            break (head, text);
        }
        tries += 1;
        assert!(tries < 1000, "{text}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let (create, get) = ("user.v1.UserService/CreateUser", "user.v1.UserService/GetUser");
    for line in [
        "# TYPE grpc_server_call_started_total counter".to_owned(),
        "# TYPE grpc_server_call_duration_seconds histogram".into(),
        "# TYPE grpc_server_call_sent_total_compressed_message_size_bytes histogram".into(),
        "# TYPE grpc_server_call_rcvd_total_compressed_message_size_bytes histogram".into(),
        "# TYPE grpc_server_call_in_flight gauge".into(),
        "# TYPE gannet_server_connections gauge".into(),
        "# TYPE gannet_server_held_bytes gauge".into(),
        r#"gannet_server_limit_hits_total{limit="resets"} 0"#.into(),
        format!(r#"grpc_server_call_started_total{{grpc_method="{create}"}} 2"#),
        format!(r#"grpc_server_call_in_flight{{grpc_method="{create}"}} 0"#),
        format!(r#"grpc_server_call_duration_seconds_count{{grpc_method="{create}",grpc_status="OK"}} 2"#),
        format!(
            r#"grpc_server_call_duration_seconds_count{{grpc_method="{get}",grpc_status="NOT_FOUND"}} 1"#
        ),
        format!(
            r#"grpc_server_call_rcvd_total_compressed_message_size_bytes_sum{{grpc_method="{get}",grpc_status="NOT_FOUND"}} 3"#
        ),
        format!(
            r#"grpc_server_call_duration_seconds_bucket{{grpc_method="{create}",grpc_status="OK",le="+Inf"}} 2"#
        ),
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is not in {text}");
    }
    let described = |line: &&str| line.starts_with("# TYPE ");
    assert_eq!(
        text.lines().filter(described).count(),
        text.lines().filter(|line| line.starts_with("# HELP ")).count()
    );
}

/// What auth refuses is counted, and the page asks for no token: it is for whoever can reach its address.
#[tokio::test]
async fn refused_calls_are_counted() {
    let data = tempfile::tempdir().unwrap();
    let secret = data.path().join("secret");
    std::fs::write(&secret, "s".repeat(40)).unwrap();
    let (program, page) = start(data.path(), &["--auth-secret-file", secret.to_str().unwrap()]);
    let users = UserServiceClient::new(program.channel());
    fails(users.create_user(new_user("ann")).await, Code::Unauthenticated, "send a token");
    let (_, text) = ask(&page, "GET /metrics");
    let refused = r#"grpc_server_call_duration_seconds_count{grpc_method="user.v1.UserService/CreateUser",grpc_status="UNAUTHENTICATED"} 1"#;
    assert!(text.contains(refused), "{text}");
}

#[test]
fn the_page_is_one_page() {
    let data = tempfile::tempdir().unwrap();
    let (_program, page) = start(data.path(), &[]);
    for (request, status, says) in [
        ("GET /", "404 Not Found", "the metrics are at /metrics"),
        ("POST /metrics", "405 Method Not Allowed", "can only be read"),
        ("HEAD /metrics", "200 OK", ""),
        ("GET /metrics?name[]=up", "200 OK", ""),
    ] {
        let (head, body) = ask(&page, request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")) && body.contains(says), "{request}: {head}");
    }
    // Whoever opens connections and says nothing is let go, and others come through when they are.
    let silent: Vec<_> = (0..70).map(|_| TcpStream::connect(&page).unwrap()).collect();
    assert!(ask(&page, "GET /metrics").0.starts_with("HTTP/1.1 200 OK"));
    drop(silent);
}

#[test]
fn mistakes_with_the_address_get_one_message() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let folder = data.path().join("data");
    for (address, says) in [(taken.as_str(), "in use"), ("nowhere", "nowhere"), ("127.0.0.1:99999", "99999")]
    {
        let arguments = ["--listen", "127.0.0.1:0", "--data", folder.to_str().unwrap(), "--metrics", address];
        let message = refused(&arguments, &[]);
        assert!(message.starts_with("error: can't show metrics on ") && message.contains(says), "{message}");
        assert!(message.contains("--metrics"), "{message}");
    }
}
