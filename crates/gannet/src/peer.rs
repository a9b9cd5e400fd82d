//! Who is at the other end.

#[cfg(feature = "tls")]
use crate::tls::TlsSession;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// The other end of a call's connection: its address and what it has proven about itself.
#[derive(Clone, Debug)]
pub struct Peer {
    address: PeerAddress,
    /// As a log shows it, once it has: making it costs as much as the rest of a line.
    text: OnceLock<Box<str>>,
    proxy: Option<PeerAddress>,
    credentials: Option<PeerCredentials>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<TlsSession>>,
}

/// Whose process is at the other end of a Unix socket, as the system vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The user that the process ran as when it connected.
    pub user_id: u32,
    /// Its group.
    pub group_id: u32,
    /// The process; `None` where the system does not say.
    pub process_id: Option<i32>,
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
            text: OnceLock::new(),
            proxy: None,
            credentials: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    #[cfg(feature = "tls")]
    pub(crate) fn with_tls(mut self, session: TlsSession) -> Self {
        self.tls = Some(Arc::new(session));
        self
    }

    pub(crate) fn with_credentials(mut self, credentials: tokio::net::unix::UCred) -> Self {
        self.credentials = Some(PeerCredentials {
            user_id: credentials.uid(),
            group_id: credentials.gid(),
            process_id: credentials.pid(),
        });
        self
    }

    /// As a proxy says: the client is at `source`, and what was its address is the proxy's.
    pub(crate) fn behind_proxy(mut self, source: SocketAddr) -> Self {
        self.proxy = Some(std::mem::replace(&mut self.address, PeerAddress::Tcp(source)));
        self.text = OnceLock::new();
        self
    }

    /// Where it is. Behind a proxy that speaks the PROXY protocol, on an address that asks for it, the client's.
    #[must_use]
    pub fn address(&self) -> &PeerAddress {
        &self.address
    }

    /// Where the proxy is that passes the connection on, if it said whose it is.
    #[must_use]
    pub fn proxy(&self) -> Option<&PeerAddress> {
        self.proxy.as_ref()
    }

    /// The process at the other end of a Unix socket; `None` for other connections, and on a client.
    #[must_use]
    pub fn credentials(&self) -> Option<&PeerCredentials> {
        self.credentials.as_ref()
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
        f.write_str(self.text.get_or_init(|| self.address.to_string().into()))
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
