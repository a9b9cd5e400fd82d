//! What a server's frames do to the attempts that they answer.

use super::attempts::Attempts;
use crate::compression::Received;
use crate::registry::Counter;
use crate::stream::COPIED_BELOW_BYTES;
use crate::{Code, Metadata, Phase, Status};
use bytes::Bytes;
use gannet_core::{Prefix, check_response_headers, outcome_from_trailers};
use gannet_http2::{Connection, ErrorCode, Fields, Initiator, Name, StreamKey};
use std::sync::Arc;

/// Messages stay in their outbox while this much of their stream waits in the connection.
const QUEUED_PER_STREAM_BYTES: usize = 64 * 1024;

impl Attempts {
    pub(super) fn headers(
        &mut self,
        http2: &mut Connection,
        key: StreamKey,
        fields: Arc<Fields>,
        end_stream: bool,
    ) {
        if end_stream {
            // PROTOCOL-HTTP2, "Trailers-Only".
            return self.trailers(http2, key, &fields);
        }
        if let Err(status) = check_response_headers(&fields) {
            let status = self.of_fields(&fields, status);
            return self.give_up(http2, key, status);
        }
        let Some(slot) = self.get(key) else { return };
        if let Err(status) = slot.accept_encoding(&fields) {
            return self.fail(http2, key, status);
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

    pub(super) fn trailers(&mut self, http2: &mut Connection, key: StreamKey, fields: &Arc<Fields>) {
        let Some(slot) = self.get(key) else { return };
        let whole = slot.deframer.finish();
        let result = match outcome_from_trailers(fields) {
            Ok(()) => whole.map_err(|status| self.failed(Phase::Wait, status)),
            Err(status) => Err(self.of_fields(fields, status)),
        };
        self.end_whole(key, result, Metadata::from(Arc::clone(fields)));
        // PROTOCOL-HTTP2, "Early Server Closure": where our side is still open. The key of a whole stream is dead.
        http2.reset(key, ErrorCode::NO_ERROR);
    }

    /// What a server says by `grpc-status` is its own; all else is what this end makes of its fields.
    fn of_fields(&self, fields: &Fields, status: Status) -> Status {
        match fields.get(Name::GrpcStatus) {
            Some(_) => status,
            None => self.failed(Phase::Wait, status),
        }
    }

    pub(super) fn data(&mut self, http2: &mut Connection, key: StreamKey, data: Bytes, end_stream: bool) {
        let place = self.slots.get_mut(key.slot()).and_then(Option::as_mut);
        let Some(slot) = place.filter(|slot| slot.key == key) else {
            return http2.release_capacity(key, data.len());
        };
        slot.deframer.push(data);
        let broken = loop {
            match slot.deframer.next() {
                Ok(Some(frame)) => {
                    self.counts[Counter::MessagesReceived] += 1;
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
            return self.fail(http2, key, status);
        }
        if end_stream {
            let status = slot.deframer.finish().err();
            let status =
                status.unwrap_or_else(|| Status::internal("the server ended the stream without a status"));
            self.end_whole(key, Err(self.failed(Phase::Wait, status)), Metadata::default());
            return http2.reset(key, ErrorCode::NO_ERROR);
        }
        slot.deframer.detach(COPIED_BELOW_BYTES);
        // A small answer waits for its trailers, which are most often in the same read; it must not pin the buffer.
        let needed = slot.deframer.needed();
        if needed > 0 && slot.state.pair.as_ref().is_none_or(|pair| pair.inbox.may_borrow(needed)) {
            http2.request_credit(key, needed);
        }
    }

    pub(super) fn reset(
        &mut self,
        key: StreamKey,
        code: ErrorCode,
        by: Initiator,
        reason: &'static str,
        unprocessed: bool,
    ) {
        let Some(slot) = self.take(key) else { return };
        self.counts[Counter::StreamsFailed] += 1;
        self.counts.call_ended(false);
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
            return slot.state.unprocessed(slot.again, self.failed(Phase::Send, status));
        }
        slot.end(Err(self.failed(Phase::Wait, status)), Metadata::default());
    }

    /// A stream has news in its outbox or inbox, or room in the connection.
    pub(super) fn pump(&mut self, http2: &mut Connection, key: StreamKey) {
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
        self.counts[Counter::MessagesSent] += taken.messages;
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
}
