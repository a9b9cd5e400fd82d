//! Header blocks to field sections.

use super::static_table::STATIC_TABLE;
use super::table::Table;
use super::{HpackError, huffman, integer};
use crate::fields::{Fields, Name};
use std::sync::{Arc, LazyLock};

/// Decodes the header blocks of one direction of a connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What our SETTINGS_HEADER_TABLE_SIZE allows.
    allowed_table_size: usize,
    /// The allowed size fell below the table's: the next block must begin with a size update.
    update_due: bool,
    max_list_size: usize,
    /// Counts every change of the table: a block is only a repetition where nothing changed since.
    changes: u64,
    recent: Recent,
    scratch: Vec<u8>,
}

/// A decoded header block.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The fields, in the order of the wire.
    pub fields: Arc<Fields>,
    /// The list was larger than allowed; the fields are not all there.
    pub oversized: bool,
    /// The very same value as for an earlier block: who has judged that need not judge again.
    pub repeated: bool,
}

impl Decoder {
    /// `max_table_size` is what our SETTINGS_HEADER_TABLE_SIZE allows, in bytes; `max_list_size` bounds a decoded list
    /// as SETTINGS_MAX_HEADER_LIST_SIZE counts it. Beyond it decoding goes on, for the table must stay in step, but
    /// fields are dropped; a list many times larger is an error.
    #[must_use]
    pub fn new(max_table_size: usize, max_list_size: usize) -> Self {
        Self {
            table: Table::new(max_table_size),
            allowed_table_size: max_table_size,
            update_due: false,
            max_list_size,
            changes: 0,
            recent: Recent::default(),
            scratch: Vec::new(),
        }
    }

    /// Another SETTINGS_HEADER_TABLE_SIZE of ours, once the peer has acknowledged it.
    pub fn set_max_table_size(&mut self, size: usize) {
        self.allowed_table_size = size;
        // RFC 7541 §4.2: a smaller maximum takes effect at once; the peer must say so at its next block.
        if size < self.table.max_size() {
            self.table.set_max_size(size);
            self.update_due = true;
            self.changes += 1;
        }
    }

    /// Decodes one whole header block.
    ///
    /// # Errors
    /// The block breaks RFC 7541; the connection can't go on (COMPRESSION_ERROR).
    pub fn decode(&mut self, block: &[u8]) -> Result<Decoded, HpackError> {
        if let Some(fields) = self.recent.find(block, self.changes) {
            return Ok(Decoded { fields, oversized: false, repeated: true });
        }
        if self.update_due && !matches!(block.first(), Some(0x20..0x40)) {
            return Err(HpackError(
                "no table size update after the allowed size was lowered (RFC 7541 §4.2)",
            ));
        }
        let changes = self.changes;
        let mut list = List { fields: Fields::new(), size: 0, max: self.max_list_size };
        let mut rest = block;
        let mut at_start = true;
        while let Some(&first) = rest.first() {
            rest = match first {
                // RFC 7541 §6.1: indexed field.
                0x80.. => self.indexed(rest, &mut list)?,
                // RFC 7541 §6.2.1: literal with incremental indexing.
                0x40.. => self.literal(rest, 6, Indexing::Incremental, &mut list)?,
                // RFC 7541 §6.3: dynamic table size update, at the beginning of a block only (§4.2).
                0x20.. if at_start => {
                    rest = self.size_update(rest)?;
                    continue;
                }
                0x20.. => return Err(HpackError("a table size update after a field")),
                // RFC 7541 §6.2.3: literal never indexed.
                0x10.. => self.literal(rest, 4, Indexing::Never, &mut list)?,
                // RFC 7541 §6.2.2: literal without indexing.
                _ => self.literal(rest, 4, Indexing::Without, &mut list)?,
            };
            at_start = false;
            if list.size > self.max_list_size.saturating_mul(BOMB) {
                return Err(HpackError::BOMB);
            }
        }
        if self.scratch.capacity() > KEPT_SCRATCH_BYTES {
            self.scratch = Vec::new();
        }
        let oversized = list.size > self.max_list_size;
        let fields = Arc::new(list.fields);
        if changes == self.changes && !oversized {
            self.recent.keep(block, self.changes, &fields);
        }
        Ok(Decoded { fields, oversized, repeated: false })
    }

    fn indexed<'a>(&mut self, input: &'a [u8], list: &mut List) -> Result<&'a [u8], HpackError> {
        let (index, rest) = integer::decode(input, 7)?;
        let (name, text, value) = self.entry(index)?;
        list.push(name, text, value, false);
        Ok(rest)
    }

    fn literal<'a>(
        &mut self,
        input: &'a [u8],
        prefix_bits: u32,
        indexing: Indexing,
        list: &mut List,
    ) -> Result<&'a [u8], HpackError> {
        let (index, rest) = integer::decode(input, prefix_bits)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let (name, rest) = if index == 0 {
            let rest = string(rest, &mut scratch)?;
            (Name::of(&scratch), rest)
        } else {
            let (name, text, _) = self.entry(index)?;
            scratch.extend_from_slice(text);
            (name, rest)
        };
        let name_len = scratch.len();
        let rest = string(rest, &mut scratch)?;
        let (text, value) = scratch.split_at(name_len);
        list.push(name, text, value, indexing == Indexing::Never);
        if indexing == Indexing::Incremental {
            self.table.insert(name, text, value);
            self.changes += 1;
        }
        self.scratch = scratch;
        Ok(rest)
    }

    fn size_update<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], HpackError> {
        let (size, rest) = integer::decode(input, 5)?;
        // RFC 7541 §6.3: a size above what SETTINGS allow is a decoding error.
        if size > self.allowed_table_size {
            return Err(HpackError("a table size update above the allowed size"));
        }
        self.table.set_max_size(size);
        self.update_due = false;
        self.changes += 1;
        Ok(rest)
    }

    /// RFC 7541 §2.3.3: the static table first, then the dynamic one; index 0 is an error.
    fn entry(&self, index: usize) -> Result<(Name, &[u8], &[u8]), HpackError> {
        if let Some(&(name, text, value)) = index.checked_sub(1).and_then(|place| STATIC_ENTRIES.get(place)) {
            return Ok((name, text.as_bytes(), value.as_bytes()));
        }
        let place = index.checked_sub(STATIC_TABLE.len() + 1).ok_or(HpackError("index 0"))?;
        let entry = self.table.get(place).ok_or(HpackError("an index beyond the table"))?;
        Ok((entry.name, entry.name_text(), entry.value()))
    }
}

/// A list this many times larger than allowed is no mistake any more, and decoding it would only cost time.
const BOMB: usize = 8;

/// The memory of longer names and values is not kept for the next.
const KEPT_SCRATCH_BYTES: usize = 4096;

/// The static table with its names as small integers.
static STATIC_ENTRIES: LazyLock<Vec<(Name, &'static str, &'static str)>> = LazyLock::new(|| {
    STATIC_TABLE.iter().map(|&(name, value)| (Name::of(name.as_bytes()), name, value)).collect()
});

#[derive(Clone, Copy, PartialEq)]
enum Indexing {
    Incremental,
    Without,
    Never,
}

/// The list that grows, and its limit.
struct List {
    fields: Fields,
    size: usize,
    max: usize,
}

impl List {
    fn push(&mut self, name: Name, text: &[u8], value: &[u8], sensitive: bool) {
        self.size = self.size.saturating_add(text.len() + value.len() + 32);
        // A small block can name a large entry many times: nothing is copied beyond the limit.
        if self.size <= self.max {
            self.fields.push_entry(name, text, value, sensitive);
        }
    }
}

/// RFC 7541 §5.2: a string literal, appended to `out`.
fn string<'a>(input: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], HpackError> {
    let huffman = input.first().is_some_and(|first| first & 0x80 != 0);
    let (len, rest) = integer::decode(input, 7)?;
    let (text, rest) = rest.split_at_checked(len).ok_or(HpackError("a string ends early"))?;
    if huffman {
        huffman::decode(text, out)?;
    } else {
        out.extend_from_slice(text);
    }
    Ok(rest)
}

/// The last few blocks that changed nothing. A steady client sends the same bytes with every call; where the table is
/// the same as well, so is what they mean, and one comparison stands for decoding and judging them again.
#[derive(Debug, Default)]
struct Recent {
    blocks: Vec<RecentBlock>,
    next: usize,
}

#[derive(Debug)]
struct RecentBlock {
    changes: u64,
    block: Vec<u8>,
    fields: Arc<Fields>,
}

impl Recent {
    const KEPT: usize = 4;
    /// Longer blocks are rarely repeated.
    const LONGEST: usize = 256;
    /// A block of a few bytes can name large entries many times: such lists are not kept.
    const LARGEST_LIST: usize = 2048;

    #[inline]
    fn find(&self, block: &[u8], changes: u64) -> Option<Arc<Fields>> {
        let known = self.blocks.iter().find(|known| known.changes == changes && known.block == block)?;
        Some(Arc::clone(&known.fields))
    }

    fn keep(&mut self, block: &[u8], changes: u64, fields: &Arc<Fields>) {
        if block.len() > Self::LONGEST || fields.list_size() > Self::LARGEST_LIST {
            return;
        }
        if self.blocks.len() < Self::KEPT {
            self.blocks.push(RecentBlock { changes, block: block.to_vec(), fields: Arc::clone(fields) });
            return;
        }
        let place = &mut self.blocks[self.next];
        place.changes = changes;
        place.block.clear();
        place.block.extend_from_slice(block);
        place.fields = Arc::clone(fields);
        self.next = (self.next + 1) % Self::KEPT;
    }
}
