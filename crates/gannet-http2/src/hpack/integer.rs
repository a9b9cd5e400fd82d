//! Integers with a prefix (RFC 7541 §5.1).

use super::HpackError;

/// Reads an integer whose first byte shares its upper bits. Gives the value and what follows.
#[inline]
pub(super) fn decode(input: &[u8], prefix_bits: u32) -> Result<(usize, &[u8]), HpackError> {
    let (&first, mut rest) = input.split_first().ok_or(HpackError("an integer ends early"))?;
    let mask = (1usize << prefix_bits) - 1;
    let mut value = usize::from(first) & mask;
    if value < mask {
        return Ok((value, rest));
    }
    // RFC 7541 §5.1: an implementation must set a limit. Four bytes reach beyond 2^28, more than any size here.
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first().ok_or(HpackError("an integer ends early"))?;
        rest = after;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok((value, rest));
        }
    }
    Err(HpackError("an integer is too large"))
}

/// Appends an integer; `first` holds the bits above the prefix.
#[inline]
pub(super) fn encode(value: usize, prefix_bits: u32, first: u8, out: &mut Vec<u8>) {
    let mask = (1usize << prefix_bits) - 1;
    if value < mask {
        out.push(first | value as u8);
        return;
    }
    out.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7541 §C.1 and the ends of each length.
    #[test]
    fn values() {
        let rows: &[(usize, u32, &[u8])] = &[
            (10, 5, &[0b01010]),
            (1337, 5, &[0b11111, 0b1001_1010, 0b0000_1010]),
            (42, 8, &[42]),
            (0, 1, &[0]),
            (1, 1, &[1, 0]),
            (127, 7, &[127, 0]),
            (128, 7, &[127, 1]),
            (255, 7, &[127, 0x80, 1]),
        ];
        for (value, bits, bytes) in rows {
            let mut out = Vec::new();
            encode(*value, *bits, 0, &mut out);
            assert_eq!(out, *bytes, "{value}");
            assert_eq!(decode(&out, *bits), Ok((*value, &[][..])));
            assert!(decode(&out[..out.len() - 1], *bits).is_err());
        }
    }

    /// RFC 7541 §5.1: integers that exceed the limit are decoding errors.
    #[test]
    fn too_large() {
        assert!(decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], 7).is_err());
        assert!(decode(&[0xff, 0x80, 0x80, 0x80, 0x80, 0x00], 7).is_err());
    }
}
