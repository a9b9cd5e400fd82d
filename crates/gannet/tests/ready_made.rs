//! The interceptors that come with gannet.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod greeter;

use gannet::interceptors::{BearerAuth, ConcurrencyLimit, DefaultDeadline, VerifyToken};
use gannet::{Answer, Call, Channel, Code, Interceptor, MethodSpec, Next, Result, Server, Status};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::sync::Arc;
use std::time::Duration;

fn server(plain: &Arc<Plain>) -> Server {
    Server::new().add(GreeterServer::from_arc(Arc::clone(plain)))
}

#[tokio::test]
async fn beyond_the_limit_calls_wait_and_beyond_the_queue_they_are_refused() {
    let plain = Arc::new(Plain::default());
    let limited = server(&plain).intercept(ConcurrencyLimit::new(1).queue(1));
    let client = GreeterClient::new(Channel::to_server(limited));
    let running = tokio::spawn(client.greet(hello("for ever")));
    plain.begun().await;
    let waiting = tokio::spawn(client.greet(hello("you")));
    // It is on its way, and one connection keeps the order.
    tokio::task::yield_now().await;
    let status = client.greet(hello("me")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.message(), "1 calls run and 1 wait already");
    running.abort();
    assert_eq!(waiting.await.unwrap().unwrap(), hello("Hello you"));
    // Places and permits have come back.
    for _ in 0..3 {
        assert!(client.greet(hello("you")).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_gets_the_channels() {
    let plain = Arc::new(Plain::default());
    let builder = Channel::builder_to_server(server(&plain));
    let channel = builder.intercept(DefaultDeadline::new(Duration::from_secs(10))).build();
    let client = GreeterClient::new(channel);
    let start = tokio::time::Instant::now();
    let status = client.greet(hello("for ever")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(start.elapsed() >= Duration::from_secs(10));
    let status = client.greet(hello("for ever")).deadline(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(start.elapsed() < Duration::from_secs(12));
}

#[derive(Clone, Debug, PartialEq)]
struct User(String);

struct Tokens;

impl VerifyToken for Tokens {
    type Identity = User;

    async fn verify(&self, token: &str, spec: &MethodSpec) -> Result<User> {
        match token {
            "guest" if spec.client_streaming => Err(Status::permission_denied("not for guests")),
            "admin" | "guest" => Ok(User(token.to_owned())),
            _ => Err(Status::unauthenticated("the token is not good")),
        }
    }
}

/// A handler, as it were, that tells who calls.
struct Tells;

impl Interceptor for Tells {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let user = call.extensions().get::<User>().map_or("nobody".to_owned(), |user| user.0.clone());
        call.set_header("x-user", &user)?;
        next.run(call).await
    }
}

#[tokio::test]
async fn tokens_open_the_door() {
    let auth = BearerAuth::new(Tokens).open_to_all("/demo.Greeter/List");
    let guarded = server(&Arc::default()).intercept(auth).intercept(Tells);
    let client = GreeterClient::new(Channel::to_server(guarded));
    for (authorization, expected) in [
        (None, Err(Code::Unauthenticated)),
        (Some("Basic YTpi"), Err(Code::Unauthenticated)),
        (Some("Bearer nonsense"), Err(Code::Unauthenticated)),
        (Some("bearer admin"), Ok("admin")),
    ] {
        let mut call = client.greet(hello("you"));
        if let Some(value) = authorization {
            call = call.metadata("authorization", value);
        }
        let response = call.response().await;
        let got = response.as_ref().map(|response| response.headers.get("x-user").unwrap());
        assert_eq!(got.map_err(|status| status.code()), expected, "{authorization:?}");
    }
    let mut batch = client.batch().metadata("authorization", "Bearer guest");
    let _ = batch.send(hello("a")).await;
    assert_eq!(batch.finish().await.unwrap_err().code(), Code::PermissionDenied);
    let mut list = client.list(hello("1")).await.unwrap();
    assert_eq!(list.headers().await.unwrap().get("x-user"), Some("nobody"));
}
