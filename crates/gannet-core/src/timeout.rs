//! `grpc-timeout`: how long the caller waits (PROTOCOL-HTTP2, Timeout).

use std::fmt;
use std::time::Duration;

/// At most eight digits may stand before the unit.
const MAX_DIGITS: usize = 8;
const MAX_VALUE: u64 = 99_999_999;

/// Each unit's letter and its length in nanoseconds, finest first.
const UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60 * 1_000_000_000),
    (b'H', 3_600 * 1_000_000_000),
];

/// Reads a `grpc-timeout`. `None` where it is malformed. The longest that can be written, 99,999,999 hours, is more
/// than 11,000 years: callers add it to a time with `checked_add`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(gannet_core::parse_timeout(b"250m"), Some(Duration::from_millis(250)));
/// assert_eq!(gannet_core::parse_timeout(b"1.5S"), None);
/// ```
#[must_use]
pub fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (&unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    let duration = match unit {
        b'n' => Duration::from_nanos(value),
        b'u' => Duration::from_micros(value),
        b'm' => Duration::from_millis(value),
        b'S' => Duration::from_secs(value),
        b'M' => Duration::from_secs(value * 60),
        b'H' => Duration::from_secs(value * 3_600),
        _ => return None,
    };
    Some(duration)
}

/// Writes a `grpc-timeout` in the finest unit that fits, rounded up, so that the server never gives up before the
/// client does. Zero becomes `1n`, because the value must be positive; what is too long becomes the longest.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(gannet_core::format_timeout(Duration::from_secs(1)).as_str(), "1000000u");
/// ```
#[must_use]
pub fn format_timeout(timeout: Duration) -> TimeoutText {
    let nanos = timeout.as_nanos().max(1);
    let fitting = UNITS.iter().find_map(|&(unit, length)| {
        let value = nanos.div_ceil(u128::from(length));
        (value <= u128::from(MAX_VALUE)).then_some((value as u64, unit))
    });
    let (value, unit) = fitting.unwrap_or((MAX_VALUE, b'H'));
    TimeoutText::new(value, unit)
}

/// The text of a `grpc-timeout`, without an allocation. Made by [`format_timeout`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimeoutText {
    /// Right-aligned: the digits, then the unit.
    text: [u8; MAX_DIGITS + 1],
    start: u8,
}

impl TimeoutText {
    fn new(mut value: u64, unit: u8) -> Self {
        let mut text = [b'0'; MAX_DIGITS + 1];
        text[MAX_DIGITS] = unit;
        let mut start = MAX_DIGITS;
        while value > 0 && start > 0 {
            start -= 1;
            text[start] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        Self { text, start: start as u8 }
    }

    /// The text as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.start as usize..]
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only digits and a letter were written.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for TimeoutText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TimeoutText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parsing() {
        for (text, duration) in [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("0n", Some(Duration::ZERO)),
            ("00000001S", Some(Duration::from_secs(1))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3_600))),
            // Nine digits, no digits, no unit, unknown unit, sign, fraction, space.
            ("100000000n", None),
            ("S", None),
            ("1", None),
            ("", None),
            ("1s", None),
            ("1h", None),
            ("-1S", None),
            ("+1S", None),
            ("1.5S", None),
            (" 1S", None),
            ("1S ", None),
            ("1SS", None),
        ] {
            assert_eq!(parse_timeout(text.as_bytes()), duration, "{text:?}");
        }
    }

    #[test]
    fn formatting() {
        for (duration, text) in [
            (Duration::ZERO, "1n"),
            (Duration::from_nanos(1), "1n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_000), "100000u"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(1), "1000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666667M"),
            (Duration::from_secs(100_000_000 * 60), "1666667H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(format_timeout(duration).as_str(), text, "{duration:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_never_shorter_and_nearly_the_same(nanos in 1..u64::MAX) {
            let duration = Duration::from_nanos(nanos);
            let read = parse_timeout(format_timeout(duration).as_bytes()).unwrap();
            prop_assert!(read >= duration);
            // A unit is at most 3,600 times the next finer one, which did not fit into eight digits.
            prop_assert!((read - duration).as_nanos() <= duration.as_nanos() / 100_000);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let _ = parse_timeout(&bytes);
        }
    }
}
