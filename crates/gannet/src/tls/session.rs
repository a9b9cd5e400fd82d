//! What a finished handshake says of the peer.

use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, CommonState, HandshakeKind, ProtocolVersion, SupportedProtocolVersion};
use std::net::IpAddr;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The TLS session of a connection, from [`Peer::tls`](crate::Peer::tls).
#[derive(Clone, Debug)]
pub struct TlsSession {
    version: TlsVersion,
    cipher_suite: Option<String>,
    resumed: bool,
    server_name: Option<String>,
    certificate: Option<PeerCertificate>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl TlsVersion {
    pub(super) fn and_above(self) -> &'static [&'static SupportedProtocolVersion] {
        static FROM_1_2: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            TlsVersion::Tls12 => &FROM_1_2,
            TlsVersion::Tls13 => &FROM_1_2[..1],
        }
    }
}

/// A certificate that the peer has proven to be its own and that an authority of this side has signed.
#[derive(Clone, Debug, Default)]
pub struct PeerCertificate {
    chain: Vec<CertificateDer<'static>>,
    subject: String,
    dns_names: Vec<String>,
    uris: Vec<String>,
    emails: Vec<String>,
    ip_addresses: Vec<IpAddr>,
}

impl TlsSession {
    pub(super) fn new(state: &CommonState, server_name: Option<&str>) -> Self {
        let version = match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        Self {
            version,
            cipher_suite: state.negotiated_cipher_suite().and_then(|suite| suite_name(suite.suite())),
            resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
            server_name: server_name.map(str::to_owned),
            certificate: state.peer_certificates().map(PeerCertificate::new),
        }
    }

    /// The version of the protocol.
    #[must_use]
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// The cipher suite, by its name in the registry of TLS (RFC 8446 §8.4): `TLS_AES_256_GCM_SHA384`.
    #[must_use]
    pub fn cipher_suite(&self) -> Option<&str> {
        self.cipher_suite.as_deref()
    }

    /// Whether the session goes on from an earlier one, without certificates being sent again.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The name that the client asked for (RFC 6066 §3); `None` where it asked for an address.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The peer's certificate: always there on a client, and on a server where the client presented one that was
    /// asked for.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.certificate.as_ref()
    }
}

/// rustls tells those of TLS 1.3 from the others by their beginning.
fn suite_name(suite: CipherSuite) -> Option<String> {
    suite.as_str().map(|name| name.replacen("TLS13_", "TLS_", 1))
}

impl PeerCertificate {
    fn new(chain: &[CertificateDer<'static>]) -> Self {
        let mut certificate = Self {
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            ..Self::default()
        };
        // What can't be read has no names: the chain has been verified, and nobody is let in by a name that is not there.
        if let Some((_, parsed)) = chain.first().and_then(|der| X509Certificate::from_der(der).ok()) {
            certificate.subject = parsed.subject().to_string();
            if let Ok(Some(names)) = parsed.subject_alternative_name() {
                names.value.general_names.iter().for_each(|name| certificate.add_name(name));
            }
        }
        certificate
    }

    fn add_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(name) => self.dns_names.push((*name).to_owned()),
            GeneralName::URI(uri) => self.uris.push((*uri).to_owned()),
            GeneralName::RFC822Name(email) => self.emails.push((*email).to_owned()),
            GeneralName::IPAddress(octets) => {
                let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
                let v6 = <[u8; 16]>::try_from(*octets).map(IpAddr::from);
                self.ip_addresses.extend(v4.or(v6));
            }
            _ => {}
        }
    }

    /// The certificate and those that came with it, in DER.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The subject's distinguished name: `CN=users, O=Example`. Names to decide by are in the alternative names;
    /// RFC 9525 leaves the subject out.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The alternative names that are DNS names.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The alternative names that are URIs, a SPIFFE identity (`spiffe://example.org/users`) among them.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// The alternative names that are e-mail addresses.
    #[must_use]
    pub fn emails(&self) -> &[String] {
        &self.emails
    }

    /// The alternative names that are IP addresses.
    #[must_use]
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.ip_addresses
    }
}
