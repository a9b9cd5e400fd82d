//! What time does to a connection as a whole: keepalive, age, idleness. No state of HTTP/2, no clock.

use gannet_core::{Keepalive, KeepaliveAction, KeepaliveConfig, Lifetime, LifetimeAction, LifetimeConfig};
use std::time::Instant;

/// Keepalive and lifetime of one connection, with the one time to look at them.
///
/// That time is only ever too early: bytes that come put the keepalive off, but the timer stays until it fires and is
/// set anew then. So a busy connection does not move a timer with every read.
pub(crate) struct Upkeep {
    keepalive: Option<Keepalive>,
    lifetime: Option<Lifetime>,
    wake_at: Option<Instant>,
    had_calls: bool,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpkeepAction {
    /// Ask whether the peer is there.
    Ping,
    /// The peer did not answer a PING.
    PeerIsGone,
    /// Take no new calls.
    Drain,
    /// End the calls that are left.
    Cut,
}

impl Upkeep {
    /// Of a connection that begins now. `jitter` is a random number from 0 to 1.
    pub(crate) fn new(
        keepalive: Option<KeepaliveConfig>,
        lifetime: LifetimeConfig,
        now: Instant,
        jitter: f64,
    ) -> Self {
        let lifetime = (lifetime != LifetimeConfig::default()).then(|| Lifetime::new(lifetime, now, jitter));
        let keepalive = keepalive.map(|config| Keepalive::new(config, now));
        let mut upkeep = Self { keepalive, lifetime, wake_at: None, had_calls: false };
        upkeep.set_timer();
        upkeep
    }

    /// Bytes have come from the peer.
    #[inline]
    pub(crate) fn heard(&mut self, now: Instant) {
        if let Some(keepalive) = &mut self.keepalive {
            keepalive.heard(now);
        }
    }

    /// Whether calls are open, and whether one has begun since the last time.
    #[inline]
    pub(crate) fn calls(&mut self, now: Instant, open: bool, begun: bool) {
        if let (Some(lifetime), true) = (&mut self.lifetime, open || begun || self.had_calls) {
            lifetime.busy(now);
        }
        if open && !self.had_calls {
            // gRFC A8: the first call after a long silence asks at once.
            let keepalive = self.keepalive.as_ref().and_then(|keepalive| keepalive.next(true));
            self.wake_at = self.wake_at.into_iter().chain(keepalive).min();
        }
        self.had_calls = open;
    }

    /// When to call [`Upkeep::poll`].
    #[inline]
    pub(crate) fn next(&self) -> Option<Instant> {
        self.wake_at
    }

    /// What is to be done now; asked until there is nothing.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<UpkeepAction> {
        if self.wake_at.is_none_or(|at| at > now) {
            return None;
        }
        let has_calls = self.had_calls;
        let lifetime = self.lifetime.as_mut().and_then(|lifetime| lifetime.poll(now, has_calls));
        let action = match lifetime {
            Some(LifetimeAction::Drain) => Some(UpkeepAction::Drain),
            Some(LifetimeAction::Cut) => Some(UpkeepAction::Cut),
            None => match self.keepalive.as_mut().and_then(|keepalive| keepalive.poll(now, has_calls)) {
                Some(KeepaliveAction::Ping) => Some(UpkeepAction::Ping),
                Some(KeepaliveAction::GiveUp) => Some(UpkeepAction::PeerIsGone),
                None => None,
            },
        };
        if action.is_none() {
            self.set_timer();
        }
        action
    }

    fn set_timer(&mut self) {
        let keepalive = self.keepalive.as_ref().and_then(|keepalive| keepalive.next(self.had_calls));
        let lifetime = self.lifetime.as_ref().and_then(Lifetime::next);
        self.wake_at = keepalive.into_iter().chain(lifetime).min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn keepalive(without_calls: bool) -> Option<KeepaliveConfig> {
        Some(KeepaliveConfig { interval: 10 * SECOND, timeout: 3 * SECOND, without_calls })
    }

    /// Bytes do not move the timer; it finds out when it fires.
    #[test]
    fn a_busy_connection_moves_no_timer() {
        let start = Instant::now();
        let mut upkeep = Upkeep::new(keepalive(true), LifetimeConfig::default(), start, 0.0);
        for second in 1..10 {
            upkeep.heard(start + second * SECOND);
            upkeep.calls(start + second * SECOND, second % 2 == 0, true);
            assert_eq!(upkeep.next(), Some(start + 10 * SECOND));
        }
        assert_eq!(upkeep.poll(start + 10 * SECOND), None);
        assert_eq!(upkeep.next(), Some(start + 19 * SECOND));
        assert_eq!(upkeep.poll(start + 19 * SECOND), Some(UpkeepAction::Ping));
        assert_eq!(upkeep.poll(start + 19 * SECOND), None);
        assert_eq!(upkeep.poll(start + 22 * SECOND), Some(UpkeepAction::PeerIsGone));
    }

    /// gRFC A8: the first call after a silence without calls asks at once, whatever else the timer waits for.
    #[test]
    fn the_first_call_after_a_silence_asks() {
        let start = Instant::now();
        let old = LifetimeConfig { max_age: Some(1000 * SECOND), ..LifetimeConfig::default() };
        for lifetime in [LifetimeConfig::default(), old] {
            let mut upkeep = Upkeep::new(keepalive(false), lifetime, start, 0.5);
            let now = start + 60 * SECOND;
            assert_eq!(upkeep.poll(now), None);
            upkeep.calls(now, true, true);
            assert!(upkeep.next().is_some_and(|at| at <= now));
            assert_eq!(upkeep.poll(now), Some(UpkeepAction::Ping));
        }
    }

    #[test]
    fn calls_that_come_and_go_keep_a_connection_from_being_idle() {
        let start = Instant::now();
        let lifetime = LifetimeConfig { max_idle: Some(10 * SECOND), ..LifetimeConfig::default() };
        let mut upkeep = Upkeep::new(None, lifetime, start, 0.5);
        // A call that began and ended in one turn, and PINGs, which are no calls.
        upkeep.calls(start + 5 * SECOND, false, true);
        upkeep.heard(start + 12 * SECOND);
        assert_eq!(upkeep.poll(start + 10 * SECOND), None);
        assert_eq!(upkeep.poll(start + 15 * SECOND), Some(UpkeepAction::Drain));
    }
}
