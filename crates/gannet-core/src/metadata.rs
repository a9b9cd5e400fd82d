//! Metadata: what a call carries beside its messages (PROTOCOL-HTTP2, Custom-Metadata).

use crate::status::Status;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use gannet_http2::{Field, Fields, FieldsIter, Name};
use std::fmt;
use std::sync::Arc;

/// Names and values that go with a call: request metadata, response headers, trailers. One pointer wide; empty it
/// has no memory, and a clone shares it until one of the two is changed.
///
/// A name ends in `-bin` if its values are bytes; all others are printable ASCII. Names are lower case on the wire
/// and looked up without regard to case. Fields that belong to the protocol (pseudo-headers, `content-type`, `te`,
/// `grpc-timeout`, …) are not seen here. A received value that is broken (not printable ASCII, not base64) is left out.
///
/// ```
/// use gannet_core::Metadata;
///
/// let mut metadata = Metadata::new();
/// metadata.append("x-tenant", "7")?;
/// metadata.append_bin("x-trace-bin", &[0, 255])?;
/// assert_eq!(metadata.get("X-Tenant"), Some("7"));
/// assert_eq!(metadata.get_bin("x-trace-bin").as_deref(), Some(&[0, 255][..]));
/// # Ok::<(), gannet_core::InvalidMetadata>(())
/// ```
#[derive(Clone, Default)]
pub struct Metadata(Option<Arc<Fields>>);

impl Metadata {
    /// The longest value that can be set. Peers take far less: their limit for all fields together is often 8 KiB.
    pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

    /// Empty; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// How many fields there are. It counts them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.visible().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.visible().next().is_none()
    }

    /// The first text value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// Every text value of this name, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.named(name).filter(|field| !is_binary(field.text)).filter_map(|field| ascii_value(field.value))
    }

    /// The first value of this name, which ends in `-bin`.
    #[must_use]
    pub fn get_bin(&self, name: &str) -> Option<Bytes> {
        self.get_all_bin(name).next()
    }

    /// Every value of this name, which ends in `-bin`, in order.
    pub fn get_all_bin(&self, name: &str) -> impl Iterator<Item = Bytes> {
        self.named(name).filter(|field| is_binary(field.text)).flat_map(|field| binary_values(field.value))
    }

    /// Every name and value, in order.
    #[must_use]
    pub fn iter(&self) -> MetadataIter<'_> {
        MetadataIter { fields: self.0.as_deref().map(Fields::iter), binary: None }
    }

    /// Sets this name to one text value, in the place of all that it had.
    ///
    /// # Errors
    /// As [`Metadata::append`].
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), InvalidMetadata> {
        let (name, value) = checked_text(name, value)?;
        self.remove(&name);
        self.push(&name, value.as_bytes(), false);
        Ok(())
    }

    /// Adds a text value to this name. White space around it is removed.
    ///
    /// # Errors
    /// [`InvalidMetadata`] where the name is not allowed or reserved, or the value is not printable ASCII.
    pub fn append(&mut self, name: &str, value: &str) -> Result<(), InvalidMetadata> {
        let (name, value) = checked_text(name, value)?;
        self.push(&name, value.as_bytes(), false);
        Ok(())
    }

    /// Adds a text value that is secret: it enters no compression table (RFC 7541 §7.1.3), here or in a proxy, and
    /// is not shown by `Debug`.
    ///
    /// # Errors
    /// As [`Metadata::append`].
    pub fn append_sensitive(&mut self, name: &str, value: &str) -> Result<(), InvalidMetadata> {
        let (name, value) = checked_text(name, value)?;
        self.push(&name, value.as_bytes(), true);
        Ok(())
    }

    /// Sets this name, which ends in `-bin`, to one value, in the place of all that it had.
    ///
    /// # Errors
    /// As [`Metadata::append_bin`].
    pub fn insert_bin(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidMetadata> {
        let name = checked_binary(name, value)?;
        self.remove(&name);
        self.push(&name, encode_base64(value).as_bytes(), false);
        Ok(())
    }

    /// Adds a value to this name, which ends in `-bin`. The value is any bytes; base64 is the transport's matter.
    ///
    /// # Errors
    /// [`InvalidMetadata`] where the name is not allowed or reserved, or does not end in `-bin`.
    pub fn append_bin(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidMetadata> {
        let name = checked_binary(name, value)?;
        self.push(&name, encode_base64(value).as_bytes(), false);
        Ok(())
    }

    /// Removes every value of this name; says whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        if self.named(name).next().is_none() {
            return false;
        }
        if let Some(fields) = &mut self.0 {
            Arc::make_mut(fields).retain(|field| !field.text.eq_ignore_ascii_case(name.as_bytes()));
        }
        true
    }

    /// Adds all fields of `other` to these.
    pub fn extend(&mut self, other: &Metadata) {
        if self.is_empty() {
            *self = other.clone();
            return;
        }
        for field in other.visible() {
            self.push_field(field);
        }
    }

    /// Appends the fields to a field section that is to be sent. `user-agent` and `grpc-previous-rpc-attempts`, which
    /// a server sees, are left to the channel, so that received metadata can be sent on.
    pub fn write_to(&self, out: &mut Fields) {
        for field in self.sent() {
            out.push_entry(field.name, field.text, field.value, field.sensitive);
        }
    }

    /// What [`Metadata::write_to`] adds to a section's size, as SETTINGS_MAX_HEADER_LIST_SIZE counts it.
    #[must_use]
    pub fn list_size(&self) -> usize {
        self.sent().map(|field| field.text.len() + field.value.len() + 32).sum()
    }

    /// The field section behind it, with the protocol's own fields where it was received.
    #[must_use]
    pub fn fields(&self) -> Option<&Arc<Fields>> {
        self.0.as_ref()
    }

    fn visible(&self) -> impl Iterator<Item = Field<'_>> {
        self.0.iter().flat_map(|fields| fields.iter()).filter(|field| !is_protocol(*field))
    }

    fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = Field<'a>> {
        self.visible().filter(|field| field.text.eq_ignore_ascii_case(name.as_bytes()))
    }

    fn sent(&self) -> impl Iterator<Item = Field<'_>> {
        self.visible().filter(|field| !matches!(field.name, Name::UserAgent | Name::GrpcPreviousRpcAttempts))
    }

    fn push(&mut self, name: &str, value: &[u8], sensitive: bool) {
        let text = name.as_bytes();
        self.push_field(Field { name: Name::of(text), text, value, sensitive });
    }

    fn push_field(&mut self, field: Field<'_>) {
        let fields = Arc::make_mut(self.0.get_or_insert_default());
        fields.push_entry(field.name, field.text, field.value, field.sensitive);
    }
}

/// A received field section as metadata, without a copy.
impl From<Arc<Fields>> for Metadata {
    fn from(fields: Arc<Fields>) -> Self {
        Self(Some(fields))
    }
}

impl From<Fields> for Metadata {
    fn from(fields: Fields) -> Self {
        if fields.is_empty() { Self(None) } else { Self(Some(Arc::new(fields))) }
    }
}

/// The same names and values in the same order.
impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Metadata {}

impl<'a> IntoIterator for &'a Metadata {
    type Item = MetadataEntry<'a>;
    type IntoIter = MetadataIter<'a>;

    fn into_iter(self) -> MetadataIter<'a> {
        self.iter()
    }
}

/// As `name: value` pairs. Sensitive values, `authorization` and `cookie` are not shown.
impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for field in self.visible() {
            let hidden = field.sensitive || matches!(field.name, Name::Authorization | Name::Cookie);
            let value = if hidden { "(sensitive)".into() } else { String::from_utf8_lossy(field.value) };
            map.entry(&String::from_utf8_lossy(field.text), &value);
        }
        map.finish()
    }
}

/// One name and value of a [`Metadata`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetadataEntry<'a> {
    /// A name and its text.
    Text(&'a str, &'a str),
    /// A name that ends in `-bin` and its bytes.
    Binary(&'a str, Bytes),
}

/// The names and values of a [`Metadata`] in order. Made by [`Metadata::iter`].
#[derive(Clone)]
pub struct MetadataIter<'a> {
    fields: Option<FieldsIter<'a>>,
    /// The name of a binary field, and what of its joined values is still to come.
    binary: Option<(&'a str, &'a [u8])>,
}

impl<'a> Iterator for MetadataIter<'a> {
    type Item = MetadataEntry<'a>;

    fn next(&mut self) -> Option<MetadataEntry<'a>> {
        loop {
            if let Some((name, values)) = self.binary.take() {
                let mut split = values.splitn(2, |&byte| byte == b',');
                let first = split.next().unwrap_or_default();
                self.binary = split.next().map(|rest| (name, rest));
                match decode_base64(first) {
                    Some(value) => return Some(MetadataEntry::Binary(name, Bytes::from(value))),
                    None => continue,
                }
            }
            let field = self.fields.as_mut()?.next()?;
            let Ok(name) = std::str::from_utf8(field.text) else { continue };
            if is_protocol(field) {
                continue;
            }
            if is_binary(field.text) {
                self.binary = Some((name, field.value));
            } else if let Some(value) = ascii_value(field.value) {
                return Some(MetadataEntry::Text(name, value));
            }
        }
    }
}

/// Why a name or value was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidMetadata {
    /// The name has a character other than `0-9 a-z A-Z _ - .`, or none at all.
    Name(String),
    /// The name belongs to the protocol.
    Reserved(String),
    /// The name ends in `-bin`, so its values are bytes.
    Binary(String),
    /// The name does not end in `-bin`, so its values are text.
    Text(String),
    /// The value of this name is not printable ASCII.
    Value(String),
    /// The value of this name is longer than [`Metadata::MAX_VALUE_BYTES`].
    TooLong(String),
}

impl fmt::Display for InvalidMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => {
                write!(f, "metadata name {name:?}: only 0-9, a-z, '_', '-' and '.' are allowed")
            }
            Self::Reserved(name) => {
                write!(f, "metadata name {name:?} belongs to the protocol: choose another")
            }
            Self::Binary(name) => {
                write!(f, "metadata {name:?} ends in \"-bin\": set its bytes by append_bin")
            }
            Self::Text(name) => {
                write!(f, "metadata {name:?} has bytes as value: its name must end in \"-bin\"")
            }
            Self::Value(name) => {
                write!(
                    f,
                    "the value of metadata {name:?} is not printable ASCII: use a name that ends in \"-bin\""
                )
            }
            Self::TooLong(name) => {
                write!(f, "the value of metadata {name:?} is longer than {} bytes", Metadata::MAX_VALUE_BYTES)
            }
        }
    }
}

impl std::error::Error for InvalidMetadata {}

/// It is the program's mistake, so `?` makes it `INTERNAL`.
impl From<InvalidMetadata> for Status {
    fn from(error: InvalidMetadata) -> Self {
        Status::internal(error.to_string())
    }
}

/// Base64 without padding (PROTOCOL-HTTP2: "should emit un-padded values").
pub(crate) fn encode_base64(value: &[u8]) -> String {
    BASE64.encode(value)
}

/// Base64 with padding or without (PROTOCOL-HTTP2: "MUST accept padded and un-padded values").
pub(crate) fn decode_base64(value: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(value.trim_ascii()).ok()
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// PROTOCOL-HTTP2, Custom-Metadata: implementations must split binary headers on ",".
fn binary_values(value: &[u8]) -> impl Iterator<Item = Bytes> {
    value.split(|&byte| byte == b',').filter_map(decode_base64).map(Bytes::from)
}

/// PROTOCOL-HTTP2, ASCII-Value: what HTTP allows beyond it is no error, and is thrown away, so that an application can
/// always send on what it was given.
fn ascii_value(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|value| is_ascii_value(value))
}

fn is_ascii_value(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn is_binary(name: &[u8]) -> bool {
    name.len() >= 4 && name[name.len() - 4..].eq_ignore_ascii_case(b"-bin")
}

/// Whether a field is the protocol's own. Names that begin with `grpc-` and are not in the gRPC documents are for the
/// application to see, as `grpc-trace-bin` is.
fn is_protocol(field: Field<'_>) -> bool {
    match field.name {
        Name::Other => field.text.starts_with(b":") || field.text == b"grpc-message-type",
        Name::Connection
        | Name::ContentLength
        | Name::ContentType
        | Name::Host
        | Name::KeepAlive
        | Name::ProxyConnection
        | Name::Te
        | Name::TransferEncoding
        | Name::Upgrade
        | Name::GrpcAcceptEncoding
        | Name::GrpcEncoding
        | Name::GrpcMessage
        | Name::GrpcStatus
        | Name::GrpcStatusDetailsBin
        | Name::GrpcTimeout => true,
        name => name.is_pseudo(),
    }
}

fn checked_text<'a>(name: &str, value: &'a str) -> Result<(String, &'a str), InvalidMetadata> {
    let name = checked_name(name)?;
    // PROTOCOL-HTTP2: white space around a value may be stripped; RFC 9113 §8.2.1 does not allow it.
    let value = value.trim_matches(' ');
    if is_binary(name.as_bytes()) {
        return Err(InvalidMetadata::Binary(name));
    }
    if !is_ascii_value(value) {
        return Err(InvalidMetadata::Value(name));
    }
    if value.len() > Metadata::MAX_VALUE_BYTES {
        return Err(InvalidMetadata::TooLong(name));
    }
    Ok((name, value))
}

fn checked_binary(name: &str, value: &[u8]) -> Result<String, InvalidMetadata> {
    let name = checked_name(name)?;
    if !is_binary(name.as_bytes()) {
        return Err(InvalidMetadata::Text(name));
    }
    if value.len() > Metadata::MAX_VALUE_BYTES {
        return Err(InvalidMetadata::TooLong(name));
    }
    Ok(name)
}

fn checked_name(name: &str) -> Result<String, InvalidMetadata> {
    // PROTOCOL-HTTP2, Header-Name.
    let allowed = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(allowed) {
        return Err(InvalidMetadata::Name(name.chars().take(MAX_NAME_BYTES).collect()));
    }
    let name = name.to_ascii_lowercase();
    let text = name.as_bytes();
    let field = Field { name: Name::of(text), text, value: b"", sensitive: false };
    let future = name.starts_with("grpc-") && !SETTABLE.contains(&name.as_str());
    if is_protocol(field) || future || field.name == Name::UserAgent {
        return Err(InvalidMetadata::Reserved(name));
    }
    Ok(name)
}

/// Names beyond this length serve nobody.
const MAX_NAME_BYTES: usize = 1024;

/// Names that begin with `grpc-` and are for applications and their libraries: the server's word in gRFC A6, and
/// the contexts of tracing and census.
const SETTABLE: [&str; 3] = ["grpc-retry-pushback-ms", "grpc-trace-bin", "grpc-tags-bin"];

#[cfg(test)]
mod tests;
