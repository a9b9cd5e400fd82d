//! A set of compressions, as `grpc-accept-encoding` lists them.

use super::Compression;
use std::fmt;

/// What a side understands. `identity` is always in it and never said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Encodings(u8);

impl Encodings {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn all() -> Self {
        Compression::ALL.iter().copied().collect()
    }

    /// Reads a `grpc-accept-encoding`; names that this build does not know are left out.
    pub(crate) fn parse(list: &[u8]) -> Self {
        list.split(|&byte| byte == b',')
            .filter_map(|name| Compression::from_name(name.trim_ascii()))
            .collect()
    }

    pub(crate) fn contains(self, compression: Compression) -> bool {
        compression == Compression::Identity || self.0 & bit(compression) != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 & !bit(Compression::Identity) == 0
    }
}

fn bit(compression: Compression) -> u8 {
    1 << compression as u8
}

impl FromIterator<Compression> for Encodings {
    fn from_iter<T: IntoIterator<Item = Compression>>(all: T) -> Self {
        Self(all.into_iter().fold(0, |set, compression| set | bit(compression)))
    }
}

/// As in `grpc-accept-encoding` (PROTOCOL-HTTP2, Message-Accept-Encoding).
impl fmt::Display for Encodings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = Compression::ALL.iter().filter(|one| **one != Compression::Identity);
        for (index, one) in said.filter(|one| self.contains(**one)).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", one.name())?;
        }
        Ok(())
    }
}
