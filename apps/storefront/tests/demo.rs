//! `storefront demo`: every method, on a server of its own and on one that runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use shop::program::{Program, command, refused};
use storefront::proto::chat::v1::CHAT_SERVICE;
use storefront::proto::file::v1::FILE_SERVICE;
use storefront::proto::order::v1::ORDER_SERVICE;
use storefront::proto::user::v1::USER_SERVICE;

/// What the demo prints; it has to succeed.
fn shown(arguments: &[&str]) -> String {
    let output = command(&[&["demo"], arguments].concat()).output().unwrap();
    let (text, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && errors.is_empty(), "{text}\n{errors}");
    text
}

fn shows_every_method(text: &str) {
    let services = [&USER_SERVICE, &ORDER_SERVICE, &FILE_SERVICE, &CHAT_SERVICE];
    let methods: Vec<_> = services.iter().flat_map(|service| service.methods).collect();
    assert_eq!(methods.len(), 16);
    for method in methods {
        assert!(text.contains(method.name), "{} is not in {text}", method.name);
    }
    for arrow in ["→", "←"] {
        assert!(text.contains(arrow));
    }
    assert!(!text.contains('\x1b'), "colours in a pipe: {text}");
}

#[test]
fn alone() {
    shows_every_method(&shown(&[]));
}

/// Twice, because the second finds what the first has left.
#[test]
fn on_a_server_that_runs() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    for _ in 0..2 {
        shows_every_method(&shown(&["--connect", &program.address]));
    }
}

#[test]
fn without_a_server() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let message = refused(&["demo", "--connect", &free], &[]);
    assert!(message.starts_with(&format!("error: no storefront answers at {free}")), "{message}");
    let message = refused(&["demo", "--connect", "://"], &[]);
    assert!(message.starts_with("error: "), "{message}");
}
