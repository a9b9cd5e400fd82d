//! How much must be under way to keep a path full: bandwidth × delay, measured by PINGs.
//!
//! A window smaller than that makes the peer wait for WINDOW_UPDATE once in every round trip. What comes from one DATA
//! frame, with which a PING goes out, to that PING's answer is a sample: one round trip's worth of data. As long as the
//! samples fill what is allowed and come faster than before, the window is what limits, and twice the sample is the next
//! thing to try.

use std::time::{Duration, Instant};

/// What the PING of a sample carries, to tell its answer from others.
pub(super) const SAMPLE_PING: [u8; 8] = *b"bandwide";

/// The measured path.
#[derive(Debug, Default)]
pub(super) struct Bandwidth {
    /// Bandwidth × delay in bytes, 0 before it is known.
    product: u32,
    /// The highest rate of a sample, in bytes per second.
    fastest: u64,
    /// Bytes of DATA that the connection has ever received.
    received: u64,
    sample: Option<Sample>,
    /// A stream has used half of its window since the last sample: a larger one could serve it.
    wanted: bool,
    /// No sample before this time.
    rest_until: Option<Instant>,
    rest: Duration,
}

#[derive(Debug)]
struct Sample {
    since: Instant,
    received_before: u64,
}

impl Bandwidth {
    /// A path that no longer gets faster is looked at less and less often, so that PINGs do not go on for ever.
    const SHORTEST_REST: Duration = Duration::from_millis(100);
    const LONGEST_REST: Duration = Duration::from_secs(10);

    /// The window that keeps the path full, as far as it is known.
    pub(super) fn product(&self) -> u32 {
        self.product
    }

    /// A stream has used half of its window. `most` is the largest that it could get.
    pub(super) fn want(&mut self, most: u32) {
        self.wanted = self.product < most;
    }

    /// DATA has come. Says whether a sample begins, for which the PING is to be sent.
    #[inline]
    pub(super) fn received(&mut self, now: Instant, bytes: u32) -> bool {
        let begins = self.wanted && self.begin(now);
        self.received += u64::from(bytes);
        begins
    }

    fn begin(&mut self, now: Instant) -> bool {
        if self.sample.is_some() || self.rest_until.is_some_and(|until| until > now) {
            return false;
        }
        self.wanted = false;
        self.sample = Some(Sample { since: now, received_before: self.received });
        true
    }

    /// The PING's answer has come. Says whether it was one of ours.
    pub(super) fn end(&mut self, now: Instant, window: u32, most: u32) -> bool {
        let Some(sample) = self.sample.take() else { return false };
        let bytes = self.received - sample.received_before;
        let micros = now.saturating_duration_since(sample.since).as_micros().max(1) as u64;
        let rate = bytes.saturating_mul(1_000_000) / micros;
        let allowed = u64::from(self.product.max(window));
        if bytes * 3 >= allowed * 2 && rate > self.fastest {
            self.product = u32::try_from(bytes * 2).unwrap_or(u32::MAX).min(most).max(self.product);
            (self.rest, self.rest_until) = (Duration::ZERO, None);
        } else {
            self.rest = (self.rest * 2).clamp(Self::SHORTEST_REST, Self::LONGEST_REST);
            self.rest_until = Some(now + self.rest);
        }
        self.fastest = self.fastest.max(rate);
        true
    }
}
