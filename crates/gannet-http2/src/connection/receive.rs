//! What each frame does (RFC 9113 §6); those that carry messages are in `message`.

use super::reset::Closing;
use super::{Connection, Role};
use crate::error::{ConnectionError, ErrorCode, Initiator};
use crate::event::Event;
use crate::frame::{self, Head, flag, kind};
use crate::settings::{ENABLE_PUSH, HEADER_TABLE_SIZE, MAX_WINDOW, Settings};
use crate::stream::StreamError;
use bytes::Bytes;
use std::time::Instant;

/// A window that lets through less than this is a stall in small steps.
const SLIVER_BYTES: i64 = 256;

pub(super) type Received = Result<Option<Event>, ConnectionError>;

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
            kind::GOAWAY => self.receive_go_away(now, head, payload),
            // RFC 9113 §8.4: a client can't push, and we announce that we take no push.
            kind::PUSH_PROMISE => {
                Err(ConnectionError::protocol("PUSH_PROMISE is not allowed here (RFC 9113 §8.4)"))
            }
            // RFC 9113 §5.5: unknown frame types are ignored.
            _ => self.idle_frame(now).map(|()| None),
        }
    }

    fn receive_window_update(&mut self, now: Instant, head: Head, payload: &[u8]) -> Received {
        let &payload =
            payload.first_chunk::<4>().filter(|_| payload.len() == 4).ok_or(ConnectionError::local(
                ErrorCode::FRAME_SIZE_ERROR,
                "WINDOW_UPDATE is not four octets (RFC 9113 §6.9)",
            ))?;
        let increment = u32::from_be_bytes(payload) & 0x7fff_ffff;
        self.explain_window_update(now)?;
        if head.stream_id == 0 {
            return self.connection_window_update(now, increment);
        }
        let Some(key) = self.streams.key_of(head.stream_id) else {
            return self.frame_on_closed_stream(now, head);
        };
        if increment == 0 {
            return self.stream_error(now, key, StreamError::protocol("WINDOW_UPDATE of 0 (RFC 9113 §6.9)"));
        }
        let Some(stream) = self.streams.get_mut(key) else { return Ok(None) };
        stream.send_window += i64::from(increment);
        if stream.send_window > i64::from(MAX_WINDOW) {
            let reason = "the stream's window is above 2^31-1 (RFC 9113 §6.9.1)";
            return self.stream_error(now, key, StreamError { code: ErrorCode::FLOW_CONTROL_ERROR, reason });
        }
        if stream.send_window < SLIVER_BYTES && stream.waiting.is_some() {
            self.idle_frame(now)?;
        }
        self.take_turns(key);
        Ok(None)
    }

    fn connection_window_update(&mut self, now: Instant, increment: u32) -> Received {
        if increment == 0 {
            return Err(ConnectionError::protocol("WINDOW_UPDATE of 0 (RFC 9113 §6.9)"));
        }
        self.send_window += i64::from(increment);
        if self.send_window > i64::from(MAX_WINDOW) {
            let reason = "the connection's window is above 2^31-1 (RFC 9113 §6.9.1)";
            return Err(ConnectionError::local(ErrorCode::FLOW_CONTROL_ERROR, reason));
        }
        if self.send_window < SLIVER_BYTES && !self.turns.is_empty() {
            self.idle_frame(now)?;
        }
        Ok(None)
    }

    /// Two WINDOW_UPDATEs are explained by each DATA frame of ours: the stream's and the connection's. Others are idle.
    fn explain_window_update(&mut self, now: Instant) -> Result<(), ConnectionError> {
        if self.explained_updates > 0 {
            self.explained_updates -= 1;
            return Ok(());
        }
        self.idle_frame(now)
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
            return self.settings_acknowledged(now);
        }
        if self.settled {
            self.idle_frame(now)?;
        }
        self.take_settings(payload)?;
        if !self.settled {
            self.settled = true;
            self.header_deadline = None;
        }
        frame::put(&mut self.out, kind::SETTINGS, flag::ACK, 0, &[]);
        self.control_bytes += frame::HEAD_BYTES;
        self.offer_streams();
        Ok(Some(Event::SettingsChanged))
    }

    fn settings_acknowledged(&mut self, now: Instant) -> Received {
        if !self.settled {
            return Err(ConnectionError::protocol("the first frame is not SETTINGS (RFC 9113 §3.4)"));
        }
        if self.settings_deadline.take().is_none() {
            return self.idle_frame(now).map(|()| None);
        }
        // RFC 9113 §4.3.1: from here on the peer keeps to the size that we announced.
        self.decoder.set_max_table_size(self.config.header_table_size as usize);
        Ok(None)
    }

    fn take_settings(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        let before = self.peer_settings.initial_window_size;
        for (identifier, value) in Settings::parameters(payload) {
            self.peer_settings.set(identifier, value)?;
            // RFC 7541 §4.2: each size on the way counts, for the smallest of them empties the table.
            if identifier == HEADER_TABLE_SIZE {
                self.encoder.set_peer_max_table_size(value as usize);
            }
            if self.role == Role::Client && identifier == ENABLE_PUSH && value == 1 {
                return Err(ConnectionError::protocol(
                    "a server announces SETTINGS_ENABLE_PUSH (RFC 9113 §6.5.2)",
                ));
            }
        }
        self.change_send_windows(i64::from(self.peer_settings.initial_window_size) - i64::from(before))
    }

    /// RFC 9113 §6.9.2: a new initial window changes the windows of all streams, below zero too.
    fn change_send_windows(&mut self, difference: i64) -> Result<(), ConnectionError> {
        if difference == 0 {
            return Ok(());
        }
        for stream in self.streams.iter_mut() {
            stream.send_window += difference;
            if stream.send_window > i64::from(MAX_WINDOW) {
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
            if self.shutdown_acknowledged(&payload) || self.bandwidth_measured(&payload) {
                return Ok(None);
            }
            self.idle_frame(now)?;
            return Ok(Some(Event::PingAcknowledged { payload }));
        }
        self.idle_frame(now)?;
        frame::put(&mut self.out, kind::PING, flag::ACK, 0, &payload);
        self.control_bytes += frame::HEAD_BYTES + payload.len();
        self.events.push_back(Event::Ping { moved: std::mem::take(&mut self.moved) });
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
        self.remove_stream(key, Closing::ResetByPeer);
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

    fn receive_go_away(&mut self, now: Instant, head: Head, payload: Bytes) -> Received {
        self.idle_frame(now)?;
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
pub(super) fn depends_on(priority: &[u8]) -> u32 {
    priority.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes) & 0x7fff_ffff)
}
