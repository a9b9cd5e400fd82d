//! Models of what a user's task and the driver share, run by loom in every order of their steps:
//! `cargo xtask loom`.

use super::{Mail, Mailbox};
use crate::compression::{Outgoing, Received};
use crate::stream::{HIGH_WATER_BYTES, Home, Inbox, Link, Outbox};
use crate::{Compression, Output};
use bytes::Bytes;
use gannet_http2::{Config, Connection, Fields, StreamKey};
use loom::future::block_on;
use loom::sync::atomic::{AtomicU32, Ordering};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A key; which stream it names is nothing to the model.
#[expect(clippy::disallowed_methods, reason = "a connection wants a time")]
fn key() -> StreamKey {
    let mut http2 = Connection::client(Config::default(), std::time::Instant::now());
    http2.open(&Fields::new(), false).unwrap()
}

/// Every order of steps in which a thread is interrupted at most three times: what more interruptions find, fewer
/// nearly always find too, and without a bound the larger model takes minutes.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut explorer = loom::model::Builder::new();
    explorer.preemption_bound = Some(3);
    explorer.check(model);
}

/// The driver: takes what is announced until the stream is finished, and sleeps where there is nothing.
fn poll_driver(cx: &mut Context<'_>, mailbox: &Mailbox, outbox: &Outbox, got: &mut Output) -> Poll<()> {
    let mut mail = Mail::default();
    loop {
        mailbox.take(&mut mail);
        for _ in mail.streams.drain(..) {
            let mut piece = Output::new();
            let taken = outbox.take(&mut piece);
            got.append(&mut piece);
            if taken.finished {
                return Poll::Ready(());
            }
        }
        if mailbox.sleep(cx.waker()) {
            return Poll::Pending;
        }
    }
}

fn stream(key: StreamKey) -> (Arc<Mailbox>, Arc<Outbox>) {
    let (mailbox, outbox) = (Arc::new(Mailbox::default()), Arc::new(Outbox::new(Compression::Identity)));
    outbox.attach(Link { mailbox: Arc::clone(&mailbox), key });
    (mailbox, outbox)
}

fn send(outbox: &Outbox, size: usize) {
    let rules = Outgoing { max_bytes: usize::MAX, ..Outgoing::default() };
    let message = vec![7; size];
    let sent = block_on(poll_fn(|cx| {
        outbox.poll_send(cx, &rules, |out| {
            out.put_slice(&message);
            Ok(())
        })
    }));
    sent.unwrap();
}

/// Empty → non-empty against take: the driver never sleeps on a message.
#[test]
fn no_message_is_left_behind() {
    let key = key();
    explore(move || {
        let (mailbox, outbox) = stream(key);
        let sender = loom::thread::spawn({
            let outbox = Arc::clone(&outbox);
            move || {
                send(&outbox, 1);
                send(&outbox, 2);
                outbox.finish();
            }
        });
        let mut got = Output::new();
        block_on(poll_fn(|cx| poll_driver(cx, &mailbox, &outbox, &mut got)));
        sender.join().unwrap();
        assert_eq!(got.len(), 5 + 1 + 5 + 2);
    });
}

/// A sender that waits for room is woken by the driver that takes.
#[test]
fn no_sender_waits_for_ever() {
    let key = key();
    explore(move || {
        let (mailbox, outbox) = stream(key);
        let sender = loom::thread::spawn({
            let outbox = Arc::clone(&outbox);
            move || {
                send(&outbox, HIGH_WATER_BYTES);
                send(&outbox, 1);
                outbox.finish();
            }
        });
        let mut got = Output::new();
        block_on(poll_fn(|cx| poll_driver(cx, &mailbox, &outbox, &mut got)));
        sender.join().unwrap();
        assert_eq!(got.len(), 5 + HIGH_WATER_BYTES + 5 + 1);
    });
}

/// A reader gets every message and the end, whatever comes when.
#[test]
fn no_reader_waits_for_ever() {
    explore(|| {
        let inbox = Arc::new(Inbox::default());
        let driver = loom::thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || {
                let received =
                    Received { message: Bytes::from_static(b"a"), compression: Compression::Identity };
                inbox.push(received, 6);
                inbox.end(Ok(()));
            }
        });
        let first = block_on(poll_fn(|cx| inbox.poll_next(cx))).unwrap();
        assert_eq!(first.unwrap().message, "a");
        assert!(block_on(poll_fn(|cx| inbox.poll_next(cx))).unwrap().is_none());
        driver.join().unwrap();
    });
}

/// A handler that stays with its connection is polled after every wake-up, and sees what was done before it.
#[test]
fn no_wake_up_is_lost() {
    let key = key();
    explore(move || {
        let mailbox = Arc::new(Mailbox::default());
        let home = Arc::new(Home::new(Link { mailbox: Arc::clone(&mailbox), key }));
        let done = Arc::new(AtomicU32::new(0));
        let wakers = [(); 2].map(|()| {
            let (home, done) = (Arc::clone(&home), Arc::clone(&done));
            loom::thread::spawn(move || {
                done.fetch_add(1, Ordering::Relaxed);
                home.wake();
            })
        });
        let mut polls = 0;
        block_on(poll_fn(|cx| poll_handler(cx, &mailbox, &home, &done, &mut polls)));
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert!(polls <= 2, "{polls} polls for two wake-ups");
    });
}

/// The driver: polls its one handler when that is woken, until both have been heard.
fn poll_handler(
    cx: &mut Context<'_>,
    mailbox: &Mailbox,
    home: &Home,
    done: &AtomicU32,
    polls: &mut u32,
) -> Poll<()> {
    let mut mail = Mail::default();
    loop {
        mailbox.take(&mut mail);
        for _ in mail.woken.drain(..) {
            loop {
                home.begin_poll();
                *polls += 1;
                if done.load(Ordering::Relaxed) == 2 {
                    return Poll::Ready(());
                }
                if !home.end_poll() {
                    break;
                }
            }
        }
        if mailbox.sleep(cx.waker()) {
            return Poll::Pending;
        }
    }
}
