//! What a client's connection remembers of each stream.

use crate::client::attempt::{AttemptState, Ended, Outcome};
use crate::client::call::CallState;
use crate::client::failures::after_attempts;
use crate::compression::{Encodings, Received, unknown_encoding};
use crate::driver::clock;
use crate::{Code, Compression, Failure, Metadata, Phase, Result, Status};
use gannet_core::{Deframer, TimerKey};
use gannet_http2::{Fields, Name, StreamKey};
use std::sync::Arc;
use std::time::Instant;

/// An attempt on its stream.
pub(super) struct Slot {
    pub(super) key: StreamKey,
    pub(super) state: Arc<AttemptState>,
    /// A stream's call, until the server has answered.
    pub(super) again: Option<Box<CallState>>,
    pub(super) deadline: Option<Instant>,
    pub(super) timer: Option<TimerKey>,
    pub(super) deframer: Deframer,
    pub(super) accepts: Encodings,
    /// What the response's messages are compressed with.
    pub(super) compression: Compression,
    pub(super) message: Option<Received>,
    pub(super) headers: Option<Metadata>,
}

impl Slot {
    /// Reads the response's `grpc-encoding`.
    pub(super) fn accept_encoding(&mut self, headers: &Fields) -> Result<()> {
        let Some(name) = headers.get(Name::GrpcEncoding) else { return Ok(()) };
        let known = Compression::from_name(name).filter(|one| self.accepts.contains(*one));
        // compression.md, test case 5.
        self.compression = known.ok_or_else(|| Status::internal(unknown_encoding(name, self.accepts)))?;
        self.deframer.allow_compressed(self.compression != Compression::Identity);
        Ok(())
    }

    /// PROTOCOL-HTTP2, "Client Cancellation": where the deadline has passed, a server's CANCELLED is DEADLINE_EXCEEDED,
    /// and nothing of its trailers is used.
    fn not_cancelled_but_late(&self, status: Status) -> Status {
        let late = status.code() == Code::Cancelled && self.deadline.is_some_and(|at| at <= clock::now());
        if late {
            Status::deadline_exceeded("the deadline passed while the server worked on the call")
                .with_failure(Failure::new(Phase::Wait))
        } else {
            status
        }
    }

    /// The attempt is over.
    pub(super) fn end(self, result: Result<()>, trailers: Metadata) {
        let result =
            result.map_err(|status| after_attempts(self.not_cancelled_but_late(status), self.state.number));
        if let Some(pair) = &self.state.pair {
            pair.inbox.set_trailers(trailers.clone());
            pair.end(result.clone());
        }
        let headers = self.headers.unwrap_or_default();
        let result = match (result, self.message) {
            (Ok(()), Some(message)) => Ok(message),
            (Ok(()), None) => {
                let failure = Failure::new(Phase::Wait).with_attempts(self.state.number);
                let status = Status::unimplemented("the server ended the call without an answer");
                Err(status.with_failure(failure))
            }
            (Err(status), _) => Err(status),
        };
        self.state.end(Outcome::Ended(Ended { headers, trailers, result: Some(result) }));
    }
}
