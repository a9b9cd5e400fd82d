//! The receiving end of a stream of messages.

use super::{Side, StreamPair};
use crate::server::COUNTED_FROM_BYTES;
use crate::{Compression, Messages, Metadata, Result};
use futures_core::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Reads the messages of a stream: a handler's requests, a client's responses.
///
/// On a client, dropping it before the end resets the stream.
pub struct Receiver<M> {
    pair: Arc<StreamPair>,
    messages: Messages<M>,
    compression: Compression,
    /// The message that was read last counts until the next is asked for.
    is_counted: bool,
}

impl<M> Receiver<M> {
    pub(crate) fn new(pair: Arc<StreamPair>, messages: Messages<M>) -> Self {
        Self { pair, messages, compression: Compression::Identity, is_counted: false }
    }

    /// The next message; `None` after the peer's good end.
    ///
    /// Cancel-safe: a message is taken only when it is returned.
    ///
    /// # Errors
    /// The status that the call ended with.
    #[expect(clippy::should_implement_trait, reason = "it waits; nobody takes it for an iterator's")]
    pub fn next(&mut self) -> impl Future<Output = Result<Option<M>>> {
        poll_fn(|cx| self.poll_next_message(cx))
    }

    /// The metadata that the server sent before its first message. Waits for it.
    ///
    /// # Errors
    /// The status of the call where it ended before.
    pub async fn headers(&mut self) -> Result<Metadata> {
        poll_fn(|cx| self.pair.inbox.poll_headers(cx)).await
    }

    /// The metadata that came with the end; empty before it.
    #[must_use]
    pub fn trailers(&self) -> Metadata {
        self.pair.inbox.trailers()
    }

    /// How the last message came compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The same messages as a [`futures_core::Stream`].
    #[must_use]
    pub fn into_stream(self) -> IntoStream<M> {
        IntoStream { receiver: self, ended: false }
    }

    fn poll_next_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<M>>> {
        if std::mem::take(&mut self.is_counted) {
            self.pair.done_with_message();
        }
        let Some(received) = ready!(self.pair.inbox.poll_next(cx))? else { return Poll::Ready(Ok(None)) };
        let facts = &self.pair.facts;
        self.compression = received.compression;
        self.is_counted = received.compression != Compression::Identity;
        // What was decompressed is counted as that. Otherwise the window counts no more what is read.
        let mut memory = if self.is_counted { 0 } else { received.message.len() };
        let bytes = self.pair.decompress(received)?;
        facts.observers.see(facts.spec, facts.side.receives(), &bytes)?;
        let message = (self.messages.decode)(facts.format, bytes, &mut memory)?;
        if memory >= COUNTED_FROM_BYTES {
            self.pair.hold(memory)?;
            self.is_counted = true;
        }
        Poll::Ready(Ok(Some(message)))
    }
}

impl<M> Drop for Receiver<M> {
    fn drop(&mut self) {
        self.pair.inbox.close(self.pair.facts.side == Side::Client);
    }
}

impl<M> std::fmt::Debug for Receiver<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Receiver({})", self.pair.facts.spec.path)
    }
}

/// A [`Receiver`] as a [`Stream`]: it ends after the peer's good end or the first error.
#[derive(Debug)]
pub struct IntoStream<M> {
    receiver: Receiver<M>,
    ended: bool,
}

impl<M> Stream for IntoStream<M> {
    type Item = Result<M>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<M>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = ready!(self.receiver.poll_next_message(cx)).transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}
