//! The end of a server: draining, what is cut, and the report of it.

use super::events::ServerEvent;
use super::handshake::serve_connection;
use super::listen::How;
use super::listener::Accepted;
use super::load::{ServerLimit, ServerLoad};
use super::shared::ServerShared;
use crate::driver::{Command, Mailbox, Socket};
use crate::registry::ServerEntry;
use crate::{Lifecycle, Peer, PeerAddress};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// Ends a server from elsewhere, and gives it connections that others have accepted. Clones are of the same server.
#[derive(Clone)]
pub struct ServerHandle(Arc<Handle>);

struct Handle {
    shared: Arc<ServerShared>,
    phase: watch::Sender<Phase>,
    /// How many connections are open.
    open: watch::Sender<usize>,
    mailboxes: Mutex<Vec<Weak<Mailbox>>>,
}

/// How far a server is.
#[derive(Clone, Copy)]
enum Phase {
    Serving,
    /// Still serving, where it is delayed: load balancers have not noticed yet. Afterwards calls may take the grace.
    Leaving {
        grace: Duration,
        is_delayed: bool,
    },
    /// No new connections and no new calls.
    Draining,
    /// Nobody is waited for any more.
    Cut,
    Stopped(ShutdownReport),
}

/// What a shutdown found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that had ended when the grace was over: all their calls had finished.
    pub drained: usize,
    /// Connections that were cut because the grace was over.
    pub cut: usize,
    /// The calls on those: they ended with UNAVAILABLE, or with their connection where the client did not read.
    pub cut_calls: usize,
}

/// As in a log: `3 connections drained, 1 cut with 2 calls`.
impl std::fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { drained, cut, cut_calls } = self;
        write!(f, "{drained} connections drained, {cut} cut with {cut_calls} calls")
    }
}

/// How long a connection may take to hand out its last bytes after it was told to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl ServerHandle {
    /// Ends the server: no new calls, running ones may finish within the grace, then what is left is ended with
    /// UNAVAILABLE. Returns when all has ended, which is at most two seconds after the grace. All of that begins when
    /// [`Server::drain_delay`](super::Server::drain_delay) is over.
    ///
    /// Handlers learn of it by [`Call::draining`](crate::Call::draining); the calls of a method that
    /// [`Server::end_on_drain`](super::Server::end_on_drain) names are ended at once.
    pub async fn shutdown(&self, grace: Duration) -> ShutdownReport {
        self.0.phase.send_if_modified(|phase| {
            let first = matches!(phase, Phase::Serving);
            if first {
                *phase = Phase::Leaving { grace, is_delayed: true };
            }
            first
        });
        self.has_stopped().await
    }

    /// As [`ServerHandle::shutdown`], but without [`Server::drain_delay`](super::Server::drain_delay). A delay that is
    /// under way is over, and this grace counts: for whoever is asked a second time, or at a terminal.
    ///
    /// ```no_run
    /// # async fn example(handle: gannet::ServerHandle) {
    /// use std::time::Duration;
    ///
    /// let report = handle.shutdown_without_delay(Duration::from_secs(10)).await;
    /// println!("{report}");
    /// # }
    /// ```
    pub async fn shutdown_without_delay(&self, grace: Duration) -> ShutdownReport {
        self.0.phase.send_if_modified(|phase| {
            let waits = matches!(phase, Phase::Serving | Phase::Leaving { .. });
            if waits {
                *phase = Phase::Leaving { grace, is_delayed: false };
            }
            waits
        });
        self.has_stopped().await
    }

    /// Serves a connection that was accepted elsewhere, to its end: with TLS where the server has it, and as all others
    /// when the server ends. The server's [`Bound::serve`](super::Bound::serve) runs meanwhile;
    /// [`Server::unbound`](super::Server::unbound) makes one that listens nowhere.
    pub async fn serve_connection<S>(&self, io: S, address: PeerAddress)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let socket = Socket::Boxed(Box::new(io));
        let accepted = Accepted { socket, peer: Peer::plain(address), how: How::default() };
        self.serve_accepted(accepted).await;
    }

    /// What the server carries now, and which limits its peers have run into.
    #[must_use]
    pub fn load(&self) -> ServerLoad {
        self.0.shared.load.snapshot(*self.0.open.borrow())
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
}

impl ServerHandle {
    pub(super) fn shared(&self) -> &Arc<ServerShared> {
        &self.0.shared
    }

    /// Serves a connection until it ends or is cut. One of a peer that has its share is closed at once.
    pub(super) fn serve_accepted(&self, accepted: Accepted) -> impl Future<Output = ()> + use<> {
        let handle = self.clone();
        let shared = &handle.0.shared;
        let admission = shared.load.admit(accepted.peer.address());
        if admission.is_none() {
            shared.observer.tell(&ServerEvent::ConnectionRefused { peer: &accepted.peer });
        }
        let open = Open::new(&handle);
        let mailbox = handle.mailbox();
        if !matches!(*handle.0.phase.borrow(), Phase::Serving | Phase::Leaving { .. }) {
            // It came while the others were told.
            drop(mailbox.command(Command::Drain));
        }
        async move {
            let Some(_admission) = admission else { return };
            let mut phase = handle.0.phase.subscribe();
            let served = serve_connection(accepted, Arc::clone(&handle.0.shared), mailbox);
            tokio::select! {
                () = served => {}
                _ = phase.wait_for(|phase| matches!(phase, Phase::Cut | Phase::Stopped(_))) => {}
            }
            drop(open);
        }
    }

    /// Waits for room for another connection.
    pub(super) async fn room(&self) {
        let shared = &self.0.shared;
        shared.load.room().await;
        let most = shared.max_connections;
        if *self.0.open.borrow() >= most {
            shared.load.count(ServerLimit::Connections);
            // The sender is in the handle, so this can't fail.
            let _ = self.0.open.subscribe().wait_for(|open| *open < most).await;
        }
    }

    /// The grace, once somebody has asked the server to end and its delay is over.
    pub(super) async fn asked_to_end(&self) -> Duration {
        let mut phase = self.0.phase.subscribe();
        // The sender is in the handle, so neither wait can fail.
        let _ = phase.wait_for(|phase| !matches!(phase, Phase::Serving)).await;
        let shared = &self.0.shared;
        shared.tell(Lifecycle::Draining);
        shared.entry.iter().for_each(ServerEntry::drains);
        let at_once = phase.wait_for(|phase| !matches!(phase, Phase::Leaving { is_delayed: true, .. }));
        let _ = tokio::time::timeout(shared.drain_delay, at_once).await;
        match self.0.phase.send_replace(Phase::Draining) {
            Phase::Leaving { grace, .. } => grace,
            _ => Duration::ZERO,
        }
    }

    /// Until new connections are no longer wanted.
    pub(super) async fn drains(&self) {
        let mut phase = self.0.phase.subscribe();
        // The sender is in the handle, so this can't fail.
        let _ = phase.wait_for(|phase| !matches!(phase, Phase::Serving | Phase::Leaving { .. })).await;
    }

    pub(super) async fn has_stopped(&self) -> ShutdownReport {
        let mut phase = self.0.phase.subscribe();
        match phase.wait_for(|phase| matches!(phase, Phase::Stopped(_))).await.as_deref() {
            Ok(Phase::Stopped(report)) => *report,
            _ => ShutdownReport::default(),
        }
    }

    /// Tells all connections, waits for them, and cuts what is left.
    pub(super) async fn drain(&self, grace: Duration) -> ShutdownReport {
        let shared = &self.0.shared;
        shared.draining.send_replace(true);
        self.command_all(|| Command::Drain);
        let before = *self.0.open.borrow();
        let all_gone = tokio::time::timeout(grace, self.empty()).await.is_ok();
        let cut = if all_gone { 0 } else { *self.0.open.borrow() };
        if cut > 0 {
            self.command_all(|| Command::Close);
            // A peer that reads nothing is not waited for.
            let _ = tokio::time::timeout(LAST_WORDS, self.empty()).await;
            self.0.phase.send_replace(Phase::Cut);
            self.empty().await;
        }
        let cut_calls = shared.cut_calls.load(std::sync::atomic::Ordering::Relaxed);
        ShutdownReport { drained: before.saturating_sub(cut), cut, cut_calls }
    }

    pub(super) fn stopped(&self, report: ShutdownReport) {
        self.0.phase.send_replace(Phase::Stopped(report));
    }

    async fn empty(&self) {
        // The sender is in the handle, so this can't fail.
        let _ = self.0.open.subscribe().wait_for(|open| *open == 0).await;
    }

    /// A mailbox that a shutdown reaches.
    fn mailbox(&self) -> Arc<Mailbox> {
        let mailbox = Arc::new(Mailbox::default());
        let mut mailboxes = self.0.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        if mailboxes.len() == mailboxes.capacity() {
            mailboxes.retain(|mailbox| mailbox.strong_count() > 0);
        }
        mailboxes.push(Arc::downgrade(&mailbox));
        mailbox
    }

    fn command_all(&self, command: impl Fn() -> Command) {
        let mailboxes = self.0.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        for mailbox in mailboxes.iter().filter_map(Weak::upgrade) {
            // Refused only where the connection is gone.
            drop(mailbox.command(command()));
        }
    }
}

/// Counts a connection as open.
struct Open(ServerHandle);

impl Open {
    fn new(handle: &ServerHandle) -> Self {
        handle.0.open.send_modify(|open| *open += 1);
        Self(handle.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.send_modify(|open| *open -= 1);
    }
}

/// A server that nobody serves any more has stopped, and its connections with it.
pub(super) struct EndOnDrop(ServerHandle);

impl EndOnDrop {
    pub(super) fn new(shared: Arc<ServerShared>) -> Self {
        let handle = Handle {
            shared,
            phase: watch::Sender::new(Phase::Serving),
            open: watch::Sender::new(0),
            mailboxes: Mutex::default(),
        };
        Self(ServerHandle(Arc::new(handle)))
    }

    pub(super) fn get(&self) -> &ServerHandle {
        &self.0
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.0.phase.send_if_modified(|phase| {
            let running = !matches!(phase, Phase::Stopped(_));
            if running {
                *phase = Phase::Stopped(ShutdownReport::default());
            }
            running
        });
    }
}

impl std::fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServerHandle")
    }
}
