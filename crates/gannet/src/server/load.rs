//! What a server carries: its connections, the memory that they hold, the limits that peers ran into.

use crate::PeerAddress;
use gannet_http2::Limit;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most that a server carries.
#[derive(Clone, Debug)]
pub(super) struct LoadLimits {
    pub(super) connections_per_peer: usize,
    /// Bytes that all connections hold for others.
    pub(super) memory: usize,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self { connections_per_peer: 16_384, memory: 1024 * 1024 * 1024 }
    }
}

/// A server's load now, and the limits that peers have run into since it began. Made by
/// [`ServerHandle::load`](super::ServerHandle::load); `gannet-telemetry` shows it as metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLoad {
    /// Connections that are open, those that are only beginning included.
    pub connections: usize,
    /// Bytes that they hold: received and not read, decoded and still with a handler, or waiting to be sent.
    pub held_bytes: usize,
    /// How often each limit was run into, by its name.
    pub limit_hits: Vec<(&'static str, u64)>,
}

/// The limits of the server itself, beside those of its connections ([`Limit`]).
#[derive(Clone, Copy)]
pub(crate) enum ServerLimit {
    /// Nobody was accepted for a while, because there were as many connections as there may be.
    Connections,
    ConnectionsPerPeer,
    /// A stream was refused, because its peer had as many on all its connections as it may.
    StreamsPerPeer,
    HandshakeTime,
    /// A keepalive PING was not answered in time.
    KeepaliveTime,
    /// A client sent keepalive PINGs too often.
    Pings,
    /// The system gave no connection, for want of file descriptors or memory.
    Accept,
    /// A request message was larger than it may be, as it came or decompressed.
    MessageSize,
    /// The calls of a connection held as much of decoded messages as they may.
    DecodedData,
}

const SERVER_LIMITS: [&str; 9] = [
    "connections",
    "connections_per_peer",
    "streams_per_peer",
    "handshake_time",
    "keepalive_time",
    "pings",
    "accept",
    "message_size",
    "decoded_data",
];

/// The shared account. Connections write to it when what they hold changes by much, and read one flag in a turn.
#[derive(Debug)]
pub(super) struct Load {
    limits: LoadLimits,
    /// How many connections each peer has.
    by_peer: Mutex<HashMap<IpAddr, usize>>,
    held: AtomicUsize,
    under_pressure: AtomicBool,
    hits: [AtomicU64; Limit::ALL.len()],
    server_hits: [AtomicU64; SERVER_LIMITS.len()],
}

/// The place of one connection; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Admission {
    load: Arc<Load>,
    peer: Option<IpAddr>,
}

/// What one connection has reported to hold; taken off when it is dropped.
#[derive(Debug)]
pub(super) struct Holding {
    load: Arc<Load>,
    reported: usize,
}

/// How often a server that is full looks whether it still is.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Load {
    pub(super) fn new(limits: LoadLimits) -> Self {
        Self {
            limits,
            by_peer: Mutex::default(),
            held: AtomicUsize::new(0),
            under_pressure: AtomicBool::new(false),
            hits: std::array::from_fn(|_| AtomicU64::new(0)),
            server_hits: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Waits until there is memory for another connection. Until then those who come wait in the system's queue.
    pub(super) async fn room(&self) {
        while self.is_under_pressure() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// A place for a connection that has come; `None` where its peer has its share.
    pub(super) fn admit(self: &Arc<Self>, peer: &PeerAddress) -> Option<Admission> {
        let peer = network(peer);
        if let Some(peer) = peer {
            let mut by_peer = self.by_peer();
            let count = by_peer.entry(peer).or_default();
            if *count >= self.limits.connections_per_peer {
                self.count(ServerLimit::ConnectionsPerPeer);
                return None;
            }
            *count += 1;
        }
        Some(Admission { load: Arc::clone(self), peer })
    }

    pub(super) fn holding(self: &Arc<Self>) -> Holding {
        Holding { load: Arc::clone(self), reported: 0 }
    }

    /// Whether connections hold more than the server may: nothing is lent and no stream taken until they do not.
    #[inline]
    pub(super) fn is_under_pressure(&self) -> bool {
        self.under_pressure.load(Ordering::Relaxed)
    }

    pub(super) fn count_hit(&self, limit: Limit, count: u32) {
        self.hits[limit as usize].fetch_add(count.into(), Ordering::Relaxed);
    }

    pub(crate) fn count(&self, limit: ServerLimit) {
        self.server_hits[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// So many bytes more are held, or fewer where the number is negative.
    pub(super) fn change_held(&self, change: isize) {
        self.held.fetch_add(change as usize, Ordering::SeqCst);
        loop {
            let over = self.held.load(Ordering::SeqCst) > self.limits.memory;
            if over == self.under_pressure.load(Ordering::SeqCst) {
                return;
            }
            // And once more: another connection may have changed the sum meanwhile.
            self.under_pressure.store(over, Ordering::SeqCst);
        }
    }

    pub(super) fn snapshot(&self, connections: usize) -> ServerLoad {
        let of_connections = Limit::ALL.iter().map(|limit| limit.name()).zip(&self.hits);
        let all = SERVER_LIMITS.into_iter().zip(&self.server_hits).chain(of_connections);
        ServerLoad {
            connections,
            held_bytes: self.held.load(Ordering::Relaxed),
            limit_hits: all.map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect(),
        }
    }

    fn by_peer(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Holding {
    /// Changes smaller than this are not worth an access to memory that all connections share.
    const STEP_BYTES: usize = 16 * 1024;

    /// What the connection holds now.
    #[inline]
    pub(super) fn report(&mut self, held: usize) {
        if held.abs_diff(self.reported) >= Self::STEP_BYTES {
            self.settle(held);
        }
    }

    fn settle(&mut self, held: usize) {
        self.load.change_held(held.wrapping_sub(self.reported) as isize);
        self.reported = held;
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.reported > 0 {
            self.settle(0);
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let Some(peer) = self.peer else { return };
        let mut by_peer = self.load.by_peer();
        if let Some(count) = by_peer.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                by_peer.remove(&peer);
            }
        }
    }
}

/// Whom a connection is counted for. Who has one address of IPv6 has the 2^64 of its network (RFC 4291 §2.5.4).
pub(super) fn network(peer: &PeerAddress) -> Option<IpAddr> {
    match peer {
        PeerAddress::Tcp(address) => Some(match address.ip().to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            v4 => v4,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> PeerAddress {
        PeerAddress::Tcp(text.parse().unwrap())
    }

    #[test]
    fn each_peer_has_its_share() {
        let limits = LoadLimits { connections_per_peer: 2, ..LoadLimits::default() };
        let load = Arc::new(Load::new(limits));
        let first = load.admit(&tcp("[2001:db8::1]:1")).unwrap();
        let _second = load.admit(&tcp("[2001:db8::2]:1")).unwrap();
        assert!(load.admit(&tcp("[2001:db8::3]:1")).is_none());
        let _other = load.admit(&tcp("192.0.2.1:1")).unwrap();
        let _same = load.admit(&tcp("[::ffff:192.0.2.1]:1")).unwrap();
        assert!(load.admit(&tcp("192.0.2.1:2")).is_none());
        assert!(load.admit(&PeerAddress::Unix(None)).is_some());
        drop(first);
        assert!(load.admit(&tcp("[2001:db8::3]:1")).is_some());
        assert!(load.snapshot(0).limit_hits.contains(&("connections_per_peer", 2)));
    }

    #[test]
    fn what_is_held_adds_up() {
        let load = Arc::new(Load::new(LoadLimits { memory: 100_000, ..LoadLimits::default() }));
        let (mut one, mut other) = (load.holding(), load.holding());
        one.report(60_000);
        assert!(!load.is_under_pressure());
        other.report(60_000);
        assert!(load.is_under_pressure());
        one.report(0);
        assert!(!load.is_under_pressure());
        assert_eq!(load.snapshot(0).held_bytes, 60_000);
        drop(other);
        assert_eq!(load.snapshot(0).held_bytes, 0);
    }
}
