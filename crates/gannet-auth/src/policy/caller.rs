//! Who is at the other end, as a policy sees it.

use super::pattern::Pattern;

/// The identity of a peer: what its client certificate says, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller<'a> {
    tls: bool,
    certificate: Option<Names<'a>>,
}

/// What a principal is compared with.
#[derive(Clone, Copy, Debug)]
struct Names<'a> {
    uris: &'a [String],
    dns_names: &'a [String],
    subject: &'a str,
}

impl<'a> Caller<'a> {
    /// A peer on a plaintext connection: it matches no principal.
    #[must_use]
    pub fn without_tls() -> Self {
        Self::default()
    }

    /// A peer on a TLS connection that showed no certificate: it matches the principal `""` alone.
    #[must_use]
    pub fn without_certificate() -> Self {
        Self { tls: true, certificate: None }
    }

    /// A peer with a verified certificate: its URI and DNS subject alternative names, and its subject.
    #[must_use]
    pub fn with_certificate(uris: &'a [String], dns_names: &'a [String], subject: &'a str) -> Self {
        Self { tls: true, certificate: Some(Names { uris, dns_names, subject }) }
    }

    /// What the peer of a call has proven about itself.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn of(peer: &'a gannet::Peer) -> Self {
        let Some(session) = peer.tls() else { return Self::without_tls() };
        session.certificate().map_or_else(Self::without_certificate, |certificate| {
            Self::with_certificate(certificate.uris(), certificate.dns_names(), certificate.subject())
        })
    }

    /// What the peer of a call has proven about itself: nothing, without the feature `tls`.
    #[cfg(not(feature = "tls"))]
    #[must_use]
    pub fn of(_peer: &'a gannet::Peer) -> Self {
        Self::without_tls()
    }

    /// gRFC A43, "Details": the URIs, then the DNS names, then the subject.
    pub(super) fn is(&self, principal: &Pattern) -> bool {
        match &self.certificate {
            None => self.tls && principal.matches(""),
            Some(names) => {
                let mut alternatives = names.uris.iter().chain(names.dns_names);
                alternatives.any(|name| principal.matches(name)) || principal.matches(names.subject)
            }
        }
    }
}
