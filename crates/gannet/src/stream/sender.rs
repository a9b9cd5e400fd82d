//! The sending end of a stream of messages.

use super::{Side, StreamPair};
use crate::compression::put_message;
use crate::{Compression, Messages, Output, Result};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Sends the messages of a stream: a handler's responses, a client's requests.
///
/// A client ends its stream with [`Sender::finish`] and nothing else: dropping a sender without it resets the stream,
/// so that a cut upload never looks complete. A handler's stream ends when the handler returns.
pub struct Sender<M> {
    pair: Arc<StreamPair>,
    messages: Messages<M>,
    compress: bool,
}

impl<M> Sender<M> {
    pub(crate) fn new(pair: Arc<StreamPair>, messages: Messages<M>) -> Self {
        Self { pair, messages, compress: true }
    }

    /// Sends a message. Waits while the peer is slow.
    ///
    /// Cancel-safe: dropped while it waits, nothing of the message has been sent.
    ///
    /// # Errors
    /// The status of the call where it has ended; RESOURCE_EXHAUSTED where the message is over the limit for sending.
    pub fn send(&mut self, message: M) -> impl Future<Output = Result<()>> {
        let mut sending = Sending::default();
        poll_fn(move |cx| self.poll_send(cx, &mut sending, &message))
    }

    /// Sends a message that others hold too: it is encoded from where it is, never cloned.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_shared(&mut self, message: &M) -> impl Future<Output = Result<()>> {
        let mut sending = Sending::default();
        poll_fn(move |cx| self.poll_send(cx, &mut sending, message))
    }

    /// Sends a message that was encoded before, in the call's format and without the gRPC prefix.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub fn send_encoded(&mut self, message: bytes::Bytes) -> impl Future<Output = Result<()>> {
        let mut sending = Sending::default();
        poll_fn(move |cx| {
            let facts = &self.pair.facts;
            self.poll_send_with(cx, &mut sending, |out| {
                facts.observers.see(facts.spec, facts.side.sends(), &message)?;
                out.put_bytes(message.clone());
                Ok(())
            })
        })
    }

    /// Whether the messages that follow may be compressed, where the stream is. Default `true`. Off for a message that
    /// holds a secret beside what somebody else may choose (compression.md, Specific Disabling of Compression).
    pub fn compress(&mut self, on: bool) {
        self.compress = on;
    }

    fn poll_send(&self, cx: &mut Context<'_>, sending: &mut Sending, message: &M) -> Poll<Result<()>> {
        let (facts, encode) = (&self.pair.facts, self.messages.encode);
        self.poll_send_with(cx, sending, |out| {
            let start = out.len();
            encode(facts.format, message, out)?;
            facts.observers.see_since(facts.spec, facts.side.sends(), out, start)
        })
    }

    fn poll_send_with(
        &self,
        cx: &mut Context<'_>,
        sending: &mut Sending,
        encode: impl Fn(&mut Output) -> Result<()>,
    ) -> Poll<Result<()>> {
        let (outbox, mut rules) = (&self.pair.outbox, self.pair.facts.outgoing);
        if let Some(packed) = &sending.packed {
            return outbox.poll_send_framed(cx, packed);
        }
        rules.compression = if self.compress { outbox.compression() } else { Compression::Identity };
        if rules.compression == Compression::Identity {
            return outbox.poll_send(cx, &rules, &encode);
        }
        // Compressing takes its time: not under the lock that the connection's task takes as well.
        let mut packed = Output::new();
        put_message(&mut packed, &rules, &encode)?;
        outbox.poll_send_framed(cx, sending.packed.insert(packed.into_bytes()))
    }

    /// Waits until all that was sent has been handed to the connection.
    pub async fn flush(&mut self) {
        poll_fn(|cx| match self.pair.outbox.poll_taken(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        })
        .await;
    }

    /// Drops what was sent and has not left, because the peer does not read: the status that the handler then returns
    /// goes at once, where else it would wait behind the messages. Nothing more can be sent.
    pub fn discard(&mut self) {
        self.pair.outbox.discard();
    }

    /// Ends this side of the stream (the half-close of PROTOCOL-HTTP2): the peer reads to its end.
    pub fn finish(self) {
        self.pair.outbox.finish();
    }
}

/// A message on its way. Sending is no `async fn`: that would keep the message in each of the futures it is made of, for
/// as long as the stream is open.
#[derive(Default)]
struct Sending {
    /// Compressed once, however often there is no room for it.
    packed: Option<bytes::Bytes>,
}

impl<M> Drop for Sender<M> {
    fn drop(&mut self) {
        if self.pair.facts.side == Side::Client {
            self.pair.outbox.abandon();
        }
    }
}

impl<M> std::fmt::Debug for Sender<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sender({})", self.pair.facts.spec.path)
    }
}
