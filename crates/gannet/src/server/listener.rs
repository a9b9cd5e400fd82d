//! Where a server listens.

use crate::driver::Socket;
use crate::{Peer, PeerAddress};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};

/// An address that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddress {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

/// As it is written: `127.0.0.1:50051`, `unix:/run/users.sock`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a server could not begin to serve.
///
/// `Debug` shows the message as well, so that a `main` that returns it prints that and not a structure.
#[non_exhaustive]
pub enum ServeError {
    /// The text names no address to listen on.
    Address(String),
    /// The address can't be listened on.
    Listen {
        /// The address as it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server's limits do not fit together.
    Limits(String),
    /// The certificate, its key or the authorities can't be used.
    #[cfg(feature = "tls")]
    Tls(crate::tls::TlsError),
}

impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Address(text) => {
                write!(
                    f,
                    "{text:?} is no address to listen on; write it as 127.0.0.1:50051, [::1]:50051 or unix:PATH"
                )
            }
            ServeError::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "{address} is in use by another program; choose another port, or 0 for a free one")
            }
            ServeError::Listen { address, source } => write!(f, "can't listen on {address}: {source}"),
            ServeError::Limits(text) => f.write_str(text),
            #[cfg(feature = "tls")]
            ServeError::Tls(error) => write!(f, "TLS can't begin: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Listen { source, .. } => Some(source),
            #[cfg(feature = "tls")]
            ServeError::Tls(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

/// A socket that accepts.
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Listens on `HOST:PORT` or `unix:PATH`.
    pub(super) async fn bind(text: &str) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { address: text.to_owned(), source };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            remove_dead_socket(&path).await;
            return Ok(Listener::Unix(UnixListener::bind(&path).map_err(failed)?, path));
        }
        if !text.contains(':') {
            return Err(ServeError::Address(text.to_owned()));
        }
        let mut addresses = match tokio::net::lookup_host(text).await {
            Ok(addresses) => addresses,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(ServeError::Address(text.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        };
        let address = addresses.next().ok_or_else(|| ServeError::Address(text.to_owned()))?;
        let listener = listen_tcp(address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Listener::Tcp(listener, address))
    }

    pub(super) fn address(&self) -> ListenAddress {
        match self {
            Listener::Tcp(_, address) => ListenAddress::Tcp(*address),
            Listener::Unix(_, path) => ListenAddress::Unix(path.clone()),
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Listener::Tcp(listener, _) => {
                let (socket, peer) = listener.accept().await?;
                // Without it the end of a small answer waits for the acknowledgement of its beginning.
                socket.set_nodelay(true)?;
                Ok((Socket::Tcp(socket), Peer::plain(PeerAddress::Tcp(peer))))
            }
            Listener::Unix(listener, _) => {
                let (socket, peer) = listener.accept().await?;
                let path = peer.as_pathname().map(|path| Arc::from(path.to_string_lossy().as_ref()));
                Ok((Socket::Unix(socket), Peer::plain(PeerAddress::Unix(path))))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // A path that stays is only in the way of the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

const BACKLOG: u32 = 1024;

fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
        SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
    };
    // A server that restarts need not wait for the connections of its predecessor to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A socket that a killed server left behind is removed; one that somebody answers on is not.
async fn remove_dead_socket(path: &Path) {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && tokio::net::UnixStream::connect(path).await.is_err() {
        let _ = std::fs::remove_file(path);
    }
}
