//! Who is at the other end.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The other end of a call's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP connection from or to this address.
    Tcp(SocketAddr),
    /// A Unix socket; the path where it has one.
    Unix(Option<Arc<str>>),
    /// None yet: a client's call that waits for a connection.
    Unconnected,
    /// The same process.
    InProcess,
}

/// As in a log: `127.0.0.1:50051`, `unix:/run/users.sock`, `in-process`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Tcp(address) => address.fmt(f),
            Peer::Unix(Some(path)) => write!(f, "unix:{path}"),
            Peer::Unix(None) => f.write_str("unix:"),
            Peer::Unconnected => f.write_str("unconnected"),
            Peer::InProcess => f.write_str("in-process"),
        }
    }
}
