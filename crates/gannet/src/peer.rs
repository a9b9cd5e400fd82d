//! Who is at the other end.

#[cfg(feature = "tls")]
use crate::tls::TlsSession;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The other end of a call's connection: its address and what it has proven about itself.
#[derive(Clone, Debug)]
pub struct Peer {
    address: PeerAddress,
    #[cfg(feature = "tls")]
    tls: Option<Arc<TlsSession>>,
}

/// Where a peer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerAddress {
    /// A TCP connection from or to this address.
    Tcp(SocketAddr),
    /// A Unix socket; the path where it has one.
    Unix(Option<Arc<str>>),
    /// Nowhere yet: a client's call that waits for a connection.
    Unconnected,
    /// The same process.
    InProcess,
}

pub(crate) static UNCONNECTED: Peer = Peer::plain(PeerAddress::Unconnected);

impl Peer {
    pub(crate) const fn plain(address: PeerAddress) -> Self {
        Self {
            address,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn with_tls(mut self, session: TlsSession) -> Self {
        self.tls = Some(Arc::new(session));
        self
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &PeerAddress {
        &self.address
    }

    /// What its TLS connection says: version, certificate. `None` for a connection without TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(&self) -> Option<&TlsSession> {
        self.tls.as_deref()
    }
}

/// As in a log: `127.0.0.1:50051`, `unix:/run/users.sock`, `in-process`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// As in a log: `127.0.0.1:50051`, `unix:/run/users.sock`, `in-process`.
impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerAddress::Tcp(address) => address.fmt(f),
            PeerAddress::Unix(Some(path)) => write!(f, "unix:{path}"),
            PeerAddress::Unix(None) => f.write_str("unix:"),
            PeerAddress::Unconnected => f.write_str("unconnected"),
            PeerAddress::InProcess => f.write_str("in-process"),
        }
    }
}
