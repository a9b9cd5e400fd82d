//! What happens to a server beside its calls, for whoever watches it.

use super::handshake::HandshakeError;
use crate::{Peer, Status};
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
    /// A call was answered with an error before any interceptor saw it: there is no such method, its compression is not
    /// known here, no time is left for it, or its request is not the one whole message that it has to be.
    CallRefused {
        /// Who it was.
        peer: &'a Peer,
        /// What was called, as the client wrote it: it may hold any character.
        path: &'a str,
        /// What the client was told.
        status: &'a Status,
    },
    /// A request that is no gRPC call was answered with an HTTP status, since nobody here takes such
    /// ([`Server::http_handler`](super::Server::http_handler)): 415 for another content type.
    RequestRefused {
        /// Who it was.
        peer: &'a Peer,
        /// What was asked for, as the client wrote it: it may hold any character.
        path: &'a str,
        /// The HTTP status.
        http_status: u16,
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
            ServerEvent::CallRefused { peer, path, status } => {
                // What a client sent stays on one line.
                let (path, message) = (path.escape_debug(), status.message().escape_debug());
                write!(f, "call of {path} from {peer}: {}: {message}", status.code().name())
            }
            ServerEvent::RequestRefused { peer, path, http_status } => {
                write!(f, "request for {} from {peer}: no gRPC, HTTP {http_status}", path.escape_debug())
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
