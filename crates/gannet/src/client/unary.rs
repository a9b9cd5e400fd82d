//! Calls with one request and one answer.

use super::attempt::{AttemptState, Ended, Outcome};
use super::call::{CallState, Options, call_setters};
use super::channel::Channel;
use crate::call::{Call, Opening, Request};
use crate::compression::{Encodings, Outgoing, put_compressed, put_message};
use crate::driver::{Command, Mailbox, clock, write_buffers};
use crate::intercept::{Direction, Endpoint, Observers};
use crate::registry::CallEntry;
use crate::service::BoxFuture;
use crate::stream::Side;
use crate::{Answer, Compression, Messages, Metadata, MethodSpec, Output, Result, Status};
use bytes::Bytes;
use gannet_core::Prefix;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// A call with one request and one answer: a future that is also its own builder.
///
/// Dropping it cancels the call.
#[must_use = "a call does nothing until it is awaited"]
pub struct Unary<Req, Res> {
    pub(super) options: Options,
    channel: Channel,
    spec: &'static MethodSpec,
    request: Result<Bytes>,
    responses: Messages<Res>,
    stage: Stage,
    counted: Option<CallEntry>,
    _request: PhantomData<fn(Req)>,
}

call_setters!(Unary);

/// An answer with the metadata that came before and after it.
#[derive(Clone, Debug)]
pub struct UnaryResponse<Res> {
    /// The answer.
    pub message: Res,
    /// What the server sent before it.
    pub headers: Metadata,
    /// What the server sent after it.
    pub trailers: Metadata,
    /// How the answer came compressed.
    pub compression: Compression,
}

enum Stage {
    Start,
    /// There was no connection, an interceptor is set, or an attempt has to be repeated: the long way.
    Running(BoxFuture<'static, Ended>),
    InFlight(Box<InFlight>),
    Done,
}

/// The short way: one attempt on a connection that was there.
struct InFlight {
    call: CallState,
    attempt: CancelOnDrop,
}

impl<Req, Res> Unary<Req, Res> {
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
        let stage = Stage::Start;
        Self { options, channel, spec, request, responses, stage, counted: None, _request: PhantomData }
    }

    /// The answer together with the metadata that came with it.
    ///
    /// # Errors
    /// The status that the call ended with.
    pub async fn response(mut self) -> Result<UnaryResponse<Res>> {
        std::future::poll_fn(|cx| self.poll_response(cx)).await
    }

    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<UnaryResponse<Res>>> {
        let ended = ready!(self.poll_ended(cx))?;
        let result = ended.result.unwrap_or_else(|| Err(Status::internal("the call ended without a result")));
        if let Some(counted) = self.counted.take() {
            counted.end(result.is_ok());
        }
        Poll::Ready(result.and_then(|received| {
            let compression = received.compression;
            let bytes = received.decompressed(self.channel.decompression())?;
            self.channel.chain().observers().see(self.spec, Direction::Response, &bytes)?;
            let message = (self.responses.decode)(self.channel.format(), bytes, &mut 0)?;
            let (headers, trailers) = (ended.headers, ended.trailers);
            Ok(UnaryResponse { message, headers, trailers, compression })
        }))
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ended>> {
        loop {
            match &mut self.stage {
                Stage::Start => self.stage = self.start()?,
                Stage::Running(running) => {
                    let ended = ready!(running.as_mut().poll(cx));
                    self.stage = Stage::Done;
                    return Poll::Ready(Ok(ended));
                }
                Stage::InFlight(in_flight) => {
                    let outcome = ready!(in_flight.attempt.poll(cx));
                    let Stage::InFlight(in_flight) = std::mem::replace(&mut self.stage, Stage::Done) else {
                        continue;
                    };
                    match outcome {
                        Outcome::Ended(ended) => return Poll::Ready(Ok(ended)),
                        Outcome::Unprocessed(status) => {
                            self.stage = Stage::Running(Box::pin(run(in_flight.call, Some(status))));
                        }
                    }
                }
                Stage::Done => {
                    return Poll::Ready(Err(Status::internal("the call was polled after its end")));
                }
            }
        }
    }

    fn start(&mut self) -> Result<Stage> {
        self.counted = self.channel.count_call();
        if let Some(mistake) = self.options.mistake.take() {
            return Err(mistake);
        }
        let body = std::mem::replace(&mut self.request, Ok(Bytes::new()))?;
        let outgoing = self.options.outgoing(&self.channel);
        let mut call = CallState {
            channel: self.channel.clone(),
            spec: self.spec,
            format: self.channel.format(),
            metadata: std::mem::take(&mut self.options.metadata),
            deadline: self.options.deadline(clock::now()),
            wait_for_ready: self.options.wait_for_ready,
            compression: outgoing.compression,
            body: Some(compressed(body, &outgoing)?),
            attempts: 0,
        };
        if !self.channel.chain().is_empty() {
            return Ok(Stage::Running(Box::pin(run_intercepted(call))));
        }
        match self.channel.ready() {
            Some(mailbox) => {
                let attempt = CancelOnDrop::new(call.post(&mailbox)?, mailbox);
                Ok(Stage::InFlight(Box::new(InFlight { call, attempt })))
            }
            None => Ok(Stage::Running(Box::pin(run(call, None)))),
        }
    }
}

impl<Req, Res> Future for Unary<Req, Res> {
    type Output = Result<Res>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Res>> {
        self.poll_response(cx).map_ok(|response| response.message)
    }
}

/// One encoded request with its prefix. How it is compressed is not known before the call begins.
pub(super) fn encode<Req>(
    channel: &Channel,
    spec: &MethodSpec,
    requests: Messages<Req>,
    request: &Req,
) -> Result<Bytes> {
    let mut out = write_buffers::output();
    let rules = Outgoing { compression: Compression::Identity, ..channel.outgoing() };
    put_message(&mut out, &rules, |out| {
        let start = out.len();
        (requests.encode)(channel.format(), request, out)?;
        channel.chain().observers().see_since(spec, Direction::Request, out, start)
    })?;
    Ok(write_buffers::into_bytes(out))
}

/// The same request, compressed where the call asks for it.
#[inline]
pub(super) fn compressed(body: Bytes, rules: &Outgoing) -> Result<Bytes> {
    if rules.compression == Compression::Identity {
        return Ok(body);
    }
    let mut out = Output::new();
    put_compressed(&mut out, rules, body.slice(Prefix::LEN..))?;
    Ok(out.into_bytes())
}

/// Attempts until one has an end (gRFC A6, "Transparent Retries").
async fn run(mut call: CallState, mut unprocessed: Option<Status>) -> Ended {
    loop {
        if let Some(status) = unprocessed.take().filter(|_| !call.may_try_again()) {
            return Ended::failed(status);
        }
        let attempt = match call.pick().await.and_then(|mailbox| {
            let state = call.post(&mailbox)?;
            Ok(CancelOnDrop::new(state, mailbox))
        }) {
            Ok(attempt) => attempt,
            Err(status) => return Ended::failed(status),
        };
        match std::future::poll_fn(|cx| attempt.poll(cx)).await {
            Outcome::Ended(ended) => return ended,
            Outcome::Unprocessed(status) => unprocessed = Some(status),
        }
    }
}

/// Runs the call inside its channel's interceptors.
async fn run_intercepted(state: CallState) -> Ended {
    let channel = state.channel.clone();
    let mut call = Call::new(Opening {
        spec: state.spec,
        side: Side::Client,
        format: state.format,
        deadline: state.deadline,
        metadata: state.metadata.clone(),
        request: state.body.clone().map_or(Request::None, |body| Request::Framed(body, state.compression)),
        streams: None,
        // What the interceptors see of messages is shown where those are encoded and decoded.
        observers: Observers::default(),
        connection: None,
        outgoing: Outgoing { compression: Compression::Identity, ..channel.outgoing() },
        decompression: channel.decompression(),
        accepts: Encodings::NONE,
        read_again: true,
    });
    let endpoint = UnaryEndpoint {
        channel: channel.clone(),
        wait_for_ready: state.wait_for_ready,
        compression: state.compression,
    };
    let result = channel.chain().run(&endpoint, 0, &mut call).await;
    let result = result.and_then(|_| call.take_response());
    Ended {
        headers: std::mem::take(call.headers_mut()),
        trailers: std::mem::take(call.trailers_mut()),
        result: Some(result),
    }
}

/// The innermost of a client's interceptors: the call itself.
struct UnaryEndpoint {
    channel: Channel,
    wait_for_ready: bool,
    compression: Compression,
}

impl Endpoint for UnaryEndpoint {
    fn keeps_deadline(&self) -> bool {
        true
    }

    fn call<'a>(&'a self, _method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
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
            let ended = run(state, None).await;
            *call.headers_mut() = ended.headers;
            *call.trailers_mut() = ended.trailers;
            let answer =
                ended.result.unwrap_or_else(|| Err(Status::internal("the call ended without a result")))?;
            call.put_response(answer)
        })
    }
}

/// An attempt that is cancelled when nobody waits for it any more.
pub(super) struct CancelOnDrop {
    state: Arc<AttemptState>,
    mailbox: Arc<Mailbox>,
}

impl CancelOnDrop {
    pub(super) fn new(state: Arc<AttemptState>, mailbox: Arc<Mailbox>) -> Self {
        Self { state, mailbox }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.state.poll_outcome(cx)
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if self.state.cancel() {
            // Refused only where the connection is gone, and the attempt with it.
            drop(self.mailbox.command(Command::Cancel(Arc::clone(&self.state))));
        }
    }
}

impl<Req, Res> std::fmt::Debug for Unary<Req, Res> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unary({})", self.spec.path)
    }
}
