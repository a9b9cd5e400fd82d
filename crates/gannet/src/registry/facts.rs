//! What a registry says of what is in it.

use super::{Counter, Registry, SocketOption, SocketRecord, TraceFacts};
use crate::{Peer, PeerAddress};
use std::fmt;
use std::time::SystemTime;

/// A server, as it was when it was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerFacts {
    /// Its number in the registry.
    pub id: u64,
    /// The calls that came to it.
    pub calls: CallCounts,
    /// Its sockets that listen; without those that other threads share its ports by.
    pub listening: Vec<SocketRef>,
    /// What has happened to it: that it began, where it listens, that it drains.
    pub trace: TraceFacts,
}

/// A channel, as it was when it was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelFacts {
    /// Its number in the registry.
    pub id: u64,
    /// How its connection is.
    pub state: ChannelState,
    /// What it calls.
    pub target: String,
    /// The calls that were made on it. One that was tried again on another connection is one.
    pub calls: CallCounts,
    /// Its [`Registry::subchannel`].
    pub subchannel: u64,
    /// What has happened to it: its states, and why it could not connect.
    pub trace: TraceFacts,
}

/// The connections of a channel, as they were when they were asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubchannelFacts {
    /// Its number in the registry.
    pub id: u64,
    /// How its connection is.
    pub state: ChannelState,
    /// What it connects to.
    pub target: String,
    /// The attempts of calls that were made on its connections.
    pub calls: CallCounts,
    /// Its connections: one as a rule, more while old ones finish their calls.
    pub sockets: Vec<SocketRef>,
    /// What has happened to it: its states, its connections, and why there was none.
    pub trace: TraceFacts,
}

/// How a channel's connection is (grpc/grpc doc/connectivity-semantics-and-api.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChannelState {
    /// There is none, and nobody needs one.
    Idle,
    /// One is being made.
    Connecting,
    /// It takes calls.
    Ready,
    /// One could not be made; it is tried again.
    TransientFailure,
}

/// As the document has it: `TRANSIENT_FAILURE`.
impl fmt::Display for ChannelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChannelState::Idle => "IDLE",
            ChannelState::Connecting => "CONNECTING",
            ChannelState::Ready => "READY",
            ChannelState::TransientFailure => "TRANSIENT_FAILURE",
        })
    }
}

/// How many calls there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// All of them, those that run included.
    pub started: u64,
    /// Those that ended with OK.
    pub succeeded: u64,
    /// Those that ended in another way.
    pub failed: u64,
    /// When the last one began.
    pub last_started: Option<SystemTime>,
}

/// A socket by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketRef {
    /// Its number in the registry.
    pub id: u64,
    /// Its address: the peer's, or where it listens.
    pub name: String,
}

/// A connection or a socket that listens, as it was when it was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketFacts {
    /// Its number in the registry.
    pub id: u64,
    /// Its address: the peer's, or where it listens.
    pub name: String,
    /// Whether it is a client's connection.
    pub is_client: bool,
    /// This end's address; `None` where it has none, or none that is known.
    pub local: Option<PeerAddress>,
    /// The other end's; `None` for a socket that listens.
    pub remote: Option<PeerAddress>,
    /// `None` where there is no TLS.
    pub security: Option<SocketSecurity>,
    /// Of a connection by TCP or a Unix domain socket: how the system treats it.
    pub options: Vec<SocketOption>,
    /// Streams of HTTP/2 that were opened.
    pub streams_started: u64,
    /// Streams that ended whole: on a server those whose last frame was sent, on a client those whose last frame came.
    pub streams_succeeded: u64,
    /// Streams that were reset, or lost with their connection.
    pub streams_failed: u64,
    /// Messages of calls.
    pub messages_sent: u64,
    /// Messages of calls.
    pub messages_received: u64,
    /// PINGs that asked whether the peer is there.
    pub keepalives_sent: u64,
    /// When the last stream was opened.
    pub last_stream_started: Option<SystemTime>,
    /// When the last message was sent.
    pub last_message_sent: Option<SystemTime>,
    /// When the last message came.
    pub last_message_received: Option<SystemTime>,
    /// How many bytes this end may send on all streams together.
    pub send_window: u64,
    /// How many bytes the other end may send on all streams together.
    pub receive_window: u64,
}

/// How a connection is secured by TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketSecurity {
    /// The cipher suite, by its name in the registry of TLS (RFC 8446 §8.4).
    pub cipher_suite: Option<String>,
    /// The other end's certificate, DER; `None` where it has shown none.
    pub remote_certificate: Option<Vec<u8>>,
}

impl SocketFacts {
    pub(super) fn new(registry: &Registry, id: u64, record: &SocketRecord) -> Self {
        let counts = record.shown.read();
        Self {
            id,
            name: record.reference(id).name,
            is_client: record.is_client,
            local: record.own.address.clone(),
            remote: record.peer.as_ref().map(|peer| peer.address().clone()),
            security: record.peer.as_ref().and_then(security),
            options: record.own.options.clone(),
            streams_started: counts[Counter::StreamsStarted],
            streams_succeeded: counts[Counter::StreamsSucceeded],
            streams_failed: counts[Counter::StreamsFailed],
            messages_sent: counts[Counter::MessagesSent],
            messages_received: counts[Counter::MessagesReceived],
            keepalives_sent: counts[Counter::KeepalivesSent],
            last_stream_started: registry.time(counts[Counter::LastCallStarted]),
            last_message_sent: registry.time(counts[Counter::LastMessageSent]),
            last_message_received: registry.time(counts[Counter::LastMessageReceived]),
            send_window: counts[Counter::SendWindow],
            receive_window: counts[Counter::ReceiveWindow],
        }
    }
}

#[cfg(feature = "tls")]
fn security(peer: &Peer) -> Option<SocketSecurity> {
    let session = peer.tls()?;
    let certificate = session.certificate().and_then(|certificate| certificate.chain().first());
    Some(SocketSecurity {
        cipher_suite: session.cipher_suite().map(str::to_owned),
        remote_certificate: certificate.map(|certificate| certificate.to_vec()),
    })
}

#[cfg(not(feature = "tls"))]
fn security(_peer: &Peer) -> Option<SocketSecurity> {
    None
}
