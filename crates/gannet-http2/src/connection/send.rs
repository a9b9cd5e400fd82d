//! What the application sends (RFC 9113 §5.2, §6.1, §6.2).

use super::Connection;
use crate::error::OpenError;
use crate::event::Event;
use crate::fields::Fields;
use crate::frame::{self, flag, kind};
use crate::output::Output;
use crate::stream::{End, Reading, State, Stream, Waiting};
use crate::streams::StreamKey;
use std::time::Instant;

/// One call of [`Connection::poll_transmit`] hands out about this much of what waits.
const TRANSMIT_BYTES: usize = 256 * 1024;

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
        let id = self.next_id;
        self.next_id += 2;
        let state = if end_stream { State::HalfClosedLocal } else { State::Open };
        let windows = (self.peer_settings.initial_window_size, self.config.initial_window_size());
        let key = self.streams.insert(Stream::new(id, state, Reading::Head, windows.0, windows.1));
        self.put_header_block(id, fields, end_stream);
        Ok(key)
    }

    /// Sends a response's head (server): any number of informational ones, then the final one.
    pub fn send_headers(&mut self, key: StreamKey, fields: &Fields, end_stream: bool) {
        let Some(stream) = self.streams.get(key).filter(|stream| stream.state.may_send()) else { return };
        let id = stream.id;
        self.put_header_block(id, fields, end_stream);
        if end_stream {
            self.end_local(key);
        }
    }

    /// Sends data: all of it is taken, and goes out in order as the windows allow.
    #[inline]
    pub fn send_data(&mut self, key: StreamKey, data: &mut Output) {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.state.may_send()) else {
            data.clear();
            return;
        };
        let len = data.len();
        let room = stream.send_window.min(self.send_window);
        // What fits in one frame, and does not overtake others that wait for their turn, goes straight out.
        if stream.waiting.is_none()
            && self.turns.is_empty()
            && len as i64 <= room
            && len <= self.peer_settings.max_frame_size as usize
        {
            if len > 0 {
                stream.send_window -= len as i64;
                self.send_window -= len as i64;
                self.out.put_slice(&frame::head(len, kind::DATA, 0, stream.id));
                data.move_to(len, &mut self.out);
            }
            return;
        }
        stream.waiting.get_or_insert_default().data.append(data);
        self.take_turns(key);
    }

    /// Ends our side with a field section, after the data that waits.
    #[inline]
    pub fn send_trailers(&mut self, key: StreamKey, fields: &Fields) {
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
        frame::put(&mut self.out, kind::DATA, flag::END_STREAM, stream.id, &[]);
        self.end_local(key);
    }

    /// Sends data and ends our side with it.
    pub fn send_last_data(&mut self, key: StreamKey, data: &mut Output) {
        let Some(stream) = self.streams.get_mut(key).filter(|stream| stream.state.may_send()) else {
            data.clear();
            return;
        };
        let waiting = stream.waiting.get_or_insert_default();
        waiting.data.append(data);
        waiting.end.get_or_insert(End::Data);
        self.take_turns(key);
        if self.turns.len() == 1 {
            self.transmit_turns();
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
            let flags = if ends { flag::END_STREAM } else { 0 };
            self.out.put_slice(&frame::head(count, kind::DATA, flags, stream.id));
            waiting.data.move_to(count, &mut self.out);
            stream.send_window -= count as i64;
            self.send_window -= count as i64;
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

    /// HEADERS, and CONTINUATION where the block is larger than one frame.
    #[inline]
    fn put_header_block(&mut self, id: u32, fields: &Fields, end_stream: bool) {
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
        let last = self.scratch.len().div_ceil(max) - 1;
        for (place, piece) in self.scratch.chunks(max).enumerate() {
            let kind = if place == 0 { kind::HEADERS } else { kind::CONTINUATION };
            let end_stream = if place == 0 { end_stream } else { 0 };
            let end_headers = if place == last { flag::END_HEADERS } else { 0 };
            self.out.put_slice(&frame::head(piece.len(), kind, end_stream | end_headers, id));
            self.out.put_slice(piece);
        }
    }
}
