//! tower layers as an interceptor.

use crate::head;
use gannet::{Answer, Call, Interceptor, Next, Result, Status};
use http::{Request, Response};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use tower::{BoxError, Layer, Service, ServiceExt};

/// tower layers around every call of a server or a channel.
///
/// The layers see a call as an HTTP request without a body: POST, the method's path, the metadata's text values; its
/// extensions hold the [`MethodSpec`](gannet::MethodSpec) (by reference) and the [`Peer`](gannet::Peer). What they
/// change in its headers reaches the call. The response that they see has the call's `grpc-status`; headers that they
/// add become response metadata where none has been sent yet.
///
/// A layer's error ends the call: a [`Status`] in its chain of sources is that status, tower's timeout is
/// DEADLINE_EXCEEDED, its load shedding UNAVAILABLE, another one INTERNAL. A layer that answers without running the
/// call ends it with the `grpc-status` of its answer, or the code that the HTTP status stands for. A layer that runs
/// the call again can do so where the request is one message.
///
/// ```
/// use gannet::Server;
/// use gannet_tower::Layered;
/// use std::time::Duration;
/// use tower::ServiceBuilder;
/// use tower::limit::ConcurrencyLimitLayer;
/// use tower::timeout::TimeoutLayer;
///
/// let layers = ServiceBuilder::new()
///     .layer(ConcurrencyLimitLayer::new(100))
///     .layer(TimeoutLayer::new(Duration::from_secs(5)));
/// let server = Server::new().intercept(Layered::new(layers));
/// # drop(server);
/// ```
#[derive(Clone)]
pub struct Layered<S>(S);

impl<S> Layered<S> {
    /// These layers, the first of them outermost. They are built once and shared by all calls, so that a limit is one
    /// for all of them.
    #[must_use]
    pub fn new<L>(layers: L) -> Self
    where
        L: Layer<Innermost, Service = S>,
    {
        Self(layers.layer(Innermost(())))
    }
}

impl<S> Interceptor for Layered<S>
where
    S: Service<Request<()>, Response = Response<()>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError> + Send,
    S::Future: Send,
{
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let (runs, mut asked) = mpsc::unbounded_channel();
        let mut request = head::request(call);
        request.extensions_mut().insert(Runs(runs));
        let mut answer = pin!(self.0.clone().oneshot(request));
        let mut ended = None;
        loop {
            // The answer first: a layer that has one needs no run that it asked for and gave up.
            let run: Run = tokio::select! {
                biased;
                answer = &mut answer => return end(call, answer.map_err(Into::into), ended),
                Some(run) = asked.recv() => run,
            };
            head::apply_request(call, run.request.headers())?;
            let result = {
                let mut handler = next.run(call);
                tokio::select! {
                    biased;
                    answer = &mut answer => {
                        // The layers gave up on the call, a timeout for example: its handler is dropped.
                        drop(handler);
                        return end(call, answer.map_err(Into::into), None);
                    }
                    result = &mut handler => result,
                }
            };
            // Not received where the layer gave up just now; its answer says so.
            let _ = run.response.send(head::response(&result));
            ended = Some(result);
        }
    }
}

/// The call's end, from what the layers answer and how its last run ended.
fn end(
    call: &mut Call,
    answer: Result<Response<()>, BoxError>,
    ended: Option<Result<Answer>>,
) -> Result<Answer> {
    match (answer, ended) {
        (Ok(response), Some(Ok(answer))) => {
            head::apply_response(call, response.headers())?;
            Ok(answer)
        }
        (Ok(_), Some(Err(status))) => Err(status),
        (Ok(response), None) => Err(head::status_of(&response)),
        (Err(error), _) => Err(status_of_error(error)),
    }
}

fn status_of_error(error: BoxError) -> Status {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(link) = cause {
        if let Some(status) = link.downcast_ref::<Status>() {
            return status.clone();
        }
        if link.is::<tower::timeout::error::Elapsed>() {
            return Status::deadline_exceeded("the call took longer than the server allows")
                .with_source(error);
        }
        if link.is::<tower::load_shed::error::Overloaded>() {
            return Status::unavailable("too many calls are running; try again later").with_source(error);
        }
        cause = link.source();
    }
    Status::internal("a layer around the call failed").with_source(error)
}

/// The service that the layers of a [`Layered`] stand around: it runs the call.
#[derive(Clone)]
pub struct Innermost(());

/// How [`Innermost`] reaches the interceptor that holds the call.
#[derive(Clone)]
struct Runs(mpsc::UnboundedSender<Run>);

/// One run of the call that the layers ask for.
struct Run {
    request: Request<()>,
    response: oneshot::Sender<Response<()>>,
}

impl Service<Request<()>> for Innermost {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = Running;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<()>) -> Running {
        let (response, ended) = oneshot::channel();
        if let Some(Runs(runs)) = request.extensions_mut().remove() {
            // Refused only where the call is over: then `ended` says so.
            let _ = runs.send(Run { request, response });
        }
        Running(ended)
    }
}

/// A run of a call. It is ready when the call has ended.
#[derive(Debug)]
pub struct Running(oneshot::Receiver<Response<()>>);

impl Future for Running {
    type Output = Result<Response<()>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| {
            // Also where a layer made a request of its own: without the extensions there is no call to run.
            Status::internal("a layer asked for a call that is over, or dropped the request's extensions")
                .into()
        })
    }
}

impl<S> fmt::Debug for Layered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layered({})", std::any::type_name::<S>())
    }
}

impl fmt::Debug for Innermost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Innermost")
    }
}
