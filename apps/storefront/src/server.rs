//! The server: all services together, from the start to the drain.

use crate::access::Access;
use crate::authentication::{self, AuthError};
use crate::cli::ServeOptions;
use crate::metrics::{MetricsError, MetricsPage};
use crate::store::{Store, StoreError};
use crate::{chat, files, orders, users};
use gannet::tls::{Authorities, Identity, ServerTls};
use gannet::{Bound, ListenAddress, Registry, ServeError, Server};
use gannet_services::channelz::Channelz;
use gannet_services::health::Health;
use gannet_services::reflection::Reflection;
use gannet_telemetry::{Log, Trace};
use std::io::Write;
use std::time::Duration;
use std::{fmt, io};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serves until SIGTERM or Ctrl-C, then drains.
///
/// # Errors
/// Where it can't begin: the keys, the data folder, an address.
pub async fn run(options: ServeOptions) -> Result<(), RunError> {
    // From the first line of output on, a signal drains.
    let mut stop = Stop::listen().map_err(RunError::Signals)?;
    let bearer = authentication::bearer(&options.auth).await?;
    let metrics = match &options.metrics {
        Some(address) => Some(MetricsPage::bind(address).await?),
        None => None,
    };
    let store = Store::open(&options.data).await?;
    let mut server = server(store.clone(), options.max_upload).await?.observe(Log::server_event);
    // Outside of what may refuse a call: a refused one counts.
    if let Some(metrics) = &metrics {
        server = server.intercept(metrics.interceptor());
    }
    if let Some(bearer) = bearer {
        server = server.intercept(bearer).intercept(Access::new(store.clone()));
    }
    server = server.drain_delay(options.drain_delay);
    if let Some(tls) = tls(&options) {
        server = server.tls(tls);
    }
    let bound = server.bind(&options.listen).await?;
    announce(&bound.addresses(), metrics.as_ref());
    if let Some(metrics) = metrics {
        // It ends with the process: what happens during a drain is seen.
        tokio::spawn(metrics.serve(bound.handle()));
    }
    serve_until(bound, &mut stop, options.drain_delay, options.grace).await;
    // What is left in the log of the database goes into it; where something still holds it, the next start does that.
    let _ = tokio::time::timeout(Duration::from_secs(2), store.close()).await;
    Ok(())
}

/// What the options say of TLS.
fn tls(options: &ServeOptions) -> Option<ServerTls> {
    let (certificate, key) = (options.tls_cert.as_ref()?, options.tls_key.as_ref()?);
    let tls = ServerTls::new(Identity::files(certificate, key));
    Some(match &options.client_ca {
        Some(authorities) => tls.client_authorities(Authorities::file(authorities)),
        None => tls,
    })
}

/// A server with every service of the storefront on this store.
///
/// # Errors
/// Where a service can't begin on what the store holds.
pub async fn server(store: Store, max_upload_bytes: u64) -> Result<Server, RunError> {
    let registry = Registry::new();
    let reflection = Reflection::new().files(gannet_types::DESCRIPTORS);
    let server = Server::new()
        .intercept(Trace::new())
        .intercept(Log::new())
        // Where a client sets no deadline, nothing unary hangs for ever.
        .unary_time_limit(Duration::from_secs(30))
        .add(users::service(store.clone()))
        .end_on_drain("/user.v1.UserService/UserChat")
        .add(orders::service(store.clone()))
        .end_on_drain("/order.v1.OrderService/WatchOrder")
        .end_on_drain("/order.v1.OrderService/MatchOrders")
        .add(files::service(store, max_upload_bytes).await?)
        .add(chat::service())
        .end_on_drain("/chat.v1.ChatService/Chat")
        .registry(registry.clone())
        .add(Health::new().service())
        .add(Channelz::new(registry).service())
        .add(reflection.v1())
        .add(reflection.v1alpha());
    Ok(server)
}

/// Says on standard output where calls can be made, one line for each address, and where the metrics are.
fn announce(addresses: &[ListenAddress], metrics: Option<&MetricsPage>) {
    let mut stdout = io::stdout().lock();
    for address in addresses {
        // Whoever closed the output does not want to know.
        let _ = writeln!(stdout, "listening on {address}");
    }
    if let Some(metrics) = metrics {
        let _ = writeln!(stdout, "metrics on http://{}/metrics", metrics.address());
    }
    let _ = stdout.flush();
}

/// Serves until it is asked to end. Each further time that it is asked ends what it is waiting for.
async fn serve_until(bound: Bound, stop: &mut Stop, delay: Duration, grace: Duration) {
    let handle = bound.handle();
    let serving = tokio::spawn(bound.serve());
    // At a terminal nobody waits for load balancers.
    if stop.asked().await == Asked::ByTerminate && !delay.is_zero() {
        tracing::info!("health says NOT_SERVING, shutting down in {delay:?}; once more to do it now");
        tokio::select! {
            _ = handle.shutdown(grace) => {}
            // The server waits as long by itself; this is for what is said, and for what the next signal means.
            () = tokio::time::sleep(delay) => {}
            _ = stop.asked() => {}
        }
    }
    tracing::info!("shutting down: running calls may take {grace:?}; once more to end at once");
    tokio::select! {
        report = handle.shutdown_without_delay(grace) => {
            tracing::info!("shut down: {report}");
        }
        _ = stop.asked() => tracing::warn!("asked again: running calls are cut"),
    }
    serving.abort();
}

/// The ways to ask the program to end.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// SIGTERM: by whoever runs the program for others.
    ByTerminate,
    /// SIGINT: Ctrl-C.
    ByInterrupt,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Self { terminate: signal(terminate)?, interrupt: signal(interrupt)? })
    }

    async fn asked(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::ByTerminate,
            _ = self.interrupt.recv() => Asked::ByInterrupt,
        }
    }
}

/// Why the program could not begin to serve.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// There are no keys to verify tokens with.
    Auth(AuthError),
    /// The metrics can't be shown.
    Metrics(MetricsError),
    /// The data folder can't be used.
    Store(StoreError),
    /// An address can't be listened on.
    Serve(ServeError),
    /// The system does not let the program hear its signals.
    Signals(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Auth(error) => error.fmt(f),
            RunError::Metrics(error) => error.fmt(f),
            RunError::Store(error) => error.fmt(f),
            RunError::Serve(error) => error.fmt(f),
            RunError::Signals(error) => write!(f, "can't wait for SIGTERM and Ctrl-C: {error}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RunError::Auth(error) => error.source(),
            RunError::Metrics(error) => error.source(),
            RunError::Store(error) => error.source(),
            RunError::Serve(error) => error.source(),
            RunError::Signals(error) => Some(error),
        }
    }
}

impl From<AuthError> for RunError {
    fn from(error: AuthError) -> Self {
        RunError::Auth(error)
    }
}

impl From<MetricsError> for RunError {
    fn from(error: MetricsError) -> Self {
        RunError::Metrics(error)
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        RunError::Store(error)
    }
}

impl From<ServeError> for RunError {
    fn from(error: ServeError) -> Self {
        RunError::Serve(error)
    }
}
