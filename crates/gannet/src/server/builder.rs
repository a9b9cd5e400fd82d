//! The builder of a server.

use super::deadlines::DeadlineLimits;
use super::door::{ForeignConnection, HttpHandler};
use super::error::ServeError;
use super::events::{Observer, ServerEvent};
use super::listen::Listen;
use super::listener::Listener;
use super::load::{Load, LoadLimits};
use super::peer_streams::StreamsByPeer;
use super::routes::Routes;
use super::running::Bound;
use super::shared::{CallLimits, ServerShared};
use crate::compression::{CompressionSettings, compression_setters};
use crate::intercept::Chain;
use crate::registry::ServerEntry;
use crate::service::BoxFuture;
use crate::{DEFAULT_MESSAGE_LIMIT_BYTES, Interceptor, Registry, Service};
use gannet_core::{KeepaliveConfig, LifetimeConfig, PingPolicy};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::sync::watch;

/// A gRPC server: services, interceptors, limits. It serves once it is bound.
///
/// ```no_run
/// # async fn example(greeter: impl gannet::Service) -> Result<(), gannet::ServeError> {
/// gannet::Server::new().add(greeter).serve("127.0.0.1:50051").await
/// # }
/// ```
pub struct Server {
    routes: Routes,
    chain: Chain,
    limits: CallLimits,
    decoded_budget: usize,
    compression: CompressionSettings,
    deadlines: DeadlineLimits,
    http2: gannet_http2::Config,
    http: Option<Arc<dyn HttpHandler>>,
    foreign: Option<Arc<dyn ForeignConnection>>,
    always_spawn: bool,
    inline_limit: Duration,
    handshake_timeout: Duration,
    observer: Observer,
    threads: usize,
    max_connections: usize,
    load: LoadLimits,
    max_streams_per_peer: usize,
    keepalive: KeepaliveConfig,
    lifetime: LifetimeConfig,
    pings: PingPolicy,
    registry: Option<Registry>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::ServerTls>,
    drain_delay: Duration,
    ends_on_drain: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Without services, with the defaults of every limit.
    #[must_use]
    pub fn new() -> Self {
        Self {
            routes: Routes::default(),
            chain: Chain::default(),
            limits: CallLimits {
                max_decoded_message: DEFAULT_MESSAGE_LIMIT_BYTES,
                max_encoded_message: usize::MAX,
            },
            decoded_budget: 128 * 1024 * 1024,
            compression: CompressionSettings::default(),
            deadlines: DeadlineLimits::default(),
            http2: gannet_http2::Config::default(),
            http: None,
            foreign: None,
            always_spawn: false,
            inline_limit: Duration::from_micros(10),
            handshake_timeout: Duration::from_secs(10),
            observer: Observer::default(),
            threads: 1,
            max_connections: usize::MAX,
            load: LoadLimits::default(),
            max_streams_per_peer: usize::MAX,
            keepalive: KeepaliveConfig {
                interval: KeepaliveConfig::DEFAULT_SERVER_INTERVAL,
                timeout: KeepaliveConfig::DEFAULT_TIMEOUT,
                // gRFC A9: a server asks whether calls are open or not.
                without_calls: true,
            },
            lifetime: LifetimeConfig::default(),
            pings: PingPolicy::default(),
            registry: None,
            #[cfg(feature = "tls")]
            tls: None,
            drain_delay: Duration::ZERO,
            ends_on_drain: Vec::new(),
        }
    }

    /// Adds a service. One of the same name takes the place of an earlier one.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "a server is no number; nobody takes it for +")]
    pub fn add(mut self, service: impl Service) -> Self {
        self.routes.add(Arc::new(service));
        self
    }

    /// Adds an interceptor around every call, inside of those added before.
    #[must_use]
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Self {
        self.chain.push(interceptor);
        self
    }

    /// The largest request message, in bytes. Default 4 MiB. A larger one ends its call with RESOURCE_EXHAUSTED before
    /// it has come.
    #[must_use]
    pub fn max_decoded_message(mut self, bytes: usize) -> Self {
        self.limits.max_decoded_message = bytes;
        self
    }

    /// The largest response message, in bytes. Default unlimited (4 GiB, what the prefix can say).
    #[must_use]
    pub fn max_encoded_message(mut self, bytes: usize) -> Self {
        self.limits.max_encoded_message = bytes;
        self
    }

    compression_setters!(compression);

    /// The most bytes that the calls of one connection may hold together of messages that they have read: a request until
    /// its call has ended, a message of a stream until the next is asked for. Default 128 MiB, and never less than
    /// [`Server::max_decoded_message`]. Above it a call whose message would be decompressed or decoded ends with
    /// RESOURCE_EXHAUSTED.
    ///
    /// What counts is what a message was decompressed to, what its decoding adds as far as the codec says
    /// ([`Codec::decode_measured`](crate::Codec::decode_measured)), and the length of a stream's messages. The one
    /// request of a call counts on its window until the call has ended ([`Http2Config::receive_budget`](crate::Http2Config)).
    /// Less than 16 KiB of a message do not count.
    #[must_use]
    pub fn decoded_budget(mut self, bytes: usize) -> Self {
        self.decoded_budget = bytes;
        self
    }

    /// The longest that a unary call may take, from its first header, where its client set no earlier deadline. Default
    /// none.
    #[must_use]
    pub fn unary_time_limit(mut self, limit: Duration) -> Self {
        self.deadlines.unary = Some(limit);
        self
    }

    /// How long a call of any kind may take where its client set no deadline. Default none: for ever. Streams that
    /// live long need one from their client, or a server without this.
    #[must_use]
    pub fn default_deadline(mut self, limit: Duration) -> Self {
        self.deadlines.default = Some(limit);
        self
    }

    /// The longest that a call of any kind may take, whatever its client set. Default none.
    #[must_use]
    pub fn maximum_deadline(mut self, limit: Duration) -> Self {
        self.deadlines.maximum = Some(limit);
        self
    }

    /// A call that comes with less time than this ends with DEADLINE_EXCEEDED before any work is done for it: nobody
    /// would see the answer. Default zero.
    #[must_use]
    pub fn minimum_deadline(mut self, least: Duration) -> Self {
        self.deadlines.minimum = least;
        self
    }

    /// The limits of each HTTP/2 connection.
    #[must_use]
    pub fn http2(mut self, config: gannet_http2::Config) -> Self {
        self.http2 = config;
        self
    }

    /// Speaks TLS on every address. Default plaintext.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Tells what happens beside the calls: handshakes that fail, errors of accepting, certificates that change. By
    /// default nobody is told. The closure runs in the server's own tasks; it must not block.
    ///
    /// ```
    /// let server = gannet::Server::new().observe(|event| eprintln!("{event}"));
    /// ```
    #[must_use]
    pub fn observe(mut self, observe: impl Fn(&ServerEvent<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Observer::new(observe);
        self
    }

    /// Accepts and serves in so many threads, each with a runtime of its own of one thread: a connection and its calls
    /// stay on one core, and nothing is shared but the services. The system spreads connections over the threads, TCP's
    /// by their addresses (SO_REUSEPORT), so there have to be many more connections than threads. Default 1: where
    /// [`Bound::serve`] runs, by whatever runtime that is. The first of them is still that one.
    #[must_use]
    pub fn serve_per_core(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// How many connections may be open at once. Default unlimited. At the limit none is accepted until one has ended;
    /// the system keeps a thousand waiting, and refuses others.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Asks a client that has been silent for so long whether it is there. Default 2 hours (gRFC A9).
    ///
    /// TCP gives bytes up that nobody has acknowledged for [`Server::keepalive_timeout`] (gRFC A18).
    #[must_use]
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.keepalive.interval = interval;
        self
    }

    /// How long the client may take to answer. Default 20 s. Then the connection is ended, and its calls are cancelled.
    #[must_use]
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.keepalive.timeout = timeout;
        self
    }

    /// The least time between two keepalive PINGs of a client. Default 5 minutes. The third that comes sooner ends its
    /// connection with ENHANCE_YOUR_CALM, `too_many_pings` (gRFC A9); PINGs between which data has been sent to the
    /// client do not count.
    #[must_use]
    pub fn min_ping_interval(mut self, interval: Duration) -> Self {
        self.pings.min_interval = interval;
        self
    }

    /// Lets clients send keepalive PINGs while they have no call open. Default not: then two hours have to lie between
    /// two.
    #[must_use]
    pub fn pings_without_calls(mut self) -> Self {
        self.pings.without_calls = true;
        self
    }

    /// Ends a connection that has had no call for so long. Default never. Its client connects again for its next call.
    #[must_use]
    pub fn max_connection_idle(mut self, time: Duration) -> Self {
        self.lifetime.max_idle = Some(time);
        self
    }

    /// Ends a connection that is so old, a tenth more or less: it takes no new calls, those that run may finish. Default
    /// never. So clients come back through the load balancer and find new servers.
    #[must_use]
    pub fn max_connection_age(mut self, age: Duration) -> Self {
        self.lifetime.max_age = Some(age);
        self
    }

    /// How long the calls of a connection that is too old may take; then they end with UNAVAILABLE. Default unlimited.
    #[must_use]
    pub fn max_connection_age_grace(mut self, grace: Duration) -> Self {
        self.lifetime.max_age_grace = Some(grace);
        self
    }

    /// How long a new connection may take to its first 24 bytes, the TLS handshake included. Default 10 s.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// The most connections at once from one IPv4 address or one IPv6 network of 64 bits. Default 16,384, for behind a
    /// proxy all come from one. A connection beyond it is closed at once. Against peers that open and do nothing.
    #[must_use]
    pub fn max_connections_per_peer(mut self, count: usize) -> Self {
        self.load.connections_per_peer = count;
        self
    }

    /// The most streams at once from one IPv4 address or one IPv6 network of 64 bits, on all its connections together;
    /// where a proxy speaks the PROXY protocol, from the client behind it. Default unlimited: that is
    /// [`Server::max_connections_per_peer`] times [`Http2Config::max_concurrent_streams`](crate::Http2Config), and behind
    /// other proxies all come from one. A stream counts until its call has ended. One beyond it is refused
    /// (REFUSED_STREAM: clients try again once, then the call ends with UNAVAILABLE).
    #[must_use]
    pub fn max_streams_per_peer(mut self, count: usize) -> Self {
        self.max_streams_per_peer = count;
        self
    }

    /// The most bytes that all connections may hold together, received and not read or waiting to be sent. Default
    /// 1 GiB. Above it no window is enlarged, new streams are refused (REFUSED_STREAM: clients try again) and new connections
    /// wait, until it is less.
    #[must_use]
    pub fn memory_budget(mut self, bytes: usize) -> Self {
        self.load.memory = bytes;
        self
    }

    /// Runs every handler in a task of its own from its first poll on. By default a method whose first poll is quick
    /// (see [`Server::inline_limit`]) is polled first in its connection's task, which saves a task for what is ready at once
    /// and for streams.
    #[must_use]
    pub fn always_spawn(mut self) -> Self {
        self.always_spawn = true;
        self
    }

    /// How long a poll of a method's handler may take, on average, for it to run in its connection's task: the first poll of
    /// any handler, and by an average of their own the later polls of a stream's, which stays there. Default 10 µs. A
    /// higher limit saves tasks where handlers compute, and delays the other calls of a connection by as much.
    #[must_use]
    pub fn inline_limit(mut self, limit: Duration) -> Self {
        self.inline_limit = limit;
        self
    }

    /// How long the server serves on as before once [`ServerHandle::shutdown`](super::ServerHandle) is asked for, while
    /// its health service says NOT_SERVING. Default zero. Where load balancers probe, or learn of a change late as
    /// Kubernetes' do: the time that they need, or clients are still sent to a port that is closed.
    /// [`ServerHandle::shutdown_without_delay`](super::ServerHandle::shutdown_without_delay) does not wait for it.
    #[must_use]
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.drain_delay = delay;
        self
    }

    /// Ends the calls of this method (`/package.Service/Method`) with UNAVAILABLE as soon as the server drains, where
    /// others may finish within the grace. For streams that have no end of their own.
    #[must_use]
    pub fn end_on_drain(mut self, path: impl Into<String>) -> Self {
        self.ends_on_drain.push(path.into());
        self
    }

    /// Puts the server and its connections into this registry, for channelz. Default none: then nobody can look what
    /// they do.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Who answers requests that are no gRPC. Without one they get 415 or 404.
    #[must_use]
    pub fn http_handler(mut self, handler: impl HttpHandler) -> Self {
        self.http = Some(Arc::new(handler));
        self
    }

    /// Who serves connections that are not HTTP/2. Without one they get a line of HTTP/1.1 that says so.
    #[must_use]
    pub fn foreign_connections(mut self, handler: impl ForeignConnection) -> Self {
        self.foreign = Some(Arc::new(handler));
        self
    }

    /// Listens on these addresses; [`Listen`] says how they are written.
    ///
    /// # Errors
    /// Where an address can't be listened on, limits do not fit together, or certificates can't be used.
    pub async fn bind<L: Into<Listen>>(
        self,
        listen: impl IntoIterator<Item = L>,
    ) -> Result<Bound, ServeError> {
        self.bind_all(listen.into_iter().map(Into::into).collect()).await
    }

    /// In a box: a future that is not is compiled by each program that names it, and here once.
    fn bind_all(self, listen: Vec<Listen>) -> BoxFuture<'static, Result<Bound, ServeError>> {
        Box::pin(async move {
            let threads = self.threads;
            let shared = self.into_shared()?;
            let mut listeners = Vec::new();
            for listen in listen {
                listeners.extend(Listener::bind(listen, threads > 1).await?);
            }
            Bound::new(listeners, threads, shared)
        })
    }

    /// Listens nowhere: for connections that come by [`ServerHandle::serve_connection`](super::ServerHandle).
    ///
    /// # Errors
    /// Where limits do not fit together, or certificates can't be used.
    pub fn unbound(self) -> Result<Bound, ServeError> {
        Bound::new(Vec::new(), 1, self.into_shared()?)
    }

    /// Listens on one address and serves until the process ends.
    ///
    /// # Errors
    /// As [`Server::bind`].
    pub async fn serve(self, listen: impl Into<Listen>) -> Result<(), ServeError> {
        self.serve_on(listen.into()).await
    }

    /// In a box, as [`Server::bind_all`].
    fn serve_on(self, listen: Listen) -> BoxFuture<'static, Result<(), ServeError>> {
        Box::pin(async move {
            self.bind_all(vec![listen]).await?.serve().await;
            Ok(())
        })
    }

    pub(crate) fn into_shared(mut self) -> Result<Arc<ServerShared>, ServeError> {
        self.http2.check().map_err(ServeError::Limits)?;
        // A message within its limit can always arrive.
        self.http2 = self.http2.fits_messages(self.limits.max_decoded_message);
        for path in &self.ends_on_drain {
            if !self.routes.end_on_drain(path) {
                return Err(ServeError::Limits(format!("end_on_drain names {path}, which no service has")));
            }
        }
        #[cfg(feature = "tls")]
        let tls = {
            // What the foreign door speaks has to be agreed on as well.
            let others: &[&[u8]] = if self.foreign.is_some() { &[b"http/1.1"] } else { &[] };
            let acceptor = self.tls.map(|settings| crate::tls::TlsAcceptor::new(settings, others));
            acceptor.transpose().map_err(ServeError::Tls)?
        };
        Ok(Arc::new(ServerShared {
            routes: self.routes,
            chain: self.chain,
            // One message within its limit always fits.
            decoded_budget: self.decoded_budget.max(self.limits.max_decoded_message),
            limits: self.limits,
            compression: self.compression,
            deadlines: self.deadlines,
            http2: self.http2,
            http: self.http,
            foreign: self.foreign,
            always_spawn: self.always_spawn,
            inline_limit_nanos: u32::try_from(self.inline_limit.as_nanos()).unwrap_or(u32::MAX),
            handshake_timeout: self.handshake_timeout,
            observer: self.observer,
            max_connections: self.max_connections,
            keepalive: self.keepalive,
            lifetime: self.lifetime,
            pings: self.pings,
            cut_calls: AtomicUsize::new(0),
            load: Arc::new(Load::new(self.load)),
            streams_by_peer: StreamsByPeer::new(self.max_streams_per_peer),
            entry: self.registry.map(ServerEntry::new),
            #[cfg(feature = "tls")]
            tls,
            drain_delay: self.drain_delay,
            draining: watch::Sender::new(false),
        }))
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.routes.specs().iter().map(|spec| spec.name).collect();
        f.debug_struct("Server").field("services", &names).finish_non_exhaustive()
    }
}
