//! The percent-encoding of `grpc-message` (PROTOCOL-HTTP2, Responses).

use std::borrow::Cow;

/// Appends the encoded form of `text`: every byte but space and visible ASCII without `%` becomes `%XX`, and so does a
/// space at either end, which no field value may have (RFC 9113 §8.2.1).
pub(crate) fn encode(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let last = text.len().saturating_sub(1);
    for (place, &byte) in text.as_bytes().iter().enumerate() {
        let at_an_end = place == 0 || place == last;
        if stands_for_itself(byte) && !(byte == b' ' && at_an_end) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// How many bytes the encoded form of `text` has.
pub(crate) fn encoded_len(text: &str) -> usize {
    len_within(text) + more_at_the_ends(text)
}

/// The longest beginning of `text`, cut between characters, whose encoded form has at most `limit_bytes`.
pub(crate) fn cut(text: &str, limit_bytes: usize) -> &str {
    let (mut used, mut kept) = (0, "");
    for (place, character) in text.char_indices() {
        let beginning = &text[..place + character.len_utf8()];
        used += len_within(&beginning[place..]);
        if used > limit_bytes {
            break;
        }
        if used + more_at_the_ends(beginning) <= limit_bytes {
            kept = beginning;
        }
    }
    kept
}

/// As [`encoded_len`], of text that has others on both sides.
fn len_within(text: &str) -> usize {
    text.bytes().map(|byte| if stands_for_itself(byte) { 1 } else { 3 }).sum()
}

fn more_at_the_ends(text: &str) -> usize {
    2 * usize::from(text.starts_with(' ')) + 2 * usize::from(text.len() > 1 && text.ends_with(' '))
}

/// Decodes leniently: a broken `%` stays as it is, and what is not UTF-8 becomes U+FFFD (PROTOCOL-HTTP2: decoding
/// "MUST NOT error or throw away the message").
pub(crate) fn decode(value: &[u8]) -> String {
    if !value.contains(&b'%') {
        return String::from_utf8_lossy(value).into_owned();
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    match String::from_utf8_lossy(&bytes) {
        Cow::Owned(text) => text,
        Cow::Borrowed(text) => text.to_owned(),
    }
}

const fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'%'
}

/// The value of a hexadecimal digit.
const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &str) -> String {
        let mut out = Vec::new();
        encode(text, &mut out);
        assert_eq!(out.len(), encoded_len(text));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn encoding() {
        for (text, wire) in [
            ("", ""),
            ("Hello, World!", "Hello, World!"),
            ("100%", "100%25"),
            ("a\r\nb\tc", "a%0D%0Ab%09c"),
            ("~\u{7f}", "~%7F"),
            // RFC 9113 §8.2.1: no space at either end of a value.
            (" a b ", "%20a b%20"),
            (" ", "%20"),
            ("  ", "%20%20"),
            (
                "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
                "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A",
            ),
        ] {
            assert_eq!(encoded(text), wire);
            assert_eq!(decode(wire.as_bytes()), text);
        }
    }

    #[test]
    fn decoding_is_lenient() {
        for (wire, text) in [
            ("%e2%98%ba", "☺"),
            ("%", "%"),
            ("%4", "%4"),
            ("%G1%41", "%G1A"),
            ("%%41", "%A"),
            ("%FF!", "\u{fffd}!"),
            ("☺", "☺"),
        ] {
            assert_eq!(decode(wire.as_bytes()), text, "{wire}");
        }
    }

    #[test]
    fn cutting_between_characters() {
        for (text, limit, kept) in [
            ("abc", 2, "ab"),
            ("abc", 3, "abc"),
            ("a☺b", 9, "a"),
            ("a☺b", 10, "a☺"),
            ("☺", 0, ""),
            ("", 0, ""),
            ("a b", 2, "a"),
            ("a b", 3, "a b"),
            (" a", 2, ""),
            (" a", 3, " "),
            (" a", 4, " a"),
        ] {
            assert_eq!(cut(text, limit), kept);
        }
    }

    proptest! {
        #[test]
        fn round_trip(text in any::<String>()) {
            prop_assert_eq!(decode(encoded(&text).as_bytes()), text);
        }

        #[test]
        fn a_cut_fits(text in any::<String>(), limit in 0..200usize) {
            let kept = cut(&text, limit);
            prop_assert!(text.starts_with(kept));
            prop_assert!(encoded_len(kept) <= limit);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
