//! The dynamic table (RFC 7541 §2.3.2 and §4).

use crate::fields::Name;
use std::collections::VecDeque;

/// The size that RFC 7541 §4.1 adds to each entry.
const ENTRY_OVERHEAD: usize = 32;

/// Fields that both ends remember, the newest first.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
    /// How many entries were ever inserted: an entry is known by its number, whatever came after it.
    inserted: u64,
}

/// A remembered field: name (where it is not a well-known one) and value in one allocation.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: Name,
    /// The insertion number of the entry of the same well-known name before this one; 0 where the encoder keeps none.
    pub(super) previous: u64,
    name_len: usize,
    text: Box<[u8]>,
}

impl Entry {
    fn new(name: Name, text: &[u8], value: &[u8]) -> Self {
        let own = if name == Name::Other { text } else { b"" };
        Self { name, previous: 0, name_len: own.len(), text: [own, value].concat().into() }
    }

    /// The name's text.
    pub(super) fn name_text(&self) -> &[u8] {
        match self.name {
            Name::Other => &self.text[..self.name_len],
            known => known.text().as_bytes(),
        }
    }

    pub(super) fn value(&self) -> &[u8] {
        &self.text[self.name_len..]
    }

    /// RFC 7541 §4.1.
    pub(super) fn size(&self) -> usize {
        self.name_text().len() + self.value().len() + ENTRY_OVERHEAD
    }
}

impl Table {
    pub(super) fn new(max_size: usize) -> Self {
        Self { max_size, ..Self::default() }
    }

    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    pub(super) fn inserted(&self) -> u64 {
        self.inserted
    }

    /// RFC 7541 §4.3: entries are evicted until the table fits.
    pub(super) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict_down_to(max_size);
    }

    /// RFC 7541 §4.4: an entry larger than the table empties it, and that is no error. Gives the entry where it fits.
    pub(super) fn insert(&mut self, name: Name, text: &[u8], value: &[u8]) -> Option<&mut Entry> {
        let size = text.len() + value.len() + ENTRY_OVERHEAD;
        if size > self.max_size {
            self.evict_down_to(0);
            return None;
        }
        self.evict_down_to(self.max_size - size);
        self.size += size;
        self.inserted += 1;
        self.entries.push_front(Entry::new(name, text, value));
        self.entries.front_mut()
    }

    /// The entry at this place; the newest is 0.
    pub(super) fn get(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    /// The present place of the entry with this insertion number (the first inserted has 1).
    pub(super) fn place_of(&self, number: u64) -> Option<usize> {
        let place = usize::try_from(self.inserted.checked_sub(number)?).ok()?;
        (number > 0 && place < self.entries.len()).then_some(place)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    fn evict_down_to(&mut self, size: usize) {
        while self.size > size {
            let Some(evicted) = self.entries.pop_back() else { break };
            self.size -= evicted.size();
        }
    }
}
