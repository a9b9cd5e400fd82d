//! Whole messages that wait to be read, in about as much memory as they came in.

use crate::compression::{Compression, Received};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;

/// A slice of the read buffer smaller than a quarter of it is copied out when it has to wait: a few bytes must not keep
/// the whole buffer.
pub(crate) const COPIED_BELOW_BYTES: usize = 16 * 1024;

/// Smaller messages wait together: a place and an allocation of its own would cost a message of one byte ten times what
/// its window counts.
const GATHERED_BELOW_BYTES: usize = 512;
/// So much of them is one allocation. Whoever keeps a slice of a message keeps it all.
const GATHERED_BYTES: usize = 4 * 1024;
/// A queue that was longer than this is given back when it is empty.
const KEPT_PLACES: usize = 16;

/// Messages in order, each with what it costs on the flow-control windows.
#[derive(Default)]
pub(super) struct Waiting {
    places: VecDeque<Place>,
    /// The small messages that came last, each behind its head.
    gathered: Vec<u8>,
}

enum Place {
    One(Received, usize),
    /// Small messages, each behind its head.
    Several(Bytes),
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.gathered.is_empty()
    }

    pub(super) fn push(&mut self, received: Received, cost: usize) {
        if let Some(head) = Head::of(&received, cost) {
            return self.gather(head, &received.message);
        }
        self.close_gathered();
        self.places.push_back(Place::One(received.detached(), cost));
    }

    pub(super) fn pop(&mut self) -> Option<(Received, usize)> {
        match self.places.front_mut() {
            Some(Place::Several(several)) => {
                let first = split_first(several);
                if several.is_empty() {
                    self.drop_front();
                }
                first
            }
            Some(Place::One(..)) => match self.drop_front() {
                Some(Place::One(received, cost)) => Some((received, cost)),
                _ => None,
            },
            None => {
                let mut several = Bytes::from(std::mem::take(&mut self.gathered));
                let first = split_first(&mut several);
                if !several.is_empty() {
                    self.places.push_front(Place::Several(several));
                }
                first
            }
        }
    }

    /// Throws everything away; says what it cost.
    pub(super) fn clear(&mut self) -> usize {
        let mut costs = 0;
        while let Some((_, cost)) = self.pop() {
            costs += cost;
        }
        costs
    }

    fn gather(&mut self, head: Head, message: &[u8]) {
        if self.gathered.len() + Head::BYTES + message.len() > GATHERED_BYTES {
            self.close_gathered();
        }
        let (len, needed) = (self.gathered.len(), Head::BYTES + message.len());
        if self.gathered.capacity() - len < needed {
            // Most often the first is read before the next one comes; where several wait, more are on their way.
            self.gathered.reserve_exact(needed.max((3 * len).min(GATHERED_BYTES - len)));
        }
        self.gathered.extend_from_slice(&head.encode());
        self.gathered.extend_from_slice(message);
    }

    fn close_gathered(&mut self) {
        if !self.gathered.is_empty() {
            let several = std::mem::take(&mut self.gathered);
            self.places.push_back(Place::Several(several.into()));
        }
    }

    fn drop_front(&mut self) -> Option<Place> {
        let front = self.places.pop_front();
        if self.places.is_empty() && self.places.capacity() > KEPT_PLACES {
            self.places = VecDeque::new();
        }
        front
    }
}

/// The first of these messages, without a copy.
fn split_first(several: &mut Bytes) -> Option<(Received, usize)> {
    let head = Head::decode(*several.first_chunk()?);
    several.advance(Head::BYTES);
    let len = usize::from(head.len);
    // The last one takes the allocation over.
    let message = if len == several.len() { std::mem::take(several) } else { several.split_to(len) };
    let compression = Compression::of(head.compression);
    Some((Received { message, compression }, len + usize::from(head.more_cost)))
}

/// What stands before a small message.
struct Head {
    compression: u8,
    /// What the message costs beyond its bytes: its prefix.
    more_cost: u8,
    len: u16,
}

impl Head {
    const BYTES: usize = 4;

    /// `None` for a message that waits by itself.
    fn of(received: &Received, cost: usize) -> Option<Self> {
        let len = received.message.len();
        let more_cost = u8::try_from(cost.checked_sub(len)?).ok()?;
        let len = u16::try_from(len).ok().filter(|len| usize::from(*len) < GATHERED_BELOW_BYTES)?;
        Some(Self { compression: received.compression as u8, more_cost, len })
    }

    fn encode(&self) -> [u8; Self::BYTES] {
        let [high, low] = self.len.to_be_bytes();
        [self.compression, self.more_cost, high, low]
    }

    fn decode([compression, more_cost, high, low]: [u8; Self::BYTES]) -> Self {
        Self { compression, more_cost, len: u16::from_be_bytes([high, low]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(len: usize) -> Received {
        Received { message: Bytes::from(vec![len as u8; len]), compression: Compression::Identity }
    }

    #[test]
    fn messages_of_every_size_come_back_in_order_with_what_they_cost() {
        let lens = [0, 1, 5, 511, 512, 3, 3, 3, 20_000, 0, 500, 500, 500, 500, 500, 500, 500, 500, 500, 7];
        for pops_between in 0..3 {
            let (mut waiting, mut got) = (Waiting::default(), Vec::new());
            for len in lens.iter().copied().cycle().take(100) {
                waiting.push(received(len), len + 5);
                got.extend((0..pops_between).filter_map(|_| waiting.pop()));
            }
            got.extend(std::iter::from_fn(|| waiting.pop()));
            assert!(waiting.is_empty() && waiting.places.capacity() <= KEPT_PLACES);
            assert_eq!(got.len(), 100);
            for ((message, cost), len) in got.into_iter().zip(lens.iter().copied().cycle()) {
                assert_eq!((message.message.to_vec(), cost), (vec![len as u8; len], len + 5));
            }
        }
    }

    /// What an interceptor puts in costs nothing on any window.
    #[test]
    fn what_costs_nothing_stays_free() {
        let mut waiting = Waiting::default();
        waiting.push(received(3), 0);
        waiting.push(received(2), 7);
        assert_eq!(waiting.clear(), 7);
        assert!(waiting.is_empty());
    }

    /// Ten thousand messages of one byte, 6 bytes each on the window, are no more than twice that here.
    #[test]
    fn tiny_messages_are_small() {
        let mut waiting = Waiting::default();
        for _ in 0..10_000 {
            waiting.push(received(1), 6);
        }
        let places = waiting.places.capacity() * size_of::<Place>();
        assert!(places + 10_000 * (Head::BYTES + 1) <= 2 * 10_000 * 6, "{places}");
    }
}
