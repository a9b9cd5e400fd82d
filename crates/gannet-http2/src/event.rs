//! What a connection tells its driver.

use crate::error::{ConnectionError, ErrorCode, Initiator};
use crate::fields::Fields;
use crate::streams::StreamKey;
use bytes::Bytes;
use std::sync::Arc;

/// Something that came of bytes or of time.
///
/// The last event of a stream is one with `end_stream`, [`Event::Trailers`] or [`Event::Reset`]; this side may send on
/// that stream until it has ended its own side.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request (server) or a final response head (client), judged by RFC 9113 §8.
    Headers {
        /// The stream, new on a server.
        key: StreamKey,
        /// The fields, pseudo-headers first.
        fields: Arc<Fields>,
        /// The very same value as in an earlier event of this connection.
        repeated: bool,
        /// Nothing follows.
        end_stream: bool,
    },
    /// An informational response (1xx) to a client's request.
    Informational {
        /// The stream.
        key: StreamKey,
        /// The fields.
        fields: Arc<Fields>,
    },
    /// A piece of the body: a slice of the bytes that were read.
    Data {
        /// The stream.
        key: StreamKey,
        /// The bytes, without padding; they count on the window until `release_capacity`.
        data: Bytes,
        /// Nothing follows.
        end_stream: bool,
    },
    /// The field section after the body. Nothing follows.
    Trailers {
        /// The stream.
        key: StreamKey,
        /// The fields.
        fields: Arc<Fields>,
        /// The very same value as in an earlier event of this connection.
        repeated: bool,
    },
    /// The stream is over before its end.
    Reset {
        /// The stream; its key is dead now.
        key: StreamKey,
        /// Why, as a code.
        code: ErrorCode,
        /// Who ended it: [`Initiator::Local`] where this end found an error.
        initiator: Initiator,
        /// Why, in words.
        reason: &'static str,
        /// The peer has done nothing with it, so it may be tried again on another connection (RFC 9113 §8.7).
        unprocessed: bool,
    },
    /// All data that waited on this stream has been handed out for sending: feed more.
    Sent {
        /// The stream.
        key: StreamKey,
    },
    /// The peer has announced settings.
    SettingsChanged,
    /// Streams can be opened again after [`crate::OpenError::TooManyStreams`].
    StreamsAvailable,
    /// The peer has sent a PING; its answer is on the way.
    Ping {
        /// Whether headers or data have been sent to the peer since its last PING.
        moved: bool,
    },
    /// The answer to a PING of ours.
    PingAcknowledged {
        /// What the PING carried.
        payload: [u8; 8],
    },
    /// The peer takes no new streams. Those above `last_stream_id` end with [`Event::Reset`], unprocessed.
    GoAway {
        /// The last stream that the peer has begun to process.
        last_stream_id: u32,
        /// Why.
        code: ErrorCode,
        /// What the peer says about it.
        debug: Bytes,
    },
    /// The connection is over; the last event. Streams that were open are over too, without events of their own.
    Closed {
        /// `None` for a regular end.
        error: Option<ConnectionError>,
    },
}
