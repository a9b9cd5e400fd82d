//! What the application sends (RFC 9113 §5.2, §6.1, §6.2).

use super::Connection;
use crate::error::{ErrorCode, Initiator, OpenError};
use crate::event::Event;
use crate::fields::{Fields, Name};
use crate::frame::{self, flag, kind};
use crate::limits::Limit;
use crate::output::Output;
use crate::stream::{End, Reading, State, Stream, Waiting};
use crate::streams::StreamKey;
use std::time::Instant;

/// One call of [`Connection::poll_transmit`] hands out about this much of what waits.
pub(crate) const TRANSMIT_BYTES: usize = 256 * 1024;

impl Connection {
    /// Opens a stream with a request (client). With `end_stream` the request has no body.
    ///
    /// # Errors
    /// Where the peer or the connection takes no new stream.
    pub fn open(&mut self, fields: &Fields, end_stream: bool) -> Result<StreamKey, OpenError> {
        if self.closed {
            return Err(OpenError::Closed);
        }
        if self.shutdown.peer_is_going() || self.shutdown.is_begun() {
            return Err(OpenError::GoingAway);
        }
        // RFC 9113 §5.1.1: identifiers have 31 bits and are not used again.
        if self.next_id > crate::settings::MAX_WINDOW {
            return Err(OpenError::IdentifiersExhausted);
        }
        if !self.may_open() {
            self.open_refused = true;
            return Err(OpenError::TooManyStreams);
        }
        if !self.fits_peer(fields) {
            return Err(OpenError::FieldsTooLarge);
        }
        // RFC 8441 §3.
        if !self.peer_settings.enable_connect_protocol && fields.get(Name::Protocol).is_some() {
            return Err(OpenError::NoExtendedConnect);
        }
        let id = self.next_id;
        self.next_id += 2;
        let state = if end_stream { State::HalfClosedLocal } else { State::Open };
        let windows = (self.peer_settings.initial_window_size, self.config.initial_window_size());
        let mut stream = Stream::new(id, state, Reading::Head, windows.0, windows.1);
        stream.asked_head = fields.get(Name::Method) == Some(b"HEAD");
        let key = self.streams.insert(stream);
        self.put_header_block(id, fields, end_stream);
        Ok(key)
    }

    /// Whether the peer takes a field section of this size (SETTINGS_MAX_HEADER_LIST_SIZE, RFC 9113 §10.5.1). One that
    /// it does not take is never sent: `open` refuses it, elsewhere its stream is reset.
    #[must_use]
    #[inline]
    pub fn fits_peer(&self, fields: &Fields) -> bool {
        self.peer_settings.max_header_list_size.is_none_or(|most| fields.list_size() <= most as usize)
    }

    /// Sends a response's head (server): any number of informational ones, then the final one.
    pub fn send_headers(&mut self, key: StreamKey, fields: &Fields, end_stream: bool) {
        let Some(stream) = self.streams.get(key).filter(|stream| stream.state.may_send()) else { return };
        let id = stream.id;
        if !self.fits_peer(fields) {
            return self.reset_too_large(key);
        }
        self.put_header_block(id, fields, end_stream);
        if end_stream {
            self.end_local(key);
        }
    }

    /// Sends data: all of it is taken, and goes out in order as the windows allow.
    #[inline]
    pub fn send_data(&mut self, key: StreamKey, data: &mut Output) {
        if self.put_data(key, data, 0) {
            return;
        }
        let Some(stream) = self.streams.get_mut(key) else { return };
        self.queued += data.len();
        stream.waiting.get_or_insert_default().data.append(data);
        self.take_turns(key);
    }

    /// Whether this many bytes more may wait for the peer ([`crate::Config::send_budget`]). Data is taken even so; who
    /// asks before can say no in time. Where nothing waits, what the window lets through may be more.
    #[must_use]
    pub fn may_queue(&mut self, bytes: usize) -> bool {
        let most = self.config.send_budget.saturating_mul(2);
        let fits = self.queued + bytes <= most || (self.queued == 0 && bytes as i64 <= self.send_window);
        if !fits {
            self.hits.count(Limit::SendBudget);
        }
        fits
    }

    /// Ends our side with a field section, after the data that waits.
    #[inline]
    pub fn send_trailers(&mut self, key: StreamKey, fields: &Fields) {
        if !self.fits_peer(fields) {
            return self.reset_too_large(key);
        }
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.state.may_send()) else { return };
        if let Some(waiting) = &mut stream.waiting {
            waiting.end.get_or_insert_with(|| End::Trailers(fields.clone()));
            return;
        }
        let id = stream.id;
        self.put_header_block(id, fields, true);
        self.end_local(key);
    }

    /// Ends our side, after the data that waits.
    pub fn end_stream(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.state.may_send()) else { return };
        if let Some(waiting) = &mut stream.waiting {
            waiting.end.get_or_insert(End::Data);
            return;
        }
        self.moved = true;
        frame::put(&mut self.out, kind::DATA, flag::END_STREAM, stream.id, &[]);
        self.end_local(key);
    }

    /// Sends data and ends our side with it.
    pub fn send_last_data(&mut self, key: StreamKey, data: &mut Output) {
        if self.put_data(key, data, flag::END_STREAM) {
            return self.end_local(key);
        }
        let Some(stream) = self.streams.get_mut(key) else { return };
        self.queued += data.len();
        let waiting = stream.waiting.get_or_insert_default();
        waiting.data.append(data);
        waiting.end.get_or_insert(End::Data);
        self.take_turns(key);
        if self.turns.len() == 1 {
            self.transmit_turns();
        }
    }

    /// Drops the data that waits to be sent on a stream: its end, sent next, leaves at once.
    pub fn discard(&mut self, key: StreamKey) {
        let waiting = self.streams.get_mut(key).and_then(|stream| stream.waiting.take());
        self.queued -= waiting.map_or(0, |waiting| waiting.data.len());
    }

    /// Sends what the windows let through, and does not overtake others that wait for their turn, straight out. `false`
    /// where it has to wait; data of a dead key is thrown away.
    #[inline]
    fn put_data(&mut self, key: StreamKey, data: &mut Output, flags: u8) -> bool {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.state.may_send()) else {
            data.clear();
            return true;
        };
        let len = data.len();
        // RFC 9113 §6.9.1: frames without data need no window, so they wait only for their own stream's.
        let room = stream.send_window.min(self.send_window).max(0);
        if stream.waiting.is_some()
            || (len > 0 && !self.turns.is_empty())
            || len as i64 > room
            || self.out.len() + len > TRANSMIT_BYTES
        {
            return false;
        }
        if len == 0 && flags == 0 {
            return true;
        }
        self.moved = true;
        stream.send_window -= len as i64;
        self.send_window -= len as i64;
        loop {
            let count = data.len().min(self.peer_settings.max_frame_size as usize);
            let is_last = count == data.len();
            let flags = if is_last { flags } else { 0 };
            self.explained_updates = self.explained_updates.saturating_add(2);
            self.out.put_slice(&frame::head(count, kind::DATA, flags, stream.id));
            data.move_to(count, &mut self.out);
            if is_last {
                return true;
            }
        }
    }

    /// Sends a PING; its answer comes as an event.
    pub fn ping(&mut self, payload: [u8; 8]) {
        frame::put(&mut self.out, kind::PING, 0, 0, &payload);
    }

    /// Moves what may be sent now to `out`: first what is ready, then the streams that wait, one frame each in turn.
    /// Says whether more could be sent right away.
    pub fn poll_transmit(&mut self, _now: Instant, out: &mut Output) -> bool {
        if !self.turns.is_empty() {
            self.transmit_turns();
        }
        self.control_bytes = 0;
        out.append(&mut self.out);
        !self.turns.is_empty() && self.send_window > 0
    }

    fn transmit_turns(&mut self) {
        while self.send_window > 0 && self.out.len() < TRANSMIT_BYTES {
            let Some(key) = self.turns.pop_front() else { return };
            self.transmit_frame(key);
        }
    }

    /// One DATA frame of a waiting stream, or its end.
    fn transmit_frame(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.queued = false;
        let Some(waiting) = &mut stream.waiting else { return };
        let room = stream.send_window.min(self.send_window).max(0);
        let count = waiting.data.len().min(self.peer_settings.max_frame_size as usize).min(room as usize);
        if count == 0 && !waiting.data.is_empty() {
            // Waits for its own window; WINDOW_UPDATE brings it back.
            return;
        }
        let last = count == waiting.data.len();
        let ends = last && matches!(waiting.end, Some(End::Data));
        if count > 0 || ends {
            self.moved = true;
            let flags = if ends { flag::END_STREAM } else { 0 };
            self.out.put_slice(&frame::head(count, kind::DATA, flags, stream.id));
            waiting.data.move_to(count, &mut self.out);
            stream.send_window -= count as i64;
            self.send_window -= count as i64;
            self.queued -= count;
            self.explained_updates = self.explained_updates.saturating_add(2);
        }
        if !last {
            stream.queued = true;
            self.turns.push_back(key);
            return;
        }
        let (id, end) = (stream.id, stream.waiting.take().and_then(|waiting| waiting.end));
        match end {
            None => self.events.push_back(Event::Sent { key }),
            Some(End::Data) => self.end_local(key),
            Some(End::Trailers(fields)) => {
                self.put_header_block(id, &fields, true);
                self.end_local(key);
            }
        }
    }

    /// Puts a stream that has something to send into the queue of those that take turns.
    pub(super) fn take_turns(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let ready = |waiting: &Waiting| waiting.data.is_empty() || stream.send_window > 0;
        if !stream.queued && stream.waiting.as_deref().is_some_and(ready) {
            stream.queued = true;
            self.turns.push_back(key);
        }
    }

    fn reset_too_large(&mut self, key: StreamKey) {
        if self.streams.get(key).is_none() {
            return;
        }
        self.reset(key, ErrorCode::INTERNAL_ERROR);
        self.events.push_back(Event::Reset {
            key,
            code: ErrorCode::INTERNAL_ERROR,
            initiator: Initiator::Local,
            reason: "a field section is larger than the peer takes (RFC 9113 §10.5.1)",
            unprocessed: false,
        });
    }

    /// HEADERS, and CONTINUATION where the block is larger than one frame.
    #[inline]
    fn put_header_block(&mut self, id: u32, fields: &Fields, end_stream: bool) {
        self.moved = true;
        self.scratch.clear();
        self.encoder.encode(fields, &mut self.scratch);
        let max = self.peer_settings.max_frame_size as usize;
        let end_stream = if end_stream { flag::END_STREAM } else { 0 };
        if self.scratch.len() <= max {
            let flags = flag::END_HEADERS | end_stream;
            self.out.put_slice(&frame::head(self.scratch.len(), kind::HEADERS, flags, id));
            self.out.put_slice(&self.scratch);
            return;
        }
        // Rare, so its memory is not kept.
        let block = std::mem::take(&mut self.scratch);
        let last = block.len().div_ceil(max) - 1;
        for (place, piece) in block.chunks(max).enumerate() {
            let kind = if place == 0 { kind::HEADERS } else { kind::CONTINUATION };
            let end_stream = if place == 0 { end_stream } else { 0 };
            let end_headers = if place == last { flag::END_HEADERS } else { 0 };
            self.out.put_slice(&frame::head(piece.len(), kind, end_stream | end_headers, id));
            self.out.put_slice(piece);
        }
    }
}
