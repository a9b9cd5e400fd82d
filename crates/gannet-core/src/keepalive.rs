//! Keepalive: whether the peer of a quiet connection is still there (gRFC A8 for clients, gRFC A9 for servers), and
//! peers that ask too often.

use std::time::{Duration, Instant};

/// When a connection asks, by a PING, whether its peer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepaliveConfig {
    /// After how long without a byte from the peer it is asked.
    pub interval: Duration,
    /// How long the peer may take to say anything.
    pub timeout: Duration,
    /// Whether it is asked while no call is open.
    pub without_calls: bool,
}

impl KeepaliveConfig {
    /// gRFC A8 and A9: the time for an answer.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);
    /// gRFC A8: a client that asks more often is taken for one that asks this often.
    pub const SHORTEST_CLIENT_INTERVAL: Duration = Duration::from_secs(10);
    /// gRFC A9: how often a server asks where nobody says otherwise.
    pub const DEFAULT_SERVER_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);
}

/// The keepalive of one connection. It is told when bytes come and what time it is, and says what to do.
#[derive(Clone, Debug)]
pub struct Keepalive {
    config: KeepaliveConfig,
    /// When the peer was last heard.
    heard: Instant,
    /// When it was asked, until it is heard.
    asked: Option<Instant>,
}

/// What a [`Keepalive`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepaliveAction {
    /// Send a PING.
    Ping,
    /// The peer has not answered: end the connection.
    GiveUp,
}

impl Keepalive {
    /// The keepalive of a connection that begins now.
    #[must_use]
    pub fn new(config: KeepaliveConfig, now: Instant) -> Self {
        Self { config, heard: now, asked: None }
    }

    /// Bytes have come from the peer, whatever they are.
    #[inline]
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// What is to be done now; `has_calls` says whether calls are open.
    pub fn poll(&mut self, now: Instant, has_calls: bool) -> Option<KeepaliveAction> {
        if self.next(has_calls).is_none_or(|at| at > now) {
            return None;
        }
        if self.asked.is_some() {
            return Some(KeepaliveAction::GiveUp);
        }
        self.asked = Some(now);
        Some(KeepaliveAction::Ping)
    }

    /// When to poll next, if nothing is heard until then.
    #[must_use]
    pub fn next(&self, has_calls: bool) -> Option<Instant> {
        match self.asked {
            Some(asked) => asked.checked_add(self.config.timeout),
            // gRFC A8: without calls a connection may be silent; the first call asks at once where it has been long.
            None if has_calls || self.config.without_calls => self.heard.checked_add(self.config.interval),
            None => None,
        }
    }
}

/// How often clients may send PINGs (gRFC A9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingPolicy {
    /// The least time between two. Default 5 minutes.
    pub min_interval: Duration,
    /// Whether a client may send them while it has no call open. Default not: then they may come every two hours.
    pub without_calls: bool,
}

impl Default for PingPolicy {
    fn default() -> Self {
        Self { min_interval: Duration::from_secs(5 * 60), without_calls: false }
    }
}

/// The PINGs of one client, judged by a [`PingPolicy`].
#[derive(Clone, Debug)]
pub struct PingStrikes {
    policy: PingPolicy,
    last: Option<Instant>,
    strikes: u32,
}

impl PingStrikes {
    /// gRFC A9: so many may come too soon.
    const ALLOWED: u32 = 2;
    /// gRFC A9: TCP's own keepalive asks this often, so nobody may be blamed for it.
    const ALWAYS_ALLOWED: Duration = Duration::from_secs(2 * 60 * 60);

    /// Of a client that has sent none.
    #[must_use]
    pub const fn new(policy: PingPolicy) -> Self {
        Self { policy, last: None, strikes: 0 }
    }

    /// A PING has come. `moved` says whether headers or data were sent to the client since its last one: then it may
    /// ask. `true` where it has asked too often and the connection is to be ended (ENHANCE_YOUR_CALM,
    /// `too_many_pings`).
    pub fn ping(&mut self, now: Instant, has_calls: bool, moved: bool) -> bool {
        if moved {
            self.strikes = 0;
            self.last = None;
        }
        let may_ask = has_calls || self.policy.without_calls;
        let interval = if may_ask { self.policy.min_interval } else { Self::ALWAYS_ALLOWED };
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < interval) {
            self.strikes += 1;
        }
        self.last = Some(now);
        self.strikes > Self::ALLOWED
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test is a caller, and has a clock")]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn keepalive(start: Instant, without_calls: bool) -> Keepalive {
        let config = KeepaliveConfig { interval: 10 * SECOND, timeout: 3 * SECOND, without_calls };
        Keepalive::new(config, start)
    }

    /// gRFC A8.
    #[test]
    fn a_silent_peer_is_asked_and_then_given_up() {
        let start = Instant::now();
        let at = |seconds: u32| start + seconds * SECOND;
        let mut keepalive = keepalive(start, true);
        assert_eq!(keepalive.next(false), Some(at(10)));
        assert_eq!(keepalive.poll(at(9), false), None);
        keepalive.heard(at(9));
        assert_eq!(keepalive.poll(at(18), false), None);
        assert_eq!(keepalive.poll(at(19), false), Some(KeepaliveAction::Ping));
        assert_eq!(keepalive.poll(at(19), false), None, "one is enough");
        assert_eq!(keepalive.next(false), Some(at(22)));
        // Anything that comes is an answer.
        keepalive.heard(at(21));
        assert_eq!(keepalive.poll(at(22), false), None);
        assert_eq!(keepalive.poll(at(31), false), Some(KeepaliveAction::Ping));
        assert_eq!(keepalive.poll(at(34), false), Some(KeepaliveAction::GiveUp));
    }

    /// gRFC A8: without calls a connection is left alone, unless it is told otherwise; a call asks at once.
    #[test]
    fn without_calls_nobody_is_asked() {
        let start = Instant::now();
        let mut keepalive = keepalive(start, false);
        assert_eq!(keepalive.next(false), None);
        assert_eq!(keepalive.poll(start + 100 * SECOND, false), None);
        assert_eq!(keepalive.poll(start + 100 * SECOND, true), Some(KeepaliveAction::Ping));
        // The call has ended, the question stands.
        assert_eq!(keepalive.poll(start + 103 * SECOND, false), Some(KeepaliveAction::GiveUp));
    }

    #[test]
    fn an_interval_without_end_never_asks() {
        let start = Instant::now();
        let config = KeepaliveConfig { interval: Duration::MAX, timeout: SECOND, without_calls: true };
        assert_eq!(Keepalive::new(config, start).next(true), None);
    }

    /// gRFC A9: when PINGs come, whether calls are open, whether something was sent to the client before; and at which
    /// of them it is enough.
    #[test]
    fn pings_that_come_too_soon_are_counted() {
        let policy = PingPolicy::default();
        let lenient = PingPolicy { min_interval: SECOND, without_calls: true };
        let minutes = 60;
        let rows: [(&str, PingPolicy, &[u64], bool, bool, Option<usize>); 6] = [
            ("slowly, with calls", policy, &[0, 5 * minutes, 10 * minutes, 15 * minutes], true, false, None),
            (
                "slowly, without calls",
                policy,
                &[0, 5 * minutes, 10 * minutes, 15 * minutes],
                false,
                false,
                Some(3),
            ),
            (
                "every two hours, without calls",
                policy,
                &[0, 120 * minutes, 240 * minutes, 360 * minutes],
                false,
                false,
                None,
            ),
            ("each second", policy, &[0, 1, 2, 3], true, false, Some(3)),
            ("each second, while data flows", policy, &[0, 1, 2, 3, 4, 5], true, true, None),
            ("each second, where that is allowed", lenient, &[0, 1, 2, 3, 4, 5], false, false, None),
        ];
        for (name, policy, times, has_calls, moved, expected) in rows {
            let start = Instant::now();
            let mut strikes = PingStrikes::new(policy);
            let refused =
                times.iter().position(|at| strikes.ping(start + Duration::from_secs(*at), has_calls, moved));
            assert_eq!(refused, expected, "{name}");
        }
    }
}
