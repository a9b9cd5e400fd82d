//! How servers, channels and connections come into a registry, and leave it.

use super::trace::{Trace, TraceEvent};
use super::{ChannelState, Counter, Counts, Known, Registry, Shown, SocketOption, SocketRef};
use crate::{ListenAddress, Peer, PeerAddress, Status};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub(super) struct ServerRecord {
    pub(super) group: Group,
    pub(super) listening: BTreeMap<u64, Arc<SocketRecord>>,
    pub(super) trace: Trace,
}

pub(super) struct ChannelRecord {
    pub(super) target: String,
    pub(super) state: ChannelState,
    pub(super) subchannel: u64,
    pub(super) calls: Arc<Shown>,
    pub(super) group: Group,
    pub(super) trace: Trace,
    pub(super) subchannel_trace: Trace,
}

/// The connections of a server or a channel.
#[derive(Default)]
pub(super) struct Group {
    open: BTreeMap<u64, Arc<SocketRecord>>,
    /// What those have counted that are closed.
    closed: Counts,
}

/// What this end of a connection is.
#[derive(Debug, Default)]
pub(crate) struct OwnEnd {
    pub(crate) address: Option<PeerAddress>,
    pub(crate) options: Vec<SocketOption>,
}

#[derive(Debug, Default)]
pub(super) struct SocketRecord {
    pub(super) is_client: bool,
    pub(super) own: OwnEnd,
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
        let name = match (&self.peer, &self.own.address) {
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
            let mut trace = Trace::new();
            trace.log(TraceEvent::info("created"), registry.0.trace_events);
            let (group, listening) = (Group::default(), BTreeMap::new());
            known.servers.insert(id, ServerRecord { group, listening, trace });
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
        let own = OwnEnd { address: Some(local), options: Vec::new() };
        let record = Arc::new(SocketRecord { own, ..SocketRecord::default() });
        let mut known = self.registry.lock();
        let id = known.next_id();
        known.sockets.insert(id, Arc::clone(&record));
        if let Some(server) = known.servers.get_mut(&self.id) {
            server.listening.insert(id, record);
            server.trace.log(TraceEvent::info(format!("listens on {address}")), self.registry.0.trace_events);
        }
    }

    /// The server was asked to end.
    pub(crate) fn drains(&self) {
        if let Some(server) = self.registry.lock().servers.get_mut(&self.id) {
            server.trace.log(TraceEvent::info("drains"), self.registry.0.trace_events);
        }
    }

    pub(crate) fn connection(&self, own: OwnEnd, peer: Peer) -> SocketEntry {
        SocketEntry::new(&self.registry, self.id, own, peer)
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
            let (mut trace, mut subchannel_trace) = (Trace::new(), Trace::new());
            let most = registry.0.trace_events;
            trace.log(TraceEvent::info("created"), most);
            trace.log(TraceEvent::info("subchannel created").of_subchannel(subchannel), most);
            subchannel_trace.log(TraceEvent::info("created"), most);
            let record = ChannelRecord {
                target,
                state: ChannelState::Idle,
                subchannel,
                calls: Arc::clone(&calls),
                group: Group::default(),
                trace,
                subchannel_trace,
            };
            known.channels.insert(id, record);
            known.subchannels.insert(subchannel, id);
            id
        };
        Self { registry, id, calls }
    }

    /// The channel's state, and where it is a failure, of what. What a failure says is told each time: the reason may
    /// be another one.
    pub(crate) fn is_now(&self, state: ChannelState, failure: Option<&Status>) {
        let mut known = self.registry.lock();
        let Some(channel) = known.channels.get_mut(&self.id) else { return };
        let before = std::mem::replace(&mut channel.state, state);
        let event = match failure {
            Some(failure) => TraceEvent::warning(format!("{state}: {}", failure.message())),
            None if before == state => return,
            None => TraceEvent::info(state.to_string()),
        };
        let most = self.registry.0.trace_events;
        channel.subchannel_trace.log(event.clone(), most);
        channel.trace.log(event.of_subchannel(channel.subchannel), most);
    }

    pub(crate) fn connection(&self, own: OwnEnd, peer: Peer) -> SocketEntry {
        SocketEntry::new(&self.registry, self.id, own, peer)
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
    fn new(registry: &Registry, owner: u64, own: OwnEnd, peer: Peer) -> Self {
        let mut known = registry.lock();
        let is_client = known.channels.contains_key(&owner);
        let record = Arc::new(SocketRecord { is_client, own, peer: Some(peer), shown: Shown::default() });
        let id = known.next_id();
        known.sockets.insert(id, Arc::clone(&record));
        if let Some(group) = known.group(owner) {
            group.open.insert(id, Arc::clone(&record));
        }
        trace_connection(&mut known, registry, owner, "begun to", &record);
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
        trace_connection(&mut known, &self.registry, self.owner, "ended to", &self.record);
    }
}

/// A subchannel tells of its connections. A server does not: it has as many as clients like.
fn trace_connection(known: &mut Known, registry: &Registry, owner: u64, what: &str, record: &SocketRecord) {
    if let (Some(channel), Some(peer)) = (known.channels.get_mut(&owner), &record.peer) {
        let event = TraceEvent::info(format!("connection {what} {peer}"));
        channel.subchannel_trace.log(event, registry.0.trace_events);
    }
}
