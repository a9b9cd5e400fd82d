//! Whole messages that have come and wait to be read.

use super::Link;
use super::waiting::Waiting;
use crate::compression::Received;
use crate::driver::lock::{Mutex, MutexGuard};
use crate::{Metadata, Result, Status};
use std::task::{Context, Poll, Waker};

/// Credit is given back in pieces of at least this many bytes, or when a message waits for it.
const CREDIT_BATCH_BYTES: usize = 16 * 1024;
/// A message that needs no more than this is on its way before its reader asks for it.
const LENT_UNASKED_BYTES: usize = 64 * 1024;
/// A reader that never waits lets others run after this many messages.
const TURN_MESSAGES: u32 = 256;

/// Whole messages of one stream, not yet decoded: the reader's task decodes, not the connection's.
#[derive(Default)]
pub(crate) struct Inbox(Mutex<Incoming>);

#[derive(Default)]
struct Incoming {
    messages: Waiting,
    /// The peer's first metadata (a client's inbox).
    headers: Option<Metadata>,
    /// The peer's last metadata (a client's inbox).
    trailers: Metadata,
    ended: Option<Result<()>>,
    /// An interceptor has the last word: the end waits here for it.
    held: Option<Box<Held>>,
    /// Bytes of messages so far, without prefixes.
    message_bytes: u64,
    /// Read, but not yet given back to the connection as credit.
    credit: usize,
    turn_messages: u32,
    /// A message is on its way that the window can't carry.
    starving: bool,
    /// The reader is gone; what still comes is thrown away.
    closed: bool,
    /// The reader is gone before the end, and that is to reset the stream (a client's inbox).
    abandoned: bool,
    waiting: Option<Waker>,
    /// On the heap: few calls have an interceptor that waits for their end.
    waiting_for_end: Option<Box<Waker>>,
    link: Option<Link>,
    announced: bool,
}

/// An end that an interceptor has not let through yet.
#[derive(Default)]
struct Held {
    ended: Option<Result<()>>,
}

/// What the connection learns from an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    /// Bytes whose credit goes back to the peer.
    pub(crate) credit: usize,
    /// The reader went away before the end: the stream is to be reset.
    pub(crate) abandoned: bool,
}

impl Inbox {
    /// Joins a connection.
    pub(crate) fn attach(&self, link: Link) {
        let mut incoming = self.lock();
        incoming.link = Some(link);
        incoming.announced = false;
        if incoming.abandoned {
            incoming.announce();
        }
    }

    /// A message has come whole, at the cost of so many bytes of window. Says how much credit can be given back at
    /// once, because nobody will read it.
    pub(crate) fn push(&self, received: Received, cost: usize) -> usize {
        let mut incoming = self.lock();
        if incoming.closed {
            return cost;
        }
        incoming.message_bytes += received.message.len() as u64;
        incoming.messages.push(received, cost);
        incoming.wake();
        0
    }

    /// The peer's headers have come.
    pub(crate) fn set_headers(&self, headers: Metadata) {
        let mut incoming = self.lock();
        incoming.headers = Some(headers);
        incoming.wake();
    }

    /// The peer's trailers have come; the end follows.
    pub(crate) fn set_trailers(&self, trailers: Metadata) {
        self.lock().trailers = trailers;
    }

    /// Nothing more comes. The first end counts; messages that wait are still read.
    pub(crate) fn end(&self, how: Result<()>) {
        let mut incoming = self.lock();
        let held = incoming.held.is_some();
        let ended = match &mut incoming.held {
            Some(held) => &mut held.ended,
            None => &mut incoming.ended,
        };
        ended.get_or_insert(how);
        if let Some(waker) = incoming.waiting_for_end.take() {
            waker.wake();
        }
        if !held {
            incoming.wake();
        }
    }

    /// The reader hears of the end from [`Inbox::release`] alone.
    pub(crate) fn hold(&self) {
        self.lock().held = Some(Box::default());
    }

    /// The end that the reader sees.
    pub(crate) fn release(&self, how: Result<()>) {
        self.lock().held = None;
        self.end(how);
    }

    pub(super) fn is_attached(&self) -> bool {
        self.lock().link.is_some()
    }

    /// Before a further run, where nothing of this one has been given out.
    pub(super) fn restart(&self) -> Result<()> {
        let mut incoming = self.lock();
        if incoming.message_bytes > 0 || !incoming.messages.is_empty() || incoming.headers.is_some() {
            return Err(Status::failed_precondition("the answers of the first run have been read"));
        }
        incoming.held = incoming.held.take().map(|_| Box::default());
        incoming.link = None;
        Ok(())
    }

    /// Bytes of messages so far, without prefixes.
    pub(crate) fn message_bytes(&self) -> u64 {
        self.lock().message_bytes
    }

    /// The next message, or `None` after a good end. Cancel-safe: a message is taken only when it is returned.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Received>>> {
        let mut incoming = self.lock();
        if incoming.turn_messages >= TURN_MESSAGES && !incoming.messages.is_empty() {
            incoming.turn_messages = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some((message, cost)) = incoming.messages.pop() {
            incoming.turn_messages += 1;
            incoming.credit += cost;
            let starving = incoming.messages.is_empty() && std::mem::take(&mut incoming.starving);
            if starving || incoming.credit >= CREDIT_BATCH_BYTES {
                incoming.announce();
            }
            return Poll::Ready(Ok(Some(message)));
        }
        if let Some(end) = &incoming.ended {
            return Poll::Ready(end.clone().map(|()| None));
        }
        incoming.turn_messages = 0;
        incoming.waiting = Some(cx.waker().clone());
        if std::mem::take(&mut incoming.starving) {
            incoming.announce();
        }
        Poll::Pending
    }

    /// The peer's headers; an error where the call ended without any.
    pub(crate) fn poll_headers(&self, cx: &mut Context<'_>) -> Poll<Result<Metadata>> {
        let mut incoming = self.lock();
        if let Some(headers) = &incoming.headers {
            return Poll::Ready(Ok(headers.clone()));
        }
        if let Some(end) = &incoming.ended {
            return Poll::Ready(end.clone().map(|()| Metadata::default()));
        }
        incoming.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The peer's trailers; empty before the end.
    pub(crate) fn trailers(&self) -> Metadata {
        self.lock().trailers.clone()
    }

    /// How the call ended. A second waker beside the reader's: an interceptor waits for the end while messages are read.
    pub(crate) fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut incoming = self.lock();
        let ended = match &incoming.held {
            Some(held) => &held.ended,
            None => &incoming.ended,
        };
        if let Some(end) = ended {
            return Poll::Ready(end.clone());
        }
        incoming.waiting_for_end = Some(Box::new(cx.waker().clone()));
        Poll::Pending
    }

    /// The reader is gone: what waits is thrown away. `reset` asks for the stream's end where it has not come yet.
    pub(crate) fn close(&self, reset: bool) {
        let mut incoming = self.lock();
        incoming.closed = true;
        incoming.credit += incoming.messages.clear();
        incoming.abandoned = reset && incoming.ended.is_none();
        if incoming.credit > 0 || incoming.abandoned {
            incoming.announce();
        }
    }

    /// The connection's side: it will look for news without being told.
    pub(super) fn expect_news(&self) {
        self.lock().announced = true;
    }

    /// The connection's side: what was read since the last time.
    pub(crate) fn take_read(&self) -> Read {
        let mut incoming = self.lock();
        incoming.announced = false;
        Read { credit: std::mem::take(&mut incoming.credit), abandoned: incoming.abandoned }
    }

    /// Whether a begun message may borrow what it needs beyond the window. Much is lent only to a reader that waits for
    /// it: one that sleeps would keep it from the others. `false` has the stream announced again when that changes.
    pub(crate) fn may_borrow(&self, needed: usize) -> bool {
        let mut incoming = self.lock();
        let awaited = incoming.waiting.is_some() || needed <= LENT_UNASKED_BYTES;
        incoming.starving = !incoming.messages.is_empty() || !awaited;
        !incoming.starving
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Incoming {
    fn announce(&mut self) {
        let Some(link) = &self.link else { return };
        if !std::mem::replace(&mut self.announced, true) {
            link.announce();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}
