//! PEM text (RFC 7468): reading it, and saying what is wrong with it.

use super::TlsError;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where PEM text comes from.
#[derive(Clone)]
pub(super) enum PemSource {
    /// Read each time it is asked for.
    File(PathBuf),
    Text(Arc<[u8]>),
}

impl PemSource {
    pub(super) fn file(path: impl Into<PathBuf>) -> Self {
        PemSource::File(path.into())
    }

    pub(super) fn text(pem: impl AsRef<[u8]>) -> Self {
        PemSource::Text(pem.as_ref().into())
    }

    pub(super) fn read(&self) -> Result<Arc<[u8]>, TlsError> {
        match self {
            PemSource::Text(text) => Ok(Arc::clone(text)),
            PemSource::File(path) => std::fs::read(path).map(Arc::from).map_err(|error| {
                TlsError::new(format!("the file {} can't be read: {error}", path.display())).caused_by(error)
            }),
        }
    }
}

/// As it stands in messages.
impl fmt::Display for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PemSource::File(path) => write!(f, "the file {}", Path::display(path)),
            PemSource::Text(_) => f.write_str("the PEM text"),
        }
    }
}

/// The certificates in PEM text, at least one.
pub(super) fn certificates(
    text: &[u8],
    from: &dyn fmt::Display,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let certificates = parsed.map_err(|error| broken(from, error))?;
    if certificates.is_empty() {
        return Err(missing(text, from, "certificate", "CERTIFICATE"));
    }
    Ok(certificates)
}

/// The first private key in PEM text.
pub(super) fn private_key(text: &[u8], from: &dyn fmt::Display) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if contains(text, b"ENCRYPTED PRIVATE KEY") => {
            Err(TlsError::new(format!("the key in {from} is encrypted; decrypt it with `openssl pkey`")))
        }
        Err(pem::Error::NoItemsFound) => Err(missing(text, from, "private key", "PRIVATE KEY")),
        Err(error) => Err(broken(from, error)),
    }
}

fn broken(from: &dyn fmt::Display, error: pem::Error) -> TlsError {
    TlsError::new(format!("{from} is no proper PEM: {error}")).caused_by(error)
}

fn missing(text: &[u8], from: &dyn fmt::Display, what: &str, label: &str) -> TlsError {
    let why = if text.iter().all(u8::is_ascii_whitespace) {
        "; it is empty"
    } else if text.first() == Some(&0x30) {
        // What every DER sequence begins with.
        "; it looks like DER, which `openssl x509 -inform der` or `openssl pkey -inform der` turns into PEM"
    } else if contains(text, b"-----BEGIN") {
        "; it has PEM of another kind"
    } else {
        ""
    };
    TlsError::new(format!("{from} has no {what} (-----BEGIN {label}-----){why}"))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_has_its_message() {
        let key = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let cut = b"-----BEGIN CERTIFICATE-----\nAAAA\n";
        let rows: [(&str, Result<(), TlsError>, &str); 6] = [
            (
                "empty",
                certificates(b" \n", &"x").map(drop),
                "has no certificate (-----BEGIN CERTIFICATE-----); it is empty",
            ),
            ("DER", certificates(b"\x30\x82", &"x").map(drop), "looks like DER"),
            ("a key", certificates(key, &"x").map(drop), "PEM of another kind"),
            ("cut", certificates(cut, &"x").map(drop), "x is no proper PEM"),
            ("encrypted", private_key(key, &"x").map(drop), "the key in x is encrypted"),
            (
                "text",
                private_key(b"hello", &"x").map(drop),
                "has no private key (-----BEGIN PRIVATE KEY-----)",
            ),
        ];
        for (name, result, expected) in rows {
            let text = result.expect_err(name).to_string();
            assert!(text.contains(expected), "{name}: {text}");
        }
        let absent = PemSource::file("/no/such.pem").read().expect_err("there is none").to_string();
        assert!(absent.starts_with("the file /no/such.pem can't be read: "), "{absent}");
    }
}
