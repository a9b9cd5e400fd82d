//! The doors for what is not gRPC on a server's port: other HTTP/2 requests, and connections that are not HTTP/2.

use super::calls::Calls;
use super::request::CallHead;
use super::slot::{Slot, State};
use crate::call::ConnectionFacts;
use crate::compression::Received;
use crate::driver::{Command, Mailbox};
use crate::registry::Counter;
use crate::stream::{Link, Side, StreamFacts, StreamPair};
use crate::{Compression, Format, Idempotency, MethodSpec, Output, Peer, Result, Status};
use bytes::Bytes;
use gannet_http2::{Connection, ErrorCode, Fields, StreamKey};
use std::future::poll_fn;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

/// Answers HTTP/2 requests that are no gRPC: gRPC-Web, REST, a metrics page. Set by `Server::http_handler`.
pub trait HttpHandler: Send + Sync + 'static {
    /// Answers one request. It runs in a task of its own; when the client goes away the future is dropped. A responder
    /// that is dropped before its end resets the stream.
    fn handle(&self, request: HttpRequest) -> crate::BoxFuture<'static, ()>;
}

/// Serves connections that do not begin with HTTP/2's preface, such as HTTP/1.1. Set by `Server::foreign_connections`.
pub trait ForeignConnection: Send + Sync + 'static {
    /// Serves one connection. `read` is what has been read from it so far.
    fn serve(&self, peer: Peer, read: Bytes, io: Box<dyn ForeignIo>) -> crate::BoxFuture<'static, ()>;
}

/// A transport as a [`ForeignConnection`] gets it.
pub trait ForeignIo: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ForeignIo for T {}

/// A request that is no gRPC.
#[derive(Debug)]
pub struct HttpRequest {
    /// Method, path and other fields as they came, pseudo-headers first.
    pub fields: Arc<Fields>,
    /// Who sent it.
    pub peer: Peer,
    /// What comes after the head.
    pub body: HttpBody,
    /// Where the answer goes.
    pub responder: HttpResponder,
}

/// The body of an [`HttpRequest`]. Reading slowly slows the client.
pub struct HttpBody(Arc<StreamPair>);

impl HttpBody {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// Where the client went away before.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let received = poll_fn(|cx| self.0.inbox.poll_next(cx)).await?;
        Ok(received.map(|received| received.message))
    }
}

impl Drop for HttpBody {
    fn drop(&mut self) {
        self.0.inbox.close(false);
    }
}

impl std::fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpBody")
    }
}

/// Sends the answer to an [`HttpRequest`]: the head, data, the end.
pub struct HttpResponder {
    pair: Arc<StreamPair>,
    mailbox: Arc<Mailbox>,
    key: StreamKey,
    ended: bool,
}

/// What a responder asks of its connection.
pub(crate) enum HttpCommand {
    Head(Fields),
    End(Option<Fields>),
    Abandon,
}

impl HttpResponder {
    /// Sends the head, `:status` first.
    pub fn head(&mut self, fields: Fields) {
        self.command(HttpCommand::Head(fields));
    }

    /// Sends a piece of the body. Waits while the client is slow.
    ///
    /// # Errors
    /// Where the client went away.
    pub async fn data(&mut self, piece: Bytes) -> Result<()> {
        poll_fn(|cx| self.pair.outbox.poll_send_raw(cx, &piece)).await
    }

    /// Ends the answer, with trailers where there are some.
    pub fn end(mut self, trailers: Option<Fields>) {
        self.ended = true;
        self.command(HttpCommand::End(trailers));
    }

    fn command(&self, command: HttpCommand) {
        // Refused only where the connection is gone; the next `data` says so.
        drop(self.mailbox.command(Command::Http(self.key, command)));
    }
}

impl Drop for HttpResponder {
    fn drop(&mut self) {
        if !self.ended {
            self.command(HttpCommand::Abandon);
        }
    }
}

impl std::fmt::Debug for HttpResponder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpResponder")
    }
}

/// A request that is no gRPC, as the driver sees it.
pub(super) struct HttpStream {
    pair: Arc<StreamPair>,
    task: Option<AbortHandle>,
    /// Until then its data waits: mail of one turn tells of data before it brings commands.
    head_sent: bool,
}

static NO_METHOD: MethodSpec = MethodSpec {
    service: "",
    name: "",
    path: "(HTTP)",
    client_streaming: true,
    server_streaming: true,
    idempotency: Idempotency::Unknown,
    deprecated: false,
};

impl HttpStream {
    pub(super) fn cut_short(self, status: &Status) {
        self.pair.end(Err(status.clone()));
        if let Some(task) = self.task {
            task.abort();
        }
    }

    pub(super) fn data(&self, http2: &mut Connection, key: StreamKey, data: Bytes, end_stream: bool) {
        if !data.is_empty() {
            let cost = data.len();
            let received = Received { message: data, compression: Compression::Identity };
            let unread = self.pair.inbox.push(received, cost);
            http2.release_capacity(key, unread);
        }
        if end_stream {
            self.pair.inbox.end(Ok(()));
        }
    }

    pub(super) fn pump(&self, http2: &mut Connection, key: StreamKey, outgoing: &mut Output) {
        http2.release_capacity(key, self.pair.inbox.take_read().credit);
        if !self.head_sent {
            return;
        }
        self.pair.outbox.take(outgoing);
        if !outgoing.is_empty() {
            http2.send_data(key, outgoing);
        }
    }
}

impl Calls {
    pub(super) fn begin_http(
        &mut self,
        http2: &mut Connection,
        key: StreamKey,
        fields: Arc<Fields>,
        end_stream: bool,
        handler: &Arc<dyn HttpHandler>,
        connection: &ConnectionFacts,
    ) {
        if !self.may_take(http2, key) {
            return;
        }
        let facts = StreamFacts {
            spec: &NO_METHOD,
            format: Format::Proto,
            side: Side::Server,
            observers: Default::default(),
            outgoing: Default::default(),
            decompression: Default::default(),
            decoded: None,
            counted: None,
        };
        let pair = StreamPair::attached(facts, Link { mailbox: Arc::clone(&self.mailbox), key });
        let responder =
            HttpResponder { pair: Arc::clone(&pair), mailbox: Arc::clone(&self.mailbox), key, ended: false };
        let request = HttpRequest {
            fields,
            peer: connection.peer.clone(),
            body: HttpBody(Arc::clone(&pair)),
            responder,
        };
        let task = tokio::spawn(handler.handle(request));
        let stream = HttpStream { pair, task: Some(task.abort_handle()), head_sent: false };
        if end_stream {
            stream.data(http2, key, Bytes::new(), true);
        }
        let state = State::Http(stream);
        self.slots.insert(Slot { key, head: CallHead::NONE, deadline: None, timer: None, state });
    }

    pub(super) fn http_command(&mut self, http2: &mut Connection, key: StreamKey, command: HttpCommand) {
        let Some(Slot { state: State::Http(stream), .. }) = self.slots.get_mut(key) else { return };
        match command {
            HttpCommand::Head(fields) => {
                http2.send_headers(key, &fields, false);
                stream.head_sent = true;
                stream.pump(http2, key, &mut self.outgoing);
            }
            HttpCommand::End(trailers) => {
                stream.pump(http2, key, &mut self.outgoing);
                match trailers {
                    Some(trailers) => http2.send_trailers(key, &trailers),
                    None => http2.end_stream(key),
                }
                self.slots.take(key);
                self.counts[Counter::StreamsSucceeded] += 1;
            }
            HttpCommand::Abandon => {
                http2.reset(key, ErrorCode::INTERNAL_ERROR);
                self.counts[Counter::StreamsFailed] += 1;
                self.slots.take(key);
            }
        }
    }
}
