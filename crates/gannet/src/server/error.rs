//! Why a server does not begin.

use std::fmt;
use std::io;

/// Why a server could not begin to serve.
///
/// `Debug` shows the message as well, so that a `main` that returns it prints that and not a structure.
#[non_exhaustive]
pub enum ServeError {
    /// The text names no address to listen on.
    Address(String),
    /// The address can't be listened on.
    Listen {
        /// The address as it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server's limits do not fit together.
    Limits(String),
    /// The certificate, its key or the authorities can't be used.
    #[cfg(feature = "tls")]
    Tls(crate::tls::TlsError),
}

impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Address(text) => {
                write!(
                    f,
                    "{text:?} is no address to listen on; write it as 127.0.0.1:50051, [::1]:50051 or unix:PATH"
                )
            }
            ServeError::Listen { address, source } if source.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "{address} is in use by another program; choose another port, or 0 for a free one")
            }
            ServeError::Listen { address, source } => write!(f, "can't listen on {address}: {source}"),
            ServeError::Limits(text) => f.write_str(text),
            #[cfg(feature = "tls")]
            ServeError::Tls(error) => write!(f, "TLS can't begin: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ServeError::Listen { source, .. } => Some(source),
            #[cfg(feature = "tls")]
            ServeError::Tls(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}
