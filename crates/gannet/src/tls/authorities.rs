//! Whom one end believes.

use super::TlsError;
use super::pem::{self, PemSource};
use rustls::RootCertStore;
use std::path::PathBuf;
use std::sync::Arc;

/// Authorities whose signature under a certificate is believed.
#[derive(Clone)]
pub struct Authorities(Source);

#[derive(Clone)]
enum Source {
    System,
    Pem(PemSource),
}

impl Authorities {
    /// Those that the operating system trusts; the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` override
    /// them. Read once.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// The certificates in a PEM file. It is read again while the program runs.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::Pem(PemSource::file(path)))
    }

    /// The certificates in PEM text.
    #[must_use]
    pub fn pem(certificates: impl AsRef<[u8]>) -> Self {
        Self(Source::Pem(PemSource::text(certificates)))
    }

    /// The PEM text, to see whether it has changed; the system's authorities have none.
    pub(super) fn read(&self) -> Result<Option<Arc<[u8]>>, TlsError> {
        match &self.0 {
            Source::System => Ok(None),
            Source::Pem(source) => source.read().map(Some),
        }
    }

    /// What `read` gave, as rustls takes it.
    pub(super) fn roots(&self, read: Option<&[u8]>) -> Result<Arc<RootCertStore>, TlsError> {
        let mut roots = RootCertStore::empty();
        match (&self.0, read) {
            (Source::Pem(source), Some(text)) => {
                for certificate in pem::certificates(text, source)? {
                    roots.add(certificate).map_err(|error| {
                        TlsError::new(format!("an authority's certificate in {source} is damaged: {error}"))
                            .caused_by(error)
                    })?;
                }
            }
            _ => {
                let mut found = rustls_native_certs::load_native_certs();
                // A system has odd ones among its hundred; those that can be read are enough.
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    let text =
                        "the system has no authorities to trust; install its ca-certificates, or name a file";
                    let error = TlsError::new(text);
                    return Err(match found.errors.pop() {
                        Some(cause) => error.caused_by(cause),
                        None => error,
                    });
                }
            }
        }
        Ok(Arc::new(roots))
    }
}

impl std::fmt::Debug for Authorities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Source::System => f.write_str("Authorities(system)"),
            Source::Pem(source) => write!(f, "Authorities({source})"),
        }
    }
}
