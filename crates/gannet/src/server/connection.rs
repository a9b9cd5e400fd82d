//! The task of one server connection.

use super::dispatch::{self, Dispatch, Ended, FirstPoll};
use super::request::{CallHead, Disposition, KnownHeads};
use super::response::Responses;
use super::shared::ServerShared;
use super::slot::{Running, Slot, Slots, State};
use crate::call::{Call, ConnectionFacts, Opening, Request};
use crate::compression::Received;
use crate::driver::{Command, Io, Mailbox, Transport, clock};
use crate::stream::{Link, Side, StreamFacts, StreamPair};
use crate::{Answer, CancelReason, Cancellation, Compression, Kind, Metadata, Output, Peer, Status};
use bytes::Bytes;
use gannet_core::{Deframer, Prefix, Wheel};
use gannet_http2::{Connection, ErrorCode, Event, Fields, Initiator, StreamKey};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// A turn writes what it has when there is this much, before it goes on.
const FLUSH_BYTES: usize = 64 * 1024;
/// While this much waits for a peer that does not read, nothing more is read from it.
const UNSENT_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// Reads in one poll before other tasks get their turn: 256 KiB.
const READS_PER_POLL: u32 = 4;
/// Messages stay in their outbox while this much of their stream waits in the connection.
const QUEUED_PER_STREAM_BYTES: usize = 64 * 1024;

/// The task of one server connection: a future that ends with the connection.
pub(crate) struct ServerConnection<S> {
    transport: Transport<S>,
    pub(super) calls: Calls,
    ready: Vec<StreamKey>,
    commands: Vec<Command>,
    now: Instant,
}

/// The calls of a connection, apart from its bytes.
pub(super) struct Calls {
    server: Arc<ServerShared>,
    facts: Arc<ConnectionFacts>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) slots: Slots,
    known_heads: KnownHeads,
    pub(super) responses: Responses,
    wheel: Wheel,
    /// Streams with a deadline that came in this turn.
    young: Vec<StreamKey>,
    pub(super) outgoing: Output,
}

impl<S: Io> ServerConnection<S> {
    pub(crate) fn new(
        io: S,
        server: Arc<ServerShared>,
        peer: Peer,
        mailbox: Arc<Mailbox>,
        early: Bytes,
        now: Instant,
    ) -> Self {
        let facts = Arc::new(ConnectionFacts { peer, draining: server.draining.subscribe() });
        let mut transport = Transport::new(io, Connection::server(server.http2.clone(), now));
        transport.handle_early_bytes(now, early);
        let responses = Responses::new(server.compression.accepted);
        let calls = Calls {
            server,
            facts,
            mailbox,
            slots: Slots::default(),
            known_heads: KnownHeads::default(),
            responses,
            wheel: Wheel::new(),
            young: Vec::new(),
            outgoing: Output::new(),
        };
        Self { transport, calls, ready: Vec::new(), commands: Vec::new(), now }
    }

    /// What other tasks left.
    fn take_mail(&mut self) {
        self.calls.mailbox.take(&mut self.ready, &mut self.commands);
        for key in self.ready.drain(..) {
            self.calls.pump(&mut self.transport.http2, key);
        }
        for command in self.commands.drain(..) {
            self.calls.command(&mut self.transport.http2, self.now, command);
        }
    }

    /// Acts on all events; what was answered is written on the way where there is much of it.
    fn drain_events(&mut self, cx: &mut Context<'_>) {
        while let Some(event) = self.transport.http2.poll_event(self.now) {
            self.calls.event(&mut self.transport.http2, self.now, event);
            if self.transport.http2.unsent() >= FLUSH_BYTES {
                // An error or a full socket shows itself at the end of the turn.
                let _ = self.transport.poll_write(cx, self.now);
            }
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        let next = [self.transport.http2.poll_timeout(), self.calls.wheel.next()].into_iter().flatten().min();
        if self.transport.poll_timer(cx, next).is_pending() {
            return false;
        }
        self.transport.http2.handle_timeout(self.now);
        self.calls.expire(&mut self.transport.http2, self.now);
        true
    }

    fn is_over(&self) -> bool {
        let http2 = &self.transport.http2;
        (http2.is_closed() || http2.is_drained()) && http2.unsent() == 0 && self.transport.unwritten() == 0
    }
}

impl<S: Io> Future for ServerConnection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut reads = 0;
        loop {
            this.now = clock::now();
            this.take_mail();
            let mut progress = this.poll_time(cx);
            if this.transport.http2.unsent() + this.transport.unwritten() < UNSENT_LIMIT_BYTES {
                match this.transport.poll_read(cx, this.now) {
                    Poll::Ready(Ok(_)) => {
                        progress = true;
                        reads += 1;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            this.drain_events(cx);
            this.transport.end_read();
            this.calls.arm(this.now);
            match this.transport.poll_write(cx, this.now) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if this.is_over() => {
                    // The peer may be gone already; there is nobody to tell.
                    return this.transport.poll_shutdown(cx).map(|_| ());
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            // Writing makes room for more: the streams that had waited for it have news.
            if this.transport.http2.has_events() {
                continue;
            }
            if progress {
                if reads < READS_PER_POLL {
                    continue;
                }
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if this.calls.mailbox.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

/// The connection is gone, however that came: so are its calls.
impl<S> Drop for ServerConnection<S> {
    fn drop(&mut self) {
        for command in self.calls.mailbox.close() {
            drop(command);
        }
        for key in self.calls.slots.keys() {
            if let Some(slot) = self.calls.slots.take(key) {
                cut_short(
                    slot,
                    CancelReason::ConnectionLost,
                    &Status::unavailable("the connection was lost"),
                );
            }
        }
    }
}

/// Ends a call that its handler has not ended.
fn cut_short(slot: Slot, reason: CancelReason, status: &Status) {
    match slot.state {
        State::Gathering { .. } => {}
        State::Running(running) => {
            // The reason first: what the handler spawned, and its destructors, look for it.
            running.cancellation.cancel(reason);
            if let Some(pair) = &running.pair {
                pair.end(Err(status.clone()));
            }
            if let Some(task) = running.task {
                task.abort();
            }
        }
        State::Http(stream) => stream.cut_short(status),
    }
}

impl Calls {
    fn event(&mut self, http2: &mut Connection, now: Instant, event: Event) {
        match event {
            Event::Headers { key, fields, repeated, end_stream } => {
                self.begin(http2, now, key, fields, repeated, end_stream);
            }
            Event::Data { key, data, end_stream } => self.data(http2, now, key, data, end_stream),
            Event::Trailers { key, .. } => self.data(http2, now, key, Bytes::new(), true),
            Event::Sent { key } => self.pump(http2, key),
            Event::Reset { key, initiator, reason, .. } => {
                let (cause, status) = match initiator {
                    Initiator::Peer => {
                        (CancelReason::ClientReset, Status::cancelled("the client cancelled the call"))
                    }
                    Initiator::Local => (CancelReason::ProtocolError, Status::internal(reason)),
                };
                self.drop_slot(key, cause, &status);
            }
            // Dropping the connection ends its calls.
            Event::Closed { .. } => {
                let status = Status::unavailable("the connection was closed");
                for key in self.slots.keys() {
                    self.drop_slot(key, CancelReason::ConnectionLost, &status);
                }
            }
            _ => {}
        }
    }

    fn drop_slot(&mut self, key: StreamKey, reason: CancelReason, status: &Status) {
        if let Some(slot) = self.slots.take(key) {
            self.disarm(&slot);
            cut_short(slot, reason, status);
        }
    }

    fn begin(
        &mut self,
        http2: &mut Connection,
        now: Instant,
        key: StreamKey,
        fields: Arc<Fields>,
        repeated: bool,
        end_stream: bool,
    ) {
        match self.known_heads.disposition(&self.server, &fields, repeated) {
            Disposition::Call(head) => self.begin_call(http2, now, key, fields, head, end_stream),
            Disposition::Refused(status) => {
                let none = Metadata::default();
                self.responses.trailers_only(http2, key, crate::Format::Proto, &status, (&none, &none));
            }
            Disposition::UnknownEncoding(status) => self.responses.unknown_encoding(http2, key, status),
            Disposition::Http => {
                let (server, facts) = (Arc::clone(&self.server), Arc::clone(&self.facts));
                if let Some(handler) = &server.http {
                    self.begin_http(http2, key, fields, end_stream, handler, &facts);
                }
            }
            Disposition::HttpStatus(status) => self.responses.http_status(http2, key, status),
        }
    }

    fn begin_call(
        &mut self,
        http2: &mut Connection,
        now: Instant,
        key: StreamKey,
        fields: Arc<Fields>,
        head: CallHead,
        end_stream: bool,
    ) {
        let Some(route) = self.server.routes.get(head.route) else { return };
        let spec = route.spec;
        let own_limit = self.server.limits.unary_time.filter(|_| spec.kind() == Kind::Unary);
        let timeout = head.timeout.into_iter().chain(own_limit).min();
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
                self.data(http2, now, key, Bytes::new(), true);
            }
            return;
        }
        let pair = self.stream_pair(spec, &head, key);
        if end_stream {
            pair.inbox.end(Ok(()));
        }
        let call = self.call(spec, &head, deadline, fields, Request::Stream, Some(Arc::clone(&pair)));
        let running = Running {
            task: None,
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
        let pair = StreamPair::new(StreamFacts {
            spec,
            format: head.format,
            side: Side::Server,
            observers: self.server.chain.observers().clone(),
            outgoing: self.server.outgoing(head.accepts),
            decompression: self.server.decompression(),
        });
        pair.attach(Link { mailbox: Arc::clone(&self.mailbox), key });
        pair
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
        })
    }

    fn data(&mut self, http2: &mut Connection, now: Instant, key: StreamKey, data: Bytes, end_stream: bool) {
        let Some(slot) = self.slots.get_mut(key) else {
            // The call is over; its request is still under way and nobody will read it.
            http2.release_capacity(key, data.len());
            return;
        };
        match &mut slot.state {
            State::Gathering { .. } => self.gather(http2, now, key, data, end_stream),
            State::Running(running) => {
                Self::stream_data(http2, key, slot.head.compression, running, data, end_stream);
            }
            State::Http(stream) => stream.data(http2, key, data, end_stream),
        }
    }

    /// A piece of the one request message.
    #[inline]
    fn gather(
        &mut self,
        http2: &mut Connection,
        now: Instant,
        key: StreamKey,
        data: Bytes,
        end_stream: bool,
    ) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let State::Gathering { deframer, message, .. } = &mut slot.state else { return };
        deframer.push(data);
        let outcome = take_one(deframer, slot.head.compression, message, end_stream);
        match outcome {
            Err(status) => self.end_early(http2, now, key, CancelReason::ProtocolError, status),
            Ok(true) => self.start_gathered(http2, key),
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
        let running = State::Running(Running {
            task: None,
            cancellation: Cancellation::default(),
            pair: None,
            deframer: Deframer::new(0),
            broken: true,
            head_sent: false,
        });
        let State::Gathering { fields, message, .. } = std::mem::replace(&mut slot.state, running) else {
            return;
        };
        let Some(spec) = self.server.routes.get(head.route).map(|route| route.spec) else { return };
        let pair = spec.server_streaming.then(|| self.stream_pair(spec, &head, key));
        let request = message.map_or(Request::None, Request::One);
        let call = self.call(spec, &head, deadline, fields, request, pair.clone());
        if let Some(Slot { state: State::Running(running), .. }) = self.slots.get_mut(key) {
            running.cancellation = call.cancellation();
            running.pair = pair;
        }
        self.run(http2, key, head.route, call);
    }

    /// A piece of a request stream.
    fn stream_data(
        http2: &mut Connection,
        key: StreamKey,
        compression: Compression,
        running: &mut Running,
        data: Bytes,
        end_stream: bool,
    ) {
        let Some(pair) = running.pair.as_ref().filter(|_| !running.broken) else {
            http2.release_capacity(key, data.len());
            return;
        };
        running.deframer.push(data);
        let end = loop {
            match running.deframer.next() {
                Ok(Some(frame)) => {
                    let cost = frame.message.len() + Prefix::LEN;
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
            pair.inbox.end(end);
            return;
        }
        running.deframer.detach(crate::stream::COPIED_BELOW_BYTES);
        if running.deframer.needed() > 0 && pair.inbox.may_borrow() {
            http2.request_credit(key, running.deframer.needed());
        }
    }

    /// Runs the handler: its first poll here where the method has earned that, the rest in a task of its own.
    #[inline]
    fn run(&mut self, http2: &mut Connection, key: StreamKey, route_index: usize, call: Call) {
        let Some(route) = self.server.routes.get(route_index) else { return };
        let future = dispatch::run(Arc::clone(&self.server), Arc::clone(&route.service), route.method, call);
        let dispatch = if self.server.always_spawn { Dispatch::Spawned } else { route.inline.dispatch() };
        let first = match dispatch {
            Dispatch::Spawned => FirstPoll::Pending(future),
            Dispatch::Here => dispatch::first_poll(future),
            Dispatch::Measured => {
                let start = Instant::now();
                let first = dispatch::first_poll(future);
                route.inline.measured(start);
                first
            }
        };
        match first {
            FirstPoll::Done(ended) => self.finish(http2, key, ended),
            FirstPoll::Pending(future) => {
                let mailbox = Arc::clone(&self.mailbox);
                let task = tokio::spawn(async move {
                    let ended = dispatch::guarded(future).await;
                    // Refused only where the connection is gone, and the call with it.
                    drop(mailbox.command(Command::Ended(key, ended)));
                });
                if let Some(Slot { state: State::Running(running), .. }) = self.slots.get_mut(key) {
                    running.task = Some(task.abort_handle());
                }
            }
        }
    }

    /// The handler has ended: its answer goes out.
    #[inline]
    fn finish(&mut self, http2: &mut Connection, key: StreamKey, ended: Ended) {
        let Some(slot) = self.slots.take(key) else { return };
        self.disarm(&slot);
        let State::Running(running) = slot.state else { return };
        let head = slot.head;
        drop(running.cancellation);
        let Ended { call, result } = ended;
        let mut call = call;
        let mut headers = call.as_mut().map(|call| std::mem::take(call.headers_mut())).unwrap_or_default();
        let trailers = call.as_mut().map(|call| std::mem::take(call.trailers_mut())).unwrap_or_default();
        let mut head_sent = running.head_sent;
        let compression = match (&running.pair, &call) {
            (Some(pair), _) if head_sent || pair.facts.spec.server_streaming => pair.outbox.compression(),
            (_, Some(call)) => call.response_compression(),
            _ => Compression::Identity,
        };
        if let Some(pair) = &running.pair {
            let taken = pair.outbox.take(&mut self.outgoing);
            let rest = taken.headers.unwrap_or_else(|| pair.outbox.take_headers());
            headers.extend(&rest);
            if !self.outgoing.is_empty() {
                self.send_head(http2, key, &head, compression, &headers, &mut head_sent);
                http2.send_data(key, &mut self.outgoing);
            }
        }
        match (result, &mut call) {
            (Ok(Answer::One), Some(call)) => {
                self.send_head(http2, key, &head, compression, &headers, &mut head_sent);
                http2.send_data(key, call.response_mut());
                self.responses.trailers(http2, key, &Ok(()), &trailers);
            }
            (Ok(_), _) => {
                self.send_head(http2, key, &head, compression, &headers, &mut head_sent);
                self.responses.trailers(http2, key, &Ok(()), &trailers);
            }
            (Err(status), _) if head_sent => self.responses.trailers(http2, key, &Err(status), &trailers),
            (Err(status), _) => {
                self.responses.trailers_only(http2, key, head.format, &status, (&headers, &trailers));
            }
        }
        if let Some(pair) = running.pair {
            pair.end(Ok(()));
        }
        if let Some(call) = call {
            call.recycle();
        }
    }

    #[inline]
    fn send_head(
        &mut self,
        http2: &mut Connection,
        key: StreamKey,
        head: &CallHead,
        compression: Compression,
        headers: &Metadata,
        sent: &mut bool,
    ) {
        if !std::mem::replace(sent, true) {
            self.responses.head(http2, key, head, compression, headers);
        }
    }

    /// Ends a call whose handler has not ended it: deadline, broken request, shutdown.
    fn end_early(
        &mut self,
        http2: &mut Connection,
        _now: Instant,
        key: StreamKey,
        reason: CancelReason,
        status: Status,
    ) {
        let Some(slot) = self.slots.take(key) else { return };
        self.disarm(&slot);
        let head = slot.head;
        let mut head_sent = false;
        let mut compression = Compression::Identity;
        let mut headers = Metadata::default();
        if let State::Running(running) = &slot.state {
            head_sent = running.head_sent;
            if let Some(pair) = &running.pair {
                // What was sent before goes out before the end.
                compression = pair.outbox.compression();
                headers = pair.outbox.take(&mut self.outgoing).headers.unwrap_or_default();
            }
        }
        if !self.outgoing.is_empty() {
            self.send_head(http2, key, &head, compression, &headers, &mut head_sent);
            http2.send_data(key, &mut self.outgoing);
        }
        cut_short(slot, reason, &status);
        let none = Metadata::default();
        if head_sent {
            self.responses.trailers(http2, key, &Err(status), &none);
        } else {
            self.responses.trailers_only(http2, key, head.format, &status, (&headers, &none));
        }
    }

    /// A stream has news in its outbox or inbox, or room in the connection.
    fn pump(&mut self, http2: &mut Connection, key: StreamKey) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let head = slot.head;
        let running = match &mut slot.state {
            State::Running(running) => running,
            State::Http(stream) => return stream.pump(http2, key, &mut self.outgoing),
            State::Gathering { .. } => return,
        };
        let Some(pair) = running.pair.as_ref().map(Arc::clone) else { return };
        let read = pair.inbox.take_read();
        http2.release_capacity(key, read.credit);
        if running.deframer.needed() > 0 && !running.broken && pair.inbox.may_borrow() {
            http2.request_credit(key, running.deframer.needed());
        }
        if http2.queued(key) >= QUEUED_PER_STREAM_BYTES {
            return;
        }
        let taken = pair.outbox.take(&mut self.outgoing);
        if !self.outgoing.is_empty() {
            if !std::mem::replace(&mut running.head_sent, true) {
                let compression = pair.outbox.compression();
                self.responses.head(http2, key, &head, compression, &taken.headers.unwrap_or_default());
            }
            http2.send_data(key, &mut self.outgoing);
        }
    }

    fn command(&mut self, http2: &mut Connection, now: Instant, command: Command) {
        match command {
            Command::Ended(key, ended) => self.finish(http2, key, ended),
            Command::Drain => {
                http2.shut_down(now);
                for key in self.slots.keys() {
                    let ends = self.slots.get_mut(key).map(|slot| slot.head.route);
                    if ends
                        .and_then(|route| self.server.routes.get(route))
                        .is_some_and(|route| route.ends_on_drain)
                    {
                        self.end_early(http2, now, key, CancelReason::Shutdown, shutting_down());
                    }
                }
            }
            Command::Close => {
                for key in self.slots.keys() {
                    self.end_early(http2, now, key, CancelReason::Shutdown, shutting_down());
                }
                http2.close(ErrorCode::NO_ERROR, "shut down");
            }
            Command::Http(key, command) => self.http_command(http2, key, command),
            // A server is never asked for these.
            Command::Open(_) | Command::Cancel(_) => {}
        }
    }

    /// Arms the deadlines of the calls that have outlived the turn they came in.
    fn arm(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.young) {
            let Some(slot) = self.slots.get_mut(key) else { continue };
            if let (Some(deadline), None) = (slot.deadline, slot.timer) {
                slot.timer = Some(self.wheel.insert(now, deadline, key.slot() as u64));
            }
        }
    }

    fn disarm(&mut self, slot: &Slot) {
        if let Some(timer) = slot.timer {
            self.wheel.cancel(timer);
        }
    }

    fn expire(&mut self, http2: &mut Connection, now: Instant) {
        while let Some(place) = self.wheel.poll_expired(now) {
            let due = self.slots.at(place as usize).filter(|slot| slot.deadline.is_some_and(|at| at <= now));
            if let Some(slot) = due {
                slot.timer = None;
                let key = slot.key;
                let status = Status::deadline_exceeded("the call took longer than its deadline allows");
                self.end_early(http2, now, key, CancelReason::Deadline, status);
            }
        }
    }
}

fn shutting_down() -> Status {
    Status::unavailable("server is shutting down")
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
