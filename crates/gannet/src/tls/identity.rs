//! What one end proves itself with: a certificate and its key.

use super::pem::{self, PemSource};
use super::{TlsError, crypto};
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, SignatureScheme};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A certificate, those that lead from it to an authority, and its private key: what a server, or a client of a server
/// that asks for it, proves itself with.
#[derive(Clone)]
pub struct Identity(Source);

#[derive(Clone)]
enum Source {
    Pem { certificates: PemSource, key: PemSource },
    Provider(Arc<dyn IdentityProvider>),
}

/// An identity as PEM text.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityPem {
    /// The certificate, and after it those that lead to an authority.
    pub certificates: Vec<u8>,
    /// The private key (PKCS #8, PKCS #1 or SEC 1), not encrypted.
    pub key: Vec<u8>,
}

/// Where an identity comes from if it is neither a file nor a text: a secret store, an ACME client, a SPIFFE agent.
///
/// A closure that returns [`IdentityPem`] is a provider.
pub trait IdentityProvider: Send + Sync + 'static {
    /// The identity of the moment. Asked when the server starts and then as often as
    /// [`ServerTls::reload_interval`](super::ServerTls::reload_interval) says, or for each connection that a client
    /// makes; in a thread that may block.
    ///
    /// # Errors
    /// Where there is none now. A server goes on with what it had.
    fn identity(&self) -> Result<IdentityPem, Box<dyn std::error::Error + Send + Sync>>;
}

impl<F> IdentityProvider for F
where
    F: Fn() -> Result<IdentityPem, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
{
    fn identity(&self) -> Result<IdentityPem, Box<dyn std::error::Error + Send + Sync>> {
        self()
    }
}

impl Identity {
    /// From PEM files, which may be the same. They are read again while the program runs: a renewed certificate is
    /// used without a restart.
    #[must_use]
    pub fn files(certificates: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self(Source::Pem { certificates: PemSource::file(certificates), key: PemSource::file(key) })
    }

    /// From PEM text.
    #[must_use]
    pub fn pem(certificates: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        Self(Source::Pem { certificates: PemSource::text(certificates), key: PemSource::text(key) })
    }

    /// From somewhere else, asked again while the program runs.
    #[must_use]
    pub fn provider(provider: impl IdentityProvider) -> Self {
        Self(Source::Provider(Arc::new(provider)))
    }

    pub(super) fn read(&self) -> Result<IdentityPem, TlsError> {
        match &self.0 {
            Source::Pem { certificates, key } => {
                Ok(IdentityPem { certificates: certificates.read()?.to_vec(), key: key.read()?.to_vec() })
            }
            Source::Provider(provider) => provider.identity().map_err(|error| {
                TlsError::new(format!("the provider has no identity: {error}")).caused_by(error)
            }),
        }
    }

    /// What was read, as rustls takes it.
    pub(super) fn resolver(&self, read: &IdentityPem) -> Result<Arc<Always>, TlsError> {
        let (certificates_from, key_from): (&dyn fmt::Display, &dyn fmt::Display) = match &self.0 {
            Source::Pem { certificates, key } => (certificates, key),
            Source::Provider(_) => (&"what the provider gave", &"what the provider gave"),
        };
        let chain = pem::certificates(&read.certificates, certificates_from)?;
        let key = pem::private_key(&read.key, key_from)?;
        let certified = CertifiedKey::from_der(chain, key, &crypto()).map_err(|error| {
            let text = match &error {
                rustls::Error::InconsistentKeys(_) => format!(
                    "the key in {key_from} does not fit the certificate in {certificates_from}: they are not a pair"
                ),
                rustls::Error::InvalidCertificate(CertificateError::BadEncoding) => {
                    format!("the certificate in {certificates_from} is damaged")
                }
                _ => format!("the key in {key_from} can't be used: {error}"),
            };
            TlsError::new(text).caused_by(error)
        })?;
        Ok(Arc::new(Always(Arc::new(certified))))
    }
}

/// One certificate, whatever name or authority the peer asks for.
#[derive(Debug)]
pub(super) struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Pem { certificates, .. } => write!(f, "Identity({certificates})"),
            Source::Provider(_) => f.write_str("Identity(provider)"),
        }
    }
}

/// Without the key.
impl fmt::Debug for IdentityPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityPem")
            .field("certificates", &String::from_utf8_lossy(&self.certificates))
            .finish_non_exhaustive()
    }
}
