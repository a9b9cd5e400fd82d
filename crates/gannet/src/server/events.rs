//! What happens to a server beside its calls, for whoever watches it.

use super::handshake::HandshakeError;
use crate::Peer;
use std::io;
use std::sync::Arc;

/// Something that an operator wants to know of and that no call shows. Given to [`Server::observe`](super::Server::observe).
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerEvent<'a> {
    /// A connection came and was ended before it could carry calls.
    HandshakeFailed {
        /// Who it was.
        peer: &'a Peer,
        /// Why.
        error: &'a HandshakeError,
    },
    /// A connection came from a peer that has as many as it may, and was closed
    /// ([`Server::max_connections_per_peer`](super::Server::max_connections_per_peer)).
    ConnectionRefused {
        /// Who it was.
        peer: &'a Peer,
    },
    /// The system gave no connection, for want of file descriptors or memory. The server waits and goes on.
    AcceptFailed {
        /// What the system said.
        error: &'a io::Error,
    },
    /// New certificates or authorities were found; new connections use them.
    #[cfg(feature = "tls")]
    TlsReloaded,
    /// New certificates or authorities can't be used; what was there goes on.
    #[cfg(feature = "tls")]
    TlsReloadFailed {
        /// Why.
        error: &'a crate::tls::TlsError,
    },
}

/// As a line of a log.
impl std::fmt::Display for ServerEvent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ServerEvent::HandshakeFailed { peer, error } => write!(f, "connection from {peer}: {error}"),
            ServerEvent::ConnectionRefused { peer } => {
                write!(f, "connection from {peer}: it has as many as one peer may have")
            }
            ServerEvent::AcceptFailed { error } => write!(f, "no connection can be accepted now: {error}"),
            #[cfg(feature = "tls")]
            ServerEvent::TlsReloaded => f.write_str("the new TLS certificates are in use"),
            #[cfg(feature = "tls")]
            ServerEvent::TlsReloadFailed { error } => {
                write!(f, "the new TLS certificates can't be used, the old ones go on: {error}")
            }
        }
    }
}

/// Who watches.
#[derive(Clone, Default)]
pub(super) struct Observer(Option<Arc<dyn Fn(&ServerEvent<'_>) + Send + Sync>>);

impl Observer {
    pub(super) fn new(observe: impl Fn(&ServerEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observe)))
    }

    pub(super) fn tell(&self, event: &ServerEvent<'_>) {
        if let Some(observe) = &self.0 {
            observe(event);
        }
    }
}
