//! How long a server lets its calls take.

use crate::{Kind, Result, Status};
use std::time::Duration;

/// A server's own word on deadlines. It only ever shortens what a client set.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeadlineLimits {
    /// Calls with less are not begun.
    pub(super) minimum: Duration,
    /// Where the client set none.
    pub(super) default: Option<Duration>,
    pub(super) maximum: Option<Duration>,
    /// The same for calls with one request and one answer alone.
    pub(super) unary: Option<Duration>,
}

impl DeadlineLimits {
    /// The time that a call has; `None` for ever.
    ///
    /// # Errors
    /// DEADLINE_EXCEEDED where the client asks for less than the minimum.
    #[inline]
    pub(super) fn timeout(&self, kind: Kind, asked: Option<Duration>) -> Result<Option<Duration>> {
        if let Some(asked) = asked.filter(|asked| *asked < self.minimum) {
            return Err(Status::deadline_exceeded(format!(
                "the call came with {asked:?} left; this server begins none with less than {:?}",
                self.minimum
            )));
        }
        let unary = self.unary.filter(|_| kind == Kind::Unary);
        Ok(asked.or(self.default).into_iter().chain(self.maximum).chain(unary).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    /// The table of docs/deadlines.md.
    #[test]
    fn what_a_call_gets() {
        let limits = |default, maximum, unary| DeadlineLimits {
            minimum: Duration::from_secs(2),
            default,
            maximum,
            unary,
        };
        for (limits, kind, asked, effective) in [
            (limits(None, None, None), Kind::Unary, None, None),
            (limits(None, None, None), Kind::Unary, seconds(3), seconds(3)),
            (limits(seconds(5), None, None), Kind::Bidi, None, seconds(5)),
            (limits(seconds(5), None, None), Kind::Bidi, seconds(9), seconds(9)),
            (limits(seconds(5), seconds(7), None), Kind::Bidi, seconds(9), seconds(7)),
            (limits(seconds(5), seconds(4), None), Kind::Unary, None, seconds(4)),
            (limits(None, seconds(7), None), Kind::ServerStreaming, None, seconds(7)),
            (limits(None, None, seconds(6)), Kind::ServerStreaming, None, None),
            (limits(None, None, seconds(6)), Kind::Unary, None, seconds(6)),
            (limits(None, seconds(7), seconds(6)), Kind::Unary, seconds(9), seconds(6)),
        ] {
            assert_eq!(limits.timeout(kind, asked).unwrap(), effective, "{limits:?} {kind:?} {asked:?}");
        }
        let status = limits(None, None, None).timeout(Kind::Unary, seconds(1)).unwrap_err();
        assert_eq!(status.code(), crate::Code::DeadlineExceeded);
    }
}
