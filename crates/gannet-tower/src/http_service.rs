//! A gannet server as a service of HTTP requests.

mod body;
mod pipes;

pub use body::ResponseBody;

use body::Requests;
use bytes::Bytes;
use gannet::{Bound, Code, ServeError, Server, ServerHandle};
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use pipes::Pipes;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{BoxError, Service};

/// A gannet server as a tower service of HTTP requests, for the router of another framework.
///
/// The framework owns the port; what it gives to this service goes to gannet over HTTP/2 in memory, so that all of it is
/// there: streams both ways, deadlines, cancellation, compression, limits, interceptors, trailers. The price is a second
/// HTTP/2 for each call: where speed counts gannet has a port of its own.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use gannet::Server;
/// use gannet_services::health::Health;
/// use gannet_tower::HttpService;
///
/// # fn app() -> Result<Router, gannet::ServeError> {
/// let grpc = HttpService::new(Server::new().add(Health::new().service()))?;
/// let app = Router::new()
///     .route("/", get(async || "hello"))
///     .route_service("/grpc.health.v1.Health/{method}", grpc);
/// # Ok(app) }
/// ```
///
/// Calls see the peer as [`PeerAddress::InProcess`](gannet::PeerAddress::InProcess): who is at the other end of the
/// framework's connection, its TLS and its proxies, is the framework's to say, in a header for example. Clones share the
/// server. It begins with the first request, and ends with the last clone; [`HttpService::handle`] ends it in order.
#[derive(Clone)]
pub struct HttpService(Arc<Pipes>);

impl HttpService {
    /// Serves what this server has. Its own addresses, TLS and connection limits are not used.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub fn new(server: Server) -> Result<Self, ServeError> {
        let bound: Bound = server.unbound()?;
        Ok(Self(Arc::new(Pipes::new(bound))))
    }

    /// Ends the server, in order.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.0.handle()
    }
}

impl<B> Service<Request<B>> for HttpService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let pipes = Arc::clone(&self.0);
        let request = request.map(|body| Requests::new(body.map_err(Into::into)));
        Answering(Box::pin(async move { Ok(answer(&pipes, request).await) }))
    }
}

/// A response of [`HttpService`] on its way.
pub struct Answering(Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Infallible>> + Send>>);

impl Future for Answering {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

async fn answer(pipes: &Pipes, mut request: Request<Requests>) -> Response<ResponseBody> {
    if request.version() != Version::HTTP_2 {
        // PROTOCOL-HTTP2: without HTTP/2 there are no trailers to say how a call ended.
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::HTTP_VERSION_NOT_SUPPORTED;
        return response;
    }
    // RFC 9113 §8.3.1: `:authority` takes the place of Host.
    let host = request.headers_mut().remove(header::HOST);
    if request.uri().authority().is_none() {
        *request.uri_mut() = with_authority(request.uri(), host.as_ref());
    }
    match pipes.send(request).await {
        Ok(response) => response,
        Err(error) => unavailable(&error),
    }
}

/// A URI that has all that HTTP/2 asks for.
fn with_authority(uri: &http::Uri, host: Option<&HeaderValue>) -> http::Uri {
    let authority = host.and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let whole = http::Uri::builder().scheme("http").authority(authority).path_and_query(path).build();
    whole.unwrap_or_else(|_| uri.clone())
}

/// PROTOCOL-HTTP2, "Trailers-Only".
fn unavailable(error: &BoxError) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(Code::Unavailable.number()));
    // An error's text may hold what no header can.
    if let Ok(message) = HeaderValue::try_from(format!("the server in this process does not answer: {error}"))
    {
        headers.insert("grpc-message", message);
    }
    response
}

impl fmt::Debug for HttpService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpService")
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answering")
    }
}
