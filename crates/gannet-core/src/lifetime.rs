//! How long a server keeps a connection (gRFC A9, "max connection age" and "max connection idle").

use std::time::{Duration, Instant};

/// How long a connection may live. `None` everywhere by default: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifetimeConfig {
    /// After how long without a call it is ended.
    pub max_idle: Option<Duration>,
    /// After how long it is ended, calls or not: it takes no new ones, and those that are open may finish. A tenth more
    /// or less, so that connections that began together do not end together.
    pub max_age: Option<Duration>,
    /// How long the calls of a connection that is too old may take to finish.
    pub max_age_grace: Option<Duration>,
}

/// The lifetime of one connection. It is told when calls are open and what time it is, and says what to do.
#[derive(Clone, Debug)]
pub struct Lifetime {
    max_idle: Option<Duration>,
    /// When a call was last open.
    busy: Instant,
    age: Age,
    grace: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum Age {
    Endless,
    Until(Instant),
    /// The connection takes no new calls; at this time those that are left are cut.
    Draining {
        cut_at: Option<Instant>,
    },
}

/// What a [`Lifetime`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeAction {
    /// Take no new calls and end when those that are open have (GOAWAY).
    Drain,
    /// The grace is over: end the calls that are left, and the connection.
    Cut,
}

impl Lifetime {
    /// The lifetime of a connection that begins now. `jitter` is a random number from 0 to 1.
    #[must_use]
    pub fn new(config: LifetimeConfig, now: Instant, jitter: f64) -> Self {
        // gRFC A9: "a random jitter of +/-10%".
        let age = config.max_age.map(|age| age.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0)));
        let until = age.and_then(|age| now.checked_add(age));
        Self {
            max_idle: config.max_idle,
            busy: now,
            age: until.map_or(Age::Endless, Age::Until),
            grace: config.max_age_grace,
        }
    }

    /// A call is open, or was until now.
    #[inline]
    pub fn busy(&mut self, now: Instant) {
        self.busy = now;
    }

    /// What is to be done now; `has_calls` says whether calls are open.
    pub fn poll(&mut self, now: Instant, has_calls: bool) -> Option<LifetimeAction> {
        if has_calls {
            self.busy = now;
        }
        match self.age {
            Age::Draining { cut_at: Some(at) } if at <= now => {
                self.age = Age::Draining { cut_at: None };
                return Some(LifetimeAction::Cut);
            }
            Age::Until(at) if at <= now => {
                let cut_at = self.grace.and_then(|grace| now.checked_add(grace));
                self.age = Age::Draining { cut_at };
                return Some(LifetimeAction::Drain);
            }
            Age::Draining { .. } => return None,
            Age::Endless | Age::Until(_) => {}
        }
        if self.idle_until().is_some_and(|at| at <= now) {
            self.age = Age::Draining { cut_at: None };
            return Some(LifetimeAction::Drain);
        }
        None
    }

    /// When to poll next, if no call comes until then.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        match self.age {
            Age::Draining { cut_at } => cut_at,
            Age::Endless => self.idle_until(),
            Age::Until(at) => Some(self.idle_until().map_or(at, |idle| idle.min(at))),
        }
    }

    fn idle_until(&self) -> Option<Instant> {
        self.busy.checked_add(self.max_idle?)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test is a caller, and has a clock")]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// gRFC A9: age with its jitter, then the grace.
    #[test]
    fn an_old_connection_drains_and_is_cut() {
        let config = LifetimeConfig {
            max_age: Some(100 * SECOND),
            max_age_grace: Some(5 * SECOND),
            ..LifetimeConfig::default()
        };
        for (jitter, age) in [(0.0, 90), (0.5, 100), (1.0, 110)] {
            let start = Instant::now();
            let mut lifetime = Lifetime::new(config, start, jitter);
            let due = lifetime.next().unwrap();
            assert_eq!((due - start).as_secs(), age, "{jitter}");
            assert_eq!(lifetime.poll(due - SECOND, true), None);
            assert_eq!(lifetime.poll(due, true), Some(LifetimeAction::Drain));
            assert_eq!(lifetime.next(), Some(due + 5 * SECOND));
            assert_eq!(lifetime.poll(due + 4 * SECOND, true), None);
            assert_eq!(lifetime.poll(due + 5 * SECOND, true), Some(LifetimeAction::Cut));
            assert_eq!((lifetime.poll(due + 9 * SECOND, true), lifetime.next()), (None, None));
        }
    }

    /// gRFC A9: only the time without a call counts.
    #[test]
    fn an_idle_connection_drains() {
        let config = LifetimeConfig { max_idle: Some(10 * SECOND), ..LifetimeConfig::default() };
        let start = Instant::now();
        let mut lifetime = Lifetime::new(config, start, 0.5);
        lifetime.busy(start + 5 * SECOND);
        assert_eq!(lifetime.poll(start + 10 * SECOND, false), None);
        assert_eq!(lifetime.poll(start + 14 * SECOND, true), None);
        assert_eq!(lifetime.next(), Some(start + 24 * SECOND));
        assert_eq!(lifetime.poll(start + 24 * SECOND, false), Some(LifetimeAction::Drain));
        assert_eq!(lifetime.poll(start + 50 * SECOND, false), None);
    }

    #[test]
    fn by_default_a_connection_lives_for_ever() {
        let start = Instant::now();
        let mut lifetime = Lifetime::new(LifetimeConfig::default(), start, 0.5);
        assert_eq!((lifetime.poll(start + 1_000_000 * SECOND, false), lifetime.next()), (None, None));
    }
}
