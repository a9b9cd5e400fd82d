//! A deadline for calls that come without one.

use crate::driver::clock;
use crate::{Answer, Call, Interceptor, Next, Result};
use std::time::Duration;

/// Gives calls a deadline that have none: a channel's default, so that no call waits for ever.
///
/// ```
/// # fn example() -> Result<(), gannet::InvalidTarget> {
/// use gannet::interceptors::DefaultDeadline;
/// use std::time::Duration;
///
/// let channel = gannet::Channel::builder("dns:///users.internal:50051")?
///     .intercept(DefaultDeadline::new(Duration::from_secs(10)))
///     .build();
/// # Ok(()) }
/// ```
///
/// Streams that live long need a deadline of their own then. A server has
/// [`Server::default_deadline`](crate::Server::default_deadline) for the same, which is cheaper.
#[derive(Clone, Copy, Debug)]
pub struct DefaultDeadline(Duration);

impl DefaultDeadline {
    /// So long from the call's beginning.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self(timeout)
    }
}

impl Interceptor for DefaultDeadline {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        // What is beyond the clock's end is no deadline.
        if call.deadline().is_none()
            && let Some(at) = clock::now().checked_add(self.0)
        {
            call.limit_deadline(at);
        }
        next.run(call).await
    }
}
