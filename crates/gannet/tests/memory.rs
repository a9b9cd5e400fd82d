//! What calls cost in memory: allocations of a unary call, bytes of an idle stream.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unsafe_code, reason = "an allocator that counts is an unsafe trait")]

mod greeter;

use gannet::interceptors::ConcurrencyLimit;
use gannet::{Channel, ListenAddress, Server, ServerHandle};
use greeter::{GreeterClient, GreeterServer, Plain, hello};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Counts what the threads allocate that asked for it.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicU64 = AtomicU64::new(0);
/// One at a time: the counters are the process's.
static TURN: Mutex<()> = Mutex::new(());

thread_local! {
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: the system's allocator does the work; the counters do not touch the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTED.get() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        LIVE_BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A server whose thread is counted; its client's is not.
fn counted_server(inline_limit: Duration) -> String {
    let (send, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        COUNTED.set(true);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let greeter = GreeterServer::new(Plain::default());
            let bound = Server::new().add(greeter).inline_limit(inline_limit).bind(["127.0.0.1:0"]).await;
            let bound = bound.unwrap();
            let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
            send.send(format!("ipv4:{address}")).unwrap();
            bound.serve().await;
        });
    });
    address.recv().unwrap()
}

/// What a call allocates on the server beside the texts of its request and its answer: its future and the handler's;
/// where it is spawned its task as well, and what else is used again (its block, its token, the room for its answer).
#[test]
fn allocations_of_a_unary_call() {
    const TEXTS: f64 = 2.0;
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (quick, never) = (Duration::from_secs(10), Duration::ZERO);
    for (inline_limit, at_once, most) in
        [(quick, 100, 2.1), (quick, 1, 2.1), (never, 100, 6.0), (never, 1, 6.0)]
    {
        let client = GreeterClient::new(Channel::new(&counted_server(inline_limit)).unwrap());
        let rounds = 1000 / at_once;
        let calls = || async {
            for _ in 0..rounds {
                let calls: Vec<_> = (0..at_once).map(|_| tokio::spawn(client.greet(hello("you")))).collect();
                for call in calls {
                    call.await.unwrap().unwrap();
                }
            }
        };
        // Pools and tables fill up first.
        runtime.block_on(calls());
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        runtime.block_on(calls());
        let each = (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64 / 1000.0 - TEXTS;
        println!("{at_once} at once, {inline_limit:?} for a first poll: {each} allocations a call");
        assert!(each <= most, "{each} allocations a call with {at_once} at once");
    }
}

/// Both ends of a stream that waits for its next message, in one process; and nothing of it is left at its end.
#[test]
fn memory_of_a_thousand_idle_chats() {
    // What is asked for, on 64 bits: the handler stays in its connection's task, or has one of its own.
    memory_of_idle_chats(Server::new().inline_limit(Duration::from_secs(10)), IDLE_CHAT_BYTES);
    memory_of_idle_chats(Server::new().always_spawn(), IDLE_CHAT_BYTES + 260);
}

const IDLE_CHAT_BYTES: usize = 2540;

fn memory_of_idle_chats(server: Server, most: usize) {
    const CHATS: usize = 1000;
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let http2 = gannet::Http2Config::default().max_concurrent_streams(2000).receive_budget(256 << 20);
        let server = server.add(GreeterServer::new(Plain::default())).http2(http2);
        let client = GreeterClient::new(Channel::to_server(server));
        let _first = chat(&client).await;
        let open = async || {
            let mut chats = Vec::with_capacity(CHATS);
            for _ in 0..CHATS {
                chats.push(chat(&client).await);
            }
            chats
        };
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        let chats = open().await;
        let each = (LIVE_BYTES.load(Ordering::Relaxed) - before) as usize / CHATS;
        println!("{each} bytes for both ends of an idle chat");
        assert!(each <= most, "{each} bytes for both ends of an idle chat");
        // Most come to their end, some are reset; by the second call after them the server has heard of all.
        let closed = async |chats: Vec<(gannet::Sender<_>, gannet::Receiver<_>)>| {
            for (number, (outbound, mut inbound)) in chats.into_iter().enumerate() {
                if number % 10 > 0 {
                    outbound.finish();
                    assert!(inbound.next().await.unwrap().is_none());
                }
            }
            for _ in 0..2 {
                client.greet(hello("you")).await.unwrap();
            }
            LIVE_BYTES.load(Ordering::Relaxed) as usize
        };
        // The tables keep their room: a second thousand finds it there, and leaves nothing else.
        let after_one = closed(chats).await;
        let after_two = closed(open().await).await;
        assert!(
            after_two <= after_one + 20 * CHATS,
            "{after_one} bytes, and {after_two} after as many chats"
        );
    });
}

/// A server and its client, in one process, over a socket.
async fn over_a_socket(server: Server) -> (GreeterClient, Arc<Plain>, ServerHandle) {
    let plain = Arc::new(Plain::default());
    let server = server.add(GreeterServer::from_arc(Arc::clone(&plain)));
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let channel = Channel::new(&format!("ipv4:{}", bound.addresses()[0])).unwrap();
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    (GreeterClient::new(channel), plain, handle)
}

/// Requests of a few bytes that come one by one, to a handler that waits: none keeps the buffer that it was read into,
/// whether the request is read once, may be read again for an interceptor, or is read by a task that begins later.
#[test]
fn memory_of_calls_that_wait() {
    memory_of_calls_that_wait_on(Server::new());
    memory_of_calls_that_wait_on(Server::new().intercept(ConcurrencyLimit::new(1000)));
    memory_of_calls_that_wait_on(Server::new().always_spawn());
}

fn memory_of_calls_that_wait_on(server: Server) {
    const CALLS: usize = 200;
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, plain, _handle) = over_a_socket(server).await;
        let mut calls = Vec::new();
        let mut before = 0;
        for number in 0..=CALLS {
            calls.push(tokio::spawn(client.greet(hello("for ever"))));
            plain.begun().await;
            if number == 0 {
                before = LIVE_BYTES.load(Ordering::Relaxed);
            }
        }
        let each = (LIVE_BYTES.load(Ordering::Relaxed) - before) as usize / CALLS;
        println!("{each} bytes for both ends of a call that waits");
        assert!(each <= 10 * 1024, "{each} bytes for both ends of a call that waits");
    });
}

/// Messages of one byte that nobody reads cost their windows six bytes each, and not many times that in memory.
#[test]
fn memory_of_tiny_messages_that_nobody_reads() {
    const MESSAGES: usize = 20_000;
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, plain, handle) = over_a_socket(Server::new()).await;
        let (mut outbound, _inbound) = client.chat().await.unwrap();
        outbound.send(hello("for ever")).await.unwrap();
        plain.begun().await;
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        for _ in 0..MESSAGES {
            outbound.send(hello("x")).await.unwrap();
        }
        // As many as the window lets through.
        while handle.load().held_bytes < 48 * 1024 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let all = (LIVE_BYTES.load(Ordering::Relaxed) - before) as usize;
        println!("{all} bytes for {MESSAGES} messages of one byte at both ends");
        assert!(all <= 3 * 6 * MESSAGES, "{all} bytes for {MESSAGES} messages of one byte at both ends");
    });
}

async fn chat(client: &GreeterClient) -> (gannet::Sender<greeter::Hello>, gannet::Receiver<greeter::Hello>) {
    let (mut outbound, mut inbound) = client.chat().await.unwrap();
    outbound.send(hello("hi")).await.unwrap();
    inbound.next().await.unwrap().unwrap();
    (outbound, inbound)
}
