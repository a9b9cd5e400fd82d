//! What all connections of a server share.

use super::deadlines::DeadlineLimits;
use super::door::{ForeignConnection, HttpHandler};
use super::events::Observer;
use super::handshake::serve_connection;
use super::listen::How;
use super::listener::Accepted;
use super::load::Load;
use super::peer_streams::StreamsByPeer;
use super::routes::Routes;
use crate::compression::{CompressionSettings, DecompressionLimits, Encodings, Outgoing};
use crate::driver::{Mailbox, Socket};
use crate::intercept::Chain;
use crate::registry::ServerEntry;
use crate::{Compression, Lifecycle, Peer, PeerAddress};
use gannet_core::{KeepaliveConfig, LifetimeConfig, PingPolicy};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::watch;

/// Routes, interceptors, limits and the drain signal of one server.
pub(crate) struct ServerShared {
    pub(super) routes: Routes,
    pub(super) chain: Chain,
    pub(super) limits: CallLimits,
    /// What the calls of one connection may hold of messages that they have read, in bytes.
    pub(super) decoded_budget: usize,
    pub(super) compression: CompressionSettings,
    pub(super) deadlines: DeadlineLimits,
    pub(super) http2: gannet_http2::Config,
    pub(super) http: Option<Arc<dyn HttpHandler>>,
    pub(super) foreign: Option<Arc<dyn ForeignConnection>>,
    pub(super) always_spawn: bool,
    /// A method whose first poll is longer on average has its calls spawned.
    pub(super) inline_limit_nanos: u32,
    pub(super) handshake_timeout: Duration,
    pub(super) observer: Observer,
    pub(super) max_connections: usize,
    pub(super) keepalive: KeepaliveConfig,
    pub(super) lifetime: LifetimeConfig,
    pub(super) pings: PingPolicy,
    /// Calls that were ended because the server's patience was over.
    pub(super) cut_calls: AtomicUsize,
    pub(super) load: Arc<Load>,
    /// `None` where a peer may have any number of streams.
    pub(super) streams_by_peer: Option<Arc<StreamsByPeer>>,
    /// Where others look what the server does.
    pub(super) entry: Option<ServerEntry>,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<crate::tls::TlsAcceptor>,
    /// How long the server serves on once it is asked to end.
    pub(super) drain_delay: Duration,
    pub(super) draining: watch::Sender<bool>,
}

/// What one call may take.
#[derive(Clone, Debug)]
pub(crate) struct CallLimits {
    /// The largest request message, in bytes.
    pub(crate) max_decoded_message: usize,
    /// The largest response message, in bytes.
    pub(crate) max_encoded_message: usize,
}

impl ServerShared {
    /// What the responses to a client that understands `accepts` have to keep to.
    #[inline]
    pub(super) fn outgoing(&self, accepts: Encodings) -> Outgoing {
        let mut outgoing = self.compression.outgoing(self.limits.max_encoded_message);
        // compression.md: for a client that does not support it the message is sent uncompressed.
        if !accepts.contains(outgoing.compression) {
            outgoing.compression = Compression::Identity;
        }
        outgoing
    }

    pub(super) fn decompression(&self) -> DecompressionLimits {
        self.compression.decompression(self.limits.max_decoded_message)
    }

    /// What no call shows, for the services.
    pub(super) fn tell(&self, event: Lifecycle<'_>) {
        for service in self.routes.services() {
            service.lifecycle(event);
        }
    }

    /// Serves one connection that does not come from a listener, such as an in-memory pipe.
    pub(crate) fn spawn_in_process(self: &Arc<Self>, pipe: DuplexStream) {
        self.tell(Lifecycle::Serving(&self.routes.specs()));
        let accepted = Accepted {
            socket: Socket::Pipe(pipe),
            peer: Peer::plain(PeerAddress::InProcess),
            // What stays in this process needs no secrecy.
            how: How { plaintext: true, proxy_protocol: false },
        };
        tokio::spawn(serve_connection(accepted, Arc::clone(self), Arc::new(Mailbox::default())));
    }

    pub(super) fn chain(&self) -> &Chain {
        &self.chain
    }
}
