//! The attempts of a connection, apart from its bytes: from a stream that is opened to its end.

use super::slot::Slot;
use crate::call::ConnectionFacts;
use crate::client::attempt::Attempt;
use crate::client::channel::{Channel, WeakChannel};
use crate::client::failures::in_phase;
use crate::driver::{Command, Mailbox};
use crate::registry::{Counter, Counts};
use crate::stream::Link;
use crate::{Compression, Metadata, Output, Phase, Result, Status};
use gannet_core::{Deframer, Wheel};
use gannet_http2::{Connection, ErrorCode, Event, OpenError, StreamKey};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// The attempts of a connection, apart from its bytes.
pub(super) struct Attempts {
    pub(super) channel: WeakChannel,
    pub(super) facts: Arc<ConnectionFacts>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) slots: Vec<Option<Slot>>,
    /// Attempts that wait because the peer allows no more streams at once.
    pub(super) waiting: VecDeque<Box<Attempt>>,
    /// The earliest deadline of those that wait.
    waiting_until: Option<Instant>,
    wheel: Wheel,
    young: Vec<StreamKey>,
    pub(super) outgoing: Output,
    /// Why the connection ended, for those that it takes along.
    pub(super) error: Option<Status>,
    /// Until the server's first SETTINGS: who waits for the connection.
    pub(super) starting: Option<oneshot::Sender<Result<()>>>,
    pub(super) counts: Counts,
}

impl Attempts {
    /// `starting` hears when the connection can take calls.
    pub(super) fn new(
        channel: &Channel,
        facts: Arc<ConnectionFacts>,
        mailbox: Arc<Mailbox>,
        starting: oneshot::Sender<Result<()>>,
    ) -> Self {
        Self {
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
            starting: Some(starting),
            counts: Counts::default(),
        }
    }

    pub(super) fn get(&mut self, key: StreamKey) -> Option<&mut Slot> {
        self.slots.get_mut(key.slot())?.as_mut().filter(|slot| slot.key == key)
    }

    pub(super) fn take(&mut self, key: StreamKey) -> Option<Slot> {
        let slot = self.slots.get_mut(key.slot())?.take_if(|slot| slot.key == key)?;
        if let Some(timer) = slot.timer {
            self.wheel.cancel(timer);
        }
        Some(slot)
    }

    pub(super) fn end(&mut self, key: StreamKey, result: Result<()>, trailers: Metadata) {
        if let Some(slot) = self.take(key) {
            self.counts.call_ended(result.is_ok());
            slot.end(result, trailers);
        }
    }

    /// As [`Attempts::end`], where the server has ended the stream whole.
    pub(super) fn end_whole(&mut self, key: StreamKey, result: Result<()>, trailers: Metadata) {
        self.counts[Counter::StreamsSucceeded] += 1;
        self.end(key, result, trailers);
    }

    /// Ends an attempt from this side: the server is told to stop.
    pub(super) fn give_up(&mut self, http2: &mut Connection, key: StreamKey, status: Status) {
        http2.reset(key, ErrorCode::CANCEL);
        self.counts[Counter::StreamsFailed] += 1;
        self.end(key, Err(status), Metadata::default());
    }

    /// As [`Attempts::give_up`], for a call that its server has failed.
    pub(super) fn fail(&mut self, http2: &mut Connection, key: StreamKey, status: Status) {
        let status = self.failed(Phase::Wait, status);
        self.give_up(http2, key, status);
    }

    /// A status that this end has made.
    pub(super) fn failed(&self, phase: Phase, status: Status) -> Status {
        in_phase(status, phase, &self.facts.peer)
    }

    pub(super) fn command(&mut self, http2: &mut Connection, now: Instant, command: Command) {
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
            attempt.fail(self.failed(Phase::Queue, waited_too_long()));
            return None;
        }
        match http2.open(&attempt.fields, false) {
            Ok(key) => self.opened(http2, key, *attempt),
            Err(OpenError::TooManyStreams) => return Some(attempt),
            Err(error @ OpenError::FieldsTooLarge) => {
                let text =
                    "the call's metadata is larger than the server takes (SETTINGS_MAX_HEADER_LIST_SIZE)";
                let status = Status::resource_exhausted(text).with_source(error);
                attempt.fail(self.failed(Phase::Send, status));
            }
            Err(error) => {
                self.retire();
                let status = Status::unavailable(error.to_string()).with_source(error);
                attempt.unprocessed(self.failed(Phase::Send, status));
            }
        }
        None
    }

    /// Waits for a free stream, at most until the call's deadline.
    fn wait(&mut self, attempt: Box<Attempt>) {
        self.waiting_until = self.waiting_until.into_iter().chain(attempt.deadline).min();
        self.waiting.push_back(attempt);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next().into_iter().chain(self.waiting_until).min()
    }

    fn expire_waiting(&mut self, now: Instant) {
        if self.waiting_until.is_none_or(|at| at > now) {
            return;
        }
        let is_late = |attempt: &Attempt| attempt.deadline.is_some_and(|at| at <= now);
        for attempt in std::mem::take(&mut self.waiting) {
            if is_late(&attempt) {
                attempt.fail(self.failed(Phase::Queue, waited_too_long()));
            } else {
                self.waiting.push_back(attempt);
            }
        }
        self.waiting_until = self.waiting.iter().filter_map(|attempt| attempt.deadline).min();
    }

    fn opened(&mut self, http2: &mut Connection, key: StreamKey, attempt: Attempt) {
        if !attempt.state.opened(key) {
            return http2.reset(key, ErrorCode::CANCEL);
        }
        self.counts[Counter::CallsStarted] += 1;
        self.counts[Counter::StreamsStarted] += 1;
        if let Some(body) = attempt.body {
            self.counts[Counter::MessagesSent] += 1;
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

    pub(super) fn event(&mut self, http2: &mut Connection, now: Instant, event: Event) {
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
                    attempt.unprocessed(self.failed(Phase::Queue, status));
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

    pub(super) fn arm(&mut self, now: Instant) {
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

    pub(super) fn expire(&mut self, http2: &mut Connection, now: Instant) {
        self.expire_waiting(now);
        while let Some(place) = self.wheel.poll_expired(now) {
            let Some(slot) = self.slots.get_mut(place as usize).and_then(Option::as_mut) else { continue };
            if slot.deadline.is_some_and(|at| at <= now) {
                slot.timer = None;
                let key = slot.key;
                let peer = self.facts.peer.clone();
                let status =
                    Status::deadline_exceeded(format!("the deadline passed while {peer} worked on the call"));
                self.fail(http2, key, status);
            }
        }
    }

    /// What a server that speaks something else begins with says what is wrong, better than a broken frame does.
    pub(super) fn see_first_bytes(&mut self, bytes: &[u8]) {
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
    pub(super) fn tell_start(&mut self, http2: &Connection) {
        if self.starting.is_none() || !http2.is_settled() || http2.is_closed() {
            return;
        }
        if let Some(starting) = self.starting.take() {
            let refused = self.error.clone().filter(|_| http2.peer_is_going_away());
            let _ = starting.send(refused.map_or(Ok(()), Err));
        }
    }

    /// No new calls come here.
    pub(super) fn retire(&self) {
        if let Some(channel) = self.channel.upgrade() {
            channel.retire(&self.mailbox);
        }
    }
}

fn waited_too_long() -> Status {
    Status::deadline_exceeded("the deadline passed while the call waited for a free stream")
}
