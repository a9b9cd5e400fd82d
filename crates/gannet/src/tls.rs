//! TLS by rustls: who a server is, whom a client trusts, and the reverse (feature `tls`).
//!
//! A server has an [`Identity`], a certificate with its key; a client has [`Authorities`] whose certificates it
//! believes. Each may have the other's as well, which makes both ends sure of each other (mTLS). What comes from files
//! is read again while the program runs, so a certificate is renewed by writing its file.
//!
//! ```
//! # #[cfg(feature = "tls")] fn example() -> Result<(), gannet::InvalidTarget> {
//! use gannet::tls::{Authorities, ClientTls, Identity, ServerTls};
//!
//! let server = gannet::Server::new().tls(ServerTls::new(Identity::files("server.pem", "server.key")));
//! let channel = gannet::Channel::builder("dns:///users.internal:50051")?
//!     .tls(ClientTls::new().authorities(Authorities::file("ca.pem")))
//!     .build();
//! # Ok(()) }
//! ```

mod authorities;
mod client;
mod error;
mod explain;
mod identity;
mod pem;
mod server;
mod session;

pub use ::rustls;
pub use authorities::Authorities;
pub use client::ClientTls;
pub use error::TlsError;
pub use identity::{Identity, IdentityPem, IdentityProvider};
pub use server::ServerTls;
pub use session::{PeerCertificate, TlsSession, TlsVersion};

pub(crate) use client::TlsConnector;
pub(crate) use explain::{Side, explain, explain_handshake};
pub(crate) use server::TlsAcceptor;

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// RFC 9113 §3.2: the name of HTTP/2 in the handshake's protocol negotiation (ALPN, RFC 7301).
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// The cryptography. Named, because a program may link more than one, and rustls then has no default.
fn crypto() -> Arc<CryptoProvider> {
    #[cfg(feature = "aws-lc-rs")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    let provider = rustls::crypto::ring::default_provider();
    Arc::new(provider)
}

/// Makes the tickets by which clients resume their sessions.
fn ticketer() -> Result<Arc<dyn rustls::server::ProducesTickets>, rustls::Error> {
    #[cfg(feature = "aws-lc-rs")]
    return rustls::crypto::aws_lc_rs::Ticketer::new();
    #[cfg(not(feature = "aws-lc-rs"))]
    return rustls::crypto::ring::Ticketer::new();
}
