//! Deadlines, cancellation and draining, on a clock that the test holds.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

mod greeter;

use gannet::{
    Answer, Call, CancelReason, Channel, Code, Http2Config, Interceptor, Next, Result, Server, Status,
};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn server(plain: &Arc<Plain>) -> Server {
    Server::new().add(GreeterServer::from_arc(Arc::clone(plain)))
}

fn client(server: Server) -> GreeterClient {
    GreeterClient::new(Channel::to_server(server))
}

/// How calls of each kind end that nobody answers; a deadline where the client sets one.
async fn all_four(client: &GreeterClient, deadline: Option<Duration>) -> Vec<Status> {
    macro_rules! with_deadline {
        ($call:expr) => {
            match deadline {
                Some(deadline) => $call.deadline(deadline),
                None => $call,
            }
        };
    }
    let mut list = with_deadline!(client.list(hello("for ever"))).await.unwrap();
    let (_open, mut chat) = with_deadline!(client.chat()).await.unwrap();
    let mut batch = with_deadline!(client.batch());
    batch.send(hello("for ever")).await.unwrap();
    vec![
        with_deadline!(client.greet(hello("for ever"))).await.unwrap_err(),
        list.next().await.unwrap_err(),
        chat.next().await.unwrap_err(),
        batch.finish().await.unwrap_err(),
    ]
}

/// statuscodes.md: DEADLINE_EXCEEDED, never CANCELLED, and neither early nor late.
#[tokio::test(start_paused = true)]
async fn the_clients_deadline_ends_every_kind_of_call() {
    let plain = Arc::new(Plain::default());
    let client = client(server(&plain));
    let start = Instant::now();
    for status in all_four(&client, Some(SECOND)).await {
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    }
    assert_eq!(plain.cancelled().await, CancelReason::Deadline);
    let took = start.elapsed();
    assert!(took >= SECOND && took < SECOND + Duration::from_millis(50), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_servers_default_and_maximum_hold_for_every_kind_of_call() {
    for (server_side, asked) in [
        (Server::new().default_deadline(SECOND), None),
        (Server::new().maximum_deadline(SECOND), None),
        (Server::new().maximum_deadline(SECOND), Some(9 * SECOND)),
        (Server::new().default_deadline(9 * SECOND), Some(SECOND)),
    ] {
        let client = client(server_side.add(GreeterServer::new(Plain::default())));
        let start = Instant::now();
        for status in all_four(&client, asked).await {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        }
        let took = start.elapsed();
        assert!(took >= SECOND && took < SECOND + Duration::from_millis(50), "{took:?}");
    }
}

/// No work is begun that nobody would see the end of.
#[tokio::test(start_paused = true)]
async fn a_call_with_less_than_the_minimum_is_not_begun() {
    let client = client(server(&Arc::default()).minimum_deadline(SECOND));
    let start = Instant::now();
    for status in all_four(&client, Some(SECOND / 2)).await {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(status.message().contains("this server begins none with less than 1s"), "{status}");
    }
    assert!(start.elapsed() < SECOND / 4);
    assert!(client.greet(hello("you")).deadline(2 * SECOND).await.is_ok());
}

/// A handler, as it were, that calls another server and answers nothing itself.
struct Forward {
    to: GreeterClient,
    time_left: Mutex<Option<Duration>>,
}

impl Interceptor for Forward {
    async fn intercept(&self, call: &mut Call, _next: Next<'_>) -> Result<Answer> {
        *self.time_left.lock().unwrap() = call.time_left();
        self.to.greet(hello("for ever")).await?;
        Err(Status::internal("the other server has answered"))
    }
}

/// Two servers behind one another: the client, and the service at the end.
fn chain() -> (GreeterClient, Arc<Plain>, Arc<Forward>) {
    let last = Arc::new(Plain::default());
    let forward = Arc::new(Forward { to: client(server(&last)), time_left: Mutex::default() });
    (client(server(&Arc::default()).intercept(Arc::clone(&forward))), last, forward)
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_carried_to_the_calls_of_a_handler() {
    let (client, last, forward) = chain();
    let status = client.greet(hello("you")).deadline(SECOND).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(last.cancelled().await, CancelReason::Deadline);
    let left = forward.time_left.lock().unwrap().unwrap();
    assert!(left <= SECOND && left > SECOND / 2, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_are_cancelled_as_a_tree() {
    let (client, last, _) = chain();
    let call = tokio::spawn(client.greet(hello("you")));
    last.begun().await;
    call.abort();
    assert_eq!(last.cancelled().await, CancelReason::ClientReset);
    let list = client.list(hello("1")).await.unwrap();
    last.begun().await;
    drop(list);
    assert_eq!(last.cancelled().await, CancelReason::ClientReset);
}

/// An interceptor that gives every call less time than it came with.
struct Hurry(Duration);

impl Interceptor for Hurry {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        call.limit_deadline((Instant::now() + self.0).into_std());
        next.run(call).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_of_a_server_shortens_a_deadline() {
    let plain = Arc::new(Plain::default());
    let client = client(server(&plain).intercept(Hurry(SECOND)));
    let start = Instant::now();
    for (asked, expected) in [(None, SECOND), (Some(9 * SECOND), SECOND), (Some(SECOND / 2), SECOND / 2)] {
        let start = Instant::now();
        for status in all_four(&client, asked).await {
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        }
        let took = start.elapsed();
        assert!(took >= expected && took < expected + SECOND / 4, "{took:?} for {expected:?}");
    }
    assert_eq!(plain.cancelled().await, CancelReason::Deadline);
    assert!(start.elapsed() < 4 * SECOND);
    // The calls of the handler inherit it.
    let (last, forward) = (Arc::new(Plain::default()), Mutex::default());
    let forward = Arc::new(Forward { to: GreeterClient::in_process(Arc::clone(&last)), time_left: forward });
    let hurried = server(&Arc::default()).intercept(Hurry(SECOND)).intercept(forward);
    let status = GreeterClient::new(Channel::to_server(hurried)).greet(hello("you")).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(last.cancelled().await, CancelReason::Deadline);
}

/// Where the server lets no more streams in, waiting counts.
#[tokio::test(start_paused = true)]
async fn a_deadline_passes_while_the_call_waits_for_a_stream() {
    let plain = Arc::new(Plain::default());
    let client = client(server(&plain).http2(Http2Config::default().max_concurrent_streams(1)));
    let first = tokio::spawn(client.greet(hello("for ever")));
    plain.begun().await;
    let start = Instant::now();
    for status in all_four(&client, Some(SECOND)).await {
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert!(status.message().contains("waited for a free stream"), "{status}");
    }
    assert!(start.elapsed() < SECOND + Duration::from_millis(50), "{:?}", start.elapsed());
    first.abort();
    assert_eq!(client.greet(hello("you")).deadline(SECOND).await.unwrap(), hello("Hello you"));
}

/// Where there is no connection to be had, it says what the last attempt said.
#[tokio::test]
async fn a_deadline_passes_while_the_call_waits_for_a_connection() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = format!("ipv4:{}", socket.local_addr().unwrap());
    drop(socket);
    let client = GreeterClient::new(Channel::new(&target).unwrap());
    let status =
        client.greet(hello("you")).wait_for_ready().deadline(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("the last connection error: UNAVAILABLE"), "{status}");
}

/// A handler of a long stream may end it in its own way; what is left when the grace is over ends with a reason.
#[tokio::test]
async fn draining_is_told_and_the_end_has_its_reason() {
    struct Patient;
    impl Interceptor for Patient {
        async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
            if call.spec().client_streaming {
                call.draining().await;
                return Err(Status::aborted("come again"));
            }
            next.run(call).await
        }
    }
    let plain = Arc::new(Plain::default());
    let bound = server(&plain).intercept(Patient).bind(["127.0.0.1:0"]).await.unwrap();
    let client = GreeterClient::new(Channel::new(&bound.addresses()[0].to_string()).unwrap());
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    let (_open, mut chat) = client.chat().await.unwrap();
    let for_ever = tokio::spawn(client.greet(hello("for ever")));
    plain.begun().await;
    let shutdown = tokio::spawn(async move { handle.shutdown(Duration::from_millis(200)).await });
    assert_eq!(chat.next().await.unwrap_err().code(), Code::Aborted);
    assert_eq!(plain.cancelled().await, CancelReason::Shutdown);
    assert_eq!(for_ever.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(shutdown.await.unwrap().cut, 1);
}
