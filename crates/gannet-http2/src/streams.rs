//! Where streams live: a slab of places, and a table from identifier to place.

use crate::stream::Stream;

/// A stream of one connection, as its driver knows it. It is a place and a generation: a key that outlives its stream
/// is dead and does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey {
    slot: u32,
    generation: u32,
}

impl StreamKey {
    /// The stream's place: small numbers that are used again, good as an index.
    #[must_use]
    pub fn slot(self) -> usize {
        self.slot as usize
    }
}

/// All streams of a connection that are open or half-closed.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Slot>,
    free: Vec<u32>,
    ids: IdTable,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    stream: Option<Stream>,
}

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    #[inline]
    pub(crate) fn insert(&mut self, stream: Stream) -> StreamKey {
        let id = stream.id;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].stream = Some(stream);
                slot
            }
            None => {
                self.slots.push(Slot { generation: 0, stream: Some(stream) });
                (self.slots.len() - 1) as u32
            }
        };
        self.ids.insert(id, slot);
        StreamKey { slot, generation: self.slots[slot as usize].generation }
    }

    #[inline]
    pub(crate) fn get(&self, key: StreamKey) -> Option<&Stream> {
        self.slots.get(key.slot()).filter(|slot| slot.generation == key.generation)?.stream.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: StreamKey) -> Option<&mut Stream> {
        self.slots.get_mut(key.slot()).filter(|slot| slot.generation == key.generation)?.stream.as_mut()
    }

    #[inline]
    pub(crate) fn key_of(&self, id: u32) -> Option<StreamKey> {
        let slot = self.ids.find(id)?;
        Some(StreamKey { slot, generation: self.slots[slot as usize].generation })
    }

    #[inline]
    pub(crate) fn remove(&mut self, key: StreamKey) -> Option<Stream> {
        let slot = self.slots.get_mut(key.slot()).filter(|slot| slot.generation == key.generation)?;
        let stream = slot.stream.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        self.ids.remove(stream.id);
        if self.len() == 0 && self.slots.len() > Self::KEPT_EMPTY {
            self.give_back();
        }
        Some(stream)
    }

    pub(crate) fn keys(&self) -> Vec<StreamKey> {
        let live = self.slots.iter().enumerate().filter(|(_, slot)| slot.stream.is_some());
        live.map(|(place, slot)| StreamKey { slot: place as u32, generation: slot.generation }).collect()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().filter_map(|slot| slot.stream.as_mut())
    }

    /// A connection that once had many streams and now has none keeps no room for them. Generations would begin
    /// anew with the slots, so they stay; what is large is given back.
    fn give_back(&mut self) {
        self.ids = IdTable::default();
        self.free.shrink_to(Self::KEPT_EMPTY);
    }

    const KEPT_EMPTY: usize = 1024;
}

/// Identifier → slot, by open addressing with linear probing. Identifiers are never 0, so 0 is a free place.
#[derive(Debug, Default)]
struct IdTable {
    places: Vec<(u32, u32)>,
    used: usize,
}

impl IdTable {
    #[inline]
    fn home(&self, id: u32) -> usize {
        // Identifiers of one side are all odd or all even; multiplication spreads them over the upper bits.
        (id.wrapping_mul(0x9e37_79b1) >> 7) as usize & (self.places.len() - 1)
    }

    #[inline]
    fn find(&self, id: u32) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let mut place = self.home(id);
        loop {
            match self.places[place] {
                (0, _) => return None,
                (found, slot) if found == id => return Some(slot),
                _ => place = (place + 1) & (self.places.len() - 1),
            }
        }
    }

    fn insert(&mut self, id: u32, slot: u32) {
        if (self.used + 1) * 2 > self.places.len() {
            self.grow();
        }
        self.used += 1;
        let mut place = self.home(id);
        while self.places[place].0 != 0 {
            place = (place + 1) & (self.places.len() - 1);
        }
        self.places[place] = (id, slot);
    }

    fn remove(&mut self, id: u32) {
        if self.places.is_empty() {
            return;
        }
        let mask = self.places.len() - 1;
        let mut hole = self.home(id);
        while self.places[hole].0 != id {
            if self.places[hole].0 == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        self.used -= 1;
        // Entries behind the hole move up, so that probing needs no tombstones.
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let (other, slot) = self.places[next];
            if other == 0 {
                break;
            }
            let home = self.home(other);
            let stays = (next.wrapping_sub(home) & mask) < (next.wrapping_sub(hole) & mask);
            if !stays {
                self.places[hole] = (other, slot);
                hole = next;
            }
        }
        self.places[hole] = (0, 0);
    }

    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(16);
        let old = std::mem::replace(&mut self.places, vec![(0, 0); size]);
        self.used = 0;
        for (id, slot) in old.into_iter().filter(|(id, _)| *id != 0) {
            self.insert(id, slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Reading, State};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// The table against a map, with identifiers that collide.
        #[test]
        fn the_table_is_a_map(steps in prop::collection::vec((0u32..60, any::<bool>()), 0..400)) {
            let (mut table, mut model) = (IdTable::default(), BTreeMap::new());
            for (number, (id, insert)) in steps.into_iter().enumerate() {
                let id = id * 2 + 1;
                if !insert {
                    table.remove(id);
                    model.remove(&id);
                } else if let std::collections::btree_map::Entry::Vacant(place) = model.entry(id) {
                    table.insert(id, number as u32);
                    place.insert(number as u32);
                }
                for id in 0..121 {
                    prop_assert_eq!(table.find(id), model.get(&id).copied());
                }
            }
        }
    }

    #[test]
    fn a_key_dies_with_its_stream() {
        let mut streams = Streams::default();
        let stream = |id| Stream::new(id, State::Open, Reading::Body, 1, 1);
        let first = streams.insert(stream(1));
        assert_eq!(streams.key_of(1), Some(first));
        streams.remove(first);
        let second = streams.insert(stream(3));
        assert_eq!(first.slot(), second.slot());
        assert!(streams.get(first).is_none() && streams.get(second).is_some());
        assert_eq!((streams.key_of(1), streams.key_of(3)), (None, Some(second)));
    }
}
