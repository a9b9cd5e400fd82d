//! A limit on how many calls run at once.

use crate::{Answer, Call, Interceptor, Next, Result, Status};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Lets so many calls run at once; a few more may wait, and the rest is refused at once with RESOURCE_EXHAUSTED: a server
/// that is overloaded answers some calls well rather than all of them late.
///
/// ```
/// use gannet::interceptors::ConcurrencyLimit;
///
/// let server = gannet::Server::new().intercept(ConcurrencyLimit::new(200).queue(50));
/// # drop(server);
/// ```
///
/// A stream counts for as long as it lives. On a client it keeps the calls of a channel below a limit.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    running: Semaphore,
    limit: usize,
    waiting: AtomicUsize,
    queue: usize,
}

impl ConcurrencyLimit {
    /// At most `limit` calls at once; none waits.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let running = Semaphore::new(limit.min(Semaphore::MAX_PERMITS));
        Self { running, limit, waiting: AtomicUsize::new(0), queue: 0 }
    }

    /// How many calls may wait for their turn, first come first served, at most until their deadlines. Default none.
    #[must_use]
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    fn overloaded(&self) -> Status {
        // statuscodes.md: server temporarily out of resources.
        Status::resource_exhausted(format!("{} calls run and {} wait already", self.limit, self.queue))
    }
}

impl Interceptor for ConcurrencyLimit {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let _permit = match self.running.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let Some(_place) = Place::take(self) else { return Err(self.overloaded()) };
                // Nobody closes the semaphore.
                self.running.acquire().await.map_err(|_| self.overloaded())?
            }
        };
        next.run(call).await
    }
}

/// A place in the queue, given back when its call runs or is given up.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(limit: &'a ConcurrencyLimit) -> Option<Self> {
        let more = |waiting| (waiting < limit.queue).then_some(waiting + 1);
        limit.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(&limit.waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
