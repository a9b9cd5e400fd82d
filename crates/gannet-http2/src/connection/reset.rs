//! Streams that end before their time, frames for streams that are over, and floods of either.

use super::{Connection, Role};
use crate::error::{ConnectionError, ErrorCode, Initiator};
use crate::event::Event;
use crate::frame::{self, Head, kind};
use crate::limits::Limit;
use crate::stream::{State, StreamError};
use crate::streams::StreamKey;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How a stream came to its end: frames that still come for it are judged by that (RFC 9113 §5.1, closed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    Ended,
    ResetByPeer,
    /// Frames may be under way that the peer sent before it heard of it.
    ResetByUs,
}

/// The streams that ended last.
#[derive(Debug)]
pub(super) struct ClosedStreams {
    closed: VecDeque<(u32, Closing)>,
    kept: usize,
}

impl ClosedStreams {
    const LEAST_KEPT: usize = 256;
    /// Where the number of streams is hardly limited, what is remembered of ended ones still is.
    const MOST_KEPT: usize = 4096;

    /// Of a peer that may have so many streams open: the end of as many may not have come to it yet.
    pub(super) fn new(max_concurrent_streams: u32) -> Self {
        Self {
            closed: VecDeque::new(),
            kept: (max_concurrent_streams as usize).clamp(Self::LEAST_KEPT, Self::MOST_KEPT),
        }
    }

    fn push(&mut self, id: u32, closing: Closing) {
        if self.closed.len() == self.kept {
            self.closed.pop_front();
        }
        self.closed.push_back((id, closing));
    }

    fn find(&self, id: u32) -> Option<Closing> {
        self.closed.iter().rev().find(|(closed, _)| *closed == id).map(|(_, closing)| *closing)
    }
}

/// What came in the present second of things that cost us and move nothing.
#[derive(Debug)]
pub(super) struct Floods {
    since: Instant,
    resets: u32,
    completed: u32,
    idle_frames: u32,
}

impl Floods {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, resets: 0, completed: 0, idle_frames: 0 }
    }

    fn at(&mut self, now: Instant) -> &mut Self {
        if now.saturating_duration_since(self.since) >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        self
    }
}

impl Connection {
    /// Ends a stream with RST_STREAM. What waits to be sent on it is dropped.
    pub fn reset(&mut self, key: StreamKey, code: ErrorCode) {
        let Some(stream) = self.streams.get(key) else { return };
        frame::put_reset(&mut self.out, stream.id, code);
        self.remove_stream(key, Closing::ResetByUs);
    }

    /// RFC 9113 §5.4.2: the stream is over, the connection goes on.
    pub(super) fn stream_error(
        &mut self,
        now: Instant,
        key: StreamKey,
        error: StreamError,
    ) -> Result<Option<Event>, ConnectionError> {
        let Some(id) = self.stream_id(key) else { return Ok(None) };
        self.remove_stream(key, Closing::ResetByUs);
        self.provoked_reset(now, id, error.code)?;
        let StreamError { code, reason } = error;
        Ok(Some(Event::Reset { key, code, initiator: Initiator::Local, reason, unprocessed: false }))
    }

    /// A reset of ours that the peer caused counts as one of its own (CVE-2025-8671).
    pub(super) fn provoked_reset(
        &mut self,
        now: Instant,
        id: u32,
        code: ErrorCode,
    ) -> Result<(), ConnectionError> {
        frame::put_reset(&mut self.out, id, code);
        self.control_bytes += frame::HEAD_BYTES + 4;
        if self.streams.key_of(id).is_none() && self.closed_streams.find(id).is_none() {
            self.closed_streams.push(id, Closing::ResetByUs);
        }
        self.count_reset(now)
    }

    /// Whether no stream can be taken now, and for which reason.
    #[inline]
    pub(super) fn refuses_streams(&self) -> Option<Limit> {
        if self.streams.len() >= self.config.max_concurrent_streams as usize {
            // RFC 9113 §5.1.2: a stream beyond the announced number is refused.
            return Some(Limit::ConcurrentStreams);
        }
        if self.under_pressure {
            return Some(Limit::Memory);
        }
        (self.queued > self.config.send_budget).then_some(Limit::SendBudget)
    }

    /// RFC 9113 §8.7: nothing has been done with it, so the peer may try it again.
    pub(super) fn refuse_stream(&mut self, id: u32) {
        frame::put_reset(&mut self.out, id, ErrorCode::REFUSED_STREAM);
        self.control_bytes += frame::HEAD_BYTES + 4;
        self.closed_streams.push(id, Closing::ResetByUs);
    }

    /// A stream was refused for want of this.
    pub(super) fn count_refusal(&mut self, now: Instant, limit: Limit) -> Result<(), ConnectionError> {
        self.hits.count(limit);
        // A peer that does not know the number of streams yet, or that meets a lack of ours, does no wrong.
        if limit != Limit::ConcurrentStreams || self.settings_deadline.is_some() {
            return Ok(());
        }
        self.count_reset(now)
    }

    /// CVE-2023-44487: streams are reset as fast as they are opened.
    pub(super) fn count_reset(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let floods = self.floods.at(now);
        floods.resets += 1;
        if floods.resets <= self.config.max_resets.saturating_add(floods.completed) {
            return Ok(());
        }
        Err(self.over(Limit::Resets, "too many streams are reset (CVE-2023-44487)"))
    }

    /// CVE-2019-9511 to 9518: frames that move no call along.
    pub(super) fn idle_frame(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let floods = self.floods.at(now);
        floods.idle_frames += 1;
        if floods.idle_frames <= self.config.max_idle_frames {
            return Ok(());
        }
        let reason = "too many frames that move nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA and the like)";
        Err(self.over(Limit::IdleFrames, reason))
    }

    /// A limit is passed for which the connection ends.
    pub(super) fn over(&mut self, limit: Limit, reason: &'static str) -> ConnectionError {
        self.hits.count(limit);
        ConnectionError::local(ErrorCode::ENHANCE_YOUR_CALM, reason)
    }

    /// A frame for a stream that has no place: idle or closed (RFC 9113 §5.1).
    pub(super) fn frame_on_closed_stream(
        &mut self,
        now: Instant,
        head: Head,
    ) -> Result<Option<Event>, ConnectionError> {
        let id = head.stream_id;
        let ours = (id % 2 == 1) == (self.role == Role::Client);
        let idle = if ours { id >= self.next_id } else { id > self.last_peer_id };
        if idle || id == 0 {
            return Err(ConnectionError::protocol("a frame on an idle stream (RFC 9113 §5.1)"));
        }
        match head.kind {
            kind::DATA | kind::HEADERS => {}
            // RFC 9113 §5.1: these may come for a short time after the end. A WINDOW_UPDATE has been counted where no
            // DATA of ours explains it: one who reads a large answer tells of it when the stream is closed here.
            kind::WINDOW_UPDATE => return Ok(None),
            _ => return self.idle_frame(now).map(|()| None),
        }
        match self.closed_streams.find(id) {
            // RFC 9113 §5.1: it may have been under way. DATA is paid for with its bytes, a header block with ours.
            Some(Closing::ResetByUs) if head.kind == kind::DATA => Ok(None),
            Some(Closing::ResetByUs) => self.idle_frame(now).map(|()| None),
            Some(Closing::ResetByPeer) => {
                self.provoked_reset(now, id, ErrorCode::STREAM_CLOSED).map(|()| None)
            }
            Some(Closing::Ended) => {
                let reason = "a frame on a stream that has ended (RFC 9113 §5.1)";
                Err(ConnectionError::local(ErrorCode::STREAM_CLOSED, reason))
            }
            // RFC 9113 §5.1.1: a new stream has a higher identifier than all before it.
            None if head.kind == kind::HEADERS && self.role == Role::Server => {
                Err(ConnectionError::protocol(
                    "a stream identifier that is not higher than those before (RFC 9113 §5.1.1)",
                ))
            }
            None => self.provoked_reset(now, id, ErrorCode::STREAM_CLOSED).map(|()| None),
        }
    }

    /// The peer has sent END_STREAM.
    #[inline]
    pub(super) fn end_remote(&mut self, key: StreamKey) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.state = stream.state.end_remote();
            if stream.state == State::Closed {
                self.remove_stream(key, Closing::Ended);
            }
        }
    }

    /// We have sent END_STREAM.
    #[inline]
    pub(super) fn end_local(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.state = stream.state.end_local();
        match (self.role, stream.state) {
            (_, State::Closed) => {
                self.floods.completed = self.floods.completed.saturating_add(1);
                self.remove_stream(key, Closing::Ended);
            }
            // RFC 9113 §8.1: a server that has answered may ask the client to stop sending its request.
            (Role::Server, _) => self.reset(key, ErrorCode::NO_ERROR),
            (Role::Client, _) => {}
        }
    }

    #[inline]
    pub(super) fn remove_stream(&mut self, key: StreamKey, closing: Closing) {
        let Some(stream) = self.streams.remove(key) else { return };
        self.closed_streams.push(stream.id, closing);
        self.queued -= stream.queued_bytes();
        self.unread -= u64::from(stream.unread);
        if stream.queued {
            // Its turn may not come while the window is shut, and others come and go.
            self.turns.retain(|waiting| *waiting != key);
        }
        if stream.wants_credit > 0 {
            self.pool.give_up(key);
        }
        if stream.borrowed + stream.grown + stream.wants_credit > 0 {
            self.pool.pay_back(stream.borrowed, stream.grown);
            self.lend();
        }
        self.offer_streams();
    }

    /// Tells a client that was refused that streams can be opened again.
    pub(super) fn offer_streams(&mut self) {
        if self.open_refused && self.may_open() {
            self.open_refused = false;
            self.events.push_back(Event::StreamsAvailable);
        }
    }

    pub(super) fn may_open(&self) -> bool {
        self.peer_settings.max_concurrent_streams.is_none_or(|max| self.streams.len() < max as usize)
    }
}
