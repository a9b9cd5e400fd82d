//! From a target to a connection.

use super::channel::Channel;
use super::connection::ClientConnection;
use crate::call::ConnectionFacts;
use crate::driver::{Io, Mailbox, clock};
use crate::server::ServerShared;
use crate::{Peer, Result, Status, Target};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;

/// Makes connections to one target.
pub(super) struct Connector(Dial);

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
    pub(super) fn new(dial: Dial) -> Self {
        Self(dial)
    }

    /// One attempt: the target's addresses in turn, until the deadline.
    pub(super) async fn connect(&self, channel: &Channel, deadline: Instant) -> Result<Arc<Mailbox>> {
        let attempt = self.attempt(channel);
        tokio::time::timeout_at(deadline.into(), attempt)
            .await
            .unwrap_or_else(|_| Err(Status::unavailable(format!("connecting to {self} took too long"))))
    }

    async fn attempt(&self, channel: &Channel) -> Result<Arc<Mailbox>> {
        match &self.0 {
            Dial::Never(status) => Err(status.clone()),
            Dial::InProcess(server) => {
                let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
                server.spawn_in_process(theirs);
                Ok(start(ours, channel, Peer::InProcess))
            }
            Dial::Target(Target::Unix(path)) => {
                let socket =
                    UnixStream::connect(path).await.map_err(|error| self.failed(&path.display(), error))?;
                Ok(start(socket, channel, Peer::Unix(Some(path.to_string_lossy().as_ref().into()))))
            }
            Dial::Target(Target::UnixAbstract(name)) => {
                let socket = connect_abstract(name).map_err(|error| self.failed(&name, error))?;
                Ok(start(socket, channel, Peer::Unix(Some(format!("@{name}").into()))))
            }
            Dial::Target(Target::Ip(addresses)) => self.connect_tcp(channel, addresses).await,
            Dial::Target(Target::Dns { host, port, .. }) => {
                let port = port.unwrap_or(DEFAULT_PORT);
                let found = tokio::net::lookup_host((host.as_str(), port)).await;
                let addresses: Vec<_> = found
                    .map_err(|error| {
                        Status::unavailable(format!("the name {host} could not be resolved: {error}"))
                            .with_source(error)
                    })?
                    .collect();
                self.connect_tcp(channel, &addresses).await
            }
            Dial::Target(_) => Err(Status::unimplemented(format!("targets like {self} are not supported"))),
        }
    }

    async fn connect_tcp(&self, channel: &Channel, addresses: &[SocketAddr]) -> Result<Arc<Mailbox>> {
        let mut last = Status::unavailable(format!("the name of {self} has no addresses"));
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(socket) => {
                    // Without it the end of a small request waits for the acknowledgement of its beginning.
                    socket.set_nodelay(true).map_err(|error| self.failed(address, error))?;
                    return Ok(start(socket, channel, Peer::Tcp(*address)));
                }
                Err(error) => last = self.failed(address, error),
            }
        }
        Err(last)
    }

    fn failed(&self, address: &dyn fmt::Display, error: std::io::Error) -> Status {
        Status::unavailable(format!("connecting to {address} failed: {error}")).with_source(error)
    }
}

fn connect_abstract(name: &str) -> std::io::Result<UnixStream> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    let socket = std::os::unix::net::UnixStream::connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// Starts the connection's task.
fn start<S: Io>(io: S, channel: &Channel, peer: Peer) -> Arc<Mailbox> {
    let mailbox = Arc::new(Mailbox::default());
    let (never, draining) = watch::channel(false);
    // A client's calls never see a drain: the sender is gone, which `Call::draining` takes for that.
    drop(never);
    let facts = Arc::new(ConnectionFacts { peer, draining });
    let connection = ClientConnection::new(io, channel, facts, Arc::clone(&mailbox), clock::now());
    tokio::spawn(connection);
    mailbox
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Dial::Target(target) => f.write_str(&target.authority()),
            Dial::InProcess(_) => f.write_str("in-process"),
            Dial::Never(_) => f.write_str("(nowhere)"),
        }
    }
}
