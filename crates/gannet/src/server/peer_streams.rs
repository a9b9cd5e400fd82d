//! How many streams one peer has, over all its connections.

use super::load::network;
use crate::PeerAddress;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts of all peers that have connections.
#[derive(Debug)]
pub(super) struct StreamsByPeer {
    most: usize,
    by_peer: Mutex<HashMap<IpAddr, Arc<AtomicUsize>>>,
}

/// One connection's part in the count of its peer.
#[derive(Debug)]
pub(super) struct PeerStreams {
    all: Arc<StreamsByPeer>,
    peer: IpAddr,
    count: Arc<AtomicUsize>,
}

impl StreamsByPeer {
    /// `None` where nothing is to be counted.
    pub(super) fn new(most: usize) -> Option<Arc<Self>> {
        (most < usize::MAX).then(|| Arc::new(Self { most, by_peer: Mutex::default() }))
    }

    /// For a connection of this peer; `None` where it comes from no network.
    pub(super) fn of(self: &Arc<Self>, peer: &PeerAddress) -> Option<PeerStreams> {
        let peer = network(peer)?;
        let count = Arc::clone(self.by_peer().entry(peer).or_default());
        Some(PeerStreams { all: Arc::clone(self), peer, count })
    }

    fn by_peer(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<AtomicUsize>>> {
        self.by_peer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerStreams {
    /// Counts a stream; `false` where the peer has its share.
    #[inline]
    pub(super) fn open(&self) -> bool {
        let has_room = self.count.fetch_add(1, Ordering::Relaxed) < self.all.most;
        if !has_room {
            self.close();
        }
        has_room
    }

    #[inline]
    pub(super) fn close(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The last connection takes the count along.
impl Drop for PeerStreams {
    fn drop(&mut self) {
        let mut by_peer = self.all.by_peer();
        // The map's and this one: others are made under the lock only.
        if Arc::strong_count(&self.count) == 2 {
            by_peer.remove(&self.peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_of_a_peer_share_one_count() {
        let all = StreamsByPeer::new(2).unwrap();
        let of = |text: &str| all.of(&PeerAddress::Tcp(text.parse().unwrap())).unwrap();
        let (one, other) = (of("[2001:db8::1]:1"), of("[2001:db8::2]:2"));
        assert!(one.open() && other.open() && !one.open() && !other.open());
        assert!(of("192.0.2.1:1").open());
        one.close();
        assert!(other.open() && !one.open());
        other.close();
        other.close();
        drop(one);
        assert_eq!(all.by_peer().len(), 1);
        drop(other);
        assert!(all.by_peer().is_empty());
        assert!(all.of(&PeerAddress::InProcess).is_none());
        assert!(StreamsByPeer::new(usize::MAX).is_none());
    }
}
