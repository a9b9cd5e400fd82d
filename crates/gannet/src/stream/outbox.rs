//! Encoded messages on their way to the connection.

use super::Link;
use crate::compression::{self, put_message};
use crate::driver::lock::{Mutex, MutexGuard};
use crate::{Compression, Metadata, Output, Result, Status};
use bytes::Bytes;
use gannet_core::Prefix;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

/// Above this many bytes in its outbox a sender waits; it is woken when the connection takes them.
pub(crate) const HIGH_WATER_BYTES: usize = 128 * 1024;
/// A sender that never waits lets others run after this much. Each turn is a write and wakes two tasks, so that small
/// turns cost more; large ones make others wait, 512 small messages for about 50 µs.
const TURN_BYTES: u32 = 128 * 1024;
const TURN_MESSAGES: u32 = 512;
/// A stream that waits for its next message keeps no more than this of the memory of those before.
const IDLE_BUFFER_BYTES: usize = 1024;
/// So much of a client's stream is kept to be sent again on another connection, until the server answers.
const KEPT_BYTES: usize = 64 * 1024;

/// Encoded messages of one stream on their way to its connection.
pub(crate) struct Outbox {
    outgoing: Mutex<Outgoing>,
    /// The stream's [`Compression`]. It changes under the lock and before the first message only; senders read it
    /// without.
    compression: AtomicU8,
}

#[derive(Default)]
struct Outgoing {
    bytes: Output,
    /// Response metadata, until the first message takes it along.
    headers: Metadata,
    /// A message or the end has been sent: headers can't change any more.
    headers_gone: bool,
    /// This side has no more to send (a client's half-close).
    finished: bool,
    /// The sender was dropped without finishing.
    abandoned: bool,
    /// What has not left is not to leave any more.
    discarded: bool,
    /// How the call ended, once it has.
    ended: Option<Result<()>>,
    /// Bytes and messages since the sender last let others run.
    turn_bytes: u32,
    turn_messages: u32,
    /// Messages that the connection has not taken.
    messages: u32,
    /// It lets others run now, and goes on after them.
    goes_on: bool,
    /// Bytes of messages so far, without prefixes.
    message_bytes: u64,
    /// What a connection has taken that no server may have seen; `None` where it need not, or can't, be sent again. On the
    /// heap: a server's stream keeps nothing.
    #[expect(clippy::box_collection, reason = "a third of the room where there is none")]
    kept: Option<Box<Vec<u8>>>,
    waiting: Option<Waker>,
    link: Option<Link>,
    announced: bool,
}

/// What the connection took out of an [`Outbox`].
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The response metadata, once: with the first message.
    pub(crate) headers: Option<Metadata>,
    /// Nothing comes after these bytes.
    pub(crate) finished: bool,
    /// The sender went away without finishing: the stream is to be reset.
    pub(crate) abandoned: bool,
    /// What waits in the connection goes too.
    pub(crate) discarded: bool,
    /// How many messages these bytes are.
    pub(crate) messages: u64,
}

impl Outbox {
    pub(crate) fn new(compression: Compression) -> Self {
        Self { outgoing: Mutex::default(), compression: AtomicU8::new(compression as u8) }
    }

    /// What the stream's messages are compressed with, where they get smaller by it.
    pub(crate) fn compression(&self) -> Compression {
        Compression::of(self.compression.load(Ordering::Relaxed))
    }

    /// Sets the compression, while that is possible: `grpc-encoding` goes with the headers.
    pub(crate) fn set_compression(&self, compression: Compression) -> Result<()> {
        let out = self.lock();
        if out.headers_gone {
            return Err(Status::failed_precondition(
                "compression must be set before the first message is sent",
            ));
        }
        self.compression.store(compression as u8, Ordering::Relaxed);
        Ok(())
    }

    /// Joins a connection; what has been sent so far is announced.
    pub(crate) fn attach(&self, link: Link) {
        let mut out = self.lock();
        out.link = Some(link);
        out.announced = false;
        if !out.bytes.is_empty() || out.finished || out.abandoned {
            out.announce();
        }
    }

    /// Adds response metadata, while that is possible.
    pub(crate) fn change_headers(&self, change: impl FnOnce(&mut Metadata) -> Result<()>) -> Result<()> {
        let mut out = self.lock();
        if out.headers_gone {
            return Err(Status::failed_precondition(
                "response metadata must be set before the first message is sent",
            ));
        }
        change(&mut out.headers)
    }

    /// Appends one message as soon as there is room. Cancel-safe: while it is pending nothing has been sent.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        rules: &compression::Outgoing,
        encode: impl FnOnce(&mut Output) -> Result<()>,
    ) -> Poll<Result<()>> {
        let mut out = self.lock();
        std::task::ready!(out.poll_room(cx))?;
        let len = put_message(&mut out.bytes, rules, encode)?;
        out.count(len, Prefix::LEN);
        Poll::Ready(Ok(()))
    }

    /// As [`Outbox::poll_send`], for a message that has its prefix.
    pub(crate) fn poll_send_framed(&self, cx: &mut Context<'_>, message: &Bytes) -> Poll<Result<()>> {
        self.poll_send_bytes(cx, message, Prefix::LEN)
    }

    /// As [`Outbox::poll_send`], for bytes that are no gRPC message.
    pub(crate) fn poll_send_raw(&self, cx: &mut Context<'_>, bytes: &Bytes) -> Poll<Result<()>> {
        self.poll_send_bytes(cx, bytes, 0)
    }

    fn poll_send_bytes(&self, cx: &mut Context<'_>, bytes: &Bytes, prefix: usize) -> Poll<Result<()>> {
        let mut out = self.lock();
        std::task::ready!(out.poll_room(cx))?;
        out.bytes.put_bytes(bytes.clone());
        out.count(bytes.len(), prefix);
        Poll::Ready(Ok(()))
    }

    /// Waits until the connection has taken everything, or the call is over.
    pub(crate) fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut out = self.lock();
        if out.ended.is_some() || out.bytes.is_empty() {
            return Poll::Ready(());
        }
        out.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Half-close: nothing more will be sent.
    pub(crate) fn finish(&self) {
        let mut out = self.lock();
        out.finished = true;
        out.announce();
    }

    /// Drops what has not left, here now and in the connection with the call's end.
    pub(crate) fn discard(&self) {
        let mut out = self.lock();
        out.bytes.clear();
        out.messages = 0;
        out.discarded = true;
    }

    /// The sender is gone. Without a half-close or an end the stream must not look complete.
    pub(crate) fn abandon(&self) {
        let mut out = self.lock();
        if !out.finished && out.ended.is_none() {
            out.abandoned = true;
            out.announce();
        }
    }

    /// Bytes of messages so far, without prefixes.
    pub(crate) fn message_bytes(&self) -> u64 {
        self.lock().message_bytes
    }

    pub(super) fn restart(&self) {
        self.lock().ended = None;
    }

    /// A client's: what the connection takes is kept, for an attempt that no server sees.
    pub(super) fn keep(&self) {
        self.lock().kept = Some(Box::default());
    }

    /// The server has begun to answer: nothing will be sent again.
    pub(crate) fn commit(&self) {
        self.lock().kept = None;
    }

    /// Puts back what a connection has taken. `false` where that is more than was kept.
    pub(crate) fn rewind(&self) -> bool {
        let mut out = self.lock();
        let Some(kept) = out.kept.replace(Box::default()) else { return false };
        let mut rest = std::mem::take(&mut out.bytes);
        out.bytes.put_slice(&kept);
        out.bytes.append(&mut rest);
        true
    }

    /// The connection's side: it will look for news without being told.
    pub(super) fn expect_news(&self) {
        self.lock().announced = true;
    }

    /// The connection's side: moves all that waits to `target` and wakes the sender.
    pub(crate) fn take(&self, target: &mut Output) -> Taken {
        let mut out = self.lock();
        out.announced = false;
        let taken = Taken {
            headers: (!out.bytes.is_empty()).then(|| std::mem::take(&mut out.headers)),
            finished: out.finished,
            abandoned: out.abandoned,
            discarded: out.discarded,
            messages: std::mem::take(&mut out.messages).into(),
        };
        out.keep_taken();
        // What was in the target's buffer before is now in this one: the two take turns.
        target.append(&mut out.bytes);
        let waker = out.waiting.take();
        if !out.goes_on && waker.is_none() {
            out.bytes.give_back_above(IDLE_BUFFER_BYTES);
        }
        drop(out);
        if let Some(waker) = waker {
            waker.wake();
        }
        taken
    }

    /// The response metadata that no message took along, for an answer that has none.
    pub(crate) fn take_headers(&self) -> Metadata {
        let mut out = self.lock();
        out.headers_gone = true;
        std::mem::take(&mut out.headers)
    }

    /// The call is over: a sender that somebody kept gets an error, not a hole. What was sent before stays to be
    /// taken. The first end counts.
    pub(crate) fn end(&self, how: Result<()>) {
        let mut out = self.lock();
        if out.ended.is_none() {
            out.ended = Some(how);
        }
        let waker = out.waiting.take();
        drop(out);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        // A panic in an encoder leaves the outbox as it was: `put_message` only ever appends.
        self.outgoing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Outgoing {
    /// Ready when there is room for a message, an error when there will never be.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(end) = &self.ended {
            return Poll::Ready(Err(end.clone().err().unwrap_or_else(call_has_ended)));
        }
        if self.finished || self.discarded {
            return Poll::Ready(Err(Status::failed_precondition("this stream has been finished")));
        }
        if self.bytes.len() >= HIGH_WATER_BYTES {
            self.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if self.turn_bytes >= TURN_BYTES || self.turn_messages >= TURN_MESSAGES {
            (self.turn_bytes, self.turn_messages) = (0, 0);
            self.goes_on = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.goes_on = false;
        Poll::Ready(Ok(()))
    }

    fn count(&mut self, len: usize, prefix: usize) {
        self.message_bytes += (len - prefix) as u64;
        self.turn_bytes = self.turn_bytes.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        self.turn_messages += 1;
        self.messages += 1;
        self.headers_gone = true;
        self.announce();
    }

    /// Keeps what is about to be taken, while it is not too much.
    fn keep_taken(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        if kept.len() + self.bytes.len() > KEPT_BYTES {
            self.kept = None;
        } else if !self.bytes.is_empty() {
            kept.extend_from_slice(&self.bytes.to_vec());
        }
    }

    fn announce(&mut self) {
        let Some(link) = &self.link else { return };
        if !std::mem::replace(&mut self.announced, true) {
            link.announce();
        }
    }
}

fn call_has_ended() -> Status {
    Status::failed_precondition("the call has ended; nothing more can be sent")
}
