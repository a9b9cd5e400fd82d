//! What a server calls: one erased entry per service.

use crate::{Call, Result, ServiceSpec};
use std::pin::Pin;

/// A future on the heap that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A service without its type: what routing, the in-process channel and every other door call. Generated code
/// implements it over the user's trait.
pub trait Service: Send + Sync + 'static {
    /// The static facts of the service.
    fn spec(&self) -> &'static ServiceSpec;

    /// Runs one call of the method at this place in [`ServiceSpec::methods`].
    fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>>;

    /// Tells the service what happens to the server it was added to: so health learns of a drain and reflection of
    /// its neighbours.
    fn lifecycle(&self, _event: Lifecycle<'_>) {}
}

/// How a method ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// With one message, which the call holds ([`Call::answer`]).
    One,
    /// With the messages that its `Sender` has sent.
    Streamed,
}

/// A step in the life of a server.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Lifecycle<'a> {
    /// The server is about to accept calls of these services.
    Serving(&'a [&'static ServiceSpec]),
    /// The server was asked to end: after [`Server::drain_delay`](crate::Server::drain_delay) it takes no new calls, and
    /// lets those that run come to their end.
    Draining,
    /// Every call has ended.
    Stopped,
}
