//! Interceptors on both sides, around all four kinds of calls.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

mod greeter;

use gannet::{
    Answer, Call, CancelReason, Channel, Code, Direction, Interceptor, Kind, MethodSpec, Next, Result,
    Server, Status,
};
use greeter::{GreeterClient, GreeterServer, HELLO, Plain, hello};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const KINDS: [Kind; 4] = [Kind::Unary, Kind::ServerStreaming, Kind::ClientStreaming, Kind::Bidi];

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Client,
    Server,
}

/// A client of a server with these interceptors on one side, the outermost first.
fn with<const N: usize, I: Interceptor>(at: At, plain: &Arc<Plain>, interceptors: [I; N]) -> GreeterClient {
    let mut server = Server::new().add(GreeterServer::from_arc(Arc::clone(plain)));
    if at == At::Server {
        server = interceptors.into_iter().fold(server, Server::intercept);
        return GreeterClient::new(Channel::to_server(server));
    }
    let builder = Channel::builder_to_server(server);
    let builder = interceptors.into_iter().fold(builder, |builder, one| builder.intercept(one));
    GreeterClient::new(builder.build())
}

/// One call of a kind: the texts of its answers, and how it ended.
async fn call(client: &GreeterClient, kind: Kind, text: &str) -> (Vec<String>, Result<()>) {
    let mut got = Vec::new();
    let mut inbound = match kind {
        Kind::Unary => {
            let answer = client.greet(hello(text)).await;
            return (got, answer.map(|answer| assert!(answer.0.contains(text))));
        }
        Kind::ClientStreaming => {
            let mut batch = client.batch();
            if let Err(status) = batch.send(hello(text)).await {
                return (got, Err(status));
            }
            return match batch.finish().await {
                Ok(answer) => (vec![answer.0], Ok(())),
                Err(status) => (got, Err(status)),
            };
        }
        Kind::ServerStreaming => match client.list(hello(text)).await {
            Ok(list) => list,
            Err(status) => return (got, Err(status)),
        },
        Kind::Bidi => {
            let (mut outbound, inbound) = client.chat().await.unwrap();
            if let Err(status) = outbound.send(hello(text)).await {
                return (got, Err(status));
            }
            outbound.finish();
            inbound
        }
    };
    loop {
        match inbound.next().await {
            Ok(Some(message)) => got.push(message.0),
            Ok(None) => return (got, Ok(())),
            Err(status) => return (got, Err(status)),
        }
    }
}

/// A text that every kind of method takes well.
const GOOD: &str = "2";

async fn each(mut check: impl AsyncFnMut(At, Kind)) {
    for at in [At::Client, At::Server] {
        for kind in KINDS {
            check(at, kind).await;
        }
    }
}

/// Writes down when it is entered and left, and how.
struct Ring(&'static str, Arc<Mutex<Vec<String>>>);

impl Interceptor for Ring {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        self.1.lock().unwrap().push(format!("{} in", self.0));
        let result = next.run(call).await;
        let how = result.as_ref().map_or_else(|status| status.code().name(), |_| "OK");
        self.1.lock().unwrap().push(format!("{} out {how}", self.0));
        result
    }
}

#[tokio::test]
async fn the_first_added_is_the_outermost_and_sees_the_final_status() {
    each(async |at, kind| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let ring = |name| Ring(name, Arc::clone(&log));
        let client = with(at, &Arc::default(), [ring("a"), ring("b"), ring("c")]);
        call(&client, kind, GOOD).await.1.unwrap();
        let expected = ["a in", "b in", "c in", "c out OK", "b out OK", "a out OK"];
        assert_eq!(*log.lock().unwrap(), expected, "{at:?} {kind:?}");
    })
    .await;
}

struct Refuse;

impl Interceptor for Refuse {
    async fn intercept(&self, _call: &mut Call, _next: Next<'_>) -> Result<Answer> {
        Err(Status::permission_denied("not you"))
    }
}

#[tokio::test]
async fn one_that_does_not_go_on_ends_the_call() {
    each(async |at, kind| {
        let (_, end) = call(&with(at, &Arc::default(), [Refuse]), kind, GOOD).await;
        let status = end.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "not you"), "{at:?} {kind:?}");
    })
    .await;
}

/// Answers by itself where the method answers one message.
struct Cached;

impl Interceptor for Cached {
    async fn intercept(&self, call: &mut Call, _next: Next<'_>) -> Result<Answer> {
        call.answer(HELLO, &hello("from the cache: 2"))
    }
}

#[tokio::test]
async fn one_may_answer_by_itself() {
    for at in [At::Client, At::Server] {
        let client = with(at, &Arc::default(), [Cached]);
        assert_eq!(client.greet(hello("x")).await.unwrap(), hello("from the cache: 2"), "{at:?}");
        let mut batch = client.batch();
        // The server may have answered before the message has left.
        let _ = batch.send(hello("x")).await;
        assert_eq!(batch.finish().await.unwrap(), hello("from the cache: 2"), "{at:?}");
    }
}

struct Adds;

impl Interceptor for Adds {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        call.metadata_mut().append("x-added", "yes")?;
        next.run(call).await
    }
}

/// Ends well only where the metadata is there.
struct Wants;

impl Interceptor for Wants {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        match call.metadata().get("x-added") {
            Some("yes") => next.run(call).await,
            _ => Err(Status::unauthenticated("nothing was added")),
        }
    }
}

#[tokio::test]
async fn added_metadata_reaches_the_server_and_those_inside() {
    for kind in KINDS {
        let server = || Server::new().add(GreeterServer::new(Plain::default()));
        let inside = GreeterClient::new(Channel::to_server(server().intercept(Adds).intercept(Wants)));
        call(&inside, kind, GOOD).await.1.unwrap();
        let across = Channel::builder_to_server(server().intercept(Wants)).intercept(Adds).build();
        call(&GreeterClient::new(across), kind, GOOD).await.1.unwrap();
        let without = GreeterClient::new(Channel::to_server(server().intercept(Wants)));
        assert_eq!(call(&without, kind, GOOD).await.1.unwrap_err().code(), Code::Unauthenticated);
    }
}

struct Hurry;

impl Interceptor for Hurry {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        call.limit_deadline((Instant::now() + Duration::from_secs(1)).into_std());
        next.run(call).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_shortened_deadline_is_kept() {
    each(async |at, kind| {
        let plain = Arc::new(Plain::default());
        let client = with(at, &plain, [Hurry]);
        let start = Instant::now();
        let (_, end) = call(&client, kind, "for ever").await;
        assert_eq!(end.unwrap_err().code(), Code::DeadlineExceeded, "{at:?} {kind:?}");
        assert!(start.elapsed() >= Duration::from_secs(1) && start.elapsed() < Duration::from_secs(2));
        assert_eq!(plain.cancelled().await, CancelReason::Deadline, "{at:?} {kind:?}");
    })
    .await;
}

/// Sees messages, and refuses some.
#[derive(Default)]
struct Sees(Mutex<Vec<String>>);

impl Interceptor for Sees {
    fn wants_messages(&self) -> bool {
        true
    }

    fn message(&self, _spec: &MethodSpec, direction: Direction, encoded: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(encoded).into_owned();
        if text.contains("bad word") {
            return Err(Status::invalid_argument("a bad word"));
        }
        self.0.lock().unwrap().push(format!("{direction:?} {text}"));
        Ok(())
    }
}

#[tokio::test]
async fn messages_are_seen_once_each() {
    each(async |at, kind| {
        let sees = Arc::new(Sees::default());
        let client = with(at, &Arc::default(), [Arc::clone(&sees)]);
        call(&client, kind, GOOD).await.1.unwrap();
        let expected: &[&str] = match kind {
            Kind::Unary => &["Request 2", "Response Hello 2"],
            Kind::ServerStreaming => &["Request 2", "Response 0", "Response 1"],
            Kind::ClientStreaming => &["Request 2", "Response 2"],
            Kind::Bidi => &["Request 2", "Response Echo: 2"],
        };
        assert_eq!(*sees.0.lock().unwrap(), expected, "{at:?} {kind:?}");
        let (_, end) = call(&client, kind, "bad word").await;
        assert_eq!(end.unwrap_err().code(), Code::InvalidArgument, "{at:?} {kind:?}");
    })
    .await;
}

/// Has the last word.
struct Translates;

impl Interceptor for Translates {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        match next.run(call).await {
            Ok(_) => Err(Status::aborted("too good to be true")),
            Err(status) => Err(Status::unavailable(format!("it was {}", status.code().name()))),
        }
    }
}

#[tokio::test]
async fn the_final_status_is_what_the_outermost_returns() {
    each(async |at, kind| {
        let client = with(at, &Arc::default(), [Translates]);
        let status = call(&client, kind, GOOD).await.1.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Aborted, "too good to be true"),
            "{at:?} {kind:?}"
        );
    })
    .await;
    let inner = Server::new().add(GreeterServer::new(Plain::default())).intercept(Refuse);
    let client = GreeterClient::new(Channel::builder_to_server(inner).intercept(Translates).build());
    for kind in KINDS {
        let status = call(&client, kind, GOOD).await.1.unwrap_err();
        assert_eq!(status.message(), "it was PERMISSION_DENIED", "{kind:?}");
    }
}

/// Fails the first runs, so that somebody outside runs again.
struct FailsFirst(AtomicU32);

impl Interceptor for FailsFirst {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        if self.0.fetch_add(1, Ordering::Relaxed) < 2 {
            return Err(Status::unavailable("not yet"));
        }
        next.run(call).await
    }
}

struct Again;

impl Interceptor for Again {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let mut result = next.run(call).await;
        for _ in 0..2 {
            if result.as_ref().is_err_and(|status| status.code() == Code::Unavailable) {
                result = next.run(call).await;
            }
        }
        result
    }
}

#[tokio::test]
async fn a_call_is_run_again() {
    for kind in KINDS {
        // Both on the server: nothing of the streams has been touched by the first runs.
        let failing = Server::new()
            .add(GreeterServer::new(Plain::default()))
            .intercept(Again)
            .intercept(FailsFirst(AtomicU32::new(0)));
        call(&GreeterClient::new(Channel::to_server(failing)), kind, GOOD).await.1.unwrap();
        // The server fails, the client runs again: as long as its request is one message.
        let failing =
            Server::new().add(GreeterServer::new(Plain::default())).intercept(FailsFirst(AtomicU32::new(0)));
        let client = GreeterClient::new(Channel::builder_to_server(failing).intercept(Again).build());
        let (_, end) = call(&client, kind, GOOD).await;
        match kind {
            Kind::Unary | Kind::ServerStreaming => end.unwrap(),
            Kind::ClientStreaming | Kind::Bidi => {
                assert_eq!(end.unwrap_err().code(), Code::FailedPrecondition, "{kind:?}");
            }
        }
    }
}

/// The handler has read its stream: there is no second one.
#[tokio::test]
async fn a_handler_that_has_read_its_requests_is_not_run_again() {
    struct Twice;
    impl Interceptor for Twice {
        async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
            let _ = next.run(call).await;
            next.run(call).await
        }
    }
    for (kind, code) in [
        (Kind::Unary, None),
        (Kind::ServerStreaming, None),
        (Kind::ClientStreaming, Some(Code::FailedPrecondition)),
        (Kind::Bidi, Some(Code::FailedPrecondition)),
    ] {
        let (_, end) = call(&with(At::Server, &Arc::default(), [Twice]), kind, GOOD).await;
        assert_eq!(end.err().map(|status| status.code()), code, "{kind:?}");
    }
}

/// gRFC A66: the sums of message bytes as they are on the wire.
#[tokio::test]
async fn message_bytes_are_counted() {
    struct Counts(Mutex<(u64, u64)>);
    impl Interceptor for Counts {
        async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
            let result = next.run(call).await;
            let bytes = (call.message_bytes(Direction::Request), call.message_bytes(Direction::Response));
            *self.0.lock().unwrap() = bytes;
            result
        }
    }
    each(async |at, kind| {
        let counts = Arc::new(Counts(Mutex::default()));
        call(&with(at, &Arc::default(), [Arc::clone(&counts)]), kind, GOOD).await.1.unwrap();
        let expected = match kind {
            Kind::Unary => (1, "Hello 2".len() as u64),
            Kind::ServerStreaming => (1, 2),
            Kind::ClientStreaming => (1, 1),
            Kind::Bidi => (1, "Echo: 2".len() as u64),
        };
        assert_eq!(*counts.0.lock().unwrap(), expected, "{at:?} {kind:?}");
    })
    .await;
}
