//! From a target to a connection.

use super::channel::Channel;
use super::connection::ClientConnection;
use super::failures::in_phase;
use crate::call::ConnectionFacts;
use crate::driver::{Mailbox, Socket, clock};
use crate::server::ServerShared;
#[cfg(feature = "tls")]
use crate::tls::TlsConnector;
use crate::{Failure, Peer, PeerAddress, Phase, Result, Status, Target};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{oneshot, watch};

/// Makes connections to one target.
pub(super) struct Connector {
    dial: Dial,
    #[cfg(feature = "tls")]
    tls: Option<Arc<TlsConnector>>,
}

/// What there is to connect to.
pub(super) enum Dial {
    Target(Target),
    InProcess(Arc<ServerShared>),
    /// Nothing, and why.
    Never(Status),
}

/// The size of the pipe to a server in this process.
const PIPE_BYTES: usize = 256 * 1024;
/// naming.md: the port of a DNS name that says none.
const DEFAULT_PORT: u16 = 443;

impl Connector {
    pub(super) fn new(dial: Dial, #[cfg(feature = "tls")] tls: Option<crate::tls::ClientTls>) -> Self {
        #[cfg(feature = "tls")]
        let tls = match &dial {
            Dial::Target(target) => tls.map(|tls| Arc::new(TlsConnector::new(tls, target.server_name()))),
            // What stays in this process needs no secrecy.
            Dial::InProcess(_) | Dial::Never(_) => None,
        };
        Self {
            dial,
            #[cfg(feature = "tls")]
            tls,
        }
    }

    /// RFC 9113 §8.3.1, `:scheme`.
    pub(super) fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return "https";
        }
        "http"
    }

    /// One attempt: the target's addresses in turn, until the deadline.
    pub(super) async fn connect(&self, channel: &Channel, deadline: Instant) -> Result<Arc<Mailbox>> {
        let attempt = self.attempt(channel);
        tokio::time::timeout_at(deadline.into(), attempt).await.unwrap_or_else(|_| {
            let status = Status::unavailable(format!("connecting to {self} took too long"));
            Err(status.with_failure(Failure::new(Phase::Connect)))
        })
    }

    async fn attempt(&self, channel: &Channel) -> Result<Arc<Mailbox>> {
        match &self.dial {
            Dial::Never(status) => Err(status.clone()),
            Dial::InProcess(server) => {
                let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
                server.spawn_in_process(theirs);
                self.start(Socket::Pipe(ours), channel, PeerAddress::InProcess).await
            }
            Dial::Target(Target::Unix(path)) => {
                let address = PeerAddress::Unix(Some(path.to_string_lossy().as_ref().into()));
                let socket = UnixStream::connect(path)
                    .await
                    .map_err(|error| failed(&path.display(), &address, error))?;
                self.start(Socket::Unix(socket), channel, address).await
            }
            Dial::Target(Target::UnixAbstract(name)) => {
                let address = PeerAddress::Unix(Some(format!("@{name}").into()));
                let socket = connect_abstract(name).map_err(|error| failed(&name, &address, error))?;
                self.start(Socket::Unix(socket), channel, address).await
            }
            Dial::Target(Target::Ip(addresses)) => self.connect_tcp(channel, addresses).await,
            Dial::Target(Target::Dns { host, port, .. }) => {
                let port = port.unwrap_or(DEFAULT_PORT);
                let found = tokio::net::lookup_host((host.as_str(), port)).await;
                let addresses: Vec<_> = found
                    .map_err(|error| {
                        Status::unavailable(format!("the name {host} could not be resolved: {error}"))
                            .with_source(error)
                            .with_failure(Failure::new(Phase::Resolve))
                    })?
                    .collect();
                self.connect_tcp(channel, &addresses).await
            }
            Dial::Target(_) => Err(Status::unimplemented(format!("targets like {self} are not supported"))),
        }
    }

    /// The addresses in turn, until one has a server that speaks gRPC.
    async fn connect_tcp(&self, channel: &Channel, addresses: &[SocketAddr]) -> Result<Arc<Mailbox>> {
        let mut last = Status::unavailable(format!("the name of {self} has no addresses"))
            .with_failure(Failure::new(Phase::Resolve));
        for address in addresses {
            match self.connect_address(channel, *address).await {
                Ok(mailbox) => return Ok(mailbox),
                Err(status) => last = status,
            }
        }
        Err(last)
    }

    async fn connect_address(&self, channel: &Channel, address: SocketAddr) -> Result<Arc<Mailbox>> {
        let failed = |error| failed(&address, &PeerAddress::Tcp(address), error);
        let socket = TcpStream::connect(address).await.map_err(failed)?;
        // Without it the end of a small request waits for the acknowledgement of its beginning.
        socket.set_nodelay(true).map_err(failed)?;
        let socket = Socket::Tcp(socket);
        if let Some(keepalive) = channel.keepalive() {
            socket.set_user_timeout(keepalive.timeout);
        }
        self.start(socket, channel, PeerAddress::Tcp(address)).await
    }

    /// TLS where the channel has it, then the connection's task; ready when the server has said that it speaks HTTP/2.
    async fn start(&self, socket: Socket, channel: &Channel, address: PeerAddress) -> Result<Arc<Mailbox>> {
        let entry = channel.entry().map(|entry| (entry, socket.own_end()));
        let (socket, peer) = self.secure(socket, Peer::plain(address)).await?;
        let entry = entry.map(|(entry, own)| entry.connection(own, peer.clone()));
        let mailbox = Arc::new(Mailbox::default());
        let (never, draining) = watch::channel(false);
        // A client's calls never see a drain: the sender is gone, which `Call::draining` takes for that.
        drop(never);
        let facts = Arc::new(ConnectionFacts { peer: peer.clone(), draining, decoded: None });
        let (ready, settled) = oneshot::channel();
        let connection = ClientConnection::new(
            socket,
            channel,
            (facts, entry),
            (Arc::clone(&mailbox), ready),
            clock::now(),
        );
        tokio::spawn(connection);
        let lost = || Err(Status::unavailable(format!("the connection to {peer} was lost")));
        let settled = settled.await.unwrap_or_else(|_| lost());
        settled.map_err(|status| in_phase(status, Phase::Connect, &peer))?;
        Ok(mailbox)
    }

    #[cfg(feature = "tls")]
    async fn secure(&self, socket: Socket, peer: Peer) -> Result<(Socket, Peer)> {
        let Some(tls) = &self.tls else { return Ok((socket, peer)) };
        match tls.connect(socket).await {
            Ok((socket, session)) => Ok((socket, peer.with_tls(session))),
            Err(error) => {
                let status = Status::unavailable(format!("connecting to {peer} by TLS failed: {error}"));
                Err(in_phase(status.with_source(error), Phase::Tls, &peer))
            }
        }
    }

    #[cfg(not(feature = "tls"))]
    async fn secure(&self, socket: Socket, peer: Peer) -> Result<(Socket, Peer)> {
        Ok((socket, peer))
    }
}

fn failed(address: &dyn fmt::Display, peer: &PeerAddress, error: std::io::Error) -> Status {
    let failure = Failure::new(Phase::Connect).with_peer(peer.to_string());
    Status::unavailable(format!("connecting to {address} failed: {error}"))
        .with_source(error)
        .with_failure(failure)
}

fn connect_abstract(name: &str) -> std::io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    let socket = std::os::unix::net::UnixStream::connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dial {
            Dial::Target(target) => f.write_str(&target.authority()),
            Dial::InProcess(_) => f.write_str("in-process"),
            Dial::Never(_) => f.write_str("(nowhere)"),
        }
    }
}
