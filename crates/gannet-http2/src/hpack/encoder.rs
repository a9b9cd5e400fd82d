//! Field sections to header blocks.

use super::static_table::STATIC_TABLE;
use super::table::Table;
use super::{huffman, integer};
use crate::fields::{Field, Fields, Name};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Encodes the header blocks of one direction of a connection. The order of encoding is the order of sending.
#[derive(Debug)]
pub struct Encoder {
    table: Table,
    /// What we want to use at most, whatever the peer allows.
    own_max_size: usize,
    /// RFC 7541 §4.2: the smallest and the last size since the last block, to be said at the next one.
    pending_update: Option<(usize, usize)>,
    /// For each well-known name, the insertion number of its newest entry: finding it compares no names.
    newest: Vec<u64>,
}

impl Encoder {
    /// `max_table_size` is the most memory to use for the table, in bytes.
    #[must_use]
    pub fn new(max_table_size: usize) -> Self {
        // RFC 9113 §6.5.2: the peer's initial SETTINGS_HEADER_TABLE_SIZE is 4,096.
        let size = max_table_size.min(4096);
        Self {
            table: Table::new(size),
            own_max_size: max_table_size,
            pending_update: None,
            newest: Vec::new(),
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
        }
        for field in fields {
            self.field(field, out);
        }
    }

    fn field(&mut self, field: Field<'_>, out: &mut Vec<u8>) {
        let found = self.find(field);
        match found {
            Found::Both(index) if !field.sensitive => integer::encode(index, 7, 0x80, out),
            Found::Both(index) | Found::Name(index) => self.literal(field, index, out),
            Found::Nothing => self.literal(field, 0, out),
        }
    }

    fn literal(&mut self, field: Field<'_>, name_index: usize, out: &mut Vec<u8>) {
        let (bits, first) = match indexing(field) {
            Indexing::Incremental => (6, 0x40),
            Indexing::Without => (4, 0x00),
            Indexing::Never => (4, 0x10),
        };
        integer::encode(name_index, bits, first, out);
        if name_index == 0 {
            string(field.text, out);
        }
        string(field.value, out);
        if bits == 6 {
            self.table.insert(field.name, field.text, field.value);
            if field.name != Name::Other {
                let place = field.name as usize;
                if self.newest.len() <= place {
                    self.newest.resize(place + 1, 0);
                }
                self.newest[place] = self.table.inserted();
            }
        }
    }

    fn find(&self, field: Field<'_>) -> Found {
        if field.name == Name::Other { self.find_other(field) } else { self.find_known(field) }
    }

    #[inline]
    fn find_known(&self, field: Field<'_>) -> Found {
        let statics = &STATIC_BY_NAME[field.name as usize];
        let newest = self.newest.get(field.name as usize).copied().unwrap_or(0);
        let dynamic = self.table.place_of(newest).and_then(|place| Some((place, self.table.get(place)?)));
        if let Some((place, entry)) = dynamic
            && entry.value() == field.value
        {
            return Found::Both(STATIC_TABLE.len() + 1 + place);
        }
        for &index in statics {
            if STATIC_TABLE[index - 1].1.as_bytes() == field.value {
                return Found::Both(index);
            }
        }
        match (statics.first(), dynamic) {
            (Some(&index), _) => Found::Name(index),
            (None, Some((place, _))) => Found::Name(STATIC_TABLE.len() + 1 + place),
            (None, None) => Found::Nothing,
        }
    }

    /// The table is a few dozen entries: comparing lengths first makes a scan as quick as a hash.
    fn find_other(&self, field: Field<'_>) -> Found {
        let mut name_only = Found::Nothing;
        for (place, entry) in self.table.iter().enumerate() {
            if entry.name == Name::Other && entry.name_text() == field.text {
                let index = STATIC_TABLE.len() + 1 + place;
                if entry.value() == field.value {
                    return Found::Both(index);
                }
                name_only = match name_only {
                    Found::Nothing => Found::Name(index),
                    found => found,
                };
            }
        }
        match (name_only, STATIC_OTHER.get(field.text)) {
            (Found::Nothing, Some(&index)) => Found::Name(index),
            (found, _) => found,
        }
    }
}

#[derive(Clone, Copy)]
enum Found {
    Both(usize),
    Name(usize),
    Nothing,
}

#[derive(Clone, Copy, PartialEq)]
enum Indexing {
    Incremental,
    Without,
    Never,
}

/// What may enter the table: credentials never (RFC 7541 §7.1.3), values that rarely repeat not either, for they would
/// push out those that do.
fn indexing(field: Field<'_>) -> Indexing {
    /// Longer values would fill a table of 4,096 bytes.
    const LONGEST_INDEXED: usize = 1024;
    match field.name {
        _ if field.sensitive => Indexing::Never,
        Name::GrpcTimeout
        | Name::ContentLength
        | Name::GrpcMessage
        | Name::GrpcStatusDetailsBin
        | Name::Traceparent => Indexing::Without,
        _ if field.value.len() > LONGEST_INDEXED => Indexing::Without,
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
