//! Small calls beside a large stream on the same connection.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod greeter;

use greeter::{GreeterClient, Plain, hello};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many MiB as are quick to move; a GiB is the same four times over.
const MIBS: usize = 256;
/// What may pass a small call by: a window of the stream, which waits for its reader where the answer comes by.
const PASSED_MIBS: usize = 16;

#[tokio::test]
async fn small_calls_beside_a_large_stream() {
    let client = GreeterClient::in_process(Plain::default());
    let read = Arc::new(AtomicUsize::new(0));
    let reader = tokio::spawn({
        let (client, read) = (client.clone(), Arc::clone(&read));
        async move {
            let mut messages = client.list(hello(&format!("{MIBS} MiB"))).await.unwrap();
            while let Some(message) = messages.next().await.unwrap() {
                assert_eq!(message.0.len(), 1 << 20);
                read.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let (mut calls, mut most) = (0, 0);
    while !reader.is_finished() {
        let before = read.load(Ordering::Relaxed);
        assert_eq!(client.greet(hello("you")).await.unwrap().0, "Hello you");
        most = most.max(read.load(Ordering::Relaxed) - before);
        calls += 1;
    }
    reader.await.unwrap();
    assert_eq!(read.load(Ordering::Relaxed), MIBS);
    println!("{calls} calls; at most {most} MiB of the stream passed one");
    assert!(calls >= MIBS / PASSED_MIBS, "{calls} calls while {MIBS} MiB came");
    assert!(most <= PASSED_MIBS, "{most} MiB of the stream passed a call");
}
