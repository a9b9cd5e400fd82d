//! A server that listens: accepting, draining, ending.

use super::events::{Observer, ServerEvent};
use super::handshake::serve_connection;
use super::listener::{ListenAddress, Listener};
use super::shared::ServerShared;
use crate::driver::{Command, Mailbox, Socket};
use crate::{Lifecycle, Peer, PeerAddress};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A server that listens and is about to accept.
pub struct Bound {
    listeners: Vec<Listener>,
    handle: ServerHandle,
}

/// Ends a server from elsewhere. Clones end the same server.
#[derive(Clone)]
pub struct ServerHandle(Arc<Handle>);

struct Handle {
    shared: Arc<ServerShared>,
    connections: Mutex<Vec<Weak<Mailbox>>>,
    /// How long running calls may take once the server drains; `None` while it serves.
    grace: watch::Sender<Option<Duration>>,
    report: watch::Sender<Option<ShutdownReport>>,
}

/// What a shutdown found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that had ended when the grace was over.
    pub drained: usize,
    /// Connections whose calls were cut because the grace was over.
    pub cut: usize,
}

/// How long a connection may take to hand out its last bytes after it was told to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// After an error of `accept` that is the machine's (no file descriptors, no memory) the server waits, and goes on.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Bound {
    pub(super) fn new(listeners: Vec<Listener>, shared: Arc<ServerShared>) -> Self {
        let handle = Handle {
            shared,
            connections: Mutex::default(),
            grace: watch::Sender::new(None),
            report: watch::Sender::new(None),
        };
        Self { listeners, handle: ServerHandle(Arc::new(handle)) }
    }

    /// Where it listens, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.listeners.iter().map(Listener::address).collect()
    }

    /// Ends the server later.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// Serves until [`ServerHandle::shutdown`].
    pub async fn serve(self) -> ShutdownReport {
        let Bound { listeners, handle } = self;
        let shared = &handle.0.shared;
        shared.tell(Lifecycle::Serving(&shared.routes.specs()));
        #[cfg(feature = "tls")]
        let _reload = super::reload::watch(shared);
        let mut connections = JoinSet::new();
        let mut grace = handle.0.grace.subscribe();
        let grace = loop {
            tokio::select! {
                accepted = accept_any(&listeners, &shared.observer) => handle.start(&mut connections, accepted),
                // The handle is held here, so the channel can't close.
                Ok(grace) = grace.wait_for(Option::is_some) => break grace.unwrap_or_default(),
                Some(_) = connections.join_next() => {}
            }
        };
        // No new connections: whoever tries now is told so by the system, and tries elsewhere.
        drop(listeners);
        let report = drain(&handle, connections, grace).await;
        shared.tell(Lifecycle::Stopped);
        handle.0.report.send_replace(Some(report));
        report
    }
}

async fn accept_any(listeners: &[Listener], observer: &Observer) -> (Socket, Peer) {
    let mut accepts: Vec<_> = listeners.iter().map(|listener| Box::pin(accept(listener, observer))).collect();
    std::future::poll_fn(move |cx| {
        for accept in &mut accepts {
            if let std::task::Poll::Ready(accepted) = accept.as_mut().poll(cx) {
                return std::task::Poll::Ready(accepted);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// An error of `accept` never ends the server (RUSTSEC-2024-0376).
async fn accept(listener: &Listener, observer: &Observer) -> (Socket, Peer) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                observer.tell(&ServerEvent::AcceptFailed { error: &error });
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn drain(handle: &ServerHandle, mut connections: JoinSet<()>, grace: Duration) -> ShutdownReport {
    let shared = &handle.0.shared;
    shared.tell(Lifecycle::Draining);
    shared.draining.send_replace(true);
    handle.command_all(|| Command::Drain);
    let mut report = ShutdownReport::default();
    let all = async {
        while connections.join_next().await.is_some() {
            report.drained += 1;
        }
    };
    if tokio::time::timeout(grace, all).await.is_ok() {
        return report;
    }
    report.cut = connections.len();
    handle.command_all(|| Command::Close);
    let rest = async { while connections.join_next().await.is_some() {} };
    // A peer that reads nothing is not waited for.
    let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    connections.shutdown().await;
    report
}

impl ServerHandle {
    /// Ends the server: no new calls, running ones may finish within the grace, then what is left is ended with
    /// UNAVAILABLE. Returns when all has ended.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.0.grace.send_if_modified(|asked| {
            let first = asked.is_none();
            *asked = asked.or(Some(grace));
            first
        });
        let mut report = self.0.report.subscribe();
        let report = report.wait_for(Option::is_some).await;
        report.ok().and_then(|report| *report).unwrap_or_default()
    }

    /// Reads the files and providers of [`Server::tls`](super::Server::tls) now, rather than when their interval is
    /// over. `true` where they had changed: new connections use what is new. Blocks while it reads.
    ///
    /// # Errors
    /// Where what is there can't be used; the old goes on.
    #[cfg(feature = "tls")]
    pub fn reload_tls(&self) -> Result<bool, crate::tls::TlsError> {
        super::reload::now(&self.0.shared)
    }

    fn start(&self, connections: &mut JoinSet<()>, accepted: (Socket, Peer)) {
        let mailbox = self.mailbox();
        let (socket, peer) = accepted;
        connections.spawn(serve_connection(socket, Arc::clone(&self.0.shared), peer, mailbox));
    }

    /// A mailbox that a shutdown reaches.
    fn mailbox(&self) -> Arc<Mailbox> {
        let mailbox = Arc::new(Mailbox::default());
        let mut connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if connections.len() == connections.capacity() {
            connections.retain(|connection| connection.strong_count() > 0);
        }
        connections.push(Arc::downgrade(&mailbox));
        mailbox
    }

    fn command_all(&self, command: impl Fn() -> Command) {
        let connections = self.0.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for mailbox in connections.iter().filter_map(Weak::upgrade) {
            // Refused only where the connection is gone.
            drop(mailbox.command(command()));
        }
    }
}

impl ServerShared {
    fn tell(&self, event: Lifecycle<'_>) {
        for service in self.routes.services() {
            service.lifecycle(event);
        }
    }

    /// Serves one connection that does not come from a listener, such as an in-memory pipe.
    pub(crate) fn spawn_in_process(self: &Arc<Self>, pipe: DuplexStream) {
        self.tell(Lifecycle::Serving(&self.routes.specs()));
        let shared = Arc::clone(self);
        let peer = Peer::plain(PeerAddress::InProcess);
        tokio::spawn(serve_connection(Socket::Pipe(pipe), shared, peer, Arc::new(Mailbox::default())));
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerHandle")
    }
}
