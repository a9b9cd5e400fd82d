//! What channelz tells of (gRFC A14): the servers, channels and connections of a program, and what they have done.
//!
//! Each connection counts by itself, in its own task, and shows its counts at the end of a turn. What has no registry
//! shows them to nobody.

mod counts;
mod entries;
mod facts;
mod options;
mod trace;

pub(crate) use counts::{Counter, Counts};
pub(crate) use entries::{CallEntry, ChannelEntry, OwnEnd, ServerEntry, SocketEntry};
pub use facts::{
    CallCounts, ChannelFacts, ChannelState, ServerFacts, SocketFacts, SocketRef, SocketSecurity,
    SubchannelFacts,
};
pub use options::{SocketOption, SocketOptionValue};
pub(crate) use options::{of_tcp, of_unix};
pub use trace::{TraceEvent, TraceFacts, TraceSeverity};

use counts::Shown;
use entries::{Group, SocketRecord};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The servers and channels that were given to it, their connections, and what they have done. Clones are the same
/// registry.
///
/// It is what `gannet_services::channelz` tells of, and can be read directly:
///
/// ```
/// use gannet::{Registry, Server};
///
/// let registry = Registry::new();
/// let server = Server::new().registry(registry.clone());
/// for server in registry.servers(0, 10) {
///     println!("{} calls", server.calls.started);
/// }
/// # drop(server);
/// ```
///
/// Everything in it has a number of its own, from 1 in the order of their beginnings, and leaves it when it ends.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    /// Times are shown as what has passed since then.
    start: (Instant, SystemTime),
    /// How many events each trace keeps.
    trace_events: usize,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    last_id: u64,
    servers: BTreeMap<u64, entries::ServerRecord>,
    channels: BTreeMap<u64, entries::ChannelRecord>,
    /// Each channel's own, by its number.
    subchannels: BTreeMap<u64, u64>,
    sockets: BTreeMap<u64, Arc<SocketRecord>>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl Registry {
    /// Nothing is in it yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_trace_events(trace::TRACE_EVENTS)
    }

    /// Nothing is in it yet, and the trace of each server, channel and subchannel will keep at most so many events
    /// ([`TraceFacts`]). Default 30; one takes up to 350 bytes or so.
    ///
    /// ```
    /// let registry = gannet::Registry::with_trace_events(100);
    /// # drop(registry);
    /// ```
    #[must_use]
    pub fn with_trace_events(trace_events: usize) -> Self {
        let start = (crate::driver::clock::now(), SystemTime::now());
        Self(Arc::new(Inner { start, trace_events, known: Mutex::default() }))
    }

    /// The servers with this number or a higher one, in their order, at most so many.
    #[must_use]
    pub fn servers(&self, from: u64, most: usize) -> Vec<ServerFacts> {
        let known = self.lock();
        known.servers.range(from..).take(most).map(|(id, server)| self.server_facts(*id, server)).collect()
    }

    /// One server; `None` where there is none of this number.
    #[must_use]
    pub fn server(&self, id: u64) -> Option<ServerFacts> {
        self.lock().servers.get(&id).map(|server| self.server_facts(id, server))
    }

    /// The connections of a server with this number or a higher one, in their order, at most so many; `None` where
    /// there is no such server.
    #[must_use]
    pub fn server_sockets(&self, server: u64, from: u64, most: usize) -> Option<Vec<SocketRef>> {
        Some(self.lock().servers.get(&server)?.group.refs(from).take(most).collect())
    }

    /// The channels with this number or a higher one, in their order, at most so many.
    #[must_use]
    pub fn channels(&self, from: u64, most: usize) -> Vec<ChannelFacts> {
        let known = self.lock();
        known
            .channels
            .range(from..)
            .take(most)
            .map(|(id, channel)| self.channel_facts(*id, channel))
            .collect()
    }

    /// One channel; `None` where there is none of this number.
    #[must_use]
    pub fn channel(&self, id: u64) -> Option<ChannelFacts> {
        self.lock().channels.get(&id).map(|channel| self.channel_facts(id, channel))
    }

    /// What a channel calls one address by; `None` where there is none of this number.
    #[must_use]
    pub fn subchannel(&self, id: u64) -> Option<SubchannelFacts> {
        let known = self.lock();
        let channel = known.channels.get(known.subchannels.get(&id)?)?;
        Some(SubchannelFacts {
            id,
            state: channel.state,
            target: channel.target.clone(),
            calls: self.call_counts(&channel.group.sum()),
            sockets: channel.group.refs(0).collect(),
            trace: channel.subchannel_trace.facts(),
        })
    }

    /// One connection, or one socket that listens; `None` where there is none of this number.
    #[must_use]
    pub fn socket(&self, id: u64) -> Option<SocketFacts> {
        let record = Arc::clone(self.lock().sockets.get(&id)?);
        Some(SocketFacts::new(self, id, &record))
    }

    fn server_facts(&self, id: u64, server: &entries::ServerRecord) -> ServerFacts {
        ServerFacts {
            id,
            calls: self.call_counts(&server.group.sum()),
            listening: server.listening.iter().map(|(id, record)| record.reference(*id)).collect(),
            trace: server.trace.facts(),
        }
    }

    fn channel_facts(&self, id: u64, channel: &entries::ChannelRecord) -> ChannelFacts {
        ChannelFacts {
            id,
            state: channel.state,
            target: channel.target.clone(),
            calls: self.call_counts(&channel.calls.read()),
            subchannel: channel.subchannel,
            trace: channel.trace.facts(),
        }
    }

    fn call_counts(&self, counts: &Counts) -> CallCounts {
        CallCounts {
            started: counts[Counter::CallsStarted],
            succeeded: counts[Counter::CallsSucceeded],
            failed: counts[Counter::CallsFailed],
            last_started: self.time(counts[Counter::LastCallStarted]),
        }
    }

    /// What is shown of a time.
    fn mark(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.0.start.0).as_nanos();
        // 0 is never.
        u64::try_from(passed).unwrap_or(u64::MAX).max(1)
    }

    fn time(&self, mark: u64) -> Option<SystemTime> {
        if mark == 0 { None } else { self.0.start.1.checked_add(Duration::from_nanos(mark)) }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The connections of a server or channel.
    fn group(&mut self, owner: u64) -> Option<&mut Group> {
        let server = self.servers.get_mut(&owner).map(|server| &mut server.group);
        server.or_else(|| self.channels.get_mut(&owner).map(|channel| &mut channel.group))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.lock();
        f.debug_struct("Registry")
            .field("servers", &known.servers.len())
            .field("channels", &known.channels.len())
            .field("sockets", &known.sockets.len())
            .finish()
    }
}

#[cfg(test)]
mod tests;
