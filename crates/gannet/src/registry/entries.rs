//! How servers, channels and connections come into a registry, and leave it.

use super::{ChannelState, Counter, Counts, Registry, Shown, SocketRef};
use crate::{ListenAddress, Peer, PeerAddress};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[derive(Default)]
pub(super) struct ServerRecord {
    pub(super) group: Group,
    pub(super) listening: BTreeMap<u64, Arc<SocketRecord>>,
}

pub(super) struct ChannelRecord {
    pub(super) target: String,
    pub(super) state: ChannelState,
    pub(super) subchannel: u64,
    pub(super) calls: Arc<Shown>,
    pub(super) group: Group,
}

/// The connections of a server or a channel.
#[derive(Default)]
pub(super) struct Group {
    open: BTreeMap<u64, Arc<SocketRecord>>,
    /// What those have counted that are closed.
    closed: Counts,
}

#[derive(Debug, Default)]
pub(super) struct SocketRecord {
    pub(super) is_client: bool,
    pub(super) local: Option<PeerAddress>,
    pub(super) peer: Option<Peer>,
    pub(super) shown: Shown,
}

impl Group {
    pub(super) fn sum(&self) -> Counts {
        let mut sum = self.closed;
        self.open.values().for_each(|socket| sum.add(&socket.shown.read()));
        sum
    }

    pub(super) fn refs(&self, from: u64) -> impl Iterator<Item = SocketRef> {
        self.open.range(from..).map(|(id, socket)| socket.reference(*id))
    }
}

impl SocketRecord {
    pub(super) fn reference(&self, id: u64) -> SocketRef {
        let name = match (&self.peer, &self.local) {
            (Some(peer), _) => peer.to_string(),
            (None, Some(local)) => local.to_string(),
            (None, None) => String::new(),
        };
        SocketRef { id, name }
    }
}

/// A server's place in a registry. Dropped with the server.
pub(crate) struct ServerEntry {
    registry: Registry,
    id: u64,
}

impl ServerEntry {
    pub(crate) fn new(registry: Registry) -> Self {
        let id = {
            let mut known = registry.lock();
            let id = known.next_id();
            known.servers.insert(id, ServerRecord::default());
            id
        };
        Self { registry, id }
    }

    /// The server listens at this address.
    pub(crate) fn listens(&self, address: &ListenAddress) {
        let local = match address {
            ListenAddress::Tcp(address) => PeerAddress::Tcp(*address),
            ListenAddress::Unix(path) => PeerAddress::Unix(Some(path.to_string_lossy().as_ref().into())),
            ListenAddress::UnixAbstract(name) => PeerAddress::Unix(Some(format!("@{name}").into())),
        };
        let record = Arc::new(SocketRecord { local: Some(local), ..SocketRecord::default() });
        let mut known = self.registry.lock();
        let id = known.next_id();
        known.sockets.insert(id, Arc::clone(&record));
        if let Some(server) = known.servers.get_mut(&self.id) {
            server.listening.insert(id, record);
        }
    }

    pub(crate) fn connection(&self, local: Option<PeerAddress>, peer: Peer) -> SocketEntry {
        SocketEntry::new(&self.registry, self.id, local, peer)
    }
}

impl Drop for ServerEntry {
    fn drop(&mut self) {
        let mut known = self.registry.lock();
        let removed = known.servers.remove(&self.id);
        for id in removed.iter().flat_map(|server| server.listening.keys()) {
            known.sockets.remove(id);
        }
    }
}

/// A channel's place in a registry. Dropped with the channel.
pub(crate) struct ChannelEntry {
    registry: Registry,
    id: u64,
    calls: Arc<Shown>,
}

impl ChannelEntry {
    pub(crate) fn new(registry: Registry, target: String) -> Self {
        let calls = Arc::new(Shown::default());
        let id = {
            let mut known = registry.lock();
            let (id, subchannel) = (known.next_id(), known.next_id());
            let record = ChannelRecord {
                target,
                state: ChannelState::Idle,
                subchannel,
                calls: Arc::clone(&calls),
                group: Group::default(),
            };
            known.channels.insert(id, record);
            known.subchannels.insert(subchannel, id);
            id
        };
        Self { registry, id, calls }
    }

    pub(crate) fn is_now(&self, state: ChannelState) {
        if let Some(channel) = self.registry.lock().channels.get_mut(&self.id) {
            channel.state = state;
        }
    }

    pub(crate) fn connection(&self, local: Option<PeerAddress>, peer: Peer) -> SocketEntry {
        SocketEntry::new(&self.registry, self.id, local, peer)
    }

    /// A call begins.
    pub(crate) fn call(&self, now: Instant) -> CallEntry {
        self.calls.count(Counter::CallsStarted);
        self.calls.set(Counter::LastCallStarted, self.registry.mark(now));
        CallEntry { calls: Arc::clone(&self.calls), ended: AtomicBool::new(false) }
    }
}

impl Drop for ChannelEntry {
    fn drop(&mut self) {
        let mut known = self.registry.lock();
        if let Some(channel) = known.channels.remove(&self.id) {
            known.subchannels.remove(&channel.subchannel);
        }
    }
}

/// A call that a channel counts. Its first end counts; dropped without one it has failed.
pub(crate) struct CallEntry {
    calls: Arc<Shown>,
    ended: AtomicBool,
}

impl CallEntry {
    pub(crate) fn end(&self, well: bool) {
        if !self.ended.swap(true, Ordering::Relaxed) {
            self.calls.count(if well { Counter::CallsSucceeded } else { Counter::CallsFailed });
        }
    }
}

impl Drop for CallEntry {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// A connection's place in a registry. Dropped with the connection; its owner keeps what it has counted.
pub(crate) struct SocketEntry {
    registry: Registry,
    owner: u64,
    id: u64,
    record: Arc<SocketRecord>,
}

impl SocketEntry {
    fn new(registry: &Registry, owner: u64, local: Option<PeerAddress>, peer: Peer) -> Self {
        let mut known = registry.lock();
        let is_client = known.channels.contains_key(&owner);
        let record = Arc::new(SocketRecord { is_client, local, peer: Some(peer), shown: Shown::default() });
        let id = known.next_id();
        known.sockets.insert(id, Arc::clone(&record));
        if let Some(group) = known.group(owner) {
            group.open.insert(id, Arc::clone(&record));
        }
        drop(known);
        Self { registry: registry.clone(), owner, id, record }
    }

    /// Shows what the connection has counted so far.
    pub(crate) fn show(&self, counts: &Counts, now: Instant) {
        self.record.shown.show(counts, self.registry.mark(now));
    }
}

impl Drop for SocketEntry {
    fn drop(&mut self) {
        let mut known = self.registry.lock();
        known.sockets.remove(&self.id);
        if let Some(group) = known.group(self.owner) {
            group.open.remove(&self.id);
            group.closed.add(&self.record.shown.read());
        }
    }
}
