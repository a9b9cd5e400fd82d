//! Details of a status: messages of any type, carried as bytes.

use crate::code::Code;
use bytes::Bytes;
use std::borrow::Cow;

/// A message that a status can carry. The messages of `google.rpc` (crate `gannet-types`) implement it.
pub trait Detail: Sized {
    /// The type's URL in `google.protobuf.Any`, such as `type.googleapis.com/google.rpc.BadRequest`.
    const TYPE_URL: &'static str;

    /// The message as binary protobuf.
    fn encode(&self) -> Vec<u8>;

    /// Reads the message. `None` where the bytes are not one.
    fn decode(value: Bytes) -> Option<Self>;
}

/// A detail as it is on the wire: a `google.protobuf.Any`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnyDetail {
    /// Names the type of `value` after its last slash.
    pub type_url: Cow<'static, str>,
    /// The message as binary protobuf.
    pub value: Bytes,
}

impl AnyDetail {
    /// A detail of a type that may not be known here.
    #[must_use]
    pub fn new(type_url: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) -> Self {
        Self { type_url: type_url.into(), value: value.into() }
    }

    /// Packs a message.
    #[must_use]
    pub fn pack<D: Detail>(detail: &D) -> Self {
        Self::new(D::TYPE_URL, detail.encode())
    }

    /// The message, where it is of this type.
    #[must_use]
    pub fn unpack<D: Detail>(&self) -> Option<D> {
        // google/protobuf/any.proto: only what follows the last slash names the type.
        if type_name(&self.type_url) == type_name(D::TYPE_URL) { D::decode(self.value.clone()) } else { None }
    }

    /// The full name of the message's type, such as `google.rpc.BadRequest`.
    #[must_use]
    pub fn type_name(&self) -> &str {
        type_name(&self.type_url)
    }
}

fn type_name(url: &str) -> &str {
    url.rsplit_once('/').map_or(url, |(_, name)| name)
}

// google.rpc.Status is `{ int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }` and
// Any is `{ string type_url = 1; bytes value = 2; }`: five fields, coded here so that the core needs no protobuf.

/// The keys of the length-delimited fields: number << 3 | 2.
const MESSAGE: u64 = 2 << 3 | 2;
const DETAILS: u64 = 3 << 3 | 2;
const ANY_TYPE_URL: u64 = 1 << 3 | 2;
const ANY_VALUE: u64 = 2 << 3 | 2;

/// Encodes a `google.rpc.Status`.
pub(crate) fn encode_status(code: Code, message: &str, details: &[AnyDetail]) -> Vec<u8> {
    let mut out = Vec::new();
    // A key of 1 << 3 | 0: a varint.
    out.extend_from_slice(&[1 << 3, code.number() as u8]);
    put_bytes(MESSAGE, message.as_bytes(), &mut out);
    for detail in details {
        let mut any = Vec::with_capacity(detail.type_url.len() + detail.value.len() + 12);
        put_bytes(ANY_TYPE_URL, detail.type_url.as_bytes(), &mut any);
        put_bytes(ANY_VALUE, &detail.value, &mut any);
        put_varint(DETAILS, &mut out);
        put_varint(any.len() as u64, &mut out);
        out.extend_from_slice(&any);
    }
    out
}

/// The details of an encoded `google.rpc.Status`; those before the first error where it is broken.
pub(crate) fn decode_details(status: &Bytes) -> Vec<AnyDetail> {
    let mut details = Vec::new();
    for (key, value) in LengthDelimited::new(status) {
        if key == DETAILS {
            details.push(decode_any(&value));
        }
    }
    details
}

fn decode_any(any: &Bytes) -> AnyDetail {
    let mut detail = AnyDetail { type_url: Cow::Borrowed(""), value: Bytes::new() };
    for (key, value) in LengthDelimited::new(any) {
        match key {
            ANY_TYPE_URL => detail.type_url = Cow::Owned(String::from_utf8_lossy(&value).into_owned()),
            ANY_VALUE => detail.value = value,
            _ => {}
        }
    }
    detail
}

/// Proto3 leaves an empty field out.
fn put_bytes(key: u64, value: &[u8], out: &mut Vec<u8>) {
    if !value.is_empty() {
        put_varint(key, out);
        put_varint(value.len() as u64, out);
        out.extend_from_slice(value);
    }
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The length-delimited fields of a message as (key, value); other fields are skipped. It ends at the first error.
struct LengthDelimited {
    rest: Bytes,
}

impl LengthDelimited {
    fn new(message: &Bytes) -> Self {
        Self { rest: message.clone() }
    }

    fn next_field(&mut self) -> Option<(u64, Option<Bytes>)> {
        let key = self.take_varint()?;
        let value = match key & 7 {
            0 => self.take_varint().map(|_| None)?,
            1 => self.take(8).map(|_| None)?,
            2 => {
                let len = usize::try_from(self.take_varint()?).ok()?;
                Some(self.take(len)?)
            }
            5 => self.take(4).map(|_| None)?,
            // Groups (3, 4) are not in these messages; 6 and 7 are not defined.
            _ => return None,
        };
        Some((key, value))
    }

    fn take(&mut self, len: usize) -> Option<Bytes> {
        (len <= self.rest.len()).then(|| self.rest.split_to(len))
    }

    fn take_varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, _) = self.rest.split_first()?;
            self.take(1)?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl Iterator for LengthDelimited {
    type Item = (u64, Bytes);

    fn next(&mut self) -> Option<(u64, Bytes)> {
        loop {
            if let (key, Some(value)) = self.next_field()? {
                return Some((key, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_are_those_of_google_rpc_status() {
        let details = [AnyDetail::new("t/A", &b"xy"[..])];
        let encoded = encode_status(Code::NotFound, "no", &details);
        assert_eq!(encoded, b"\x08\x05\x12\x02no\x1a\x09\x0a\x03t/A\x12\x02xy");
        assert_eq!(decode_details(&Bytes::from(encoded)), details);
    }

    #[test]
    fn unknown_fields_are_skipped_and_a_broken_end_keeps_what_came_before() {
        let mut encoded = encode_status(Code::Internal, "", &[AnyDetail::new("A", &b""[..])]);
        encoded.extend_from_slice(b"\x20\x96\x01\x29abcdefgh\x35abcd");
        encoded.extend_from_slice(b"\x1a\x03\x0a\x01B\x1a\xff\xff\xff\xff\x0f");
        let names: Vec<_> =
            decode_details(&Bytes::from(encoded)).into_iter().map(|any| any.type_url).collect();
        assert_eq!(names, ["A", "B"]);
    }

    proptest! {
        #[test]
        fn round_trip(message in any::<String>(), url in "[a-z/.]{0,200}", value in any::<Vec<u8>>(), count in 0..4usize) {
            let details = vec![AnyDetail::new(url, value); count];
            let encoded = Bytes::from(encode_status(Code::Aborted, &message, &details));
            prop_assert_eq!(decode_details(&encoded), details);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in any::<Vec<u8>>()) {
            decode_details(&Bytes::from(bytes));
        }
    }
}
