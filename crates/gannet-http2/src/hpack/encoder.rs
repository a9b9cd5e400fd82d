//! Field sections to header blocks.

use super::static_table::STATIC_TABLE;
use super::table::Table;
use super::{huffman, integer};
use crate::fields::{Field, Fields, Name};
use std::collections::HashMap;
use std::sync::LazyLock;

/// RFC 9113 §6.5.2: SETTINGS_HEADER_TABLE_SIZE before any SETTINGS.
const INITIAL_TABLE_SIZE: usize = 4096;

/// Encodes the header blocks of one direction of a connection. The order of encoding is the order of sending.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// What we want to use at most, whatever the peer allows.
    own_max_size: usize,
    /// RFC 7541 §4.2: the smallest and the last size since the last block, to be said at the next one.
    pending_update: Option<(usize, usize)>,
    /// For each well-known name, the insertion number of its newest entry; each entry names the one before it. So
    /// finding one compares no names.
    newest: Vec<u64>,
    recent: Recent,
}

impl Encoder {
    /// `max_table_size` is the most memory to use for the table, in bytes.
    #[must_use]
    pub fn new(max_table_size: usize) -> Self {
        // RFC 9113 §6.5.2: the peer's initial SETTINGS_HEADER_TABLE_SIZE is 4,096, and so is its table until told
        // otherwise.
        let size = max_table_size.min(INITIAL_TABLE_SIZE);
        Self {
            table: Table::new(size),
            own_max_size: max_table_size,
            pending_update: (size < INITIAL_TABLE_SIZE).then_some((size, size)),
            newest: Vec::new(),
            recent: Recent::default(),
        }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE.
    pub fn set_peer_max_table_size(&mut self, size: usize) {
        let size = size.min(self.own_max_size);
        if size == self.table.max_size() && self.pending_update.is_none() {
            return;
        }
        let smallest = self.pending_update.map_or(self.table.max_size(), |(smallest, _)| smallest).min(size);
        self.pending_update = Some((smallest, size));
        self.table.set_max_size(size);
    }

    /// Appends the header block of these fields.
    pub fn encode(&mut self, fields: &Fields, out: &mut Vec<u8>) {
        if let Some((smallest, last)) = self.pending_update.take() {
            // RFC 7541 §4.2: the smallest size first where it lies below the last.
            if smallest < last {
                integer::encode(smallest, 5, 0x20, out);
            }
            integer::encode(last, 5, 0x20, out);
            self.recent = Recent::default();
        } else if let Some(block) = self.recent.find(fields, self.table.inserted()) {
            out.extend_from_slice(block);
            return;
        }
        let start = out.len();
        let mut only_indices = true;
        for field in fields {
            only_indices &= self.field(field, out);
        }
        // A literal either enters the table, and is an index from now on, or will have another value next time.
        if only_indices {
            self.recent.keep(fields, self.table.inserted(), &out[start..]);
        }
    }

    /// Says whether an index was enough.
    fn field(&mut self, field: Field<'_>, out: &mut Vec<u8>) -> bool {
        let found = self.find(field);
        match found {
            Found::Both(index) if !field.sensitive => {
                integer::encode(index, 7, 0x80, out);
                return true;
            }
            Found::Both(index) => self.literal(field, index, Indexing::Never, out),
            Found::Name { index, changing } => self.literal(field, index, indexing(field, changing), out),
        }
        false
    }

    /// A literal; `name_index` 0 is a name that is in no table.
    fn literal(&mut self, field: Field<'_>, name_index: usize, indexing: Indexing, out: &mut Vec<u8>) {
        let (bits, first) = match indexing {
            Indexing::Incremental => (6, 0x40),
            Indexing::Without => (4, 0x00),
            Indexing::Never => (4, 0x10),
        };
        integer::encode(name_index, bits, first, out);
        if name_index == 0 {
            string(field.text, out);
        }
        string(field.value, out);
        if indexing == Indexing::Incremental {
            self.insert(field);
        }
    }

    fn insert(&mut self, field: Field<'_>) {
        let Some(entry) = self.table.insert(field.name, field.text, field.value) else {
            // RFC 7541 §4.4: an entry larger than the table empties it, and what pointed into it points nowhere.
            self.recent = Recent::default();
            return;
        };
        if field.name == Name::Other {
            return;
        }
        let place = field.name as usize;
        if self.newest.len() <= place {
            self.newest.resize(place + 1, 0);
        }
        entry.previous = self.newest[place];
        self.newest[place] = self.table.inserted();
    }

    fn find(&self, field: Field<'_>) -> Found {
        if field.name == Name::Other { self.find_other(field) } else { self.find_known(field) }
    }

    #[inline]
    fn find_known(&self, field: Field<'_>) -> Found {
        let newest = self.newest.get(field.name as usize).copied().unwrap_or(0);
        let mut number = newest;
        while let Some(place) = self.table.place_of(number)
            && let Some(entry) = self.table.get(place)
        {
            if entry.value() == field.value {
                return Found::Both(STATIC_TABLE.len() + 1 + place);
            }
            number = entry.previous;
        }
        let statics = &STATIC_BY_NAME[field.name as usize];
        for &index in statics {
            if STATIC_TABLE[index - 1].1.as_bytes() == field.value {
                return Found::Both(index);
            }
        }
        let dynamic = || self.table.place_of(newest).map(|place| STATIC_TABLE.len() + 1 + place);
        let index = statics.first().copied().or_else(dynamic).unwrap_or(0);
        Found::Name { index, changing: false }
    }

    /// The table is a few dozen entries: comparing lengths first makes a scan as quick as a hash.
    fn find_other(&self, field: Field<'_>) -> Found {
        let (mut newest, mut values, mut bytes) = (None, 0, 0);
        for (place, entry) in self.table.iter().enumerate() {
            if entry.name == Name::Other && entry.name_text() == field.text {
                let index = STATIC_TABLE.len() + 1 + place;
                if entry.value() == field.value {
                    return Found::Both(index);
                }
                newest = newest.or(Some(index));
                values += 1;
                bytes += entry.size();
            }
        }
        let index = newest.or_else(|| STATIC_OTHER.get(field.text).copied()).unwrap_or(0);
        let changing = values >= MOST_VALUES || bytes > self.table.max_size() / MOST_VALUES;
        Found::Name { index, changing }
    }
}

/// A custom name that has this many values in the table, or as large a part of it, changes with every call (an
/// identifier of the request): its next values are not indexed, for they would push out what repeats.
const MOST_VALUES: usize = 4;

/// The last few field sections that indices were enough for, with their blocks. Most calls of a connection have the
/// same head and the same end: one comparison stands for encoding them again.
#[derive(Debug, Default)]
struct Recent {
    blocks: Vec<RecentBlock>,
    next: usize,
}

#[derive(Debug)]
struct RecentBlock {
    inserted: u64,
    fields: Fields,
    block: Vec<u8>,
}

impl Recent {
    const KEPT: usize = 4;
    /// Longer blocks are rarely repeated.
    const LONGEST: usize = 256;

    #[inline]
    fn find(&self, fields: &Fields, inserted: u64) -> Option<&[u8]> {
        let known = self.blocks.iter().find(|known| known.inserted == inserted && known.fields == *fields)?;
        Some(&known.block)
    }

    fn keep(&mut self, fields: &Fields, inserted: u64, block: &[u8]) {
        if block.len() > Self::LONGEST {
            return;
        }
        let entry = RecentBlock { inserted, fields: fields.clone(), block: block.to_vec() };
        if self.blocks.len() < Self::KEPT {
            self.blocks.push(entry);
        } else {
            self.blocks[self.next] = entry;
            self.next = (self.next + 1) % Self::KEPT;
        }
    }
}

#[derive(Clone, Copy)]
enum Found {
    /// The whole field is the entry with this index.
    Both(usize),
    /// The name is that of the entry with this index; 0 where no entry has it.
    Name { index: usize, changing: bool },
}

#[derive(Clone, Copy, PartialEq)]
enum Indexing {
    Incremental,
    Without,
    Never,
}

/// What may enter the table: credentials never (RFC 7541 §7.1.3), values that rarely repeat not either, for they would
/// push out those that do.
fn indexing(field: Field<'_>, changing: bool) -> Indexing {
    /// Longer values would fill a table of 4,096 bytes.
    const LONGEST_INDEXED: usize = 1024;
    match field.name {
        _ if field.sensitive => Indexing::Never,
        Name::GrpcTimeout
        | Name::ContentLength
        | Name::GrpcMessage
        | Name::GrpcStatusDetailsBin
        | Name::Traceparent => Indexing::Without,
        _ if changing || field.value.len() > LONGEST_INDEXED => Indexing::Without,
        _ => Indexing::Incremental,
    }
}

/// RFC 7541 §5.2: a string literal, in whichever form is shorter.
fn string(text: &[u8], out: &mut Vec<u8>) {
    let huffman_len = huffman::encoded_len(text);
    if huffman_len < text.len() {
        integer::encode(huffman_len, 7, 0x80, out);
        huffman::encode(text, out);
    } else {
        integer::encode(text.len(), 7, 0, out);
        out.extend_from_slice(text);
    }
}

/// The indices of the static entries of each well-known name.
static STATIC_BY_NAME: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
    let mut by_name = vec![Vec::new(); Name::WELL_KNOWN.len() + 1];
    for (place, (name, _)) in STATIC_TABLE.iter().enumerate() {
        match Name::of(name.as_bytes()) {
            Name::Other => {}
            known => by_name[known as usize].push(place + 1),
        }
    }
    by_name
});

/// The static entries of the other names.
static STATIC_OTHER: LazyLock<HashMap<&'static [u8], usize>> = LazyLock::new(|| {
    let others =
        STATIC_TABLE.iter().enumerate().filter(|(_, (name, _))| Name::of(name.as_bytes()) == Name::Other);
    others.map(|(place, (name, _))| (name.as_bytes(), place + 1)).collect()
});
