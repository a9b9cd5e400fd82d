//! Interceptors: code around every call, on either side and of all four kinds.

use crate::service::BoxFuture;
use crate::{Answer, Call, CancelReason, MethodSpec, Output, Result, Service, Status};
use std::sync::Arc;
use std::time::Instant;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Response,
}

/// Code around every call.
///
/// It does its work before and after `next.run(call)`, answers by itself by not running it, or runs it again where the
/// request is one message. The final status is what `intercept` returns.
///
/// ```
/// use gannet::{Answer, Call, Interceptor, Next, Result, Status};
///
/// struct Authorized;
///
/// impl Interceptor for Authorized {
///     async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
///         match call.metadata().get("authorization") {
///             Some("Bearer swordfish") => next.run(call).await,
///             _ => Err(Status::unauthenticated("send the password as a bearer token")),
///         }
///     }
/// }
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// Runs around the call.
    fn intercept(&self, call: &mut Call, next: Next<'_>) -> impl Future<Output = Result<Answer>> + Send {
        async move { next.run(call).await }
    }

    /// Whether [`Interceptor::message`] is to be asked; where nobody says so a message costs nothing more.
    fn wants_messages(&self) -> bool {
        false
    }

    /// Sees each encoded message (without its prefix), at the end that encodes or decodes it.
    ///
    /// # Errors
    /// The status that whoever sends or reads the message shall have instead of it; for a call's single message that is
    /// the call's own.
    fn message(&self, _spec: &MethodSpec, _direction: Direction, _encoded: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// An interceptor that its owner keeps in hand as well.
impl<I: Interceptor> Interceptor for Arc<I> {
    fn intercept(&self, call: &mut Call, next: Next<'_>) -> impl Future<Output = Result<Answer>> + Send {
        I::intercept(self, call, next)
    }

    fn wants_messages(&self) -> bool {
        I::wants_messages(self)
    }

    fn message(&self, spec: &MethodSpec, direction: Direction, encoded: &[u8]) -> Result<()> {
        I::message(self, spec, direction, encoded)
    }
}

/// The object-safe twin, written once here so that nobody else writes `Box::pin`.
pub(crate) trait ErasedInterceptor: Send + Sync {
    fn intercept<'a>(&'a self, call: &'a mut Call, next: Next<'a>) -> BoxFuture<'a, Result<Answer>>;
    fn wants_messages(&self) -> bool;
    fn message(&self, spec: &MethodSpec, direction: Direction, encoded: &[u8]) -> Result<()>;
}

impl<I: Interceptor> ErasedInterceptor for I {
    fn intercept<'a>(&'a self, call: &'a mut Call, next: Next<'a>) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(Interceptor::intercept(self, call, next))
    }
    fn wants_messages(&self) -> bool {
        Interceptor::wants_messages(self)
    }
    fn message(&self, spec: &MethodSpec, direction: Direction, encoded: &[u8]) -> Result<()> {
        Interceptor::message(self, spec, direction, encoded)
    }
}

/// What an interceptor stands around: the service on a server, the channel on a client.
pub(crate) trait Endpoint: Send + Sync {
    fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>>;

    /// Whether it sees to it itself that the call ends at a deadline that an interceptor brought forward.
    fn keeps_deadline(&self) -> bool;
}

impl Endpoint for Arc<dyn Service> {
    fn keeps_deadline(&self) -> bool {
        false
    }

    fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        Service::call(&**self, method, call)
    }
}

/// The interceptors of a server or a channel, the outermost first.
#[derive(Clone, Default)]
pub(crate) struct Chain {
    all: Vec<Arc<dyn ErasedInterceptor>>,
    observers: Observers,
}

impl Chain {
    pub(crate) fn push(&mut self, interceptor: impl Interceptor) {
        self.all.push(Arc::new(interceptor));
        let asked: Arc<[_]> = self.all.iter().filter(|one| one.wants_messages()).cloned().collect();
        self.observers = Observers((!asked.is_empty()).then_some(asked));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.observers
    }

    /// An empty chain is the endpoint's own future: no box of its own, one branch.
    pub(crate) fn run<'a>(
        &'a self,
        endpoint: &'a dyn Endpoint,
        method: usize,
        call: &'a mut Call,
    ) -> BoxFuture<'a, Result<Answer>> {
        Next { rest: &self.all, endpoint, method }.proceed(call)
    }
}

/// Those who want to see messages: `None` for most.
#[derive(Clone, Default)]
pub(crate) struct Observers(Option<Arc<[Arc<dyn ErasedInterceptor>]>>);

impl Observers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    #[inline]
    pub(crate) fn see(&self, spec: &MethodSpec, direction: Direction, encoded: &[u8]) -> Result<()> {
        let Some(observers) = &self.0 else { return Ok(()) };
        observers.iter().try_for_each(|one| one.message(spec, direction, encoded))
    }

    /// Shows what was appended to `out` after its first `start` bytes.
    #[inline]
    pub(crate) fn see_since(
        &self,
        spec: &MethodSpec,
        direction: Direction,
        out: &Output,
        start: usize,
    ) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        self.see(spec, direction, &out.to_vec()[start..])
    }
}

/// What comes after an interceptor: run it never, once, or again (a call whose request is one message).
#[derive(Clone, Copy)]
pub struct Next<'a> {
    rest: &'a [Arc<dyn ErasedInterceptor>],
    endpoint: &'a dyn Endpoint,
    method: usize,
}

impl<'a> Next<'a> {
    /// Runs the rest of the call. A second run over a request stream is FAILED_PRECONDITION.
    pub fn run<'b>(&self, call: &'b mut Call) -> BoxFuture<'b, Result<Answer>>
    where
        'a: 'b,
    {
        match call.take_shortened_deadline() {
            Some(deadline) if !self.endpoint.keeps_deadline() => {
                let next = *self;
                Box::pin(async move { next.run_until(deadline, call).await })
            }
            _ => self.proceed(call),
        }
    }

    fn proceed<'b>(&self, call: &'b mut Call) -> BoxFuture<'b, Result<Answer>>
    where
        'a: 'b,
    {
        match self.rest.split_first() {
            Some((first, rest)) => first.intercept(call, Next { rest, ..*self }),
            None => self.endpoint.call(self.method, call),
        }
    }

    /// The server's driver knows the deadline that the call came with; the earlier one is kept here, and calls made
    /// from the handler inherit it.
    async fn run_until(self, deadline: Instant, call: &mut Call) -> Result<Answer> {
        let (cancellation, context) = (call.cancellation(), call.context());
        let running = tokio::time::timeout_at(deadline.into(), context.scope(self.proceed(call)));
        running.await.unwrap_or_else(|_| {
            cancellation.cancel(CancelReason::Deadline);
            Err(Status::deadline_exceeded("the call took longer than an interceptor allows it"))
        })
    }
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Next({} more)", self.rest.len())
    }
}
