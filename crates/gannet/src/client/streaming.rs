//! Calls with a stream of requests, of answers, or both.

use super::call::{CallState, Options, call_setters};
use super::channel::Channel;
use super::unary::{UnaryResponse, compressed, encode};
use crate::call::{Call, Opening, Request};
use crate::compression::Encodings;
use crate::driver::clock;
use crate::intercept::Endpoint;
use crate::registry::CallEntry;
use crate::service::BoxFuture;
use crate::stream::{Side, StreamFacts, StreamPair};
use crate::{Answer, Compression, Messages, MethodSpec, Receiver, Result, Sender, Status};
use bytes::Bytes;
use std::marker::PhantomData;
use std::sync::Arc;

/// A call with one request and a stream of answers. Awaiting it puts it on a connection and gives the [`Receiver`]; it
/// does not wait for the server.
#[must_use = "a call does nothing until it is awaited"]
pub struct ServerStreaming<Req, Res> {
    pub(super) options: Options,
    channel: Channel,
    spec: &'static MethodSpec,
    request: Result<Bytes>,
    responses: Messages<Res>,
    _request: PhantomData<fn(Req)>,
}

/// A call with a stream of requests and one answer. It begins with the first message.
///
/// Dropping it before [`ClientStreaming::finish`] cancels the call.
#[must_use = "a call does nothing until a message is sent or it is finished"]
pub struct ClientStreaming<Req, Res> {
    pub(super) options: Options,
    channel: Channel,
    spec: &'static MethodSpec,
    requests: Messages<Req>,
    responses: Messages<Res>,
    compress: bool,
    open: Option<(Sender<Req>, Receiver<Res>)>,
}

/// A call with streams both ways. Awaiting it puts it on a connection and gives both ends; it does not wait for the
/// server.
#[must_use = "a call does nothing until it is awaited"]
pub struct Bidi<Req, Res> {
    pub(super) options: Options,
    channel: Channel,
    spec: &'static MethodSpec,
    requests: Messages<Req>,
    responses: Messages<Res>,
}

call_setters!(ServerStreaming, ClientStreaming, Bidi);

impl<Req, Res> ServerStreaming<Req, Res> {
    /// For generated code.
    pub fn new(
        channel: &Channel,
        spec: &'static MethodSpec,
        requests: Messages<Req>,
        responses: Messages<Res>,
        request: Req,
    ) -> Self {
        let request = encode(channel, spec, requests, &request);
        let (channel, options) = (channel.clone(), Options::default());
        Self { options, channel, spec, request, responses, _request: PhantomData }
    }
}

impl<Req: 'static, Res: 'static> IntoFuture for ServerStreaming<Req, Res> {
    type Output = Result<Receiver<Res>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { options, channel, spec, request, responses, .. } = self;
        Box::pin(async move {
            let pair = open(&channel, spec, options, Some(request?)).await?;
            Ok(Receiver::new(pair, responses))
        })
    }
}

impl<Req, Res> Bidi<Req, Res> {
    /// For generated code.
    pub fn new(
        channel: &Channel,
        spec: &'static MethodSpec,
        requests: Messages<Req>,
        responses: Messages<Res>,
    ) -> Self {
        Self { options: Options::default(), channel: channel.clone(), spec, requests, responses }
    }
}

impl<Req: 'static, Res: 'static> IntoFuture for Bidi<Req, Res> {
    type Output = Result<(Sender<Req>, Receiver<Res>)>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { options, channel, spec, requests, responses } = self;
        Box::pin(async move {
            let pair = open(&channel, spec, options, None).await?;
            Ok((Sender::new(Arc::clone(&pair), requests), Receiver::new(pair, responses)))
        })
    }
}

impl<Req, Res> ClientStreaming<Req, Res> {
    /// For generated code.
    pub fn new(
        channel: &Channel,
        spec: &'static MethodSpec,
        requests: Messages<Req>,
        responses: Messages<Res>,
    ) -> Self {
        let options = Options::default();
        Self { options, channel: channel.clone(), spec, requests, responses, compress: true, open: None }
    }

    /// Sends a message. Waits while the server is slow.
    ///
    /// # Errors
    /// The status of the call where it has ended.
    pub async fn send(&mut self, message: Req) -> Result<()> {
        let compress = self.compress;
        let (sender, _) = self.open().await?;
        sender.compress(compress);
        sender.send(message).await
    }

    /// Whether the messages that follow may be compressed, as [`Sender::compress`].
    pub fn compress(&mut self, on: bool) {
        self.compress = on;
    }

    /// Ends the stream of requests and waits for the answer.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub async fn finish(self) -> Result<Res> {
        self.response().await.map(|response| response.message)
    }

    /// As [`ClientStreaming::finish`], with the metadata that came with the answer.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub async fn response(mut self) -> Result<UnaryResponse<Res>> {
        self.open().await?;
        let Some((sender, mut receiver)) = self.open.take() else {
            return Err(Status::internal("the call was not opened"));
        };
        sender.finish();
        let answer = receiver.next().await?;
        // statuscodes.md: another number of answers than one is UNIMPLEMENTED.
        match (answer, receiver.next().await?) {
            (Some(message), None) => {
                let (headers, trailers) = (receiver.headers().await?, receiver.trailers());
                Ok(UnaryResponse { message, headers, trailers, compression: receiver.compression() })
            }
            (None, _) => Err(Status::unimplemented("the server ended the call without an answer")),
            (Some(_), Some(_)) => Err(Status::unimplemented("the server sent more than one answer")),
        }
    }

    async fn open(&mut self) -> Result<&mut (Sender<Req>, Receiver<Res>)> {
        let open = match self.open.take() {
            Some(open) => open,
            None => {
                let pair = open(&self.channel, self.spec, std::mem::take(&mut self.options), None).await?;
                (Sender::new(Arc::clone(&pair), self.requests), Receiver::new(pair, self.responses))
            }
        };
        Ok(self.open.insert(open))
    }
}

/// Puts a streaming call on a connection.
async fn open(
    channel: &Channel,
    spec: &'static MethodSpec,
    mut options: Options,
    body: Option<Bytes>,
) -> Result<Arc<StreamPair>> {
    let mut counted = channel.count_call().map(Box::new);
    if let Some(mistake) = options.mistake.take() {
        return Err(mistake);
    }
    let outgoing = options.outgoing(channel);
    let pair = StreamPair::new(StreamFacts {
        spec,
        format: channel.format(),
        side: Side::Client,
        observers: channel.chain().observers().clone(),
        outgoing,
        decompression: channel.decompression(),
        decoded: None,
        // Where interceptors have the last word, they end it.
        counted: if channel.chain().is_empty() { counted.take() } else { None },
    });
    let call = CallState {
        channel: channel.clone(),
        spec,
        format: channel.format(),
        deadline: options.deadline(clock::now()),
        metadata: options.metadata,
        wait_for_ready: options.wait_for_ready,
        compression: outgoing.compression,
        body: body.map(|body| compressed(body, &outgoing)).transpose()?,
        attempts: 0,
    };
    if channel.chain().is_empty() {
        Box::new(call).attach(Arc::clone(&pair)).await?;
    } else {
        pair.inbox.hold();
        tokio::spawn(run_intercepted(call, Arc::clone(&pair), counted));
    }
    Ok(pair)
}

/// Runs the interceptors around the whole life of a stream. It ends as the outermost of them says.
async fn run_intercepted(state: CallState, pair: Arc<StreamPair>, counted: Option<Box<CallEntry>>) {
    let channel = state.channel.clone();
    let mut call = Call::new(Opening {
        spec: state.spec,
        side: Side::Client,
        format: state.format,
        deadline: state.deadline,
        metadata: state.metadata.clone(),
        request: state.body.clone().map_or(Request::Stream, |body| Request::Framed(body, state.compression)),
        streams: Some(Arc::clone(&pair)),
        observers: channel.chain().observers().clone(),
        connection: None,
        outgoing: pair.facts.outgoing,
        decompression: pair.facts.decompression,
        accepts: Encodings::NONE,
        read_again: true,
    });
    let endpoint = StreamEndpoint {
        channel: channel.clone(),
        wait_for_ready: state.wait_for_ready,
        compression: state.compression,
    };
    let result = channel.chain().run(&endpoint, 0, &mut call).await.and_then(|_| {
        // An interceptor that answers a stream of requests by itself.
        if call.has_response() {
            pair.inbox.push(call.take_response()?, 0)
        } else {
            0
        };
        Ok(())
    });
    if let Some(counted) = counted {
        counted.end(result.is_ok());
    }
    // The final status is what the outermost of them returns.
    pair.inbox.release(result.clone());
    pair.outbox.end(result);
}

/// The innermost of a client's interceptors for a stream.
struct StreamEndpoint {
    channel: Channel,
    wait_for_ready: bool,
    compression: Compression,
}

impl Endpoint for StreamEndpoint {
    fn keeps_deadline(&self) -> bool {
        true
    }

    fn call<'a>(&'a self, _method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let Some(pair) = call.streams().cloned() else {
                return Err(Status::internal("a streaming call without streams"));
            };
            pair.restart()?;
            let state = CallState {
                channel: self.channel.clone(),
                spec: call.spec(),
                format: call.format(),
                metadata: call.metadata().clone(),
                deadline: call.deadline(),
                wait_for_ready: self.wait_for_ready,
                compression: self.compression,
                body: call.request_body().cloned(),
                attempts: 0,
            };
            Box::new(state).attach(Arc::clone(&pair)).await?;
            let ended = std::future::poll_fn(|cx| pair.inbox.poll_ended(cx)).await;
            ended.map(|()| Answer::Streamed)
        })
    }
}

macro_rules! debug {
    ($($kind:ident),*) => {$(
        impl<Req, Res> std::fmt::Debug for $kind<Req, Res> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($kind), "({})"), self.spec.path)
            }
        }
    )*};
}

debug!(ServerStreaming, ClientStreaming, Bidi);
