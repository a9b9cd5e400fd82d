//! GOAWAY, sent and received (RFC 9113 §6.8).

use super::Connection;
use super::reset::Closing;
use crate::error::{ErrorCode, Initiator};
use crate::event::Event;
use crate::frame::{self, kind};
use std::time::Instant;

/// What the PING of a graceful shutdown carries, to tell its answer from others.
const SHUTDOWN_PING: [u8; 8] = *b"goodbye!";
const HIGHEST_STREAM_ID: u32 = (1 << 31) - 1;

/// How far each side has gone in ending the connection.
#[derive(Debug, Default)]
pub(super) struct Shutdown {
    ours: Ours,
    peer_is_going: bool,
}

#[derive(Debug, Default, PartialEq)]
enum Ours {
    #[default]
    No,
    /// The first GOAWAY and a PING are out; streams that cross it are still taken.
    Announced { until: Instant },
    /// The second GOAWAY named the last stream.
    Final { last: u32 },
}

impl Shutdown {
    pub(super) fn is_begun(&self) -> bool {
        self.ours != Ours::No
    }

    pub(super) fn peer_is_going(&self) -> bool {
        self.peer_is_going
    }

    /// Whether a new stream of the peer comes after the last one that we take.
    pub(super) fn refuses(&self, id: u32) -> bool {
        matches!(self.ours, Ours::Final { last } if id > last)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.ours {
            Ours::Announced { until } => Some(until),
            _ => None,
        }
    }
}

impl Connection {
    /// Begins a graceful end in two steps: GOAWAY with the highest identifier and a PING now, GOAWAY with the last
    /// stream when the PING is answered or after a second. Streams opened after that are refused; those that run may
    /// finish.
    pub fn shut_down(&mut self, now: Instant) {
        if self.closed || self.shutdown.is_begun() {
            return;
        }
        frame::put_go_away(&mut self.out, HIGHEST_STREAM_ID, ErrorCode::NO_ERROR, "shutting down");
        frame::put(&mut self.out, kind::PING, 0, 0, &SHUTDOWN_PING);
        self.shutdown.ours = Ours::Announced { until: now + self.config.shutdown_ping_timeout };
    }

    /// Whether this side's last GOAWAY is out: once no stream is open, nothing more will come.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        matches!(self.shutdown.ours, Ours::Final { .. }) && self.streams.len() == 0
    }

    /// Whether the peer has sent GOAWAY.
    #[must_use]
    pub fn peer_is_going_away(&self) -> bool {
        self.shutdown.peer_is_going
    }

    pub(super) fn shutdown_acknowledged(&mut self, payload: &[u8; 8]) -> bool {
        let ours = *payload == SHUTDOWN_PING && matches!(self.shutdown.ours, Ours::Announced { .. });
        if ours {
            self.send_final_go_away();
        }
        ours
    }

    pub(super) fn end_shutdown_in_time(&mut self, now: Instant) {
        if self.shutdown.deadline().is_some_and(|until| until <= now) {
            self.send_final_go_away();
        }
    }

    fn send_final_go_away(&mut self) {
        frame::put_go_away(&mut self.out, self.last_peer_id, ErrorCode::NO_ERROR, "shut down");
        self.shutdown.ours = Ours::Final { last: self.last_peer_id };
    }

    /// RFC 9113 §6.8: streams of ours above the last one named have not been processed and won't be.
    pub(super) fn peer_goes_away(&mut self, last_stream_id: u32) {
        self.shutdown.peer_is_going = true;
        for key in self.streams.keys() {
            let Some(id) = self.stream_id(key) else { continue };
            let ours = self.role == super::Role::Client;
            if !ours || id <= last_stream_id {
                continue;
            }
            self.remove_stream(key, Closing::ResetByPeer);
            self.events.push_back(Event::Reset {
                key,
                code: ErrorCode::REFUSED_STREAM,
                initiator: Initiator::Peer,
                reason: "the peer ended the connection before it took this stream",
                unprocessed: true,
            });
        }
    }
}
