//! From a running call to its answer.

use super::{Calls, cut_short};
use crate::registry::Counter;
use crate::server::dispatch::Ended;
use crate::server::request::CallHead;
use crate::server::response::{metadata_too_large, takes_head};
use crate::server::slot::State;
use crate::{Answer, CancelReason, Compression, Metadata, Status};
use gannet_http2::{Connection, StreamKey};
use std::sync::Arc;

/// Messages stay in their outbox while this much of their stream waits in the connection.
const QUEUED_PER_STREAM_BYTES: usize = 64 * 1024;

impl Calls {
    /// The handler has ended: its answer goes out.
    #[inline]
    pub(super) fn finish(&mut self, http2: &mut Connection, key: StreamKey, ended: Ended) {
        let Some(slot) = self.slots.take(key) else { return };
        self.disarm(&slot);
        let State::Running(running) = slot.state else { return };
        let head = slot.head;
        drop(running.cancellation);
        let Ended { call, result } = ended;
        let mut call = call;
        let mut headers = call.as_mut().map(|call| std::mem::take(call.headers_mut())).unwrap_or_default();
        let trailers = call.as_mut().map(|call| std::mem::take(call.trailers_mut())).unwrap_or_default();
        let mut head_sent = running.head_sent;
        let compression = match (&running.pair, &call) {
            (Some(pair), _) if head_sent || pair.facts.spec.server_streaming => pair.outbox.compression(),
            (_, Some(call)) => call.response_compression(),
            _ => Compression::Identity,
        };
        if let Some(pair) = &running.pair {
            let taken = pair.outbox.take(&mut self.outgoing);
            if taken.discarded {
                http2.discard(key);
            }
            self.counts[Counter::MessagesSent] += taken.messages;
            let rest = taken.headers.unwrap_or_else(|| pair.outbox.take_headers());
            headers.extend(&rest);
            if !head_sent && !takes_head(http2, &headers) {
                self.outgoing.clear();
            }
            if !self.outgoing.is_empty() {
                self.send_head(http2, key, &head, compression, &headers, &mut head_sent);
                http2.send_data(key, &mut self.outgoing);
            }
        }
        let too_much = matches!(result, Ok(Answer::One))
            && call.as_mut().is_some_and(|call| !http2.may_queue(call.response_mut().len()));
        let result = if too_much { Err(not_fetched()) } else { result };
        let result = if head_sent || takes_head(http2, &headers) {
            result
        } else {
            headers = Metadata::default();
            result.and(Err(metadata_too_large()))
        };
        self.answered(result.is_ok());
        match (result, &mut call) {
            (Ok(Answer::One), Some(call)) => {
                self.send_head(http2, key, &head, compression, &headers, &mut head_sent);
                http2.send_data(key, call.response_mut());
                self.counts[Counter::MessagesSent] += 1;
                self.responses.trailers(http2, key, &Ok(()), &trailers);
            }
            (Ok(_), _) => {
                self.send_head(http2, key, &head, compression, &headers, &mut head_sent);
                self.responses.trailers(http2, key, &Ok(()), &trailers);
            }
            (Err(status), _) if head_sent => self.responses.trailers(http2, key, &Err(status), &trailers),
            (Err(status), _) => {
                self.responses.trailers_only(http2, key, head.format, &status, (&headers, &trailers));
            }
        }
        if let Some(pair) = running.pair {
            pair.end(Ok(()));
        }
        if let Some(call) = call {
            call.recycle();
        }
    }

    #[inline]
    fn send_head(
        &mut self,
        http2: &mut Connection,
        key: StreamKey,
        head: &CallHead,
        compression: Compression,
        headers: &Metadata,
        sent: &mut bool,
    ) {
        if !std::mem::replace(sent, true) {
            self.responses.head(http2, key, head, compression, headers);
        }
    }

    /// Ends a call whose handler has not ended it: deadline, broken request, shutdown.
    pub(super) fn end_early(
        &mut self,
        http2: &mut Connection,
        key: StreamKey,
        reason: CancelReason,
        status: Status,
    ) {
        let Some(slot) = self.slots.take(key) else { return };
        self.disarm(&slot);
        let head = slot.head;
        if let (State::Gathering { .. }, Some(route)) = (&slot.state, self.server.routes.get(head.route)) {
            self.tell_refused(route.spec.path.as_bytes(), &status);
        }
        let mut head_sent = false;
        let mut compression = Compression::Identity;
        let mut headers = Metadata::default();
        if let State::Running(running) = &slot.state {
            head_sent = running.head_sent;
            if let Some(pair) = &running.pair {
                // What was sent before goes out before the end.
                compression = pair.outbox.compression();
                let taken = pair.outbox.take(&mut self.outgoing);
                self.counts[Counter::MessagesSent] += taken.messages;
                headers = taken.headers.unwrap_or_default();
            }
        }
        if !head_sent && !takes_head(http2, &headers) {
            self.outgoing.clear();
            headers = Metadata::default();
        }
        if !self.outgoing.is_empty() {
            self.send_head(http2, key, &head, compression, &headers, &mut head_sent);
            http2.send_data(key, &mut self.outgoing);
        }
        self.answered(false);
        cut_short(slot, reason, &status);
        let none = Metadata::default();
        if head_sent {
            self.responses.trailers(http2, key, &Err(status), &none);
        } else {
            self.responses.trailers_only(http2, key, head.format, &status, (&headers, &none));
        }
    }

    /// A stream has news in its outbox or inbox, or room in the connection.
    pub(in crate::server) fn pump(&mut self, http2: &mut Connection, key: StreamKey) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        let head = slot.head;
        let running = match &mut slot.state {
            State::Running(running) => running,
            State::Http(stream) => return stream.pump(http2, key, &mut self.outgoing),
            State::Gathering { .. } => return,
        };
        let Some(pair) = running.pair.as_ref().map(Arc::clone) else { return };
        let read = pair.inbox.take_read();
        http2.release_capacity(key, read.credit);
        let needed = running.deframer.needed();
        if needed > 0 && !running.broken && pair.inbox.may_borrow(needed) {
            http2.request_credit(key, needed);
        }
        if http2.queued(key) >= QUEUED_PER_STREAM_BYTES {
            return;
        }
        let taken = pair.outbox.take(&mut self.outgoing);
        self.counts[Counter::MessagesSent] += taken.messages;
        if !self.outgoing.is_empty() {
            if !std::mem::replace(&mut running.head_sent, true) {
                let (compression, headers) = (pair.outbox.compression(), taken.headers.unwrap_or_default());
                if !takes_head(http2, &headers) {
                    running.head_sent = false;
                    self.outgoing.clear();
                    let reason = CancelReason::ProtocolError;
                    return self.end_early(http2, key, reason, metadata_too_large());
                }
                self.responses.head(http2, key, &head, compression, &headers);
            }
            http2.send_data(key, &mut self.outgoing);
        }
    }
}

fn not_fetched() -> Status {
    Status::resource_exhausted(
        "the client does not fetch its answers: too much waits for it on this connection",
    )
}
