//! What each frame does (RFC 9113 §6).

use super::{Connection, Role};
use crate::error::{ConnectionError, ErrorCode, Initiator};
use crate::event::Event;
use crate::fields::{Fields, Name};
use crate::frame::{self, Head, flag, kind};
use crate::hpack::Decoded;
use crate::stream::{Reading, State, Stream, StreamError};
use crate::streams::StreamKey;
use crate::validate::{Section, content_length, malformed};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

type Received = Result<Option<Event>, ConnectionError>;

/// A header block whose END_HEADERS has not come (RFC 9113 §4.3).
#[derive(Debug)]
pub(super) struct Block {
    stream_id: u32,
    end_stream: bool,
    bytes: Vec<u8>,
    continuations: u32,
}

/// The last repeated field sections that were found well-formed, and what they announce.
#[derive(Debug, Default)]
pub(super) struct Judged {
    sections: Vec<(Arc<Fields>, Section, Option<u64>)>,
    next: usize,
}

impl Judged {
    const KEPT: usize = 4;

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
        if let Some(reason) = malformed(section, &decoded.fields) {
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
    #[inline]
    pub(super) fn receive(&mut self, now: Instant, head: Head, payload: Bytes) -> Received {
        if let Some(block) = &self.block {
            // RFC 9113 §4.3: nothing comes between the frames of a header block.
            if head.kind != kind::CONTINUATION || head.stream_id != block.stream_id {
                return Err(ConnectionError::protocol(
                    "a header block is interrupted by another frame (RFC 9113 §4.3)",
                ));
            }
        }
        if !self.settled && head.kind != kind::SETTINGS {
            return Err(ConnectionError::protocol("the first frame is not SETTINGS (RFC 9113 §3.4)"));
        }
        match head.kind {
            kind::DATA => self.receive_data(now, head, payload),
            kind::HEADERS => self.receive_headers(now, head, &payload),
            kind::CONTINUATION => self.receive_continuation(now, head, &payload),
            kind::WINDOW_UPDATE => self.receive_window_update(now, head, &payload),
            kind::SETTINGS => self.receive_settings(now, head, &payload),
            kind::PING => self.receive_ping(now, head, &payload),
            kind::RST_STREAM => self.receive_reset(now, head, &payload),
            kind::PRIORITY => self.receive_priority(now, head, &payload),
            kind::GOAWAY => self.receive_go_away(head, payload),
            // RFC 9113 §8.4: a client can't push, and we announce that we take no push.
            kind::PUSH_PROMISE => {
                Err(ConnectionError::protocol("PUSH_PROMISE is not allowed here (RFC 9113 §8.4)"))
            }
            // RFC 9113 §5.5: unknown frame types are ignored.
            _ => self.idle_frame(now).map(|()| None),
        }
    }

    fn receive_data(&mut self, now: Instant, head: Head, payload: Bytes) -> Received {
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
        self.return_connection_window(len);
        let (start, end) = frame::unpadded(head, &payload)
            .ok_or(ConnectionError::protocol("padding longer than the payload (RFC 9113 §6.1)"))?;
        let end_stream = head.has(flag::END_STREAM);
        if start == end && !end_stream {
            self.idle_frame(now)?;
        }
        let Some(key) = self.streams.key_of(head.stream_id) else {
            return self.frame_on_closed_stream(now, head);
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
            *left = rest
                .ok_or(StreamError::protocol("DATA does not add up to content-length (RFC 9113 §8.1.1)"))?;
        }
        let padding = head.len - data.len();
        if end_stream {
            self.end_remote(key);
        } else if padding > 0 {
            self.release_capacity(key, padding);
        }
        Ok(())
    }

    fn receive_headers(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        if head.stream_id == 0 {
            return Err(ConnectionError::protocol("HEADERS on stream 0 (RFC 9113 §6.2)"));
        }
        let (mut start, end) = frame::unpadded(head, payload)
            .ok_or(ConnectionError::protocol("padding longer than the payload (RFC 9113 §6.2)"))?;
        if head.has(flag::PRIORITY) {
            let priority = payload.get(start..start + 5).filter(|_| start + 5 <= end);
            let priority = priority.ok_or(ConnectionError::local(
                ErrorCode::FRAME_SIZE_ERROR,
                "HEADERS too short for its priority (RFC 9113 §6.2)",
            ))?;
            // RFC 9113 §5.3.2 drops priorities; a stream that depends on itself is still told apart (RFC 7540 §5.3.1).
            if depends_on(priority) == head.stream_id {
                return self.refuse_block(now, head, &payload[start + 5..end]);
            }
            start += 5;
        }
        let block = &payload[start..end];
        let end_stream = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.receive_block(now, head.stream_id, end_stream, block);
        }
        self.header_deadline = Some(now + self.config.header_block_timeout);
        self.block =
            Some(Block { stream_id: head.stream_id, end_stream, bytes: block.to_vec(), continuations: 0 });
        Ok(None)
    }

    fn receive_continuation(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        let Some(mut block) = self.block.take() else {
            return Err(ConnectionError::protocol("CONTINUATION without HEADERS (RFC 9113 §6.10)"));
        };
        block.continuations += 1;
        let too_many = block.continuations > self.config.max_continuations;
        if too_many || block.bytes.len() + payload.len() > self.config.max_header_block {
            let reason = "a header block is larger or in more pieces than allowed";
            return Err(ConnectionError::local(ErrorCode::ENHANCE_YOUR_CALM, reason));
        }
        block.bytes.extend_from_slice(payload);
        if !head.has(flag::END_HEADERS) {
            self.block = Some(block);
            return Ok(None);
        }
        self.header_deadline = None;
        self.receive_block(now, block.stream_id, block.end_stream, &block.bytes)
    }

    /// A block that is decoded only to keep the table in step; its stream is refused.
    fn refuse_block(&mut self, now: Instant, head: Head, block: &[u8]) -> Received {
        self.decode(block)?;
        self.last_peer_id = self.last_peer_id.max(head.stream_id);
        self.provoked_reset(now, head.stream_id, ErrorCode::PROTOCOL_ERROR).map(|()| None)
    }

    fn decode(&mut self, block: &[u8]) -> Result<Decoded, ConnectionError> {
        let decoded = self.decoder.decode(block);
        decoded.map_err(|error| ConnectionError::local(ErrorCode::COMPRESSION_ERROR, error.0))
    }

    fn receive_block(&mut self, now: Instant, id: u32, end_stream: bool, block: &[u8]) -> Received {
        let decoded = self.decode(block)?;
        if let Some(key) = self.streams.key_of(id) {
            let taken = match (self.role, self.streams.get(key).map(|stream| stream.reading)) {
                (Role::Client, Some(Reading::Head)) => self.response(key, decoded, end_stream),
                _ => self.trailers(key, decoded, end_stream),
            };
            return taken.map_or_else(|error| self.stream_error(now, key, error), |event| Ok(Some(event)));
        }
        let opens = self.role == Role::Server && id % 2 == 1 && id > self.last_peer_id;
        if opens {
            return self.request(now, id, decoded, end_stream);
        }
        self.frame_on_closed_stream(
            now,
            Head { len: block.len(), kind: kind::HEADERS, flags: 0, stream_id: id },
        )
    }

    #[inline]
    fn request(&mut self, now: Instant, id: u32, decoded: Decoded, end_stream: bool) -> Received {
        self.last_peer_id = id;
        if self.shutdown.refuses(id) || self.streams.len() >= self.config.max_concurrent_streams as usize {
            // RFC 9113 §5.1.2: a stream beyond the announced number is refused.
            return self.provoked_reset(now, id, ErrorCode::REFUSED_STREAM).map(|()| None);
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
        let content_left = self.judged.judge(Section::Response, &decoded)?;
        if decoded.fields.get(Name::Status).is_some_and(|status| status.first() == Some(&b'1')) {
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
            // A response to HEAD may announce what it does not carry (RFC 9110 §8.6): without a body nothing is counted.
            stream.content_left = content_left.filter(|_| !end_stream);
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
            return Err(StreamError::protocol("DATA does not add up to content-length (RFC 9113 §8.1.1)"));
        }
        self.judged.judge(Section::Trailers, &decoded)?;
        self.end_remote(key);
        Ok(Event::Trailers { key, fields: decoded.fields, repeated: decoded.repeated })
    }

    fn receive_window_update(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        let &payload =
            payload.first_chunk::<4>().filter(|_| payload.len() == 4).ok_or(ConnectionError::local(
                ErrorCode::FRAME_SIZE_ERROR,
                "WINDOW_UPDATE is not four octets (RFC 9113 §6.9)",
            ))?;
        let increment = u32::from_be_bytes(payload) & 0x7fff_ffff;
        if head.stream_id == 0 {
            self.send_window += i64::from(increment);
            return match increment {
                0 => Err(ConnectionError::protocol("WINDOW_UPDATE of 0 (RFC 9113 §6.9)")),
                _ if self.send_window > i64::from(crate::settings::MAX_WINDOW) => {
                    Err(ConnectionError::local(
                        ErrorCode::FLOW_CONTROL_ERROR,
                        "the connection's window is above 2^31-1 (RFC 9113 §6.9.1)",
                    ))
                }
                _ => Ok(None),
            };
        }
        let Some(key) = self.streams.key_of(head.stream_id) else {
            return self.frame_on_closed_stream(now, head);
        };
        if increment == 0 {
            return self.stream_error(now, key, StreamError::protocol("WINDOW_UPDATE of 0 (RFC 9113 §6.9)"));
        }
        let Some(stream) = self.streams.get_mut(key) else { return Ok(None) };
        stream.send_window += i64::from(increment);
        if stream.send_window > i64::from(crate::settings::MAX_WINDOW) {
            let reason = "the stream's window is above 2^31-1 (RFC 9113 §6.9.1)";
            return self.stream_error(now, key, StreamError { code: ErrorCode::FLOW_CONTROL_ERROR, reason });
        }
        self.take_turns(key);
        Ok(None)
    }

    fn receive_settings(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        if head.stream_id != 0 {
            return Err(ConnectionError::protocol("SETTINGS on a stream (RFC 9113 §6.5)"));
        }
        let is_ack = head.has(flag::ACK);
        if (is_ack && !payload.is_empty()) || !payload.len().is_multiple_of(6) {
            let reason = "SETTINGS of a length that it can't have (RFC 9113 §6.5)";
            return Err(ConnectionError::local(ErrorCode::FRAME_SIZE_ERROR, reason));
        }
        if is_ack {
            if !self.settled {
                return Err(ConnectionError::protocol("the first frame is not SETTINGS (RFC 9113 §3.4)"));
            }
            if self.unacknowledged_settings > 0 {
                self.unacknowledged_settings -= 1;
                self.decoder.set_max_table_size(self.config.header_table_size as usize);
            }
            return Ok(None);
        }
        if self.settled {
            self.idle_frame(now)?;
        }
        let before = self.peer_settings.initial_window_size;
        self.peer_settings.apply(payload)?;
        if self.role == Role::Client
            && self.peer_settings.enable_push
            && payload.chunks_exact(6).any(|p| p[1] == 2)
        {
            return Err(ConnectionError::protocol(
                "a server announces SETTINGS_ENABLE_PUSH (RFC 9113 §6.5.2)",
            ));
        }
        self.encoder.set_peer_max_table_size(self.peer_settings.header_table_size as usize);
        self.change_send_windows(i64::from(self.peer_settings.initial_window_size) - i64::from(before))?;
        if !self.settled {
            self.settled = true;
            self.header_deadline = None;
        }
        frame::put(&mut self.out, kind::SETTINGS, flag::ACK, 0, &[]);
        self.control_bytes += frame::HEAD_BYTES;
        self.offer_streams();
        Ok(Some(Event::SettingsChanged))
    }

    /// RFC 9113 §6.9.2: a new initial window changes the windows of all streams, below zero too.
    fn change_send_windows(&mut self, difference: i64) -> Result<(), ConnectionError> {
        if difference == 0 {
            return Ok(());
        }
        for stream in self.streams.iter_mut() {
            stream.send_window += difference;
            if stream.send_window > i64::from(crate::settings::MAX_WINDOW) {
                let reason = "SETTINGS_INITIAL_WINDOW_SIZE takes a window above 2^31-1 (RFC 9113 §6.9.2)";
                return Err(ConnectionError::local(ErrorCode::FLOW_CONTROL_ERROR, reason));
            }
        }
        for key in self.streams.keys() {
            self.take_turns(key);
        }
        Ok(())
    }

    fn receive_ping(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        if head.stream_id != 0 {
            return Err(ConnectionError::protocol("PING on a stream (RFC 9113 §6.7)"));
        }
        let &payload = payload.first_chunk::<8>().filter(|_| payload.len() == 8).ok_or(
            ConnectionError::local(ErrorCode::FRAME_SIZE_ERROR, "PING is not eight octets (RFC 9113 §6.7)"),
        )?;
        if head.has(flag::ACK) {
            let of_shutdown = self.shutdown_acknowledged(&payload);
            return Ok((!of_shutdown).then_some(Event::PingAcknowledged { payload }));
        }
        self.idle_frame(now)?;
        frame::put(&mut self.out, kind::PING, flag::ACK, 0, &payload);
        self.control_bytes += frame::HEAD_BYTES + payload.len();
        Ok(None)
    }

    fn receive_reset(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        let &payload =
            payload.first_chunk::<4>().filter(|_| payload.len() == 4).ok_or(ConnectionError::local(
                ErrorCode::FRAME_SIZE_ERROR,
                "RST_STREAM is not four octets (RFC 9113 §6.4)",
            ))?;
        let code = ErrorCode(u32::from_be_bytes(payload));
        let Some(key) = self.streams.key_of(head.stream_id) else {
            return self.frame_on_closed_stream(now, head);
        };
        if self.role == Role::Server {
            self.count_reset(now)?;
        }
        self.remove_stream(key, super::reset::Closing::ResetByPeer);
        Ok(Some(Event::Reset {
            key,
            code,
            initiator: Initiator::Peer,
            reason: "the peer reset the stream",
            unprocessed: code == ErrorCode::REFUSED_STREAM,
        }))
    }

    fn receive_priority(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        if head.stream_id == 0 {
            return Err(ConnectionError::protocol("PRIORITY on stream 0 (RFC 9113 §6.3)"));
        }
        self.idle_frame(now)?;
        let wrong = if payload.len() != 5 {
            // RFC 9113 §6.3: a stream error.
            Some(ErrorCode::FRAME_SIZE_ERROR)
        } else {
            (depends_on(payload) == head.stream_id).then_some(ErrorCode::PROTOCOL_ERROR)
        };
        let Some(code) = wrong else { return Ok(None) };
        match self.streams.key_of(head.stream_id) {
            Some(key) => self.stream_error(
                now,
                key,
                StreamError { code, reason: "a malformed PRIORITY (RFC 9113 §6.3)" },
            ),
            // RST_STREAM on an idle stream would itself be an error, so the connection ends (RFC 9113 §5.1).
            None => Err(ConnectionError::local(code, "a malformed PRIORITY (RFC 9113 §6.3)")),
        }
    }

    fn receive_go_away(&mut self, head: Head, payload: Bytes) -> Received {
        if head.stream_id != 0 {
            return Err(ConnectionError::protocol("GOAWAY on a stream (RFC 9113 §6.8)"));
        }
        let Some(&[a, b, c, d, e, f, g, h]) = payload.first_chunk::<8>() else {
            let reason = "GOAWAY is shorter than eight octets (RFC 9113 §6.8)";
            return Err(ConnectionError::local(ErrorCode::FRAME_SIZE_ERROR, reason));
        };
        let last_stream_id = u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff;
        let code = ErrorCode(u32::from_be_bytes([e, f, g, h]));
        self.peer_goes_away(last_stream_id);
        Ok(Some(Event::GoAway { last_stream_id, code, debug: payload.slice(8..) }))
    }
}

/// The stream that a priority names (RFC 7540 §6.3).
fn depends_on(priority: &[u8]) -> u32 {
    priority.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff)
}
