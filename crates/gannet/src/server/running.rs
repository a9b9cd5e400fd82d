//! A server that listens: accepting, and the threads that do.

use super::events::ServerEvent;
use super::listener::{Accepting, Listener};
use super::load::ServerLimit;
use super::shared::ServerShared;
use super::shutdown::{EndOnDrop, ServerHandle, ShutdownReport};
use super::{ListenAddress, ServeError};
use crate::Lifecycle;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// A server that listens and is about to accept.
pub struct Bound {
    /// For each thread; the first is where [`Bound::serve`] runs.
    listeners: Vec<Vec<Listener>>,
    addresses: Vec<ListenAddress>,
    handle: EndOnDrop,
}

/// After an error of `accept` that is the machine's (no file descriptors, no memory) the server waits, and goes on.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Bound {
    pub(super) fn new(
        listeners: Vec<Listener>,
        threads: usize,
        shared: Arc<ServerShared>,
    ) -> Result<Self, ServeError> {
        let addresses: Vec<_> = listeners.iter().map(|listener| listener.address().clone()).collect();
        if let Some(entry) = &shared.entry {
            addresses.iter().for_each(|address| entry.listens(address));
        }
        let mut all = Vec::new();
        for _ in 1..threads {
            let again = listeners.iter().map(|listener| {
                let failed = |source| ServeError::Listen { address: listener.address().to_string(), source };
                listener.again().map_err(failed)
            });
            all.push(again.collect::<Result<Vec<_>, _>>()?);
        }
        all.insert(0, listeners);
        Ok(Self { listeners: all, addresses, handle: EndOnDrop::new(shared) })
    }

    /// Where it listens, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> Vec<ListenAddress> {
        self.addresses.clone()
    }

    /// Ends the server later.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.get().clone()
    }

    /// Serves until [`ServerHandle::shutdown`]. If this future is dropped before, the server and its connections end at
    /// once.
    pub async fn serve(self) -> ShutdownReport {
        let Bound { listeners, addresses: _, handle: guard } = self;
        let handle = guard.get();
        let shared = handle.shared();
        shared.tell(Lifecycle::Serving(&shared.routes.specs()));
        #[cfg(feature = "tls")]
        let _reload = super::reload::watch(shared);
        let mut groups = listeners.into_iter();
        let mut accepting = JoinSet::new();
        for listener in groups.next().into_iter().flatten() {
            accepting.spawn(accept_for_ever(listener, handle.clone()));
        }
        let threads: Vec<_> = groups.map(|group| start_thread(group, handle.clone())).collect();
        let grace = handle.asked_to_end().await;
        // No new connections: whoever tries now is told so by the system, and tries elsewhere.
        accepting.shutdown().await;
        let report = handle.drain(grace).await;
        shared.tell(Lifecycle::Stopped);
        handle.stopped(report);
        join(threads).await;
        report
    }
}

/// An error of `accept` never ends the server (RUSTSEC-2024-0376).
async fn accept_for_ever(listener: Listener, handle: ServerHandle) {
    let observer = &handle.shared().observer;
    let listener: Accepting = match listener.start() {
        Ok(listener) => listener,
        Err(error) => return observer.tell(&ServerEvent::AcceptFailed { error: &error }),
    };
    loop {
        handle.room().await;
        match listener.accept().await {
            Ok(accepted) => {
                tokio::spawn(handle.serve_accepted(accepted));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                handle.shared().load.count(ServerLimit::Accept);
                observer.tell(&ServerEvent::AcceptFailed { error: &error });
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// accept(2): errors of a connection that was lost before it was taken.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// A thread with a runtime of its own that accepts and serves until the server has stopped.
fn start_thread(listeners: Vec<Listener>, handle: ServerHandle) -> Option<std::thread::JoinHandle<()>> {
    let observed = handle.clone();
    let run = move || -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut accepting = JoinSet::new();
            for listener in listeners {
                accepting.spawn(accept_for_ever(listener, handle.clone()));
            }
            handle.drains().await;
            accepting.shutdown().await;
            handle.has_stopped().await;
        });
        Ok(())
    };
    let observer = observed.shared().observer.clone();
    let started = std::thread::Builder::new().name("gannet".to_owned()).spawn(move || {
        if let Err(error) = run() {
            observer.tell(&ServerEvent::AcceptFailed { error: &error });
        }
    });
    started.inspect_err(|error| observed.shared().observer.tell(&ServerEvent::AcceptFailed { error })).ok()
}

async fn join(threads: Vec<Option<std::thread::JoinHandle<()>>>) {
    for thread in threads.into_iter().flatten() {
        // A thread that panicked has said so.
        let _ = tokio::task::spawn_blocking(|| thread.join()).await;
    }
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
