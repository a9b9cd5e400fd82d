//! Error codes and errors (RFC 9113 §5.4 and §7).

use std::fmt;

/// An error code as it stands in RST_STREAM and GOAWAY (RFC 9113 §7). Codes that the RFC does not know are kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

macro_rules! codes {
    ($($constant:ident = $value:literal, $doc:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $doc] pub const $constant: ErrorCode = ErrorCode($value);)*

            /// The name in the RFC; `None` for a code that it does not know.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($constant)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    NO_ERROR = 0, "Not an error: a graceful end.";
    PROTOCOL_ERROR = 1, "A rule was broken for which there is no code of its own.";
    INTERNAL_ERROR = 2, "Something unexpected on this side.";
    FLOW_CONTROL_ERROR = 3, "More was sent than the window allowed.";
    SETTINGS_TIMEOUT = 4, "SETTINGS were not acknowledged in time.";
    STREAM_CLOSED = 5, "A frame for a stream that the peer had half-closed.";
    FRAME_SIZE_ERROR = 6, "A frame of a size that it can't have.";
    REFUSED_STREAM = 7, "The stream was refused before anything was done: it may be tried again.";
    CANCEL = 8, "The stream is no longer needed.";
    COMPRESSION_ERROR = 9, "A header block that can't be decoded.";
    CONNECT_ERROR = 10, "The connection of a CONNECT request failed.";
    ENHANCE_YOUR_CALM = 11, "The peer does something too often.";
    INADEQUATE_SECURITY = 12, "The transport is not secure enough.";
    HTTP_1_1_REQUIRED = 13, "HTTP/1.1 is to be used instead.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {:#x}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which end of the connection did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// This end.
    Local,
    /// The other end.
    Peer,
}

/// Why a connection ended before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// The code in the GOAWAY frame.
    pub code: ErrorCode,
    /// What happened, with the rule that was broken.
    pub reason: &'static str,
    /// Who ended it: [`Initiator::Local`] where this end found the error.
    pub initiator: Initiator,
}

impl ConnectionError {
    pub(crate) const fn local(code: ErrorCode, reason: &'static str) -> Self {
        Self { code, reason, initiator: Initiator::Local }
    }

    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Self::local(ErrorCode::PROTOCOL_ERROR, reason)
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.initiator {
            Initiator::Local => write!(f, "{} ({})", self.reason, self.code),
            Initiator::Peer => write!(f, "the peer ended the connection: {} ({})", self.reason, self.code),
        }
    }
}

impl std::error::Error for ConnectionError {}

/// Why a stream could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The peer's SETTINGS_MAX_CONCURRENT_STREAMS are open; `Event::StreamsAvailable` tells when to try again.
    TooManyStreams,
    /// The peer takes no new streams on this connection (GOAWAY).
    GoingAway,
    /// All stream identifiers have been used (RFC 9113 §5.1.1).
    IdentifiersExhausted,
    /// The request's fields are more than the peer takes (SETTINGS_MAX_HEADER_LIST_SIZE, RFC 9113 §10.5.1).
    FieldsTooLarge,
    /// The request has `:protocol`, and the peer has not announced that it takes extended CONNECT (RFC 8441 §3).
    NoExtendedConnect,
    /// The connection is closed.
    Closed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::TooManyStreams => "the peer allows no more streams at once",
            OpenError::GoingAway => "the peer takes no new streams on this connection",
            OpenError::IdentifiersExhausted => "the connection has used all its stream identifiers",
            OpenError::FieldsTooLarge => "the request's fields are more than the peer takes",
            OpenError::NoExtendedConnect => "the peer does not take extended CONNECT",
            OpenError::Closed => "the connection is closed",
        })
    }
}

impl std::error::Error for OpenError {}
