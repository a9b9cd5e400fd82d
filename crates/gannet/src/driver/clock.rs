//! The one clock of the driver.

use std::time::Instant;

/// The time now: tokio's, so that a test that pauses tokio's clock holds deadlines, keepalive and backoff as well. In
/// other builds it is the system's monotonic clock.
#[inline]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
