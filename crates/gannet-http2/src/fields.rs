//! A field section: the names and values of one header block, in the order of the wire.

use std::fmt;

macro_rules! names {
    ($($variant:ident = $text:literal,)*) => {
        /// A field name. The well-known ones are small integers, so that finding one compares no strings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Name {
            /// Any name that has no variant of its own; its text stands in the field section.
            Other = 0,
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl Name {
            /// Every well-known name, in the order of their discriminants from 1.
            pub const WELL_KNOWN: &'static [Name] = &[$(Name::$variant,)*];

            /// The text of a well-known name; empty for [`Name::Other`].
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    Name::Other => "",
                    $(Name::$variant => $text,)*
                }
            }

            /// The well-known name with this text, or [`Name::Other`].
            #[must_use]
            pub fn of(text: &[u8]) -> Name {
                match text {
                    $(text if text == $text.as_bytes() => Name::$variant,)*
                    _ => Name::Other,
                }
            }
        }
    };
}

names! {
    Authority = ":authority",
    Method = ":method",
    Path = ":path",
    Protocol = ":protocol",
    Scheme = ":scheme",
    Status = ":status",
    AcceptEncoding = "accept-encoding",
    Connection = "connection",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Date = "date",
    Host = "host",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    Server = "server",
    Te = "te",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UserAgent = "user-agent",
    Authorization = "authorization",
    GrpcAcceptEncoding = "grpc-accept-encoding",
    GrpcEncoding = "grpc-encoding",
    GrpcMessage = "grpc-message",
    GrpcPreviousRpcAttempts = "grpc-previous-rpc-attempts",
    GrpcRetryPushbackMs = "grpc-retry-pushback-ms",
    GrpcStatus = "grpc-status",
    GrpcStatusDetailsBin = "grpc-status-details-bin",
    GrpcTimeout = "grpc-timeout",
    Traceparent = "traceparent",
}

impl Name {
    /// Whether this is one of the pseudo-header fields of RFC 9113 §8.3 and RFC 8441 §4.
    #[must_use]
    pub const fn is_pseudo(self) -> bool {
        matches!(
            self,
            Name::Authority | Name::Method | Name::Path | Name::Protocol | Name::Scheme | Name::Status
        )
    }
}

/// A field section (RFC 9110 §6.3): a list of fields in the order of the wire, their text in one buffer.
///
/// ```
/// use gannet_http2::{Fields, Name};
///
/// let mut fields = Fields::new();
/// fields.push(Name::Status, b"200");
/// fields.push_text(b"x-tenant", b"7");
/// assert_eq!(fields.get(Name::Status), Some(&b"200"[..]));
/// assert_eq!(fields.get_text(b"x-tenant"), Some(&b"7"[..]));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    text: Vec<u8>,
    entries: Vec<Entry>,
    /// How many bytes the well-known names have, which are not in `text`.
    known_names: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    name: Name,
    sensitive: bool,
    /// Empty for a well-known name.
    name_start: u32,
    value_start: u32,
    value_end: u32,
}

impl Fields {
    /// An empty section; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { text: Vec::new(), entries: Vec::new(), known_names: 0 }
    }

    /// An empty section with room for so many fields, and so many bytes of values and of names that are not well known.
    #[must_use]
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), entries: Vec::with_capacity(fields), known_names: 0 }
    }

    /// Appends a field with a well-known name.
    pub fn push(&mut self, name: Name, value: &[u8]) {
        debug_assert!(name != Name::Other, "a name without text");
        self.push_entry(name, b"", value, false);
    }

    /// Appends a field; a well-known name is recognised. The caller has checked that name and value are valid.
    pub fn push_text(&mut self, name: &[u8], value: &[u8]) {
        match Name::of(name) {
            Name::Other => self.push_entry(Name::Other, name, value, false),
            known => self.push_entry(known, b"", value, false),
        }
    }

    /// Appends a field that must never enter a compression table (RFC 7541 §7.1.3), such as a credential.
    pub fn push_sensitive(&mut self, name: &[u8], value: &[u8]) {
        match Name::of(name) {
            Name::Other => self.push_entry(Name::Other, name, value, true),
            known => self.push_entry(known, b"", value, true),
        }
    }

    /// Appends a field whose name has been recognised before; `text` counts only for [`Name::Other`].
    pub fn push_entry(&mut self, name: Name, text: &[u8], value: &[u8], sensitive: bool) {
        let name_start = self.text.len() as u32;
        if name == Name::Other {
            self.text.extend_from_slice(text);
        } else {
            self.known_names += name.text().len();
        }
        let value_start = self.text.len() as u32;
        self.text.extend_from_slice(value);
        let value_end = self.text.len() as u32;
        self.entries.push(Entry { name, sensitive, name_start, value_start, value_end });
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.entries.clear();
        self.known_names = 0;
    }

    /// The size that SETTINGS_MAX_HEADER_LIST_SIZE speaks of: names, values and 32 bytes for each field
    /// (RFC 9113 §6.5.2).
    #[must_use]
    pub fn list_size(&self) -> usize {
        self.text.len() + self.known_names + 32 * self.entries.len()
    }

    /// The first value of a well-known name.
    #[must_use]
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        Some(self.value(entry))
    }

    /// The first value of a name given as text.
    #[must_use]
    pub fn get_text(&self, name: &[u8]) -> Option<&[u8]> {
        let known = Name::of(name);
        let is_it =
            |entry: &&Entry| entry.name == known && (known != Name::Other || self.name_of(entry) == name);
        self.entries.iter().find(is_it).map(|entry| self.value(entry))
    }

    /// Every value of a name given as text, in the order of the wire.
    pub fn get_all<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + 'a {
        let known = Name::of(name);
        self.entries
            .iter()
            .filter(move |entry| entry.name == known && (known != Name::Other || self.name_of(entry) == name))
            .map(|entry| self.value(entry))
    }

    /// The field at this place.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<Field<'_>> {
        self.entries.get(index).map(|entry| self.field(entry))
    }

    /// All fields in order.
    #[must_use]
    pub fn iter(&self) -> FieldsIter<'_> {
        FieldsIter { fields: self, next: 0 }
    }

    /// Keeps the fields for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(Field<'_>) -> bool) {
        let mut kept = Fields::new();
        for field in self.iter().filter(|field| keep(*field)) {
            kept.push_entry(field.name, field.text, field.value, field.sensitive);
        }
        *self = kept;
    }

    fn field(&self, entry: &Entry) -> Field<'_> {
        Field {
            name: entry.name,
            text: self.name_of(entry),
            value: self.value(entry),
            sensitive: entry.sensitive,
        }
    }

    fn name_of(&self, entry: &Entry) -> &[u8] {
        match entry.name {
            Name::Other => &self.text[entry.name_start as usize..entry.value_start as usize],
            known => known.text().as_bytes(),
        }
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        &self.text[entry.value_start as usize..entry.value_end as usize]
    }
}

/// One field of a [`Fields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as a small integer.
    pub name: Name,
    /// The name's text, for a well-known name too.
    pub text: &'a [u8],
    /// The value as it came.
    pub value: &'a [u8],
    /// Never to be put into a compression table (RFC 7541 §7.1.3).
    pub sensitive: bool,
}

impl Field<'_> {
    /// The name's text.
    #[must_use]
    pub fn name_text(&self) -> &[u8] {
        self.text
    }
}

/// The fields of a section in order. Made by [`Fields::iter`].
#[derive(Clone)]
pub struct FieldsIter<'a> {
    fields: &'a Fields,
    next: usize,
}

impl<'a> Iterator for FieldsIter<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let field = self.fields.at(self.next)?;
        self.next += 1;
        Some(field)
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = Field<'a>;
    type IntoIter = FieldsIter<'a>;

    fn into_iter(self) -> FieldsIter<'a> {
        self.iter()
    }
}

/// As `name: value` pairs; sensitive values are not shown.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|field| {
                let value =
                    if field.sensitive { "(sensitive)".into() } else { String::from_utf8_lossy(field.value) };
                (String::from_utf8_lossy(field.text), value)
            }))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_well_known_name_is_found_by_its_text() {
        for &name in Name::WELL_KNOWN {
            assert_eq!(Name::of(name.text().as_bytes()), name);
        }
        assert_eq!(Name::of(b"x-other"), Name::Other);
    }

    #[test]
    fn fields_keep_order_and_repetition() {
        let mut fields = Fields::new();
        fields.push_text(b"a", b"1");
        fields.push_text(b"te", b"trailers");
        fields.push_text(b"a", b"");
        assert_eq!(fields.get_all(b"a").collect::<Vec<_>>(), [&b"1"[..], b""]);
        assert_eq!(fields.get(Name::Te), Some(&b"trailers"[..]));
        assert_eq!(fields.list_size(), (1 + 1 + 32) + (2 + 8 + 32) + (1 + 32));
        fields.retain(|field| field.name != Name::Te);
        assert_eq!(fields.len(), 2);
    }
}
