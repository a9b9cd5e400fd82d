//! A client's TLS: its settings, and what connects by them.

use super::identity::IdentityPem;
use super::{
    ALPN_H2, Authorities, Identity, Side, TlsError, TlsSession, TlsVersion, crypto, explain_handshake,
};
use crate::driver::Socket;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::{Arc, Mutex, PoisonError};

/// Whom a channel trusts, and what it proves itself with.
///
/// ```
/// # fn example() -> Result<(), gannet::InvalidTarget> {
/// use gannet::tls::{Authorities, ClientTls, Identity};
///
/// let tls = ClientTls::new()
///     .authorities(Authorities::file("ca.pem"))
///     .identity(Identity::files("client.pem", "client.key"));
/// let channel = gannet::Channel::builder("dns:///users.internal:50051")?.tls(tls).build();
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ClientTls {
    setup: Setup,
    server_name: Option<String>,
}

#[derive(Clone, Debug)]
enum Setup {
    Settings { authorities: Authorities, identity: Option<Identity>, min_version: TlsVersion },
    Rustls(Arc<ClientConfig>),
}

impl Default for ClientTls {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientTls {
    /// TLS 1.2 and 1.3 to servers that the system's authorities vouch for.
    #[must_use]
    pub fn new() -> Self {
        let setup = Setup::Settings {
            authorities: Authorities::system(),
            identity: None,
            min_version: TlsVersion::Tls12,
        };
        Self { setup, server_name: None }
    }

    /// With a configuration of rustls, for what there is no method for. Its ALPN protocols must have `h2`. The other
    /// methods, but for [`ClientTls::server_name`], do not act on it.
    #[must_use]
    pub fn rustls(config: Arc<ClientConfig>) -> Self {
        Self { setup: Setup::Rustls(config), server_name: None }
    }

    /// Trusts servers that these authorities vouch for, in place of the system's.
    #[must_use]
    pub fn authorities(mut self, trusted: Authorities) -> Self {
        if let Setup::Settings { authorities, .. } = &mut self.setup {
            *authorities = trusted;
        }
        self
    }

    /// What to present to a server that asks who the client is (mTLS).
    #[must_use]
    pub fn identity(mut self, own: Identity) -> Self {
        if let Setup::Settings { identity, .. } = &mut self.setup {
            *identity = Some(own);
        }
        self
    }

    /// The name that the server's certificate must have, in place of the target's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
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

    fn read(&self) -> Result<Read, TlsError> {
        let Setup::Settings { authorities, identity, .. } = &self.setup else { return Ok(Read::default()) };
        let identity = identity.as_ref().map(Identity::read).transpose()?;
        Ok(Read { authorities: authorities.read()?, identity })
    }

    fn config(&self, read: &Read) -> Result<Arc<ClientConfig>, TlsError> {
        let (authorities, identity, min_version) = match &self.setup {
            Setup::Rustls(config) if config.alpn_protocols.iter().any(|protocol| protocol == ALPN_H2) => {
                return Ok(Arc::clone(config));
            }
            Setup::Rustls(_) => {
                return Err(TlsError::new(
                    "the rustls configuration offers no \"h2\"; add it to its alpn_protocols",
                ));
            }
            Setup::Settings { authorities, identity, min_version } => (authorities, identity, min_version),
        };
        let builder = ClientConfig::builder_with_provider(crypto())
            .with_protocol_versions(min_version.and_above())
            .map_err(|error| TlsError::new(format!("TLS can't be set up: {error}")).caused_by(error))?
            .with_root_certificates(authorities.roots(read.authorities.as_deref())?);
        let mut config = match (identity, &read.identity) {
            (Some(identity), Some(read)) => builder.with_client_cert_resolver(identity.resolver(read)?),
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN_H2.to_vec()];
        Ok(Arc::new(config))
    }
}

/// What files and providers said.
#[derive(Default, PartialEq, Eq)]
struct Read {
    authorities: Option<Arc<[u8]>>,
    identity: Option<IdentityPem>,
}

/// Makes connections with what files and providers say at that time.
pub(crate) struct TlsConnector {
    settings: ClientTls,
    server_name: String,
    /// Kept as long as nothing has changed, for it remembers sessions to resume.
    current: Mutex<Option<(Read, Arc<ClientConfig>)>>,
}

impl TlsConnector {
    /// `target_name` is the target's host.
    pub(crate) fn new(settings: ClientTls, target_name: String) -> Self {
        let server_name = settings.server_name.clone().unwrap_or(target_name);
        Self { settings, server_name, current: Mutex::new(None) }
    }

    /// Blocks while it reads.
    fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let read = self.settings.read()?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((before, config)) if *before == read => Ok(Arc::clone(config)),
            _ => {
                let config = self.settings.config(&read)?;
                *current = Some((read, Arc::clone(&config)));
                Ok(config)
            }
        }
    }

    /// The handshake on a connected socket.
    pub(crate) async fn connect(self: &Arc<Self>, socket: Socket) -> Result<(Socket, TlsSession), TlsError> {
        let name = ServerName::try_from(self.server_name.clone()).map_err(|error| {
            TlsError::new(format!(
                "{:?} is no name that a certificate can have; set ClientTls::server_name",
                self.server_name
            ))
            .caused_by(error)
        })?;
        let this = Arc::clone(self);
        let config = tokio::task::spawn_blocking(move || this.config())
            .await
            .map_err(|error| TlsError::new("reading the certificates was cut short").caused_by(error))??;
        let stream = tokio_rustls::TlsConnector::from(config)
            .connect(name, socket)
            .await
            .map_err(|error| TlsError::new(explain_handshake(Side::Client, &error)).caused_by(error))?;
        let (_, connection) = stream.get_ref();
        // RFC 9113 §3.2: HTTP/2 over TLS is agreed on by ALPN.
        if connection.alpn_protocol() != Some(ALPN_H2) {
            return Err(TlsError::new(
                "the server did not agree to HTTP/2 by ALPN; gRPC needs \"h2\" there (RFC 9113 §3.2): is it a \
                 server of HTTP/1.1, or behind a proxy that ends TLS?",
            ));
        }
        let session = TlsSession::new(connection, Some(&self.server_name));
        Ok((Socket::Boxed(Box::new(stream)), session))
    }
}
