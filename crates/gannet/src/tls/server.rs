//! A server's TLS: its settings, and what accepts by them.

use super::identity::IdentityPem;
use super::{ALPN_H2, Authorities, Identity, TlsError, TlsSession, TlsVersion, crypto, ticketer};
use crate::driver::{Replayed, Socket};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// How a server proves itself, and whether clients must.
///
/// ```
/// use gannet::tls::{Authorities, Identity, ServerTls};
///
/// let tls = ServerTls::new(Identity::files("server.pem", "server.key"))
///     .client_authorities(Authorities::file("clients-ca.pem"));
/// let server = gannet::Server::new().tls(tls);
/// ```
#[derive(Clone, Debug)]
pub struct ServerTls {
    setup: Setup,
    reload_interval: Duration,
}

#[derive(Clone, Debug)]
enum Setup {
    Settings { identity: Identity, clients: Clients, min_version: TlsVersion },
    Rustls(Arc<ServerConfig>),
}

/// What is asked of clients.
#[derive(Clone, Debug)]
enum Clients {
    Anybody,
    /// Who presents a certificate must present a good one.
    Optional(Authorities),
    Required(Authorities),
}

impl ServerTls {
    const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

    /// TLS 1.2 and 1.3 with this identity, for any client.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        let setup = Setup::Settings { identity, clients: Clients::Anybody, min_version: TlsVersion::Tls12 };
        Self { setup, reload_interval: Self::RELOAD_INTERVAL }
    }

    /// With a configuration of rustls, for what there is no method for. Its ALPN protocols must have `h2`; it is never
    /// reloaded, its own resolver and verifier may change what they answer. The other methods do not act on it.
    #[must_use]
    pub fn rustls(config: Arc<ServerConfig>) -> Self {
        Self { setup: Setup::Rustls(config), reload_interval: Self::RELOAD_INTERVAL }
    }

    /// Requires of every client a certificate that one of these authorities has signed (mTLS). Who it is, is in
    /// [`Peer::tls`](crate::Peer::tls).
    #[must_use]
    pub fn client_authorities(mut self, authorities: Authorities) -> Self {
        if let Setup::Settings { clients, .. } = &mut self.setup {
            *clients = Clients::Required(authorities);
        }
        self
    }

    /// As [`ServerTls::client_authorities`], but a client without a certificate is let in as well; handlers decide what
    /// it may do.
    #[must_use]
    pub fn optional_client_authorities(mut self, authorities: Authorities) -> Self {
        if let Setup::Settings { clients, .. } = &mut self.setup {
            *clients = Clients::Optional(authorities);
        }
        self
    }

    /// The lowest version to speak. Default TLS 1.2.
    #[must_use]
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        if let Setup::Settings { min_version, .. } = &mut self.setup {
            *min_version = version;
        }
        self
    }

    /// How often files and providers are read to see whether they have changed. Default 10 s. New connections use what
    /// is new; those that are open go on. What can't be used is told by
    /// [`ServerEvent::TlsReloadFailed`](crate::ServerEvent::TlsReloadFailed), and the old goes on.
    #[must_use]
    pub fn reload_interval(mut self, interval: Duration) -> Self {
        self.reload_interval = interval;
        self
    }

    fn read(&self) -> Result<Option<Read>, TlsError> {
        let Setup::Settings { identity, clients, .. } = &self.setup else { return Ok(None) };
        let clients = match clients {
            Clients::Anybody => None,
            Clients::Optional(authorities) | Clients::Required(authorities) => authorities.read()?,
        };
        Ok(Some(Read { identity: identity.read()?, clients }))
    }

    /// The configuration that comes of what was read. Its tickets are new: a session may not go on past a change of
    /// whom the server trusts.
    fn config(&self, read: Option<&Read>) -> Result<ServerConfig, TlsError> {
        let (Setup::Settings { identity, clients, min_version }, Some(read)) = (&self.setup, read) else {
            return Err(TlsError::new("there are no settings to make TLS of"));
        };
        let unusable =
            |error: rustls::Error| TlsError::new(format!("TLS can't be set up: {error}")).caused_by(error);
        let builder = ServerConfig::builder_with_provider(crypto())
            .with_protocol_versions(min_version.and_above())
            .map_err(unusable)?;
        let builder = match clients {
            Clients::Anybody => builder.with_no_client_auth(),
            Clients::Optional(authorities) | Clients::Required(authorities) => {
                let roots = authorities.roots(read.clients.as_deref())?;
                let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, crypto());
                if matches!(clients, Clients::Optional(_)) {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build().map_err(|error| {
                    TlsError::new(format!("the clients' authorities can't be used: {error}")).caused_by(error)
                })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_cert_resolver(identity.resolver(&read.identity)?);
        config.ticketer = ticketer().map_err(unusable)?;
        Ok(config)
    }
}

/// What files and providers said.
#[derive(PartialEq, Eq)]
struct Read {
    identity: IdentityPem,
    clients: Option<Arc<[u8]>>,
}

/// Accepts connections with the identity of the moment.
pub(crate) struct TlsAcceptor {
    settings: ServerTls,
    /// Protocols that the server's other doors speak are offered as well.
    alpn: Vec<Vec<u8>>,
    current: RwLock<Arc<ServerConfig>>,
    /// What `current` was made of.
    read: Mutex<Option<Read>>,
}

/// A connection after its handshake.
pub(crate) struct TlsConnection {
    pub(crate) socket: Socket,
    pub(crate) session: TlsSession,
    /// RFC 9113 §3.2: both ends have agreed on HTTP/2.
    pub(crate) is_http2: bool,
}

impl TlsAcceptor {
    pub(crate) fn new(settings: ServerTls, other_protocols: &[&[u8]]) -> Result<Self, TlsError> {
        let alpn: Vec<Vec<u8>> =
            [ALPN_H2].iter().chain(other_protocols).map(|protocol| protocol.to_vec()).collect();
        if let Setup::Rustls(config) = &settings.setup {
            if !config.alpn_protocols.iter().any(|protocol| protocol == ALPN_H2) {
                return Err(TlsError::new(
                    "the rustls configuration offers no \"h2\"; add it to its alpn_protocols",
                ));
            }
            let current = RwLock::new(Arc::clone(config));
            return Ok(Self { settings, alpn, current, read: Mutex::new(None) });
        }
        let read = settings.read()?;
        let mut config = settings.config(read.as_ref())?;
        config.alpn_protocols.clone_from(&alpn);
        Ok(Self { settings, alpn, current: RwLock::new(Arc::new(config)), read: Mutex::new(read) })
    }

    /// Reads files and providers again; `true` where they had changed. On an error the old goes on. Blocks.
    pub(crate) fn reload(&self) -> Result<bool, TlsError> {
        let read = self.settings.read()?;
        let mut before = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == read {
            return Ok(false);
        }
        let mut config = self.settings.config(read.as_ref())?;
        config.alpn_protocols.clone_from(&self.alpn);
        *before = read;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
        Ok(true)
    }

    /// `None` where nothing can change.
    pub(crate) fn reload_interval(&self) -> Option<Duration> {
        matches!(self.settings.setup, Setup::Settings { .. }).then_some(self.settings.reload_interval)
    }

    /// The handshake. A client that is refused gets the alert that says why.
    pub(crate) async fn accept(&self, socket: Replayed) -> io::Result<TlsConnection> {
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let accepted = tokio_rustls::TlsAcceptor::from(config).accept(socket).into_fallible().await;
        match accepted {
            Ok(stream) => {
                let (_, connection) = stream.get_ref();
                let session = TlsSession::new(connection, connection.server_name());
                let is_http2 = connection.alpn_protocol() == Some(ALPN_H2);
                Ok(TlsConnection { socket: Socket::Boxed(Box::new(stream)), session, is_http2 })
            }
            Err((error, socket)) => {
                socket.into_socket().read_out().await;
                Err(error)
            }
        }
    }
}
