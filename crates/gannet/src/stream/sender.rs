//! The sending end of a stream of messages.

use super::{Side, StreamPair};
use crate::{Messages, Result};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

/// Sends the messages of a stream: a handler's responses, a client's requests.
///
/// A client ends its stream with [`Sender::finish`] and nothing else: dropping a sender without it resets the stream,
/// so that a cut upload never looks complete. A handler's stream ends when the handler returns.
pub struct Sender<M> {
    pair: Arc<StreamPair>,
    messages: Messages<M>,
}

impl<M> Sender<M> {
    pub(crate) fn new(pair: Arc<StreamPair>, messages: Messages<M>) -> Self {
        Self { pair, messages }
    }

    /// Sends a message. Waits while the peer is slow.
    ///
    /// Cancel-safe: dropped while it waits, nothing of the message has been sent.
    ///
    /// # Errors
    /// The status of the call where it has ended; RESOURCE_EXHAUSTED where the message is over the limit for sending.
    pub async fn send(&mut self, message: M) -> Result<()> {
        self.send_shared(&message).await
    }

    /// Sends a message that others hold too: it is encoded from where it is, never cloned.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn send_shared(&mut self, message: &M) -> Result<()> {
        let facts = &self.pair.facts;
        poll_fn(|cx| {
            self.pair.outbox.poll_send(cx, facts.max_encoded_message, |out| {
                let start = out.len();
                (self.messages.encode)(facts.format, message, out)?;
                facts.observers.see_since(facts.spec, facts.side.sends(), out, start)
            })
        })
        .await
    }

    /// Sends a message that was encoded before, in the call's format and without the gRPC prefix.
    ///
    /// # Errors
    /// As [`Sender::send`].
    pub async fn send_encoded(&mut self, message: bytes::Bytes) -> Result<()> {
        let facts = &self.pair.facts;
        poll_fn(|cx| {
            self.pair.outbox.poll_send(cx, facts.max_encoded_message, |out| {
                facts.observers.see(facts.spec, facts.side.sends(), &message)?;
                out.put_bytes(message.clone());
                Ok(())
            })
        })
        .await
    }

    /// Waits until all that was sent has been handed to the connection.
    pub async fn flush(&mut self) {
        poll_fn(|cx| match self.pair.outbox.poll_taken(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        })
        .await;
    }

    /// Ends this side of the stream (the half-close of PROTOCOL-HTTP2): the peer reads to its end.
    pub fn finish(self) {
        self.pair.outbox.finish();
    }
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
