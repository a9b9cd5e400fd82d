//! A channel: calls to one target over a connection that comes when it is needed and comes back when it is lost.

use super::connect::{Connector, Dial};
use crate::compression::{CompressionSettings, DecompressionLimits, Outgoing, compression_setters};
use crate::driver::{Mailbox, clock, random};
use crate::intercept::Chain;
use crate::registry::{CallEntry, ChannelEntry};
use crate::{
    BackoffConfig, ChannelState, DEFAULT_MESSAGE_LIMIT_BYTES, Format, Interceptor, InvalidTarget, Registry,
    Result, Server, Service, Status, Target,
};
use gannet_core::KeepaliveConfig;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// A channel to a server. Clones share the connection.
///
/// It connects with the first call, and again, with backoff, when the connection is lost.
///
/// ```
/// # fn example() -> Result<(), gannet::InvalidTarget> {
/// let channel = gannet::Channel::new("dns:///users.internal:50051")?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Channel(Arc<Inner>);

struct Inner {
    connector: Connector,
    settings: Settings,
    authority: String,
    user_agent: String,
    /// The `grpc-accept-encoding` of every call.
    accept_encoding: String,
    chain: Chain,
    state: Mutex<State>,
    changed: Notify,
    /// How often a server has said that it is asked too often.
    too_many_pings: AtomicU32,
    /// Where others look what the channel does.
    entry: Option<ChannelEntry>,
}

/// What a channel was built with.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) max_decoded_message: usize,
    pub(super) max_encoded_message: usize,
    pub(super) compression: CompressionSettings,
    pub(super) format: Format,
    pub(super) http2: gannet_http2::Config,
    pub(super) backoff: BackoffConfig,
    pub(super) keepalive: Option<KeepaliveConfig>,
}

/// The life of the channel's connection (connectivity-semantics-and-api.md).
enum State {
    Idle,
    Connecting,
    Ready(Arc<Mailbox>),
    TransientFailure(Status),
}

/// How long a call waits for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    UntilFailed,
    UntilReady,
}

/// Builds a [`Channel`].
pub struct ChannelBuilder {
    dial: Dial,
    authority: String,
    user_agent: String,
    chain: Chain,
    settings: Settings,
    registry: Option<Registry>,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::ClientTls>,
}

impl Channel {
    /// A channel to a target: `dns:///host:port`, `host:port`, `ipv4:10.0.0.1:50051`, `ipv6:[::1]:50051`, `unix:PATH`.
    /// It connects with the first call.
    ///
    /// # Errors
    /// Where the text is no target.
    pub fn new(target: &str) -> Result<Self, InvalidTarget> {
        Ok(Self::builder(target)?.build())
    }

    /// A channel with options of its own.
    ///
    /// # Errors
    /// Where the text is no target.
    pub fn builder(target: &str) -> Result<ChannelBuilder, InvalidTarget> {
        let target: Target = target.parse()?;
        Ok(ChannelBuilder::new(target.authority(), Dial::Target(target)))
    }

    /// A channel to a service in this process: both state machines over a pipe in memory, without a socket. It starts
    /// with the first call.
    #[must_use]
    pub fn in_process(service: impl Service) -> Self {
        Self::to_server(Server::new().add(service))
    }

    /// As [`Channel::in_process`], for a server with interceptors and limits.
    #[must_use]
    pub fn to_server(server: Server) -> Self {
        Self::builder_to_server(server).build()
    }

    /// As [`Channel::to_server`], for a channel with options of its own.
    #[must_use]
    pub fn builder_to_server(server: Server) -> ChannelBuilder {
        let dial = match server.into_shared() {
            Ok(shared) => Dial::InProcess(shared),
            Err(error) => Dial::Never(Status::failed_precondition(error.to_string())),
        };
        ChannelBuilder::new("localhost".to_owned(), dial)
    }

    /// Connects now rather than with the first call.
    ///
    /// # Errors
    /// UNAVAILABLE where the first attempt fails.
    pub async fn connect(&self) -> Result<()> {
        self.pick(Waiting::UntilFailed).await.map(drop)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn format(&self) -> Format {
        self.0.settings.format
    }

    pub(super) fn compression(&self) -> &CompressionSettings {
        &self.0.settings.compression
    }

    pub(super) fn accept_encoding(&self) -> &str {
        &self.0.accept_encoding
    }

    /// What requests have to keep to where the call does not say.
    pub(super) fn outgoing(&self) -> Outgoing {
        self.compression().outgoing(self.settings().max_encoded_message)
    }

    pub(super) fn decompression(&self) -> DecompressionLimits {
        self.compression().decompression(self.settings().max_decoded_message)
    }

    pub(super) fn chain(&self) -> &Chain {
        &self.0.chain
    }

    pub(super) fn authority(&self) -> &str {
        &self.0.authority
    }

    pub(super) fn scheme(&self) -> &'static str {
        self.0.connector.scheme()
    }

    pub(super) fn user_agent(&self) -> &str {
        &self.0.user_agent
    }

    pub(super) fn target_text(&self) -> String {
        self.0.connector.to_string()
    }

    /// The connection, where there is one: one short lock.
    #[inline]
    pub(super) fn ready(&self) -> Option<Arc<Mailbox>> {
        match &*self.lock() {
            State::Ready(mailbox) => Some(Arc::clone(mailbox)),
            _ => None,
        }
    }

    pub(super) fn last_error(&self) -> Option<Status> {
        match &*self.lock() {
            State::TransientFailure(status) => Some(status.clone()),
            _ => None,
        }
    }

    /// The connection, made where there is none.
    pub(super) async fn pick(&self, waiting: Waiting) -> Result<Arc<Mailbox>> {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, or a change between the two would be missed.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                match &*state {
                    State::Ready(mailbox) => return Ok(Arc::clone(mailbox)),
                    State::TransientFailure(status) if waiting == Waiting::UntilFailed => {
                        return Err(status.clone());
                    }
                    State::TransientFailure(_) | State::Connecting => {}
                    State::Idle => {
                        *state = State::Connecting;
                        self.show(&state);
                        tokio::spawn(self.clone().keep_connecting());
                    }
                }
            }
            changed.await;
        }
    }

    /// Tries until there is a connection or nobody has the channel any more.
    async fn keep_connecting(self) {
        let mut backoff = gannet_core::Backoff::new(self.0.settings.backoff);
        loop {
            let attempt = backoff.start_attempt(clock::now(), random());
            let connected = self.0.connector.connect(&self, attempt.deadline).await;
            match connected {
                Ok(mailbox) => return self.set(State::Ready(mailbox)),
                Err(status) => self.set(State::TransientFailure(status)),
            }
            if Arc::strong_count(&self.0) == 1 {
                return;
            }
            tokio::time::sleep_until(attempt.next_start.into()).await;
        }
    }

    /// A connection takes no more calls: the next call makes a new one.
    pub(super) fn retire(&self, mailbox: &Arc<Mailbox>) {
        let is_it = matches!(&*self.lock(), State::Ready(ready) if Arc::ptr_eq(ready, mailbox));
        if is_it {
            self.set(State::Idle);
        }
    }

    /// The keepalive of a new connection.
    pub(super) fn keepalive(&self) -> Option<KeepaliveConfig> {
        let doubled = self.0.too_many_pings.load(Ordering::Relaxed).min(31);
        self.settings().keepalive.map(|config| KeepaliveConfig {
            interval: config.interval.saturating_mul(1 << doubled),
            ..config
        })
    }

    /// gRFC A8: a client that is told so doubles its interval.
    pub(super) fn asked_too_often(&self) {
        self.0.too_many_pings.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn downgrade(&self) -> WeakChannel {
        WeakChannel(Arc::downgrade(&self.0))
    }

    pub(super) fn entry(&self) -> Option<&ChannelEntry> {
        self.0.entry.as_ref()
    }

    /// Counts a call that begins, where somebody looks.
    #[inline]
    pub(super) fn count_call(&self) -> Option<CallEntry> {
        self.entry().map(|entry| entry.call(clock::now()))
    }

    fn show(&self, state: &State) {
        if let Some(entry) = self.entry() {
            match state {
                State::Idle => entry.is_now(ChannelState::Idle, None),
                State::Connecting => entry.is_now(ChannelState::Connecting, None),
                State::Ready(_) => entry.is_now(ChannelState::Ready, None),
                State::TransientFailure(status) => entry.is_now(ChannelState::TransientFailure, Some(status)),
            }
        }
    }

    fn set(&self, state: State) {
        self.show(&state);
        *self.lock() = state;
        self.0.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel as its connection knows it: the connection does not keep the channel alive.
pub(super) struct WeakChannel(std::sync::Weak<Inner>);

impl WeakChannel {
    pub(super) fn upgrade(&self) -> Option<Channel> {
        self.0.upgrade().map(Channel)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// The last owner of a channel closes its connection.
impl Drop for Inner {
    fn drop(&mut self) {
        if let State::Ready(mailbox) = &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            // Refused only where the connection is gone already.
            drop(mailbox.command(crate::driver::Command::Drain));
        }
    }
}

impl ChannelBuilder {
    fn new(authority: String, dial: Dial) -> Self {
        Self {
            dial,
            authority,
            user_agent: concat!("grpc-rust-gannet/", env!("CARGO_PKG_VERSION")).to_owned(),
            chain: Chain::default(),
            settings: Settings {
                max_decoded_message: DEFAULT_MESSAGE_LIMIT_BYTES,
                max_encoded_message: usize::MAX,
                compression: CompressionSettings::default(),
                format: Format::default(),
                // A client opens the streams itself: it grants each more than a server can.
                http2: gannet_http2::Config::default().max_concurrent_streams(128),
                backoff: BackoffConfig::default(),
                keepalive: None,
            },
            registry: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The `:authority` of every call, in place of the target's own.
    #[must_use]
    pub fn authority(mut self, authority: impl Into<String>) -> Self {
        self.authority = authority.into();
        self
    }

    /// A name for the program, before gannet's own in `user-agent`.
    #[must_use]
    pub fn user_agent(mut self, name: &str) -> Self {
        self.user_agent = format!("{name} {}", self.user_agent);
        self
    }

    /// Adds an interceptor around every call, inside of those added before.
    #[must_use]
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Self {
        self.chain.push(interceptor);
        self
    }

    /// The largest response message, in bytes. Default 4 MiB.
    #[must_use]
    pub fn max_decoded_message(mut self, bytes: usize) -> Self {
        self.settings.max_decoded_message = bytes;
        self
    }

    /// The largest request message, in bytes. Default unlimited (4 GiB, what the prefix can say).
    #[must_use]
    pub fn max_encoded_message(mut self, bytes: usize) -> Self {
        self.settings.max_encoded_message = bytes;
        self
    }

    compression_setters!(settings.compression);

    /// How the messages of calls are encoded, the content-type that is sent. Default [`Format::Proto`]. The codec of the
    /// generated code has to know the format, and so has the server.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.settings.format = format;
        self
    }

    /// Speaks TLS to the server. Default plaintext. Files are read when a connection is made: what is wrong with them
    /// is the error of connecting.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Puts the channel and its connections into this registry, for channelz. Default none: then nobody can look what
    /// they do.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// The limits of the HTTP/2 connection.
    #[must_use]
    pub fn http2(mut self, config: gannet_http2::Config) -> Self {
        self.settings.http2 = config;
        self
    }

    /// How attempts to connect are spaced. Default as the gRPC documents say: 1 s, times 1.6, at most 120 s.
    #[must_use]
    pub fn backoff(mut self, backoff: BackoffConfig) -> Self {
        self.settings.backoff = backoff;
        self
    }

    /// Asks a server that has been silent for so long whether it is there, while calls are open. Default never; least
    /// 10 s (gRFC A8). Servers end connections that ask more often than they allow, which is 5 minutes by default; the
    /// channel then asks half as often on the next.
    ///
    /// With it TCP gives bytes up that nobody has acknowledged for [`ChannelBuilder::keepalive_timeout`] (gRFC A18).
    #[must_use]
    pub fn keepalive_interval(mut self, interval: Duration) -> Self {
        self.keepalive().interval = interval.max(KeepaliveConfig::SHORTEST_CLIENT_INTERVAL);
        self
    }

    /// How long the server may take to answer. Default 20 s. Then the connection is lost, and its calls end with
    /// UNAVAILABLE. Acts with [`ChannelBuilder::keepalive_interval`].
    #[must_use]
    pub fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.keepalive().timeout = timeout;
        self
    }

    /// Asks while no call is open as well. Default not: servers allow it only every two hours by default. Acts with
    /// [`ChannelBuilder::keepalive_interval`].
    #[must_use]
    pub fn keepalive_without_calls(mut self) -> Self {
        self.keepalive().without_calls = true;
        self
    }

    fn keepalive(&mut self) -> &mut KeepaliveConfig {
        self.settings.keepalive.get_or_insert(KeepaliveConfig {
            interval: Duration::MAX,
            timeout: KeepaliveConfig::DEFAULT_TIMEOUT,
            without_calls: false,
        })
    }

    /// The channel. It connects with its first call.
    #[must_use]
    pub fn build(self) -> Channel {
        let connector = Connector::new(
            self.dial,
            #[cfg(feature = "tls")]
            self.tls,
        );
        Channel(Arc::new(Inner {
            entry: self.registry.map(|registry| ChannelEntry::new(registry, connector.to_string())),
            connector,
            authority: self.authority,
            user_agent: self.user_agent,
            accept_encoding: self.settings.compression.accepted.to_string(),
            settings: self.settings,
            chain: self.chain,
            state: Mutex::new(State::Idle),
            changed: Notify::new(),
            too_many_pings: AtomicU32::new(0),
        }))
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Channel({})", self.0.connector)
    }
}

impl std::fmt::Debug for ChannelBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChannelBuilder({})", self.authority)
    }
}
