//! Where a client's call failed that no server has ended.

use crate::status::Status;
use std::fmt;

/// How far a call had come. Phases are in the order of a call's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// The target's name was looked up.
    Resolve,
    /// A connection was made, up to the server's first word that it speaks HTTP/2.
    Connect,
    /// The two ends of a connection made sure of each other.
    Tls,
    /// The call waited for a free stream of its connection (SETTINGS_MAX_CONCURRENT_STREAMS).
    Queue,
    /// The call was sent. No server has seen it: it may be made again, whatever its method does.
    Send,
    /// The call was with the server, which may have done its work, and the answer was waited for.
    Wait,
}

impl Phase {
    /// Its name, as a log has it: `resolve`, `connect`, `tls`, `queue`, `send`, `wait`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Queue => "queue",
            Self::Send => "send",
            Self::Wait => "wait",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a call failed, for programs. What it means for people is the status's message.
///
/// ```
/// use gannet_core::{Failure, Phase, Status};
///
/// let failure = Failure::new(Phase::Wait).with_peer("10.0.0.7:50051").with_attempts(1);
/// let status = Status::unavailable("the connection was lost").with_failure(failure);
/// assert_eq!(status.phase(), Some(Phase::Wait));
/// assert_eq!(status.failure().and_then(Failure::peer), Some("10.0.0.7:50051"));
/// ```
#[derive(Clone, Debug)]
pub struct Failure {
    phase: Phase,
    peer: Option<Box<str>>,
    attempts: u32,
    connection_error: Option<Status>,
}

impl Failure {
    /// A failure in this phase, of which nothing else is known.
    #[must_use]
    pub const fn new(phase: Phase) -> Self {
        Self { phase, peer: None, attempts: 0, connection_error: None }
    }

    /// The phase.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The server's address, `10.0.0.7:50051` or `unix:/run/users.sock`, where it had come to one.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// How often the call was given to a connection: 0 where there was none for it.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Why there was no connection, where a deadline passed while the call waited for one. A call that did not wait ends
    /// with that error itself.
    #[must_use]
    pub fn connection_error(&self) -> Option<&Status> {
        self.connection_error.as_ref()
    }

    /// Sets the phase.
    #[must_use]
    pub const fn with_phase(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }

    /// Sets the server's address.
    #[must_use]
    pub fn with_peer(mut self, peer: impl Into<Box<str>>) -> Self {
        self.peer = Some(peer.into());
        self
    }

    /// Sets the number of attempts.
    #[must_use]
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets why there was no connection.
    #[must_use]
    pub fn with_connection_error(mut self, error: Status) -> Self {
        self.connection_error = Some(error);
        self
    }
}
