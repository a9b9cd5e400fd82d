//! From a request's head and data to a running call.

use super::Calls;
use crate::call::{Call, Opening, Request};
use crate::compression::Received;
use crate::registry::Counter;
use crate::server::load::ServerLimit;
use crate::server::request::CallHead;
use crate::server::slot::{Handler, Running, Slot, State};
use crate::stream::{Link, Side, StreamFacts, StreamPair};
use crate::{CancelReason, Code, Compression, Metadata, Status};
use bytes::Bytes;
use gannet_core::{Deframer, Prefix};
use gannet_http2::{Connection, Fields, StreamKey};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Calls {
    pub(super) fn begin_call(
        &mut self,
        http2: &mut Connection,
        now: Instant,
        key: StreamKey,
        fields: Arc<Fields>,
        (head, timeout): (CallHead, Option<Duration>),
        end_stream: bool,
    ) {
        let Some(route) = self.server.routes.get(head.route) else { return };
        let spec = route.spec;
        let timeout = match self.server.deadlines.timeout(spec.kind(), timeout) {
            Ok(timeout) => timeout,
            Err(status) => {
                self.tell_refused(spec.path.as_bytes(), &status);
                let none = Metadata::default();
                self.responses.trailers_only(http2, key, head.format, &status, (&none, &none));
                return self.refused();
            }
        };
        if !self.may_take(http2, key) {
            return;
        }
        self.counts[Counter::CallsStarted] += 1;
        let deadline = timeout.and_then(|timeout| now.checked_add(timeout));
        if deadline.is_some() {
            self.young.push(key);
        }
        let mut deframer = Deframer::new(self.server.limits.max_decoded_message);
        deframer.allow_compressed(head.compression != Compression::Identity);
        let slot = |state| Slot { key, head, deadline, timer: None, state };
        if !spec.client_streaming {
            self.slots.insert(slot(State::Gathering { fields, deframer, message: None }));
            if end_stream {
                self.data(http2, key, Bytes::new(), true);
            }
            return;
        }
        let pair = self.stream_pair(spec, &head, key);
        if end_stream {
            pair.inbox.end(Ok(()));
        }
        let call = self.call(spec, &head, deadline, fields, Request::Stream, Some(Arc::clone(&pair)));
        let running = Running {
            handler: Handler::Away,
            cancellation: call.cancellation(),
            pair: Some(pair),
            deframer,
            broken: false,
            head_sent: false,
        };
        self.slots.insert(slot(State::Running(running)));
        self.run(http2, key, head.route, call);
    }

    fn stream_pair(
        &self,
        spec: &'static crate::MethodSpec,
        head: &CallHead,
        key: StreamKey,
    ) -> Arc<StreamPair> {
        let facts = StreamFacts {
            spec,
            format: head.format,
            side: Side::Server,
            observers: self.server.chain.observers().clone(),
            outgoing: self.server.outgoing(head.accepts),
            decompression: self.server.decompression(),
            decoded: self.facts.decoded.clone(),
            counted: None,
        };
        StreamPair::attached(facts, Link { mailbox: Arc::clone(&self.mailbox), key })
    }

    #[inline]
    fn call(
        &self,
        spec: &'static crate::MethodSpec,
        head: &CallHead,
        deadline: Option<Instant>,
        fields: Arc<Fields>,
        request: Request,
        streams: Option<Arc<StreamPair>>,
    ) -> Call {
        Call::new(Opening {
            spec,
            side: Side::Server,
            format: head.format,
            deadline,
            metadata: Metadata::from(fields),
            request,
            streams,
            observers: self.server.chain.observers().clone(),
            connection: Some(Arc::clone(&self.facts)),
            outgoing: self.server.outgoing(head.accepts),
            decompression: self.server.decompression(),
            accepts: head.accepts,
            read_again: !self.server.chain.is_empty(),
        })
    }

    /// A piece of the one request message.
    #[inline]
    pub(super) fn gather(&mut self, http2: &mut Connection, key: StreamKey, data: Bytes, end_stream: bool) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let State::Gathering { deframer, message, .. } = &mut slot.state else { return };
        deframer.push(data);
        let outcome = take_one(deframer, slot.head.compression, message, end_stream);
        match outcome {
            Err(status) => {
                if is_too_large(&status) {
                    self.server.load.count(ServerLimit::MessageSize);
                }
                self.end_early(http2, key, CancelReason::ProtocolError, status);
            }
            Ok(true) => {
                self.counts[Counter::MessagesReceived] += 1;
                self.start_gathered(http2, key);
            }
            Ok(false) => {
                deframer.detach(crate::stream::COPIED_BELOW_BYTES);
                http2.request_credit(key, deframer.needed());
            }
        }
    }

    /// The one request message is there: the handler may run.
    #[inline]
    fn start_gathered(&mut self, http2: &mut Connection, key: StreamKey) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let (head, deadline) = (slot.head, slot.deadline);
        let State::Gathering { fields, message, .. } = &mut slot.state else { return };
        let (message, fields) = (message.take(), Arc::clone(fields));
        let Some(route) = self.server.routes.get(head.route) else { return };
        let spec = route.spec;
        // A call that waits keeps its request, and so does a decoded message that shares its bytes, as `bytes` fields do:
        // that must not be a few of a large read buffer.
        let waits = self.server.always_spawn || route.inline.waits();
        let message = if waits { message.map(Received::detached) } else { message };
        let request = message.map_or(Request::None, Request::One);
        let pair = spec.server_streaming.then(|| self.stream_pair(spec, &head, key));
        let call = self.call(spec, &head, deadline, fields, request, pair.clone());
        if let Some(slot) = self.slots.get_mut(key) {
            slot.state = State::Running(Running {
                handler: Handler::Away,
                cancellation: call.cancellation(),
                pair,
                deframer: Deframer::new(0),
                broken: true,
                head_sent: false,
            });
        }
        self.run(http2, key, head.route, call);
    }

    /// A piece of a request stream; counts its messages. An error for a message that is larger than it may be.
    pub(super) fn stream_data(
        http2: &mut Connection,
        key: StreamKey,
        compression: Compression,
        running: &mut Running,
        data: Bytes,
        end_stream: bool,
        received: &mut u64,
    ) -> Result<(), TooLarge> {
        let Some(pair) = running.pair.as_ref().filter(|_| !running.broken) else {
            http2.release_capacity(key, data.len());
            return Ok(());
        };
        running.deframer.push(data);
        let end = loop {
            match running.deframer.next() {
                Ok(Some(frame)) => {
                    let cost = frame.message.len() + Prefix::LEN;
                    *received += 1;
                    let unread = pair.inbox.push(Received::of(frame, compression), cost);
                    http2.release_capacity(key, unread);
                }
                Ok(None) if end_stream => break Some(running.deframer.finish()),
                Ok(None) => break None,
                Err(status) => break Some(Err(status)),
            }
        };
        if let Some(end) = end {
            running.broken = end.is_err();
            let too_large = end.as_ref().is_err_and(is_too_large);
            pair.inbox.end(end);
            return if too_large { Err(TooLarge) } else { Ok(()) };
        }
        running.deframer.detach(crate::stream::COPIED_BELOW_BYTES);
        let needed = running.deframer.needed();
        if needed > 0 && pair.inbox.may_borrow(needed) {
            http2.request_credit(key, needed);
        }
        Ok(())
    }
}

/// A message is larger than [`Server::max_decoded_message`](crate::Server::max_decoded_message).
pub(super) struct TooLarge;

fn is_too_large(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
}

/// Takes the one message of a request. Says whether it is complete (statuscodes.md: another number of messages than one
/// is UNIMPLEMENTED).
#[inline]
fn take_one(
    deframer: &mut Deframer,
    compression: Compression,
    message: &mut Option<Received>,
    end_stream: bool,
) -> crate::Result<bool> {
    const NOT_ONE: &str = "the method takes exactly one request message";
    while let Some(frame) = deframer.next()? {
        if message.replace(Received::of(frame, compression)).is_some() {
            return Err(Status::unimplemented(NOT_ONE));
        }
    }
    if !end_stream {
        return Ok(false);
    }
    deframer.finish()?;
    if message.is_some() { Ok(true) } else { Err(Status::unimplemented(NOT_ONE)) }
}
