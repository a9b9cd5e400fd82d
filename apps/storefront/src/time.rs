//! The server's time, as the store keeps it (nanoseconds of the Unix epoch) and as messages have it.

use gannet::well_known::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in nanoseconds since 1970. It fits until the year 2262.
#[must_use]
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A time of the store as a message has it.
#[must_use]
pub fn timestamp(ns: i64) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    Timestamp {
        seconds: ns.div_euclid(SECOND),
        // Less than a second.
        nanos: ns.rem_euclid(SECOND) as i32,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nanos_are_never_negative() {
        for (ns, seconds, nanos) in [(0, 0, 0), (1_500_000_000, 1, 500_000_000), (-1, -1, 999_999_999)] {
            let timestamp = timestamp(ns);
            assert_eq!((timestamp.seconds, timestamp.nanos), (seconds, nanos), "{ns}");
        }
    }
}
