//! How long to wait before the next attempt to connect (gRPC connection-backoff.md).

use std::time::{Duration, Instant};

/// The parameters of the connection backoff.
///
/// ```
/// use gannet_core::BackoffConfig;
/// use std::time::Duration;
///
/// let config = BackoffConfig::new().max(Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffConfig {
    initial: Duration,
    multiplier: f64,
    max: Duration,
    jitter: f64,
    min_connect_timeout: Duration,
}

impl BackoffConfig {
    /// The parameters of the gRPC document.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            initial: Duration::from_secs(1),
            multiplier: 1.6,
            max: Duration::from_secs(120),
            jitter: 0.2,
            min_connect_timeout: Duration::from_secs(20),
        }
    }

    /// From the start of the first attempt to the start of the second. Default: 1 s.
    #[must_use]
    pub const fn initial(mut self, initial: Duration) -> Self {
        self.initial = initial;
        self
    }

    /// By how much each wait is longer than the one before. Default: 1.6; not below 1.
    #[must_use]
    pub const fn multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier.max(1.0);
        self
    }

    /// The longest wait, before the jitter. Default: 120 s.
    #[must_use]
    pub const fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// How far a wait may differ either way, as a part of it, so that clients that lost one server do not all come
    /// back at once. Default: 0.2; from 0 to 1.
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.jitter = jitter.clamp(0.0, 1.0);
        self
    }

    /// How long an attempt is given at least. Default: 20 s.
    #[must_use]
    pub const fn min_connect_timeout(mut self, timeout: Duration) -> Self {
        self.min_connect_timeout = timeout;
        self
    }
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The backoff of one address: begins each attempt, and is reset by success.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    /// The wait of the last attempt, without the jitter; `None` before the first.
    current: Option<Duration>,
}

/// When an attempt to connect is over, and when the next may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The attempt is given up at this time.
    pub deadline: Instant,
    /// The next attempt starts no sooner, however soon this one fails.
    pub next_start: Instant,
}

impl Backoff {
    /// Before the first attempt.
    #[must_use]
    pub const fn new(config: BackoffConfig) -> Self {
        Self { config, current: None }
    }

    /// An attempt starts. `random` is a random number from 0 to 1.
    pub fn start_attempt(&mut self, now: Instant, random: f64) -> Attempt {
        let current = match self.current {
            None => self.config.initial,
            Some(current) => scaled(current, self.config.multiplier),
        };
        let current = current.min(self.config.max);
        self.current = Some(current);
        // connection-backoff.md adds no jitter to the first wait; we do, because clients that have lost the same
        // server must disperse from the first attempt on.
        let wait = scaled(current, 1.0 + self.config.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0));
        Attempt { deadline: now + wait.max(self.config.min_connect_timeout), next_start: now + wait }
    }

    /// An attempt has succeeded: the next wait is the initial one again.
    pub fn reset(&mut self) {
        self.current = None;
    }
}

/// Waits longer than a year serve nobody, and keep `now + wait` within what a clock can say.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests need a time to start from")]

    use super::*;
    use proptest::prelude::*;

    /// connection-backoff.md: 1 s, × 1.6 each time, 120 s at most, 20 s at least for an attempt.
    #[test]
    fn the_documents_parameters() {
        let now = Instant::now();
        let mut backoff = Backoff::new(BackoffConfig::new());
        let mut waits = || {
            let attempt = backoff.start_attempt(now, 0.5);
            let wait = attempt.next_start - now;
            assert_eq!(attempt.deadline - now, wait.max(Duration::from_secs(20)));
            wait.as_millis()
        };
        let expected =
            [1_000, 1_600, 2_560, 4_096, 6_553, 10_485, 16_777, 26_843, 42_949, 68_719, 109_951, 120_000];
        for wait in expected.into_iter().chain([120_000]) {
            assert_eq!(waits(), wait);
        }
        backoff.reset();
        assert_eq!(backoff.start_attempt(now, 0.5).next_start - now, Duration::from_secs(1));
    }

    #[test]
    fn jitter_is_a_fifth_either_way() {
        let now = Instant::now();
        let wait = |random| Backoff::new(BackoffConfig::new()).start_attempt(now, random).next_start - now;
        assert_eq!([wait(0.0), wait(1.0)], [Duration::from_millis(800), Duration::from_millis(1_200)]);
    }

    proptest! {
        #[test]
        fn no_parameter_panics(initial: u64, multiplier: f64, max: u64, jitter: f64, random: f64) {
            let config = BackoffConfig::new()
                .initial(Duration::from_millis(initial))
                .multiplier(multiplier)
                .max(Duration::from_millis(max))
                .jitter(jitter);
            let (now, mut backoff) = (Instant::now(), Backoff::new(config));
            for _ in 0..5 {
                prop_assert!(backoff.start_attempt(now, random).next_start >= now);
            }
        }
    }
}
