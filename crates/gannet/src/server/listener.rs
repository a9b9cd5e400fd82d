//! Sockets that listen, and what they accept.

use super::error::ServeError;
use super::listen::{At, How, Listen, ListenAddress};
use crate::driver::Socket;
use crate::{Peer, PeerAddress};
use socket2::{Domain, SockRef, Type};
use std::io;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr as UnixAddress;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A socket that listens and that nobody accepts from yet.
pub(super) struct Listener {
    socket: ListenSocket,
    address: ListenAddress,
    how: How,
    /// Removes the socket's file with the last that accepts from it.
    _file: Option<Arc<RemovedOnDrop>>,
}

enum ListenSocket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

struct RemovedOnDrop(PathBuf);

impl Drop for RemovedOnDrop {
    fn drop(&mut self) {
        // A path that stays is only in the way of the next start.
        let _ = std::fs::remove_file(&self.0);
    }
}

const BACKLOG: i32 = 1024;

impl Listener {
    /// Listens: on one socket, or on each address of a name. `shared` lets further sockets share a TCP port.
    pub(super) async fn bind(listen: Listen, shared: bool) -> Result<Vec<Self>, ServeError> {
        let how = listen.how;
        let text = match listen.at {
            At::Text(text) => text,
            At::Tcp(listener) => {
                let failed = |source| ServeError::Listen { address: "the socket".to_owned(), source };
                let address = ListenAddress::Tcp(listener.local_addr().map_err(failed)?);
                return Ok(vec![Self { socket: ListenSocket::Tcp(listener), address, how, _file: None }]);
            }
            At::Unix(listener) => {
                let address = unix_address(&listener);
                return Ok(vec![Self { socket: ListenSocket::Unix(listener), address, how, _file: None }]);
            }
        };
        let failed = |source| ServeError::Listen { address: text.clone(), source };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
            remove_dead_socket(&path).await;
            let listener = std::os::unix::net::UnixListener::bind(&path).map_err(failed)?;
            let address = ListenAddress::Unix(path.clone());
            let file = Some(Arc::new(RemovedOnDrop(path)));
            return Ok(vec![Self { socket: ListenSocket::Unix(listener), address, how, _file: file }]);
        }
        if let Some(name) = text.strip_prefix("unix-abstract:") {
            let listener = UnixAddress::from_abstract_name(name)
                .and_then(|address| std::os::unix::net::UnixListener::bind_addr(&address))
                .map_err(failed)?;
            let address = ListenAddress::UnixAbstract(name.to_owned());
            return Ok(vec![Self { socket: ListenSocket::Unix(listener), address, how, _file: None }]);
        }
        let sockets = listen_on_name(&text, shared).await?;
        sockets
            .into_iter()
            .map(|socket| {
                let address = ListenAddress::Tcp(socket.local_addr().map_err(failed)?);
                Ok(Self { socket: ListenSocket::Tcp(socket), address, how, _file: None })
            })
            .collect()
    }

    pub(super) fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Another one at the same address, for another thread: a TCP port that is shared is spread by the system, other
    /// sockets are accepted from by whoever comes first.
    pub(super) fn again(&self) -> io::Result<Self> {
        let socket = match (&self.socket, &self.address) {
            (ListenSocket::Tcp(listener), ListenAddress::Tcp(address)) => {
                let shared = SockRef::from(listener).reuse_port()?;
                ListenSocket::Tcp(if shared { listen_tcp(*address, true)? } else { listener.try_clone()? })
            }
            (ListenSocket::Tcp(listener), _) => ListenSocket::Tcp(listener.try_clone()?),
            (ListenSocket::Unix(listener), _) => ListenSocket::Unix(listener.try_clone()?),
        };
        Ok(Self { socket, address: self.address.clone(), how: self.how, _file: self._file.clone() })
    }

    /// Ready to accept in the runtime of this task.
    pub(super) fn start(self) -> io::Result<Accepting> {
        let socket = match self.socket {
            ListenSocket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                AcceptSocket::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            ListenSocket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                AcceptSocket::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        };
        Ok(Accepting { socket, how: self.how, _file: self._file })
    }
}

/// A socket that accepts.
pub(super) struct Accepting {
    socket: AcceptSocket,
    how: How,
    _file: Option<Arc<RemovedOnDrop>>,
}

enum AcceptSocket {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// A connection that has come.
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) how: How,
}

impl Accepting {
    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        let (socket, peer) = match &self.socket {
            AcceptSocket::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                // Without it the end of a small answer waits for the acknowledgement of its beginning. It fails where
                // the peer is gone already, which reading will tell.
                let _ = socket.set_nodelay(true);
                (Socket::Tcp(socket), Peer::plain(PeerAddress::Tcp(peer)))
            }
            AcceptSocket::Unix(listener) => {
                let (socket, address) = listener.accept().await?;
                let path = address.as_pathname().map(|path| Arc::from(path.to_string_lossy().as_ref()));
                let peer = Peer::plain(PeerAddress::Unix(path));
                let peer = match socket.peer_cred() {
                    Ok(credentials) => peer.with_credentials(credentials),
                    Err(_) => peer,
                };
                (Socket::Unix(socket), peer)
            }
        };
        Ok(Accepted { socket, peer, how: self.how })
    }
}

fn unix_address(listener: &std::os::unix::net::UnixListener) -> ListenAddress {
    let address = listener.local_addr().ok();
    let name = address.as_ref().and_then(|address| address.as_abstract_name());
    match name {
        Some(name) => ListenAddress::UnixAbstract(String::from_utf8_lossy(name).into_owned()),
        None => {
            let path = address.as_ref().and_then(|address| address.as_pathname());
            ListenAddress::Unix(path.map(Path::to_owned).unwrap_or_default())
        }
    }
}

/// Listens on every address of a name, at one port. An address that this machine does not have is left out if there is
/// another: `localhost` is two addresses, and not every container has both.
async fn listen_on_name(text: &str, shared: bool) -> Result<Vec<std::net::TcpListener>, ServeError> {
    let failed = |source| ServeError::Listen { address: text.to_owned(), source };
    if !text.contains(':') {
        return Err(ServeError::Address(text.to_owned()));
    }
    let addresses = match tokio::net::lookup_host(text).await {
        Ok(addresses) => addresses,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return Err(ServeError::Address(text.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    let mut sockets: Vec<std::net::TcpListener> = Vec::new();
    let mut absent = None;
    for mut address in addresses {
        if address.port() == 0
            && let Some(first) = sockets.first()
        {
            address.set_port(first.local_addr().map_err(failed)?.port());
        }
        match listen_tcp(address, shared) {
            Ok(socket) => sockets.push(socket),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported) =>
            {
                absent = Some(error);
            }
            Err(error) => return Err(failed(error)),
        }
    }
    match (sockets.is_empty(), absent) {
        (true, Some(error)) => Err(failed(error)),
        (true, None) => Err(ServeError::Address(text.to_owned())),
        (false, _) => Ok(sockets),
    }
}

fn listen_tcp(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // `[::]` is every address, IPv4 as well, whatever the system's default says.
        socket.set_only_v6(false)?;
    }
    // A server that restarts need not wait for the connections of its predecessor to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket that a killed server left behind is removed; one that somebody answers on is not.
async fn remove_dead_socket(path: &Path) {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && tokio::net::UnixStream::connect(path).await.is_err() {
        let _ = std::fs::remove_file(path);
    }
}
