//! Where a server listens, and how it treats what comes there.

use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Something to listen on: an address, or a socket that listens already.
///
/// | written | means |
/// | --- | --- |
/// | `127.0.0.1:50051`, `[::1]:50051` | that address |
/// | `[::]:50051` | every address of the machine, IPv6 and IPv4 |
/// | `localhost:50051` | every address of the name |
/// | port `0` | any free port |
/// | `unix:PATH` | a Unix socket; the file is removed at the end |
/// | `unix-abstract:NAME` | a Unix socket in the abstract namespace (Linux) |
///
/// ```no_run
/// # async fn example(server: gannet::Server) -> Result<(), gannet::ServeError> {
/// use gannet::Listen;
///
/// let public = Listen::from("[::]:443").proxy_protocol();
/// let local = Listen::from("unix:/run/users.sock").plaintext();
/// server.bind([public, local]).await?.serve().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Listen {
    pub(super) at: At,
    pub(super) how: How,
}

#[derive(Debug)]
pub(super) enum At {
    Text(String),
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// How connections begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    pub(super) plaintext: bool,
    pub(super) proxy_protocol: bool,
}

impl Listen {
    fn new(at: At) -> Self {
        Self { at, how: How::default() }
    }

    /// The sockets that the process was started with: those of systemd's socket activation (`sd_listen_fds(3)`), in
    /// their order. None where there is no `LISTEN_FDS` for this process. Call it once, before there are other threads:
    /// it takes the sockets, and the variables out of the environment.
    ///
    /// # Errors
    /// Where one of them is no listening stream socket.
    pub fn inherited() -> std::io::Result<Vec<Self>> {
        let mut inherited = listenfd::ListenFd::from_env();
        let mut listens = Vec::new();
        for place in 0..inherited.len() {
            // One of the two is an error that says so, where it is of the other kind.
            let at = match inherited.take_tcp_listener(place) {
                Ok(listener) => listener.map(At::Tcp),
                Err(_) => inherited.take_unix_listener(place)?.map(At::Unix),
            };
            listens.extend(at.map(Self::new));
        }
        Ok(listens)
    }

    /// Speaks no TLS here, though the server has it. For an address that only this machine reaches.
    #[must_use]
    pub fn plaintext(mut self) -> Self {
        self.how.plaintext = true;
        self
    }

    /// Every connection here begins with the header of a proxy that says whose it is (PROXY protocol, versions 1 and
    /// 2): [`Peer::address`](crate::Peer::address) is then the client's, and [`Peer::proxy`](crate::Peer::proxy) the
    /// proxy's. Only where nobody but the proxy can connect: whoever does may claim any address. A connection without
    /// the header is ended.
    #[must_use]
    pub fn proxy_protocol(mut self) -> Self {
        self.how.proxy_protocol = true;
        self
    }
}

impl From<&str> for Listen {
    fn from(address: &str) -> Self {
        Self::new(At::Text(address.to_owned()))
    }
}

impl From<String> for Listen {
    fn from(address: String) -> Self {
        Self::new(At::Text(address))
    }
}

impl From<&String> for Listen {
    fn from(address: &String) -> Self {
        Self::new(At::Text(address.clone()))
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::new(At::Text(address.to_string()))
    }
}

impl From<TcpListener> for Listen {
    fn from(listener: TcpListener) -> Self {
        Self::new(At::Tcp(listener))
    }
}

impl From<UnixListener> for Listen {
    fn from(listener: UnixListener) -> Self {
        Self::new(At::Unix(listener))
    }
}

/// An address that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddress {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket at this path; empty for one without a name.
    Unix(PathBuf),
    /// A Unix socket in the abstract namespace.
    UnixAbstract(String),
}

/// As it is written: `127.0.0.1:50051`, `unix:/run/users.sock`, `unix-abstract:users`.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
            ListenAddress::UnixAbstract(name) => write!(f, "unix-abstract:{name}"),
        }
    }
}
