//! The task of one client connection.

use super::attempt::{Attempt, AttemptState, Ended, Outcome};
use super::call::CallState;
use super::channel::{Channel, WeakChannel};
use crate::call::ConnectionFacts;
use crate::compression::{Encodings, Received, unknown_encoding};
use crate::driver::{Command, Io, Mailbox, Transport, Upkeep, UpkeepAction, clock};
use crate::stream::{COPIED_BELOW_BYTES, Link};
use crate::{Code, Compression, Metadata, Output, Result, Status};
use bytes::Bytes;
use gannet_core::{
    Deframer, LifetimeConfig, Prefix, TimerKey, Wheel, check_response_headers, outcome_from_trailers,
};
use gannet_http2::{Connection, ErrorCode, Event, Fields, Initiator, Name, OpenError, StreamKey};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::oneshot;

/// Messages stay in their outbox while this much of their stream waits in the connection.
const QUEUED_PER_STREAM_BYTES: usize = 64 * 1024;
const UNSENT_LIMIT_BYTES: usize = 4 * 1024 * 1024;
const READS_PER_POLL: u32 = 4;

/// The task of one client connection: a future that ends with the connection.
pub(super) struct ClientConnection<S> {
    transport: Transport<S>,
    attempts: Attempts,
    ready: Vec<StreamKey>,
    commands: Vec<Command>,
    now: Instant,
    upkeep: Upkeep,
    /// The server has not answered a keepalive PING.
    server_is_gone: bool,
}

/// What a keepalive PING carries, to tell its answer from others in a trace.
const KEEPALIVE_PING: [u8; 8] = *b"are u ok";

/// The attempts of a connection, apart from its bytes.
struct Attempts {
    channel: WeakChannel,
    facts: Arc<ConnectionFacts>,
    mailbox: Arc<Mailbox>,
    slots: Vec<Option<Slot>>,
    /// Attempts that wait because the peer allows no more streams at once.
    waiting: VecDeque<Box<Attempt>>,
    /// The earliest deadline of those that wait.
    waiting_until: Option<Instant>,
    wheel: Wheel,
    young: Vec<StreamKey>,
    outgoing: Output,
    /// Why the connection ended, for those that it takes along.
    error: Option<Status>,
    /// Until the server's first SETTINGS: who waits for the connection.
    starting: Option<oneshot::Sender<Result<()>>>,
}

struct Slot {
    key: StreamKey,
    state: Arc<AttemptState>,
    /// A stream's call, until the server has answered.
    again: Option<Box<CallState>>,
    deadline: Option<Instant>,
    timer: Option<TimerKey>,
    deframer: Deframer,
    accepts: Encodings,
    /// What the response's messages are compressed with.
    compression: Compression,
    message: Option<Received>,
    headers: Option<Metadata>,
}

impl<S: Io> ClientConnection<S> {
    pub(super) fn new(
        io: S,
        channel: &Channel,
        facts: Arc<ConnectionFacts>,
        (mailbox, ready): (Arc<Mailbox>, oneshot::Sender<Result<()>>),
        now: Instant,
    ) -> Self {
        let settings = channel.settings();
        // A message within its limit can always arrive.
        let http2 = settings.http2.clone().fits_messages(settings.max_decoded_message);
        let transport = Transport::new(io, Connection::client(http2, now));
        let attempts = Attempts {
            channel: channel.downgrade(),
            facts,
            mailbox,
            slots: Vec::new(),
            waiting: VecDeque::new(),
            waiting_until: None,
            wheel: Wheel::new(),
            young: Vec::new(),
            outgoing: Output::new(),
            error: None,
            starting: Some(ready),
        };
        let upkeep = Upkeep::new(channel.keepalive(), LifetimeConfig::default(), now, 0.0);
        Self {
            transport,
            attempts,
            ready: Vec::new(),
            commands: Vec::new(),
            now,
            upkeep,
            server_is_gone: false,
        }
    }

    fn take_mail(&mut self) {
        self.attempts.mailbox.take(&mut self.ready, &mut self.commands);
        for command in self.commands.drain(..) {
            self.attempts.command(&mut self.transport.http2, self.now, command);
        }
        for key in self.ready.drain(..) {
            self.attempts.pump(&mut self.transport.http2, key);
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        let http2 = &self.transport.http2;
        self.upkeep.calls(self.now, http2.open_streams() > 0, false);
        let next = [http2.poll_timeout(), self.attempts.next_deadline(), self.upkeep.next()];
        let next = next.into_iter().flatten().min();
        if self.transport.poll_timer(cx, next).is_pending() {
            return false;
        }
        self.transport.http2.handle_timeout(self.now);
        self.attempts.expire(&mut self.transport.http2, self.now);
        match self.upkeep.poll(self.now) {
            Some(UpkeepAction::Ping) => self.transport.http2.ping(KEEPALIVE_PING),
            Some(UpkeepAction::PeerIsGone) => {
                let peer = &self.attempts.facts.peer;
                let text = format!("{peer} does not answer: a keepalive PING was not acknowledged in time");
                self.attempts.error = Some(Status::unavailable(text));
                self.server_is_gone = true;
            }
            // A client's connection has no age.
            Some(UpkeepAction::Drain | UpkeepAction::Cut) | None => {}
        }
        true
    }

    fn is_over(&self) -> bool {
        let http2 = &self.transport.http2;
        let idle = http2.open_streams() == 0 && self.attempts.waiting.is_empty();
        let unwanted = self.attempts.channel.is_gone() || http2.peer_is_going_away();
        (http2.is_closed() || (idle && unwanted)) && http2.unsent() == 0 && self.transport.unwritten() == 0
    }

    fn lost(&mut self, error: &std::io::Error) {
        let peer = &self.attempts.facts.peer;
        self.attempts.error =
            Some(Status::unavailable(format!("the connection to {peer} was lost: {}", explain(error))));
    }
}

#[cfg(feature = "tls")]
fn explain(error: &std::io::Error) -> String {
    // With TLS 1.3 a server refuses a client's certificate after the client's handshake is over.
    crate::tls::explain(crate::tls::Side::Client, error)
}

#[cfg(not(feature = "tls"))]
fn explain(error: &std::io::Error) -> String {
    error.to_string()
}

impl<S: Io> Future for ClientConnection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut reads = 0;
        loop {
            this.now = clock::now();
            this.transport.lend_buffer();
            this.take_mail();
            let mut progress = this.poll_time(cx);
            if this.server_is_gone {
                return Poll::Ready(());
            }
            if this.transport.http2.unsent() + this.transport.unwritten() < UNSENT_LIMIT_BYTES {
                match this.transport.poll_read(cx, this.now) {
                    Poll::Ready(Ok(_)) => {
                        progress = true;
                        reads += 1;
                        this.upkeep.heard(this.now);
                        if this.attempts.starting.is_some() {
                            this.attempts.see_first_bytes(this.transport.last_read());
                        }
                    }
                    Poll::Ready(Err(error)) => {
                        this.lost(&error);
                        return Poll::Ready(());
                    }
                    Poll::Pending => {}
                }
            }
            while let Some(event) = this.transport.http2.poll_event(this.now) {
                this.attempts.event(&mut this.transport.http2, this.now, event);
            }
            this.transport.end_read();
            this.attempts.tell_start(&this.transport.http2);
            this.attempts.arm(this.now);
            if this.transport.http2.is_abandoned() {
                return Poll::Ready(());
            }
            match this.transport.poll_write(cx, this.now) {
                Poll::Ready(Err(error)) => {
                    this.lost(&error);
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(())) if this.is_over() => return this.transport.poll_shutdown(cx).map(|_| ()),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
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
            if this.attempts.mailbox.sleep(cx.waker()) {
                this.transport.return_buffers();
                return Poll::Pending;
            }
        }
    }
}

/// The connection is gone: attempts that were sent end, those that were not are tried elsewhere.
impl<S> Drop for ClientConnection<S> {
    fn drop(&mut self) {
        let attempts = &mut self.attempts;
        if let Some(channel) = attempts.channel.upgrade() {
            channel.retire(&attempts.mailbox);
        }
        let peer = &attempts.facts.peer;
        let lost = Status::unavailable(format!("the connection to {peer} was lost"));
        let error = attempts.error.take().unwrap_or(lost);
        if let Some(starting) = attempts.starting.take() {
            // Nobody waits any more where connecting took too long.
            let _ = starting.send(Err(error.clone()));
        }
        let unsent = attempts.mailbox.close().into_iter().filter_map(|command| match command {
            Command::Open(attempt) => Some(attempt),
            _ => None,
        });
        for attempt in unsent.chain(attempts.waiting.drain(..)) {
            attempt.unprocessed(error.clone());
        }
        for slot in attempts.slots.iter_mut().filter_map(Option::take) {
            slot.end(Err(error.clone()), Metadata::default());
        }
    }
}

impl Slot {
    /// Reads the response's `grpc-encoding`.
    fn accept_encoding(&mut self, headers: &Fields) -> Result<()> {
        let Some(name) = headers.get(Name::GrpcEncoding) else { return Ok(()) };
        let known = Compression::from_name(name).filter(|one| self.accepts.contains(*one));
        // compression.md, test case 5.
        self.compression = known.ok_or_else(|| Status::internal(unknown_encoding(name, self.accepts)))?;
        self.deframer.allow_compressed(self.compression != Compression::Identity);
        Ok(())
    }

    /// PROTOCOL-HTTP2, "Client Cancellation": where the deadline has passed, a server's CANCELLED is DEADLINE_EXCEEDED,
    /// and nothing of its trailers is used.
    fn not_cancelled_but_late(&self, status: Status) -> Status {
        let late = status.code() == Code::Cancelled && self.deadline.is_some_and(|at| at <= clock::now());
        if late {
            Status::deadline_exceeded("the deadline passed while the server worked on the call")
        } else {
            status
        }
    }

    /// The attempt is over.
    fn end(self, result: Result<()>, trailers: Metadata) {
        let result = result.map_err(|status| self.not_cancelled_but_late(status));
        if let Some(pair) = &self.state.pair {
            pair.inbox.set_trailers(trailers.clone());
            pair.end(result.clone());
        }
        let headers = self.headers.unwrap_or_default();
        let result = match (result, self.message) {
            (Ok(()), Some(message)) => Ok(message),
            (Ok(()), None) => Err(Status::unimplemented("the server ended the call without an answer")),
            (Err(status), _) => Err(status),
        };
        self.state.end(Outcome::Ended(Ended { headers, trailers, result: Some(result) }));
    }
}

impl Attempts {
    fn get(&mut self, key: StreamKey) -> Option<&mut Slot> {
        self.slots.get_mut(key.slot())?.as_mut().filter(|slot| slot.key == key)
    }

    fn take(&mut self, key: StreamKey) -> Option<Slot> {
        let slot = self.slots.get_mut(key.slot())?.take_if(|slot| slot.key == key)?;
        if let Some(timer) = slot.timer {
            self.wheel.cancel(timer);
        }
        Some(slot)
    }

    fn end(&mut self, key: StreamKey, result: Result<()>, trailers: Metadata) {
        if let Some(slot) = self.take(key) {
            slot.end(result, trailers);
        }
    }

    /// Ends an attempt from this side: the server is told to stop.
    fn give_up(&mut self, http2: &mut Connection, key: StreamKey, status: Status) {
        http2.reset(key, ErrorCode::CANCEL);
        self.end(key, Err(status), Metadata::default());
    }

    fn command(&mut self, http2: &mut Connection, now: Instant, command: Command) {
        match command {
            Command::Open(attempt) => self.open(http2, now, attempt),
            Command::Cancel(state) => match state.key() {
                Some(key) => self.give_up(http2, key, Status::cancelled("the call was cancelled")),
                None => self.waiting.retain(|attempt| !Arc::ptr_eq(&attempt.state, &state)),
            },
            Command::Drain | Command::Close => http2.shut_down(now),
            // A client has neither handlers nor doors.
            Command::Ended(..) | Command::Http(..) => {}
        }
    }

    fn open(&mut self, http2: &mut Connection, now: Instant, attempt: Box<Attempt>) {
        let blocked =
            if self.waiting.is_empty() { self.try_open(http2, now, attempt) } else { Some(attempt) };
        if let Some(attempt) = blocked {
            self.wait(attempt);
        }
    }

    /// Opens a stream for an attempt. It comes back where the server takes no more streams at present.
    fn try_open(
        &mut self,
        http2: &mut Connection,
        now: Instant,
        attempt: Box<Attempt>,
    ) -> Option<Box<Attempt>> {
        if attempt.state.is_cancelled() {
            return None;
        }
        if attempt.deadline.is_some_and(|at| at <= now) {
            attempt.fail(waited_too_long());
            return None;
        }
        match http2.open(&attempt.fields, false) {
            Ok(key) => self.opened(http2, key, *attempt),
            Err(OpenError::TooManyStreams) => return Some(attempt),
            Err(error @ OpenError::FieldsTooLarge) => {
                let text =
                    "the call's metadata is larger than the server takes (SETTINGS_MAX_HEADER_LIST_SIZE)";
                attempt.fail(Status::resource_exhausted(text).with_source(error));
            }
            Err(error) => {
                self.retire();
                attempt.unprocessed(Status::unavailable(error.to_string()).with_source(error));
            }
        }
        None
    }

    /// Waits for a free stream, at most until the call's deadline.
    fn wait(&mut self, attempt: Box<Attempt>) {
        self.waiting_until = self.waiting_until.into_iter().chain(attempt.deadline).min();
        self.waiting.push_back(attempt);
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next().into_iter().chain(self.waiting_until).min()
    }

    fn expire_waiting(&mut self, now: Instant) {
        if self.waiting_until.is_none_or(|at| at > now) {
            return;
        }
        let is_late = |attempt: &Attempt| attempt.deadline.is_some_and(|at| at <= now);
        for attempt in std::mem::take(&mut self.waiting) {
            if is_late(&attempt) { attempt.fail(waited_too_long()) } else { self.waiting.push_back(attempt) }
        }
        self.waiting_until = self.waiting.iter().filter_map(|attempt| attempt.deadline).min();
    }

    fn opened(&mut self, http2: &mut Connection, key: StreamKey, attempt: Attempt) {
        if !attempt.state.opened(key) {
            return http2.reset(key, ErrorCode::CANCEL);
        }
        if let Some(body) = attempt.body {
            self.outgoing.put_bytes(body);
            http2.send_last_data(key, &mut self.outgoing);
        }
        if attempt.deadline.is_some() {
            self.young.push(key);
        }
        if self.slots.len() <= key.slot() {
            self.slots.resize_with(key.slot() + 1, || None);
        }
        let pair = attempt.state.pair.clone();
        self.slots[key.slot()] = Some(Slot {
            key,
            state: attempt.state,
            again: attempt.again,
            deadline: attempt.deadline,
            timer: None,
            deframer: Deframer::new(attempt.max_decoded_message),
            accepts: attempt.accepts,
            compression: Compression::Identity,
            message: None,
            headers: None,
        });
        if let Some(pair) = pair {
            // What the caller has sent so far is announced by this.
            pair.attach(Link { mailbox: Arc::clone(&self.mailbox), key });
        }
    }

    fn event(&mut self, http2: &mut Connection, now: Instant, event: Event) {
        match event {
            Event::Headers { key, fields, end_stream, .. } => self.headers(http2, key, fields, end_stream),
            Event::Data { key, data, end_stream } => self.data(http2, key, data, end_stream),
            Event::Trailers { key, fields, .. } => self.trailers(http2, key, &fields),
            Event::Sent { key } => self.pump(http2, key),
            Event::Reset { key, code, initiator, reason, unprocessed } => {
                self.reset(key, code, initiator, reason, unprocessed);
            }
            Event::StreamsAvailable => {
                while let Some(attempt) = self.waiting.pop_front() {
                    if let Some(attempt) = self.try_open(http2, now, attempt) {
                        return self.waiting.push_front(attempt);
                    }
                }
            }
            Event::GoAway { code, debug, .. } => {
                self.retire();
                if code == ErrorCode::ENHANCE_YOUR_CALM
                    && debug[..] == *b"too_many_pings"
                    && let Some(channel) = self.channel.upgrade()
                {
                    channel.asked_too_often();
                }
                if code != ErrorCode::NO_ERROR {
                    let (peer, debug) = (&self.facts.peer, String::from_utf8_lossy(&debug));
                    let text = format!("{peer} ended the connection: {debug} ({code})");
                    self.error = Some(Status::unavailable(text));
                }
                for attempt in std::mem::take(&mut self.waiting) {
                    let status = Status::unavailable("the server takes no more calls on this connection");
                    attempt.unprocessed(status);
                }
            }
            Event::Closed { error } => {
                let peer = &self.facts.peer;
                let text = error.map_or_else(|| "closed".to_owned(), |error| error.to_string());
                let status = Status::unavailable(format!("the connection to {peer} ended: {text}"));
                // What the server said with its GOAWAY says more.
                self.error.get_or_insert(status);
            }
            _ => {}
        }
    }

    fn headers(&mut self, http2: &mut Connection, key: StreamKey, fields: Arc<Fields>, end_stream: bool) {
        if end_stream {
            // PROTOCOL-HTTP2, "Trailers-Only".
            return self.trailers(http2, key, &fields);
        }
        if let Err(status) = check_response_headers(&fields) {
            return self.give_up(http2, key, status);
        }
        let Some(slot) = self.get(key) else { return };
        if let Err(status) = slot.accept_encoding(&fields) {
            return self.give_up(http2, key, status);
        }
        let headers = Metadata::from(fields);
        match &slot.state.pair {
            Some(pair) => {
                // The server has begun: what was sent is not needed again.
                slot.again = None;
                pair.outbox.commit();
                pair.inbox.set_headers(headers);
            }
            None => slot.headers = Some(headers),
        }
    }

    fn trailers(&mut self, http2: &mut Connection, key: StreamKey, fields: &Arc<Fields>) {
        let Some(slot) = self.get(key) else { return };
        let result = outcome_from_trailers(fields).and_then(|()| slot.deframer.finish());
        self.end(key, result, Metadata::from(Arc::clone(fields)));
        // PROTOCOL-HTTP2, "Early Server Closure": where our side is still open. The key of a whole stream is dead.
        http2.reset(key, ErrorCode::NO_ERROR);
    }

    fn data(&mut self, http2: &mut Connection, key: StreamKey, data: Bytes, end_stream: bool) {
        let Some(slot) = self.get(key) else { return http2.release_capacity(key, data.len()) };
        slot.deframer.push(data);
        let broken = loop {
            match slot.deframer.next() {
                Ok(Some(frame)) => {
                    let cost = frame.message.len() + Prefix::LEN;
                    let received = Received::of(frame, slot.compression);
                    match &slot.state.pair {
                        Some(pair) => http2.release_capacity(key, pair.inbox.push(received, cost)),
                        None if slot.message.is_some() => {
                            break Some(Status::unimplemented("the server sent more than one answer"));
                        }
                        None => slot.message = Some(received),
                    }
                }
                Ok(None) => break None,
                Err(status) => break Some(status),
            }
        };
        if let Some(status) = broken {
            return self.give_up(http2, key, status);
        }
        if end_stream {
            let status = slot.deframer.finish().err();
            let status =
                status.unwrap_or_else(|| Status::internal("the server ended the stream without a status"));
            self.end(key, Err(status), Metadata::default());
            return http2.reset(key, ErrorCode::NO_ERROR);
        }
        slot.deframer.detach(COPIED_BELOW_BYTES);
        // A small answer waits for its trailers, which are most often in the same read; it must not pin the buffer.
        let needed = slot.deframer.needed();
        if needed > 0 && slot.state.pair.as_ref().is_none_or(|pair| pair.inbox.may_borrow(needed)) {
            http2.request_credit(key, needed);
        }
    }

    fn reset(
        &mut self,
        key: StreamKey,
        code: ErrorCode,
        by: Initiator,
        reason: &'static str,
        unprocessed: bool,
    ) {
        let Some(slot) = self.take(key) else { return };
        let status = match by {
            Initiator::Local => Status::internal(reason),
            Initiator::Peer => {
                let meaning = Code::from_http2_error(code.0);
                // PROTOCOL-HTTP2, "Errors": a stream that the peer closes without trailers.
                let detail = match code {
                    ErrorCode::ENHANCE_YOUR_CALM => "; it has no bandwidth left for us",
                    ErrorCode::INADEQUATE_SECURITY => "; the connection is not secure enough for the call",
                    _ => "",
                };
                Status::new(meaning, format!("the server reset the stream: {code}{detail}"))
            }
        };
        if unprocessed {
            return slot.state.unprocessed(slot.again, status);
        }
        slot.end(Err(status), Metadata::default());
    }

    /// A stream has news in its outbox or inbox, or room in the connection.
    fn pump(&mut self, http2: &mut Connection, key: StreamKey) {
        let Some(slot) = self.get(key) else { return };
        let Some(pair) = slot.state.pair.clone() else { return };
        let read = pair.inbox.take_read();
        http2.release_capacity(key, read.credit);
        let needed = slot.deframer.needed();
        if needed > 0 && pair.inbox.may_borrow(needed) {
            http2.request_credit(key, needed);
        }
        if read.abandoned {
            return self.give_up(http2, key, Status::cancelled("the receiver was dropped before the end"));
        }
        if http2.queued(key) >= QUEUED_PER_STREAM_BYTES {
            return;
        }
        let taken = pair.outbox.take(&mut self.outgoing);
        if taken.abandoned {
            self.outgoing.clear();
            let status = Status::cancelled("the sender was dropped without finishing the stream");
            return self.give_up(http2, key, status);
        }
        if taken.finished {
            http2.send_last_data(key, &mut self.outgoing);
        } else if !self.outgoing.is_empty() {
            http2.send_data(key, &mut self.outgoing);
        }
    }

    fn arm(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.young) {
            let Some(slot) =
                self.slots.get_mut(key.slot()).and_then(Option::as_mut).filter(|slot| slot.key == key)
            else {
                continue;
            };
            if let (Some(deadline), None) = (slot.deadline, slot.timer) {
                slot.timer = Some(self.wheel.insert(now, deadline, key.slot() as u64));
            }
        }
    }

    fn expire(&mut self, http2: &mut Connection, now: Instant) {
        self.expire_waiting(now);
        while let Some(place) = self.wheel.poll_expired(now) {
            let Some(slot) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else { continue };
            if slot.deadline.is_some_and(|at| at <= now) {
                slot.timer = None;
                let key = slot.key;
                let peer = self.facts.peer.clone();
                let status =
                    Status::deadline_exceeded(format!("the deadline passed while {peer} worked on the call"));
                self.give_up(http2, key, status);
            }
        }
    }

    /// What a server that speaks something else begins with says what is wrong, better than a broken frame does.
    fn see_first_bytes(&mut self, bytes: &[u8]) {
        // RFC 8446 §5.1: a record's type (alert or handshake) and its version.
        let meaning = if bytes.starts_with(b"\x15\x03") || bytes.starts_with(b"\x16\x03") {
            "the server speaks TLS on this port; set ChannelBuilder::tls"
        } else if bytes.starts_with(b"HTTP/1.") {
            "the server speaks HTTP/1.1 on this port; gRPC needs HTTP/2, through every proxy on the way"
        } else {
            return;
        };
        self.error =
            Some(Status::unavailable(format!("connecting to {} failed: {meaning}", self.facts.peer)));
    }

    /// connectivity-semantics-and-api.md, READY: the server has said by its SETTINGS that it speaks HTTP/2.
    fn tell_start(&mut self, http2: &Connection) {
        if self.starting.is_none() || !http2.is_settled() || http2.is_closed() {
            return;
        }
        if let Some(starting) = self.starting.take() {
            let refused = self.error.clone().filter(|_| http2.peer_is_going_away());
            let _ = starting.send(refused.map_or(Ok(()), Err));
        }
    }

    /// No new calls come here.
    fn retire(&self) {
        if let Some(channel) = self.channel.upgrade() {
            channel.retire(&self.mailbox);
        }
    }
}

fn waited_too_long() -> Status {
    Status::deadline_exceeded("the deadline passed while the call waited for a free stream")
}
