//! One stream: its state (RFC 9113 §5.1), its windows and what waits to be sent on it.

use crate::error::ErrorCode;
use crate::fields::Fields;
use crate::output::Output;

/// The states of RFC 9113 §5.1 that a stream can be in while it has a place. Idle and closed streams have none, and
/// there are no reserved ones, for push is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    HalfClosedLocal,
    HalfClosedRemote,
    Closed,
}

impl State {
    /// END_STREAM was sent.
    pub(crate) fn end_local(self) -> Self {
        match self {
            State::Open => State::HalfClosedLocal,
            State::HalfClosedLocal => State::HalfClosedLocal,
            State::HalfClosedRemote | State::Closed => State::Closed,
        }
    }

    /// END_STREAM was received.
    pub(crate) fn end_remote(self) -> Self {
        match self {
            State::Open => State::HalfClosedRemote,
            State::HalfClosedRemote => State::HalfClosedRemote,
            State::HalfClosedLocal | State::Closed => State::Closed,
        }
    }

    pub(crate) fn may_send(self) -> bool {
        matches!(self, State::Open | State::HalfClosedRemote)
    }

    pub(crate) fn may_receive(self) -> bool {
        matches!(self, State::Open | State::HalfClosedLocal)
    }
}

/// How far the peer's message on a stream has come (RFC 9113 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A client waits for the final response head.
    Head,
    /// Data, then perhaps trailers.
    Body,
}

/// A stream that is open or half-closed.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) state: State,
    pub(crate) reading: Reading,
    /// How much the peer lets us send; negative after it shrank its initial window (RFC 9113 §6.9.2).
    pub(crate) send_window: i64,
    /// How much we let the peer send.
    pub(crate) receive_window: i64,
    /// Consumed by the application and not yet given back to the peer.
    pub(crate) released: u32,
    /// Received and not yet released.
    pub(crate) unread: u32,
    /// Lent from the connection's pool for a begun message and not yet paid back.
    pub(crate) borrowed: u32,
    /// Lent from the pool for a larger window.
    pub(crate) grown: u32,
    /// The request was HEAD (client).
    pub(crate) asked_head: bool,
    /// What `content-length` still announces; `None` where it said nothing.
    pub(crate) content_left: Option<u64>,
    /// What can't be sent yet.
    pub(crate) waiting: Option<Box<Waiting>>,
    /// In the connection's queue of streams that take turns.
    pub(crate) queued: bool,
    /// In the connection's queue of those that want to borrow.
    pub(crate) wants_credit: u32,
}

/// Data and an end that wait for windows or for other streams' turns.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) data: Output,
    pub(crate) end: Option<End>,
}

/// How this side of a stream ends.
#[derive(Debug)]
pub(crate) enum End {
    /// With the last DATA frame, or an empty one.
    Data,
    /// With a field section. It is encoded when it is sent, for compression goes by the order of sending.
    Trailers(Fields),
}

impl Stream {
    pub(crate) fn new(
        id: u32,
        state: State,
        reading: Reading,
        send_window: u32,
        receive_window: u32,
    ) -> Self {
        Self {
            id,
            state,
            reading,
            send_window: i64::from(send_window),
            receive_window: i64::from(receive_window),
            released: 0,
            unread: 0,
            borrowed: 0,
            grown: 0,
            asked_head: false,
            content_left: None,
            waiting: None,
            queued: false,
            wants_credit: 0,
        }
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, |waiting| waiting.data.len())
    }
}

/// An error that ends one stream (RFC 9113 §5.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamError {
    pub(crate) code: ErrorCode,
    pub(crate) reason: &'static str,
}

impl StreamError {
    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Self { code: ErrorCode::PROTOCOL_ERROR, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9113 §5.1, the picture as a table: state, after END_STREAM sent, after END_STREAM received.
    #[test]
    fn transitions() {
        use State::*;
        let table = [
            (Open, HalfClosedLocal, HalfClosedRemote),
            (HalfClosedLocal, HalfClosedLocal, Closed),
            (HalfClosedRemote, Closed, HalfClosedRemote),
            (Closed, Closed, Closed),
        ];
        for (state, local, remote) in table {
            assert_eq!((state.end_local(), state.end_remote()), (local, remote), "{state:?}");
        }
    }

    /// Ten thousand idle streams are two megabytes, not ten.
    #[test]
    fn a_stream_is_small() {
        assert!(size_of::<Stream>() <= 200, "{}", size_of::<Stream>());
    }
}
