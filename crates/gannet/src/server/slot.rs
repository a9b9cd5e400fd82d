//! What the server's driver remembers of each stream.

use super::dispatch::{self, Ended};
use super::door::HttpStream;
use super::peer_streams::PeerStreams;
use super::request::CallHead;
use crate::Cancellation;
use crate::compression::Received;
use crate::service::BoxFuture;
use crate::stream::StreamPair;
use gannet_core::{Deframer, TimerKey};
use gannet_http2::{Fields, StreamKey};
use std::sync::Arc;
use std::time::Instant;
use tokio::task::AbortHandle;

/// A stream's place in the driver's table.
pub(super) struct Slot {
    pub(super) key: StreamKey,
    pub(super) head: CallHead,
    pub(super) deadline: Option<Instant>,
    /// Armed only once the call has outlived the turn that it came in.
    pub(super) timer: Option<TimerKey>,
    pub(super) state: State,
}

/// How far a stream has come.
pub(super) enum State {
    /// The one request message is on its way.
    Gathering { fields: Arc<Fields>, deframer: Deframer, message: Option<Received> },
    /// The handler runs.
    Running(Running),
    /// Not gRPC.
    Http(HttpStream),
}

pub(super) struct Running {
    pub(super) handler: Handler,
    pub(super) cancellation: Cancellation,
    pub(super) pair: Option<Arc<StreamPair>>,
    /// Cuts the request stream into messages.
    pub(super) deframer: Deframer,
    /// The request stream broke a rule; what still comes is thrown away.
    pub(super) broken: bool,
    pub(super) head_sent: bool,
}

/// Where a handler is between its polls.
#[derive(Default)]
pub(super) enum Handler {
    /// It has not been polled, or is polled just now.
    #[default]
    Away,
    /// It stays with its connection, which polls it when it is woken.
    Here(BoxFuture<'static, Ended>),
    /// In a task of its own.
    Spawned(AbortHandle),
}

impl Handler {
    /// A handler that stays here, to be polled.
    pub(super) fn take_here(&mut self) -> Option<BoxFuture<'static, Ended>> {
        match std::mem::take(self) {
            Self::Here(future) => Some(future),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Drops a handler that has not ended; one in a task of its own at that task's next chance.
    pub(super) fn cut_short(self) {
        match self {
            Self::Away => {}
            Self::Here(future) => dispatch::drop_here(future),
            Self::Spawned(task) => task.abort(),
        }
    }
}

/// The streams of a connection by the slots of their keys.
pub(super) struct Slots {
    places: Vec<Option<Slot>>,
    /// What the peer has on all its connections, where that is limited.
    of_peer: Option<PeerStreams>,
}

impl Slots {
    pub(super) fn new(of_peer: Option<PeerStreams>) -> Self {
        Self { places: Vec::new(), of_peer }
    }

    /// Whether the peer may have another stream. To be asked once before each [`Slots::insert`].
    #[inline]
    pub(super) fn may_insert(&self) -> bool {
        self.of_peer.as_ref().is_none_or(PeerStreams::open)
    }

    pub(super) fn insert(&mut self, slot: Slot) {
        let place = slot.key.slot();
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        self.places[place] = Some(slot);
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Slot> {
        self.places.get_mut(key.slot())?.as_mut().filter(|slot| slot.key == key)
    }

    #[inline]
    pub(super) fn take(&mut self, key: StreamKey) -> Option<Slot> {
        let slot = self.places.get_mut(key.slot())?.take_if(|slot| slot.key == key)?;
        if let Some(of_peer) = &self.of_peer {
            of_peer.close();
        }
        Some(slot)
    }

    /// The stream at this place, whatever its generation.
    pub(super) fn at(&mut self, place: usize) -> Option<&mut Slot> {
        self.places.get_mut(place)?.as_mut()
    }

    pub(super) fn keys(&self) -> Vec<StreamKey> {
        self.places.iter().flatten().map(|slot| slot.key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One for each open stream, beside its call and its messages.
    #[test]
    fn a_slot_is_small() {
        assert!(size_of::<Option<Slot>>() <= 152, "{}", size_of::<Option<Slot>>());
        assert!(size_of::<StreamPair>() <= 496, "{}", size_of::<StreamPair>());
    }
}
