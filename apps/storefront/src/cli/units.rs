//! Sizes and times with a unit, as they are written on a command line.

use std::time::Duration;

/// `4096`, `64KiB`, `10MiB`, `1GiB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("write bytes, or a size such as 64KiB, 10MiB or 1GiB".to_owned()),
    };
    number.and_then(|number| number.checked_mul(factor)).ok_or_else(|| "this is no size".to_owned())
}

/// `500ms`, `10s`, `2m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err("write a time with its unit, such as 500ms, 10s or 2m".to_owned()),
    };
    let millis = number.and_then(|number| number.checked_mul(millis));
    // Clocks can't add what has no end.
    millis
        .filter(|millis| *millis <= LONGEST_MILLIS)
        .map(Duration::from_millis)
        .ok_or_else(|| "this is no time of at most a day".to_owned())
}

const LONGEST_MILLIS: u64 = 24 * 60 * 60 * 1_000;

/// `90s`, `15m`, `1h`, `30d` from now, in seconds; `-1h` ago.
pub(super) fn expiry(text: &str) -> Result<i64, String> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (number, unit) = split(rest);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 24 * 3_600,
        _ => return Err("write a time with its unit, such as 90s, 15m, 1h or 30d".to_owned()),
    };
    let seconds = number.and_then(|number| i64::try_from(number).ok()?.checked_mul(seconds));
    seconds.map(|seconds| sign * seconds).ok_or_else(|| "this is no time".to_owned())
}

/// The digits in front, and the rest.
fn split(text: &str) -> (Option<u64>, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (digits.parse().ok(), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [("0", 0), ("4096", 4096), ("7B", 7), ("64KiB", 65_536), ("1GiB", 1 << 30)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in
            ["", "KiB", "-1", "1.5MiB", "1 KiB", "10MB", "64kib", "99999999999999999999", "20000000000GiB"]
        {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        for (text, expected) in [("0s", 0), ("500ms", 500), ("10s", 10_000), ("2m", 120_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        for text in ["", "10", "s", "-1s", "1.5s", "1h", "99999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn expiries() {
        for (text, expected) in [("0s", 0), ("15m", 900), ("-1h", -3_600), ("30d", 2_592_000)] {
            assert_eq!(expiry(text), Ok(expected), "{text}");
        }
        for text in ["", "-", "10", "s", "--1s", "1ms", "99999999999999999999s", "9223372036854775807d"] {
            assert!(expiry(text).is_err(), "{text}");
        }
    }
}
