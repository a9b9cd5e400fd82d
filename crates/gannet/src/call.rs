//! One call, as a handler and an interceptor see it.

mod cancellation;
mod context;
mod extensions;
mod recycle;

pub use cancellation::{CancelReason, Cancellation};
pub use context::CallContext;
pub use extensions::Extensions;

use crate::compression::{Compression, DecompressionLimits, Encodings, Outgoing, Received, put_message};
use crate::driver::clock;
use crate::intercept::{Direction, Observers};
use crate::server::{Charge, DecodedData};
use crate::stream::{Side, StreamPair};
use crate::{
    Answer, Format, Messages, Metadata, MethodSpec, Output, Peer, Receiver, Reply, Result, Sender, Status,
};
use bytes::{Buf, Bytes};
use gannet_core::{Frame, Prefix};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// One call: its method, request metadata, deadline, peer and response metadata.
///
/// It is one pointer wide, because every future that wraps a handler keeps its own copy of what it is given.
///
/// # The end of a call
/// When the client cancels, goes away or the deadline passes, the handler's future is dropped and the client has its
/// status. Work that must finish is spawned by the handler, which can take [`Call::cancellation`] along.
///
/// # Where a handler runs
/// The first poll of a handler runs in its connection's task, and so do the later ones of a stream's, while those of its
/// method are short on average ([`Server::inline_limit`](crate::Server::inline_limit)); else it has a task of its own.
/// Long computing in a connection's task delays the calls of that connection, and tokio's budget does not interrupt it:
/// a loop that always finds something to do has to yield. `block_in_place` is not for it, and the task's id and what
/// `tokio::task_local!` holds differ from one poll to the next.
pub struct Call(Box<State>);

pub(crate) struct State {
    spec: &'static MethodSpec,
    side: Side,
    format: Format,
    deadline: Option<Instant>,
    /// An interceptor has brought it forward, and nobody sees to that yet.
    deadline_shortened: bool,
    metadata: Metadata,
    request: Request,
    headers: Metadata,
    trailers: Metadata,
    /// The encoded answer, prefix included.
    response: Output,
    streams: Option<Arc<StreamPair>>,
    observers: Observers,
    extensions: Extensions,
    cancellation: Cancellation,
    connection: Option<Arc<ConnectionFacts>>,
    outgoing: Outgoing,
    decompression: DecompressionLimits,
    accepts: Encodings,
    read_again: bool,
    /// For the request, where it was decompressed or is large.
    charge: Option<Charge>,
}

/// What all calls of one connection share.
#[derive(Debug)]
pub(crate) struct ConnectionFacts {
    pub(crate) peer: Peer,
    pub(crate) draining: watch::Receiver<bool>,
    /// A server's account of what its calls hold of messages.
    pub(crate) decoded: Option<Arc<DecodedData>>,
}

/// What a handler reads: one message, which may be read again (an interceptor that retries), or a stream, once.
#[derive(Debug, Default)]
pub(crate) enum Request {
    #[default]
    None,
    One(Received),
    /// One message that was read and will not be read again: how long it was, and how it came compressed.
    Read(usize, Compression),
    /// A client's: with its prefix, and compressed as this says where the prefix does.
    Framed(Bytes, Compression),
    Stream,
}

impl Request {
    /// The one message as it goes over the wire.
    fn received(&self) -> Result<Received> {
        match self {
            Self::One(received) => Ok(received.clone()),
            Self::Framed(body, compression) => unframed(body.clone(), *compression),
            Self::None | Self::Read(..) | Self::Stream => {
                Err(Status::internal("the call has no single request message to read"))
            }
        }
    }

    /// The one message for its reader. Until the end of the call it must not hold on to a read buffer that it has a small
    /// part of: one that is read again is copied out, any other is forgotten.
    fn read(&mut self, again: bool) -> Result<Received> {
        let received = self.received()?;
        let len = received.message.len();
        if !again {
            *self = Self::Read(len, received.compression);
        } else if let Self::One(kept) = self {
            *kept = received.clone().detached();
        }
        Ok(received)
    }
}

/// A message without its prefix.
fn unframed(mut body: Bytes, encoding: Compression) -> Result<Received> {
    let Some(prefix) = body.first_chunk().copied() else {
        return Err(Status::internal("a message without its prefix"));
    };
    let compressed = Prefix::decode(prefix)?.compressed;
    body.advance(Prefix::LEN);
    Ok(Received::of(Frame { compressed, message: body }, encoding))
}

/// What a call begins with.
pub(crate) struct Opening {
    pub(crate) spec: &'static MethodSpec,
    pub(crate) side: Side,
    pub(crate) format: Format,
    pub(crate) deadline: Option<Instant>,
    pub(crate) metadata: Metadata,
    pub(crate) request: Request,
    pub(crate) streams: Option<Arc<StreamPair>>,
    pub(crate) observers: Observers,
    pub(crate) connection: Option<Arc<ConnectionFacts>>,
    pub(crate) outgoing: Outgoing,
    pub(crate) decompression: DecompressionLimits,
    /// What the peer can decompress.
    pub(crate) accepts: Encodings,
    /// An interceptor may run the call again, which then reads its request again.
    pub(crate) read_again: bool,
}

impl Call {
    /// The static facts of the method.
    #[must_use]
    pub fn spec(&self) -> &'static MethodSpec {
        self.0.spec
    }

    /// Whether this is a client's call or a server's, for interceptors that serve both.
    #[must_use]
    pub fn side(&self) -> Side {
        self.0.side
    }

    /// The form of the call's messages.
    #[must_use]
    pub fn format(&self) -> Format {
        self.0.format
    }

    /// The metadata of the request.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The metadata of the request, for an interceptor that adds to it.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.0.metadata
    }

    /// Who is at the other end; [`PeerAddress::Unconnected`](crate::PeerAddress) for a client's call that has no connection yet.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.0.connection.as_ref().map_or(&crate::peer::UNCONNECTED, |connection| &connection.peer)
    }

    /// When the call ends with DEADLINE_EXCEEDED; `None` where neither side set a limit.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }

    /// The time until the deadline; zero once it has passed.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        self.0.deadline.map(|deadline| deadline.saturating_duration_since(clock::now()))
    }

    /// Brings the deadline forward. Only ever earlier: nobody gives a call more time than its client did.
    pub fn limit_deadline(&mut self, at: Instant) {
        if self.0.deadline.is_none_or(|deadline| at < deadline) {
            self.0.deadline = Some(at);
            self.0.deadline_shortened = true;
        }
    }

    /// A token that tells work which outlives the handler that the call is over, and why.
    #[must_use]
    pub fn cancellation(&self) -> Cancellation {
        self.0.cancellation.clone()
    }

    /// Resolves when the server begins to shut down: a handler of a long stream can then end it in its own way. On a
    /// client it never resolves.
    pub async fn draining(&self) {
        let draining = self.0.connection.as_ref().map(|connection| connection.draining.clone());
        if let Some(mut draining) = draining
            && draining.wait_for(|draining| *draining).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }

    /// The deadline to take along into a task that the handler spawns ([`CallContext::scope`]). Calls that the handler
    /// itself makes to other servers inherit it without.
    #[must_use]
    pub fn context(&self) -> CallContext {
        CallContext::new(self.0.deadline)
    }

    /// Values that interceptors leave for handlers.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// Values that interceptors leave for handlers.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.0.extensions
    }

    /// Adds response metadata, sent before the first message.
    ///
    /// # Errors
    /// FAILED_PRECONDITION after the first message of a stream has taken the metadata along; INTERNAL where name or
    /// value can't stand in metadata.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<()> {
        self.change_headers(|headers| Ok(headers.append(name, value)?))
    }

    /// Adds binary response metadata; the name ends with `-bin`.
    ///
    /// # Errors
    /// As [`Call::set_header`].
    pub fn set_header_bin(&mut self, name: &str, value: &[u8]) -> Result<()> {
        self.change_headers(|headers| Ok(headers.append_bin(name, value)?))
    }

    /// Adds trailing metadata, sent with the status.
    ///
    /// # Errors
    /// INTERNAL where name or value can't stand in metadata.
    pub fn set_trailer(&mut self, name: &str, value: &str) -> Result<()> {
        Ok(self.0.trailers.append(name, value)?)
    }

    /// Adds binary trailing metadata; the name ends with `-bin`.
    ///
    /// # Errors
    /// As [`Call::set_trailer`].
    pub fn set_trailer_bin(&mut self, name: &str, value: &[u8]) -> Result<()> {
        Ok(self.0.trailers.append_bin(name, value)?)
    }

    /// How the call's answers are compressed, in place of the server's default. A client that does not accept it gets
    /// them uncompressed (compression.md). For one message of a stream, see [`Sender::compress`].
    ///
    /// On a client it changes nothing: there it is a setter of the call.
    ///
    /// # Errors
    /// FAILED_PRECONDITION after the first message of a stream.
    pub fn set_compression(&mut self, compression: Compression) -> Result<()> {
        if !self.0.accepts.contains(compression) {
            return Ok(());
        }
        match &self.0.streams {
            Some(streams) if self.0.spec.server_streaming => streams.outbox.set_compression(compression),
            _ => {
                self.0.outgoing.compression = compression;
                Ok(())
            }
        }
    }

    /// How the one message of the request came compressed; for a stream [`Receiver::compression`] says it of each.
    #[must_use]
    pub fn request_compression(&self) -> Compression {
        match &self.0.request {
            Request::Read(_, compression) => *compression,
            request => request.received().map_or(Compression::Identity, |received| received.compression),
        }
    }

    /// How many bytes of messages have gone this way so far: as they are on the wire, compressed, without their
    /// prefixes. An interceptor that asks after the call has ended has the sums that gRFC A66 counts.
    #[must_use]
    pub fn message_bytes(&self, direction: Direction) -> u64 {
        let spec = self.0.spec;
        let (streamed, at) = match direction {
            Direction::Request => (spec.client_streaming, Side::Server),
            Direction::Response => (spec.server_streaming || self.0.side == Side::Client, Side::Client),
        };
        match &self.0.streams {
            Some(streams) if streamed && self.0.side == at => streams.inbox.message_bytes(),
            Some(streams) if streamed => streams.outbox.message_bytes(),
            _ => self.0.single_bytes(direction),
        }
    }

    fn change_headers(&mut self, change: impl FnOnce(&mut Metadata) -> Result<()>) -> Result<()> {
        match &self.0.streams {
            Some(streams) if self.0.spec.server_streaming => streams.outbox.change_headers(change),
            _ => change(&mut self.0.headers),
        }
    }
}

/// For generated code.
impl Call {
    /// The request of a method that takes one message; once, unless an interceptor runs the call again.
    ///
    /// # Errors
    /// INTERNAL where the bytes are no such message, or an interceptor's refusal of it.
    pub fn request<M>(&mut self, messages: Messages<M>) -> Result<M> {
        // An interceptor may have had it read before.
        self.0.charge = None;
        let received = self.0.request.read(self.0.read_again)?;
        let bytes = match received.compression {
            Compression::Identity => received.message,
            _ => self.decompress(received)?,
        };
        self.0.observers.see(self.0.spec, Direction::Request, &bytes)?;
        let mut memory = 0;
        let message = (messages.decode)(self.0.format, bytes, &mut memory)?;
        let state = &mut *self.0;
        if let Some(account) = state.connection.as_ref().and_then(|connection| connection.decoded.as_ref()) {
            account.hold(memory, &mut state.charge)?;
        }
        Ok(message)
    }

    /// The request stream, once.
    ///
    /// # Errors
    /// FAILED_PRECONDITION when an interceptor runs such a call again.
    pub fn receiver<M>(&mut self, messages: Messages<M>) -> Result<Receiver<M>> {
        self.only_on_a_server()?;
        match (&self.0.streams, std::mem::take(&mut self.0.request)) {
            (Some(streams), Request::Stream) => Ok(Receiver::new(Arc::clone(streams), messages)),
            _ => Err(Status::failed_precondition("a request stream can be read only once")),
        }
    }

    /// The response stream.
    ///
    /// # Errors
    /// INTERNAL where the method answers one message.
    pub fn sender<M>(&self, messages: Messages<M>) -> Result<Sender<M>> {
        self.only_on_a_server()?;
        match &self.0.streams {
            Some(streams) => Ok(Sender::new(Arc::clone(streams), messages)),
            None => Err(Status::internal("this method answers one message")),
        }
    }

    /// Encodes the one answer.
    ///
    /// # Errors
    /// The codec's; RESOURCE_EXHAUSTED where the message is over the limit for sending.
    pub fn answer<M>(&mut self, messages: Messages<M>, message: &M) -> Result<Answer> {
        let format = self.0.format;
        self.answer_with(|out| (messages.encode)(format, message, out))
    }

    /// Encodes the one answer of a method that answers [`Reply`].
    ///
    /// # Errors
    /// As [`Call::answer`].
    pub fn reply<M>(&mut self, messages: Messages<M>, reply: Reply<M>) -> Result<Answer> {
        match reply {
            Reply::Owned(message) => self.answer(messages, &message),
            Reply::Shared(message) => self.answer(messages, &message),
            Reply::Encoded(bytes) => self.answer_with(|out| {
                out.put_bytes(bytes);
                Ok(())
            }),
        }
    }

    fn decompress(&mut self, received: Received) -> Result<Bytes> {
        let state = &mut *self.0;
        let account = state.connection.as_ref().and_then(|connection| connection.decoded.as_ref());
        let Some(account) = account else { return received.decompressed(state.decompression) };
        let (message, charge) = account.decompress(received, state.decompression)?;
        state.charge = Some(charge);
        Ok(message)
    }

    fn only_on_a_server(&self) -> Result<()> {
        match self.0.side {
            Side::Server => Ok(()),
            Side::Client => {
                Err(Status::failed_precondition("the streams of a client's call are its caller's"))
            }
        }
    }

    fn answer_with(&mut self, encode: impl FnOnce(&mut Output) -> Result<()>) -> Result<Answer> {
        let state = &mut *self.0;
        state.response.clear();
        put_message(&mut state.response, &state.outgoing, |out| {
            let start = out.len();
            encode(out)?;
            state.observers.see_since(state.spec, Direction::Response, out, start)
        })?;
        Ok(Answer::One)
    }
}

/// For the two ends of the transport.
impl Call {
    pub(crate) fn new(opening: Opening) -> Self {
        let mut state = recycle::take();
        state.spec = opening.spec;
        state.side = opening.side;
        state.format = opening.format;
        state.deadline = opening.deadline;
        state.deadline_shortened = false;
        state.metadata = opening.metadata;
        state.request = opening.request;
        state.streams = opening.streams;
        state.observers = opening.observers;
        state.connection = opening.connection;
        state.outgoing = opening.outgoing;
        state.decompression = opening.decompression;
        state.accepts = opening.accepts;
        state.read_again = opening.read_again;
        Self(state)
    }

    /// Gives the call's memory to the calls that follow.
    pub(crate) fn recycle(self) {
        recycle::give_back(self.0);
    }

    /// The deadline, once after an interceptor has brought it forward.
    #[inline]
    pub(crate) fn take_shortened_deadline(&mut self) -> Option<Instant> {
        std::mem::take(&mut self.0.deadline_shortened).then_some(self.0.deadline).flatten()
    }

    pub(crate) fn streams(&self) -> Option<&Arc<StreamPair>> {
        self.0.streams.as_ref()
    }

    /// A client's request with its prefix.
    pub(crate) fn request_body(&self) -> Option<&Bytes> {
        match &self.0.request {
            Request::Framed(body, _) => Some(body),
            _ => None,
        }
    }

    /// What the one answer is compressed with, where it gets smaller by it.
    pub(crate) fn response_compression(&self) -> Compression {
        self.0.outgoing.compression
    }

    /// A client's answer, as it came.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED where its length does not fit into a prefix.
    pub(crate) fn put_response(&mut self, received: Received) -> Result<Answer> {
        let state = &mut *self.0;
        state.outgoing.compression = received.compression;
        let compressed = received.compression != Compression::Identity;
        let prefix = Prefix::new(compressed, received.message.len())?;
        state.response.clear();
        state.response.put_slice(&prefix.encode());
        state.response.put_bytes(received.message);
        Ok(Answer::One)
    }

    /// A client's answer, be it the server's or an interceptor's own.
    ///
    /// # Errors
    /// INTERNAL where an interceptor ended the call well and without one.
    pub(crate) fn take_response(&mut self) -> Result<Received> {
        if self.0.response.is_empty() {
            return Err(Status::internal("an interceptor ended the call well, but without an answer"));
        }
        unframed(std::mem::take(&mut self.0.response).into_bytes(), self.0.outgoing.compression)
    }

    pub(crate) fn has_response(&self) -> bool {
        !self.0.response.is_empty()
    }

    pub(crate) fn response_mut(&mut self) -> &mut Output {
        &mut self.0.response
    }

    pub(crate) fn headers_mut(&mut self) -> &mut Metadata {
        &mut self.0.headers
    }

    pub(crate) fn trailers_mut(&mut self) -> &mut Metadata {
        &mut self.0.trailers
    }
}

impl State {
    fn single_bytes(&self, direction: Direction) -> u64 {
        let bytes = match (direction, &self.request) {
            (Direction::Request, Request::One(received)) => received.message.len(),
            (Direction::Request, Request::Read(len, _)) => *len,
            (Direction::Request, Request::Framed(body, _)) => body.len() - Prefix::LEN,
            (Direction::Request, _) => 0,
            (Direction::Response, _) => self.response.len().saturating_sub(Prefix::LEN),
        };
        bytes as u64
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.0.spec.path)
            .field("peer", self.peer())
            .field("metadata", &self.0.metadata)
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each future that wraps a handler copies its arguments; the block behind the pointer is what calls recycle.
    #[test]
    fn a_call_is_a_pointer_to_a_small_block() {
        assert_eq!(size_of::<Call>(), size_of::<usize>());
        assert!(size_of::<State>() <= 384, "{}", size_of::<State>());
        assert!(size_of::<Sender<()>>() <= 4 * size_of::<usize>());
        assert!(size_of::<Receiver<()>>() <= 4 * size_of::<usize>());
    }
}
