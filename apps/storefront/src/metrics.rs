//! `--metrics ADDR`: the metrics of all calls as a page that Prometheus reads.

use gannet::ServerHandle;
use gannet_telemetry::{LATENCY_BUCKETS_SECONDS, LoadMetrics, SIZE_BUCKETS_BYTES, ServerMetrics};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{interval, sleep, timeout};

/// The metrics, and where they are shown.
#[derive(Debug)]
pub struct MetricsPage {
    listener: TcpListener,
    address: SocketAddr,
    recorder: Arc<PrometheusRecorder>,
}

impl MetricsPage {
    /// Takes the address, and connections wait from then on.
    ///
    /// # Errors
    /// Where the address is none or is taken.
    pub async fn bind(address: &str) -> Result<Self, MetricsError> {
        let failed = |source| MetricsError::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let recorder = recorder().map_err(MetricsError::Recorder)?;
        Ok(Self { listener, address: bound, recorder: Arc::new(recorder) })
    }

    /// Where the page is, with the port that was free where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What counts the calls of a server.
    #[must_use]
    pub fn interceptor(&self) -> ServerMetrics {
        ServerMetrics::with_recorder(Arc::clone(&self.recorder) as _)
    }

    /// Shows the page for ever, with what this server carries beside its calls.
    pub async fn serve(self, server: ServerHandle) {
        let handle = self.recorder.handle();
        let load = LoadMetrics::with_recorder(server, Arc::clone(&self.recorder) as _);
        let mut upkeep = interval(UPKEEP_PERIOD);
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                _ = upkeep.tick() => {
                    handle.run_upkeep();
                    load.report();
                    continue;
                }
                accepted = accept(&self.listener, &connections) => accepted,
            };
            match accepted {
                Ok((stream, connection)) => {
                    let shown = timeout(LONGEST_CONNECTION, show(stream, handle.clone()));
                    tokio::spawn(async move {
                        shown.await.unwrap_or_default();
                        drop(connection);
                    });
                }
                Err(error) => {
                    tracing::warn!("no connection for the metrics can be accepted now: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Times are kept one by one until they are counted into their buckets, whether anybody asks or not.
const UPKEEP_PERIOD: Duration = Duration::from_secs(1);
/// Whoever opens connections to this page must not take what the calls need: so many at a time, one request each, which
/// has to come soon and to be read in time.
const CONNECTIONS: usize = 64;
const LONGEST_REQUEST: Duration = Duration::from_secs(2);
const LONGEST_CONNECTION: Duration = Duration::from_secs(10);
/// When the system has no file descriptor to give, it has none a moment later either.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The names of gRFC A66 as OpenTelemetry's exporters write them: `_total` after a counter, and the unit after what has
/// one (`grpc_server_call_duration_seconds`).
fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let builder = PrometheusBuilder::new()
        .with_recommended_naming(true)
        .set_buckets_for_metric(Matcher::Suffix("duration".to_owned()), LATENCY_BUCKETS_SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("size".to_owned()), SIZE_BUCKETS_BYTES)?;
    Ok(builder.build_recorder())
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let connection = Arc::clone(connections).acquire_owned().await.map_err(io::Error::other)?;
    Ok((listener.accept().await?.0, connection))
}

/// One connection. Whoever breaks it off gets no page, and there is nobody to tell.
async fn show(stream: TcpStream, handle: PrometheusHandle) {
    let service = service_fn(|request| answer(request, handle.clone()));
    let mut http = http1::Builder::new();
    http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(LONGEST_REQUEST);
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    handle: PrometheusHandle,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/metrics" {
        return Ok(text(StatusCode::NOT_FOUND, "the metrics are at /metrics\n".into()));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "the metrics can only be read\n".into());
        refused.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return Ok(refused);
    }
    let page = tokio::task::spawn_blocking(move || handle.render()).await;
    Ok(page.map_or_else(
        |_| text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be shown\n".into()),
        |page| text(StatusCode::OK, page),
    ))
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    // Prometheus, "Exposition formats": the text format.
    let format = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, format);
    response
}

/// Why there is no page.
#[derive(Debug)]
#[non_exhaustive]
pub enum MetricsError {
    /// The address can't be listened on.
    Listen {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The recorder can't be made.
    Recorder(BuildError),
}

impl fmt::Display for MetricsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetricsError::Listen { address, source } => {
                write!(f, "can't show metrics on {address}: {source}; name another address with --metrics")
            }
            MetricsError::Recorder(error) => write!(f, "can't record metrics: {error}"),
        }
    }
}

impl std::error::Error for MetricsError {}
