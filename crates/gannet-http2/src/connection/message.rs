//! The frames that carry messages (RFC 9113 §8): DATA, HEADERS, CONTINUATION.

use super::receive::{Received, depends_on};
use super::{Connection, Role};
use crate::error::{ConnectionError, ErrorCode};
use crate::event::Event;
use crate::fields::{Fields, Name};
use crate::frame::{self, Head, flag, kind};
use crate::hpack::{Decoded, HpackError};
use crate::limits::Limit;
use crate::stream::{Reading, State, Stream, StreamError};
use crate::streams::StreamKey;
use crate::validate::{Section, content_length, malformed};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

const CONTENT_LENGTH: &str = "DATA does not add up to content-length (RFC 9113 §8.1.1)";

/// A header block whose END_HEADERS has not come (RFC 9113 §4.3).
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream_id: u32,
    end_stream: bool,
    /// Its stream can't be taken whatever the fields say.
    error: Option<StreamError>,
    bytes: Vec<u8>,
    continuations: u32,
}

/// The last repeated field sections that were found well-formed, and what they announce.
#[derive(Debug)]
pub(super) struct Judged {
    /// RFC 8441 §3: `:protocol` is only for those who announced that they take it.
    extended_connect: bool,
    sections: Vec<(Arc<Fields>, Section, Option<u64>)>,
    next: usize,
}

impl Judged {
    const KEPT: usize = 4;

    pub(super) fn new(extended_connect: bool) -> Self {
        Self { extended_connect, sections: Vec::new(), next: 0 }
    }

    #[inline]
    fn judge(&mut self, section: Section, decoded: &Decoded) -> Result<Option<u64>, StreamError> {
        let same = |known: &&(Arc<Fields>, Section, Option<u64>)| {
            Arc::ptr_eq(&known.0, &decoded.fields) && known.1 == section
        };
        if decoded.repeated
            && let Some((_, _, length)) = self.sections.iter().find(same)
        {
            return Ok(*length);
        }
        if decoded.oversized {
            let reason = "a field section is larger than SETTINGS_MAX_HEADER_LIST_SIZE (RFC 9113 §10.5.1)";
            return Err(StreamError { code: ErrorCode::ENHANCE_YOUR_CALM, reason });
        }
        if let Some(reason) = malformed(section, &decoded.fields, self.extended_connect) {
            return Err(StreamError::protocol(reason));
        }
        let length = content_length(&decoded.fields).map_err(StreamError::protocol)?;
        if decoded.repeated {
            self.keep((Arc::clone(&decoded.fields), section, length));
        }
        Ok(length)
    }

    fn keep(&mut self, entry: (Arc<Fields>, Section, Option<u64>)) {
        if self.sections.len() < Self::KEPT {
            self.sections.push(entry);
        } else {
            self.sections[self.next] = entry;
            self.next = (self.next + 1) % Self::KEPT;
        }
    }
}

impl Connection {
    /// DATA, or a piece of it: the windows pay for all of the frame with the first.
    pub(super) fn receive_data(&mut self, now: Instant, head: Head, payload: Bytes) -> Received {
        if head.stream_id == 0 {
            return Err(ConnectionError::protocol("DATA on stream 0 (RFC 9113 §6.1)"));
        }
        let len = head.len as u32;
        // RFC 9113 §6.9: padding counts on the windows as well.
        if i64::from(len) > self.receive_window {
            let reason = "more DATA than the connection's window allows (RFC 9113 §6.9.1)";
            return Err(ConnectionError::local(ErrorCode::FLOW_CONTROL_ERROR, reason));
        }
        self.receive_window -= i64::from(len);
        self.sample_bandwidth(now, len);
        self.return_connection_window(len);
        let (start, end) = frame::unpadded(head, &payload)
            .ok_or(ConnectionError::protocol("padding longer than the payload (RFC 9113 §6.1)"))?;
        let end_stream = head.has(flag::END_STREAM);
        if start == end && !end_stream {
            self.idle_frame(now)?;
        }
        let Some(key) = self.streams.key_of(head.stream_id) else {
            // A frame that comes in pieces is judged, and answered, by its first.
            let is_later_piece = head.len == 0 && !payload.is_empty();
            return if is_later_piece { Ok(None) } else { self.frame_on_closed_stream(now, head) };
        };
        let data = payload.slice(start..end);
        match self.take_data(key, head, &data, end_stream) {
            Ok(()) => Ok(Some(Event::Data { key, data, end_stream })),
            Err(error) => self.stream_error(now, key, error),
        }
    }

    /// Counts a DATA frame on its stream.
    fn take_data(
        &mut self,
        key: StreamKey,
        head: Head,
        data: &[u8],
        end_stream: bool,
    ) -> Result<(), StreamError> {
        let Some(stream) = self.streams.get_mut(key) else { return Ok(()) };
        if !stream.state.may_receive() {
            // RFC 9113 §5.1, half-closed (remote).
            let reason = "DATA after END_STREAM (RFC 9113 §5.1)";
            return Err(StreamError { code: ErrorCode::STREAM_CLOSED, reason });
        }
        if stream.reading == Reading::Head {
            return Err(StreamError::protocol("DATA before the response's head (RFC 9113 §8.1)"));
        }
        if head.len as i64 > stream.receive_window {
            let reason = "more DATA than the stream's window allows (RFC 9113 §6.9.1)";
            return Err(StreamError { code: ErrorCode::FLOW_CONTROL_ERROR, reason });
        }
        stream.receive_window -= head.len as i64;
        // RFC 9113 §8.1.1: the sum of DATA is what content-length says.
        if let Some(left) = &mut stream.content_left {
            let rest = left.checked_sub(data.len() as u64).filter(|rest| !end_stream || *rest == 0);
            *left = rest.ok_or(StreamError::protocol(CONTENT_LENGTH))?;
        }
        stream.unread += head.len as u32;
        self.unread += head.len as u64;
        let padding = if head.has(flag::PADDED) { head.len - data.len() } else { 0 };
        if end_stream {
            self.end_remote(key);
        } else if padding > 0 {
            self.release_capacity(key, padding);
        }
        Ok(())
    }

    pub(super) fn receive_headers(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        if head.stream_id == 0 {
            return Err(ConnectionError::protocol("HEADERS on stream 0 (RFC 9113 §6.2)"));
        }
        let (mut start, end) = frame::unpadded(head, payload)
            .ok_or(ConnectionError::protocol("padding longer than the payload (RFC 9113 §6.2)"))?;
        let mut error = None;
        if head.has(flag::PRIORITY) {
            let priority = payload.get(start..start + 5).filter(|_| start + 5 <= end);
            let priority = priority.ok_or(ConnectionError::local(
                ErrorCode::FRAME_SIZE_ERROR,
                "HEADERS too short for its priority (RFC 9113 §6.2)",
            ))?;
            // RFC 9113 §5.3.2 drops priorities; a stream that depends on itself is still told apart (RFC 7540 §5.3.1).
            if depends_on(priority) == head.stream_id {
                error = Some(StreamError::protocol("a stream that depends on itself (RFC 7540 §5.3.1)"));
            }
            start += 5;
        }
        let fragment = &payload[start..end];
        let end_stream = head.has(flag::END_STREAM);
        if fragment.len() > self.config.max_header_block {
            return Err(self.over(Limit::HeaderBlock, "a header block is larger than allowed"));
        }
        if head.has(flag::END_HEADERS) {
            return self.receive_block(now, head.stream_id, end_stream, error, fragment);
        }
        self.header_deadline.get_or_insert(now + self.config.header_block_timeout);
        let bytes = fragment.to_vec();
        self.block = Some(Block { stream_id: head.stream_id, end_stream, error, bytes, continuations: 0 });
        Ok(None)
    }

    pub(super) fn receive_continuation(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        let Some(mut block) = self.block.take() else {
            return Err(ConnectionError::protocol("CONTINUATION without HEADERS (RFC 9113 §6.10)"));
        };
        block.continuations += 1;
        // CVE-2024-27316.
        let too_many = block.continuations > self.config.max_continuations;
        if too_many || block.bytes.len() + payload.len() > self.config.max_header_block {
            return Err(
                self.over(Limit::HeaderBlock, "a header block is larger or in more pieces than allowed")
            );
        }
        block.bytes.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            self.block = Some(block);
            return Ok(None);
        }
        self.receive_block(now, block.stream_id, block.end_stream, block.error, &block.bytes)
    }

    fn decode(&mut self, block: &[u8]) -> Result<Decoded, ConnectionError> {
        self.decoder.decode(block).map_err(|error| {
            if error == HpackError::BOMB {
                return self.over(Limit::HeaderList, error.0);
            }
            ConnectionError::local(ErrorCode::COMPRESSION_ERROR, error.0)
        })
    }

    fn receive_block(
        &mut self,
        now: Instant,
        id: u32,
        end_stream: bool,
        error: Option<StreamError>,
        block: &[u8],
    ) -> Received {
        self.header_deadline = None;
        // Whatever becomes of the stream, the table must stay in step (RFC 9113 §4.3).
        let decoded = self.decode(block)?;
        if decoded.oversized {
            self.hits.count(Limit::HeaderList);
        }
        if let Some(key) = self.streams.key_of(id) {
            let taken = match (error, self.role, self.streams.get(key).map(|stream| stream.reading)) {
                (Some(error), ..) => Err(error),
                (None, Role::Client, Some(Reading::Head)) => self.response(key, decoded, end_stream),
                _ => self.trailers(key, decoded, end_stream),
            };
            if let Ok(Event::Informational { .. }) = taken {
                self.idle_frame(now)?;
            }
            return taken.map_or_else(|error| self.stream_error(now, key, error), |event| Ok(Some(event)));
        }
        let opens = self.role == Role::Server && id % 2 == 1 && id > self.last_peer_id;
        if !opens {
            let head = Head { len: block.len(), kind: kind::HEADERS, flags: 0, stream_id: id };
            return self.frame_on_closed_stream(now, head);
        }
        self.last_peer_id = id;
        if let Some(error) = error {
            return self.provoked_reset(now, id, error.code).map(|()| None);
        }
        self.request(now, id, decoded, end_stream)
    }

    #[inline]
    fn request(&mut self, now: Instant, id: u32, decoded: Decoded, end_stream: bool) -> Received {
        if let Some(limit) = self.refuses_streams() {
            self.refuse_stream(id);
            return self.count_refusal(now, limit).map(|()| None);
        }
        if self.shutdown.refuses(id) {
            // RFC 9113 §6.8: streams after the last one named are not processed.
            self.refuse_stream(id);
            return self.idle_frame(now).map(|()| None);
        }
        let content_left = match self.judged.judge(Section::Request, &decoded) {
            Ok(length) if end_stream && length.unwrap_or(0) != 0 => {
                return self.provoked_reset(now, id, ErrorCode::PROTOCOL_ERROR).map(|()| None);
            }
            Ok(length) => length,
            // RFC 9113 §8.1.1: a malformed request is a stream error. The application has not heard of it.
            Err(error) => return self.provoked_reset(now, id, error.code).map(|()| None),
        };
        let state = if end_stream { State::HalfClosedRemote } else { State::Open };
        let windows = (self.peer_settings.initial_window_size, self.config.initial_window_size());
        let mut stream = Stream::new(id, state, Reading::Body, windows.0, windows.1);
        stream.content_left = content_left;
        let key = self.streams.insert(stream);
        Ok(Some(Event::Headers { key, fields: decoded.fields, repeated: decoded.repeated, end_stream }))
    }

    fn response(&mut self, key: StreamKey, decoded: Decoded, end_stream: bool) -> Result<Event, StreamError> {
        let announced = self.judged.judge(Section::Response, &decoded)?;
        let status = decoded.fields.get(Name::Status).unwrap_or_default();
        if status == b"101" {
            return Err(StreamError::protocol("101 has no meaning in HTTP/2 (RFC 9113 §8.6)"));
        }
        if status.first() == Some(&b'1') {
            // RFC 9113 §8.1: an informational response does not end the stream.
            if end_stream {
                return Err(StreamError::protocol(
                    "an informational response with END_STREAM (RFC 9113 §8.1)",
                ));
            }
            return Ok(Event::Informational { key, fields: decoded.fields });
        }
        if let Some(stream) = self.streams.get_mut(key) {
            stream.reading = Reading::Body;
            // RFC 9110 §8.6: a response to HEAD, and 304, announce what they do not carry.
            stream.content_left = announced.filter(|_| !stream.asked_head && status != b"304");
            if end_stream && stream.content_left.is_some_and(|left| left > 0) {
                return Err(StreamError::protocol(CONTENT_LENGTH));
            }
        }
        if end_stream {
            self.end_remote(key);
        }
        Ok(Event::Headers { key, fields: decoded.fields, repeated: decoded.repeated, end_stream })
    }

    fn trailers(&mut self, key: StreamKey, decoded: Decoded, end_stream: bool) -> Result<Event, StreamError> {
        let Some(stream) = self.streams.get(key) else { return Err(StreamError::protocol("no such stream")) };
        if !stream.state.may_receive() {
            let reason = "HEADERS after END_STREAM (RFC 9113 §5.1)";
            return Err(StreamError { code: ErrorCode::STREAM_CLOSED, reason });
        }
        if !end_stream {
            return Err(StreamError::protocol("trailers without END_STREAM (RFC 9113 §8.1)"));
        }
        if stream.content_left.is_some_and(|left| left != 0) {
            return Err(StreamError::protocol(CONTENT_LENGTH));
        }
        self.judged.judge(Section::Trailers, &decoded)?;
        self.end_remote(key);
        Ok(Event::Trailers { key, fields: decoded.fields, repeated: decoded.repeated })
    }
}
