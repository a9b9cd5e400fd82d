//! The calls of one connection, apart from its bytes: what its events, its commands and time do to them.

mod answers;
mod handlers;
mod requests;

use super::decoded::DecodedData;
use super::events::ServerEvent;
use super::load::ServerLimit;
use super::request::{Disposition, KnownHeads};
use super::response::Responses;
use super::shared::ServerShared;
use super::slot::{Slot, Slots, State};
use crate::call::ConnectionFacts;
use crate::driver::{Command, Mailbox};
use crate::registry::{Counter, Counts};
use crate::{CancelReason, Metadata, Output, Peer, Status};
use bytes::Bytes;
use gannet_core::Wheel;
use gannet_http2::{Connection, ErrorCode, Event, Fields, Initiator, Name, StreamKey};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

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
    /// Calls have begun since the connection last looked.
    begun: bool,
    /// A handler has stayed here: from now on there may be some to poll.
    pub(super) handlers_stay: bool,
    /// Handlers here that were woken in their own poll: they go on after other tasks.
    pub(super) yielded: Vec<StreamKey>,
    pub(super) counts: Counts,
}

impl Calls {
    pub(super) fn new(server: Arc<ServerShared>, peer: Peer, mailbox: Arc<Mailbox>) -> Self {
        let decoded = DecodedData::new(server.decoded_budget, Arc::clone(&server.load));
        let draining = server.draining.subscribe();
        let of_peer = server.streams_by_peer.as_ref().and_then(|all| all.of(peer.address()));
        let facts = ConnectionFacts { peer, draining, decoded: Some(decoded) };
        Self {
            responses: Responses::new(server.compression.accepted),
            server,
            facts: Arc::new(facts),
            mailbox,
            slots: Slots::new(of_peer),
            known_heads: KnownHeads::default(),
            wheel: Wheel::new(),
            young: Vec::new(),
            outgoing: Output::new(),
            begun: false,
            handlers_stay: false,
            yielded: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// The connection is gone, and its calls with it.
    pub(super) fn lost(&mut self) {
        for command in self.mailbox.close() {
            drop(command);
        }
        self.drop_all(&Status::unavailable("the connection was lost"));
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next()
    }

    pub(super) fn event(&mut self, http2: &mut Connection, now: Instant, event: Event) {
        match event {
            Event::Headers { key, fields, repeated, end_stream } => {
                self.begin(http2, now, key, fields, repeated, end_stream);
            }
            Event::Data { key, data, end_stream } => self.data(http2, key, data, end_stream),
            Event::Trailers { key, .. } => self.data(http2, key, Bytes::new(), true),
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
                self.drop_all(&Status::unavailable("the connection was closed"));
            }
            _ => {}
        }
    }

    /// Ends the calls that are left with UNAVAILABLE, and the connection. Says how many they were.
    pub(super) fn cut_all(&mut self, http2: &mut Connection, why: &'static str) -> usize {
        let keys = self.slots.keys();
        for key in &keys {
            self.end_early(http2, *key, CancelReason::Shutdown, Status::unavailable(why));
        }
        http2.close(ErrorCode::NO_ERROR, "shut down");
        keys.len()
    }

    /// Whether calls have begun since this was last asked.
    pub(super) fn take_begun(&mut self) -> bool {
        std::mem::take(&mut self.begun)
    }

    fn drop_all(&mut self, status: &Status) {
        for key in self.slots.keys() {
            self.drop_slot(key, CancelReason::ConnectionLost, status);
        }
    }

    fn drop_slot(&mut self, key: StreamKey, reason: CancelReason, status: &Status) {
        if let Some(slot) = self.slots.take(key) {
            self.disarm(&slot);
            self.counts[Counter::StreamsFailed] += 1;
            if !matches!(slot.state, State::Http(_)) {
                self.counts.call_ended(false);
            }
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
        self.begun = true;
        self.counts[Counter::StreamsStarted] += 1;
        match self.known_heads.disposition(&self.server, &fields, repeated) {
            Disposition::Call(head, timeout) => {
                self.begin_call(http2, now, key, fields, (head, timeout), end_stream);
            }
            Disposition::Refused(status) => {
                self.tell_refused(path(&fields), &status);
                let none = Metadata::default();
                self.responses.trailers_only(http2, key, crate::Format::Proto, &status, (&none, &none));
                self.refused();
            }
            Disposition::UnknownEncoding(status) => {
                self.tell_refused(path(&fields), &status);
                self.responses.unknown_encoding(http2, key, status);
                self.refused();
            }
            Disposition::Http => {
                let (server, facts) = (Arc::clone(&self.server), Arc::clone(&self.facts));
                if let Some(handler) = &server.http {
                    self.begin_http(http2, key, fields, end_stream, handler, &facts);
                }
            }
            Disposition::HttpStatus(http_status) => {
                let (peer, path) = (&self.facts.peer, &*String::from_utf8_lossy(path(&fields)));
                self.server.observer.tell(&ServerEvent::RequestRefused { peer, path, http_status });
                self.responses.http_status(http2, key, http_status);
                self.counts[Counter::StreamsSucceeded] += 1;
            }
        }
    }

    /// For whoever watches the server: no interceptor will see this call.
    fn tell_refused(&self, path: &[u8], status: &Status) {
        let (peer, path) = (&self.facts.peer, &*String::from_utf8_lossy(path));
        self.server.observer.tell(&ServerEvent::CallRefused { peer, path, status });
    }

    /// Whether the peer may have another stream. One that it may not have is refused: nothing has been done with it, so
    /// it may be tried again (RFC 9113 §8.7), perhaps when others of the peer's have ended.
    #[inline]
    pub(super) fn may_take(&mut self, http2: &mut Connection, key: StreamKey) -> bool {
        let may = self.slots.may_insert();
        if !may {
            self.server.load.count(ServerLimit::StreamsPerPeer);
            self.counts[Counter::StreamsFailed] += 1;
            http2.reset(key, ErrorCode::REFUSED_STREAM);
        }
        may
    }

    /// A call has ended that no handler has seen.
    fn refused(&mut self) {
        self.counts[Counter::CallsStarted] += 1;
        self.answered(false);
    }

    /// A call has ended, and its client has the status.
    fn answered(&mut self, well: bool) {
        self.counts.call_ended(well);
        self.counts[Counter::StreamsSucceeded] += 1;
    }

    fn data(&mut self, http2: &mut Connection, key: StreamKey, data: Bytes, end_stream: bool) {
        let Some(slot) = self.slots.get_mut(key) else {
            // The call is over; its request is still under way and nobody will read it.
            http2.release_capacity(key, data.len());
            return;
        };
        match &mut slot.state {
            State::Gathering { .. } => self.gather(http2, key, data, end_stream),
            State::Running(running) => {
                let received = &mut self.counts[Counter::MessagesReceived];
                let compression = slot.head.compression;
                let read = Self::stream_data(http2, key, compression, running, data, end_stream, received);
                if read.is_err() {
                    self.server.load.count(ServerLimit::MessageSize);
                }
            }
            State::Http(stream) => stream.data(http2, key, data, end_stream),
        }
    }

    pub(super) fn command(&mut self, http2: &mut Connection, now: Instant, command: Command) {
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
                        let status = Status::unavailable(SHUTTING_DOWN);
                        self.end_early(http2, key, CancelReason::Shutdown, status);
                    }
                }
            }
            Command::Close => {
                let cut = self.cut_all(http2, SHUTTING_DOWN);
                self.server.cut_calls.fetch_add(cut, Ordering::Relaxed);
            }
            Command::Http(key, command) => self.http_command(http2, key, command),
            // A server is never asked for these.
            Command::Open(_) | Command::Cancel(_) => {}
        }
    }

    /// Arms the deadlines of the calls that have outlived the turn they came in.
    pub(super) fn arm(&mut self, now: Instant) {
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

    pub(super) fn expire(&mut self, http2: &mut Connection, now: Instant) {
        while let Some(place) = self.wheel.poll_expired(now) {
            let due = self.slots.at(place as usize).filter(|slot| slot.deadline.is_some_and(|at| at <= now));
            if let Some(slot) = due {
                slot.timer = None;
                let key = slot.key;
                let status = Status::deadline_exceeded("the call took longer than its deadline allows");
                self.end_early(http2, key, CancelReason::Deadline, status);
            }
        }
    }
}

fn path(fields: &Fields) -> &[u8] {
    fields.get(Name::Path).unwrap_or_default()
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
            running.handler.cut_short();
        }
        State::Http(stream) => stream.cut_short(status),
    }
}

/// What the calls are told that a shutdown ends.
const SHUTTING_DOWN: &str = "server is shutting down";
