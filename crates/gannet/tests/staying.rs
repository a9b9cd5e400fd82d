//! Handlers of streams that stay in their connection's task, and those that have to leave it: what a user sees of it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

mod greeter;

use gannet::codegen::*;
use gannet::{CancelReason, Cancellation, Channel, Code, Server};
use greeter::{GREETER, GreeterClient, HELLO, Hello, hello};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;

/// Whatever a poll takes on this machine.
const LONG: Duration = Duration::from_secs(60);

/// Answers every chat in its own way.
struct Chats<F>(F);

impl<F, C> Service for Chats<F>
where
    F: Fn(Cancellation, Receiver<Hello>, Sender<Hello>) -> C + Send + Sync + 'static,
    C: Future<Output = Result<()>> + Send,
{
    fn spec(&self) -> &'static ServiceSpec {
        &GREETER
    }
    fn call<'a>(&'a self, _method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let (requests, responses) = (call.receiver(HELLO)?, call.sender(HELLO)?);
            (self.0)(call.cancellation(), requests, responses).await?;
            Ok(Answer::Streamed)
        })
    }
}

type Chat = (Sender<Hello>, Receiver<Hello>);

async fn chat(client: &GreeterClient) -> Chat {
    client.chat().await.unwrap()
}

async fn ask(chat: &mut Chat, text: &str) -> Result<String> {
    chat.0.send(hello(text)).await?;
    let answer = timeout(LONG, chat.1.next()).await.unwrap()?;
    Ok(answer.unwrap().0)
}

/// Answers with the task that its handler runs in, after so long a poll.
fn tasks(poll: Duration) -> Server {
    Server::new().add(Chats(
        move |_, mut requests: Receiver<Hello>, mut responses: Sender<Hello>| async move {
            while requests.next().await?.is_some() {
                std::thread::sleep(poll);
                responses.send(hello(&tokio::task::id().to_string())).await?;
            }
            Ok(())
        },
    ))
}

#[tokio::test]
async fn quick_streams_stay_in_their_connections_task() {
    for (server, stay) in
        [(tasks(Duration::ZERO).inline_limit(LONG), true), (tasks(Duration::ZERO).always_spawn(), false)]
    {
        let client = GreeterClient::new(Channel::to_server(server));
        let (mut one, mut other) = (chat(&client).await, chat(&client).await);
        let task = ask(&mut one, "where").await.unwrap();
        for _ in 0..10 {
            assert_eq!(ask(&mut one, "where").await.unwrap(), task);
            assert_eq!(ask(&mut other, "where").await.unwrap() == task, stay);
        }
    }
}

#[tokio::test]
async fn a_stream_whose_polls_turn_out_long_gets_a_task_of_its_own() {
    let limit = Duration::from_millis(1);
    let client = GreeterClient::new(Channel::to_server(tasks(3 * limit).inline_limit(limit)));
    let mut slow = chat(&client).await;
    let first = ask(&mut slow, "where").await.unwrap();
    let mut last = first.clone();
    for _ in 0..20 {
        last = ask(&mut slow, "where").await.unwrap();
    }
    assert_ne!(last, first);
    assert_eq!(ask(&mut slow, "where").await.unwrap(), last, "it has moved once and for all");
    // What was learnt holds for the method: the next one leaves with its first message.
    assert_ne!(ask(&mut chat(&client).await, "where").await.unwrap(), first);
}

#[tokio::test]
async fn a_panic_in_a_later_poll_is_that_calls_own() {
    let server = Server::new().inline_limit(LONG).add(Chats(
        async |_, mut requests: Receiver<Hello>, mut responses: Sender<Hello>| {
            while let Some(message) = requests.next().await? {
                assert_ne!(message.0, "panic", "on purpose");
                responses.send(message).await?;
            }
            Ok(())
        },
    ));
    let client = GreeterClient::new(Channel::to_server(server));
    let (mut one, mut other) = (chat(&client).await, chat(&client).await);
    assert_eq!(ask(&mut one, "a").await.unwrap(), "a");
    let status = ask(&mut one, "panic").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "the handler panicked"));
    assert_eq!(ask(&mut other, "b").await.unwrap(), "b");
}

/// How handlers ended.
type Ends = mpsc::UnboundedSender<Option<CancelReason>>;

/// Tells when it is dropped, and why.
struct Guard {
    cancellation: Cancellation,
    ends: Ends,
    panics: bool,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.ends.send(self.cancellation.reason()).unwrap();
        assert!(!self.panics, "on purpose, in a destructor");
    }
}

/// Echoes, and tells how each handler was dropped.
fn guarded(ends: Ends) -> Server {
    let echo = move |cancellation, mut requests: Receiver<Hello>, mut responses: Sender<Hello>| {
        let guard = Guard { cancellation, ends: ends.clone(), panics: true };
        async move {
            let _guard = guard;
            while let Some(message) = requests.next().await? {
                responses.send(message).await?;
            }
            pending().await
        }
    };
    Server::new().add(Chats(echo)).end_on_drain("/demo.Greeter/Chat")
}

/// Whatever ends a call drops its handler, wherever that waits; a destructor that panics does no harm.
#[test]
fn every_end_drops_the_handler() {
    for spawned in [false, true] {
        let (sender, mut ends) = mpsc::unbounded_channel();
        let server = guarded(sender).inline_limit(LONG);
        let server = if spawned { server.always_spawn() } else { server };
        let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (target, handle) = here.block_on(async {
            let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
            let (target, handle) = (format!("ipv4:{}", bound.addresses()[0]), bound.handle());
            tokio::spawn(bound.serve());
            (target, handle)
        });
        let connect = || GreeterClient::new(Channel::new(&target).unwrap());
        here.block_on(async {
            let client = connect();
            let mut next_end = async || timeout(LONG, ends.recv()).await.unwrap().unwrap();
            let mut other = chat(&client).await;
            ask(&mut other, "first").await.unwrap();

            let mut reset = chat(&client).await;
            ask(&mut reset, "a").await.unwrap();
            drop(reset);
            assert_eq!(next_end().await, Some(CancelReason::ClientReset));

            let mut late = client.chat().deadline(Duration::from_millis(100)).await.unwrap();
            ask(&mut late, "a").await.unwrap();
            assert_eq!(late.1.next().await.unwrap_err().code(), Code::DeadlineExceeded);
            assert_eq!(next_end().await, Some(CancelReason::Deadline));
            ask(&mut other, "still here").await.unwrap();

            let elsewhere = std::thread::spawn({
                let client = connect();
                move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async { ask(&mut chat(&client).await, "a").await.unwrap() });
                    // The connection goes with the runtime.
                }
            });
            assert!(matches!(
                next_end().await,
                Some(CancelReason::ConnectionLost | CancelReason::ClientReset)
            ));
            elsewhere.join().unwrap();

            ask(&mut other, "still here").await.unwrap();
            let report = handle.shutdown(LONG).await;
            assert_eq!((next_end().await, report.cut), (Some(CancelReason::Shutdown), 0));
            assert_eq!(other.1.next().await.unwrap_err().code(), Code::Unavailable);
        });
    }
}

/// The connection's own end, where its calls had no chance to be told before.
#[test]
fn a_server_that_is_dropped_drops_its_handlers() {
    let (sender, mut ends) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = GreeterClient::new(Channel::to_server(guarded(sender).inline_limit(LONG)));
    let mut open = runtime.block_on(chat(&client));
    runtime.block_on(async { ask(&mut open, "a").await.unwrap() });
    drop(runtime);
    assert_eq!(ends.try_recv().unwrap(), Some(CancelReason::ConnectionLost));
}

/// A handler that wakes itself in every poll has its turns, and lets everybody else have theirs.
#[tokio::test]
async fn a_handler_that_never_rests_stops_nobody() {
    let polls = Arc::new(AtomicU32::new(0));
    let (sender, mut ends) = mpsc::unbounded_channel();
    let counted = Arc::clone(&polls);
    let server = Server::new().inline_limit(LONG).add(Chats(
        move |cancellation, mut requests: Receiver<Hello>, mut responses: Sender<Hello>| {
            let polls = Arc::clone(&counted);
            let guard = Guard { cancellation, ends: sender.clone(), panics: false };
            async move {
                let _guard = guard;
                while let Some(message) = requests.next().await? {
                    if message.0 == "spin" {
                        poll_fn(|cx| {
                            polls.fetch_add(1, Ordering::Relaxed);
                            cx.waker().wake_by_ref();
                            Poll::<()>::Pending
                        })
                        .await;
                    }
                    responses.send(message).await?;
                }
                Ok(())
            }
        },
    ));
    let client = GreeterClient::new(Channel::to_server(server));
    let mut spinning = chat(&client).await;
    spinning.0.send(hello("spin")).await.unwrap();
    let mut other = chat(&client).await;
    for _ in 0..10 {
        let before = polls.load(Ordering::Relaxed);
        assert_eq!(ask(&mut other, "a").await.unwrap(), "a");
        assert!(polls.load(Ordering::Relaxed) > before, "it goes on");
    }
    drop(spinning);
    assert_eq!(timeout(LONG, ends.recv()).await.unwrap().unwrap(), Some(CancelReason::ClientReset));
}

/// What one handler does wakes the others of its connection, and those of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_wake_each_other() {
    const CHATS: usize = 20;
    let room = broadcast::Sender::<Hello>::new(1000);
    let server = Server::new().inline_limit(LONG).add(Chats(
        move |_, mut requests: Receiver<Hello>, mut responses: Sender<Hello>| {
            let room = room.clone();
            async move {
                let mut heard = room.subscribe();
                responses.send(hello("welcome")).await?;
                loop {
                    tokio::select! {
                        said = requests.next() => match said? {
                            Some(said) => drop(room.send(said)),
                            None => return Ok(()),
                        },
                        said = heard.recv() => responses.send(said.unwrap()).await?,
                    }
                }
            }
        },
    ));
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let target = format!("ipv4:{}", bound.addresses()[0]);
    tokio::spawn(bound.serve());
    let clients: Vec<_> = (0..2).map(|_| GreeterClient::new(Channel::new(&target).unwrap())).collect();
    let mut chats = Vec::new();
    for number in 0..CHATS {
        let mut chat = chat(&clients[number % 2]).await;
        assert_eq!(chat.1.next().await.unwrap(), Some(hello("welcome")));
        chats.push(chat);
    }
    for chat in &mut chats {
        for _ in 0..10 {
            chat.0.send(hello("to all")).await.unwrap();
        }
    }
    for (_outbound, inbound) in &mut chats {
        for _ in 0..10 * CHATS {
            assert_eq!(timeout(LONG, inbound.next()).await.unwrap().unwrap(), Some(hello("to all")));
        }
    }
}

/// A handler's sender in another task is heard while the handler waits here, and while it is polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_in_another_task_is_heard() {
    const MESSAGES: usize = 2000;
    let server = Server::new().inline_limit(LONG).add(Chats(
        async |_, mut requests: Receiver<Hello>, mut responses: Sender<Hello>| {
            let (answers, mut to_send) = mpsc::unbounded_channel();
            let sending = tokio::spawn(async move {
                while let Some(answer) = to_send.recv().await {
                    responses.send(answer).await?;
                }
                Ok::<(), Status>(())
            });
            while let Some(message) = requests.next().await? {
                answers.send(message).unwrap();
            }
            drop(answers);
            sending.await.unwrap()
        },
    ));
    let client = GreeterClient::new(Channel::to_server(server));
    let (mut outbound, mut inbound) = chat(&client).await;
    let asking = tokio::spawn(async move {
        for number in 0..MESSAGES {
            outbound.send(hello(&number.to_string())).await?;
        }
        outbound.finish();
        Ok::<(), Status>(())
    });
    for number in 0..MESSAGES {
        let answer = timeout(LONG, inbound.next()).await.unwrap().unwrap();
        assert_eq!(answer, Some(hello(&number.to_string())));
    }
    assert_eq!(timeout(LONG, inbound.next()).await.unwrap().unwrap(), None);
    asking.await.unwrap().unwrap();
}
