//! What a failed handshake means, in words that say what to do.

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::io;
use x509_parser::time::ASN1Time;

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// An error of a handshake, explained to the operator of this side.
pub(crate) fn explain_handshake(side: Side, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::UnexpectedEof {
        return explain(side, error);
    }
    match side {
        Side::Client => "the server closed the connection during the TLS handshake; is it a plaintext port?",
        Side::Server => "the client closed the connection during the TLS handshake",
    }
    .to_owned()
}

/// An error of a TLS connection, explained to the operator of this side.
pub(crate) fn explain(side: Side, error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => explain_tls(side, error),
        None => error.to_string(),
    }
}

fn explain_tls(side: Side, error: &Error) -> String {
    match (side, error) {
        (Side::Client, Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "the server does not speak TLS on this port; connect to its TLS port, or leave TLS out".to_owned()
        }
        (Side::Server, Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "the client does not speak TLS, which this port asks for".to_owned()
        }
        (_, Error::InvalidCertificate(problem)) => explain_certificate(side, problem),
        (_, Error::NoCertificatesPresented) => {
            "the client presented no certificate, and this server requires one".to_owned()
        }
        (_, Error::AlertReceived(alert)) => explain_alert(side, *alert),
        (_, Error::NoApplicationProtocol) => NO_COMMON_PROTOCOL.to_owned(),
        (_, Error::PeerIncompatible(why)) => {
            format!("the two ends have no version or cipher of TLS in common: {why:?}")
        }
        (_, error) => format!("TLS failed: {error}"),
    }
}

const NO_COMMON_PROTOCOL: &str =
    "the two ends have no protocol in common by ALPN; gRPC needs \"h2\" on both (RFC 9113 §3.2)";

/// This side did not like the peer's certificate.
fn explain_certificate(side: Side, problem: &CertificateError) -> String {
    let (whose, setting) = match side {
        Side::Client => ("the server's certificate", "ClientTls::authorities"),
        Side::Server => ("the client's certificate", "ServerTls::client_authorities"),
    };
    match problem {
        CertificateError::Expired => format!("{whose} has expired"),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("{whose} has expired: it was valid until {}", date(*not_after))
        }
        CertificateError::NotValidYet => format!("{whose} is not valid yet; is this machine's clock right?"),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("{whose} is valid only from {} on; is this machine's clock right?", date(*not_before))
        }
        CertificateError::Revoked => format!("{whose} has been revoked"),
        CertificateError::UnknownIssuer => {
            format!("{whose} is signed by no authority that this side trusts; name its CA with {setting}")
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| name_alone(name)).collect();
            let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
            format!(
                "{whose} is for {names}, not for {}; connect by a name that it has, or set ClientTls::server_name",
                expected.to_str()
            )
        }
        CertificateError::NotValidForName => format!("{whose} is for another name"),
        CertificateError::BadSignature => format!("the signature under {whose} is wrong"),
        CertificateError::BadEncoding => format!("{whose} is damaged"),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("{whose} is not for this purpose (its extended key usage): {problem}")
        }
        problem => format!("{whose} is refused: {problem}"),
    }
}

/// The peer did not like something of this side.
fn explain_alert(side: Side, alert: AlertDescription) -> String {
    let (peer, ours) = match side {
        Side::Client => ("server", "client"),
        Side::Server => ("client", "server"),
    };
    match alert {
        AlertDescription::CertificateRequired => {
            "the server requires a client certificate; set ClientTls::identity".to_owned()
        }
        AlertDescription::UnknownCA => {
            format!("the {peer} trusts no authority that has signed the {ours}'s certificate")
        }
        AlertDescription::CertificateExpired => {
            format!("the {peer} says that the {ours}'s certificate has expired or is not valid yet")
        }
        AlertDescription::BadCertificate => {
            format!("the {peer} refuses the {ours}'s certificate: it is for another name, or damaged")
        }
        AlertDescription::CertificateUnknown
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            format!("the {peer} refuses the {ours}'s certificate ({alert:?})")
        }
        AlertDescription::NoApplicationProtocol => NO_COMMON_PROTOCOL.to_owned(),
        AlertDescription::ProtocolVersion => {
            format!("the {peer} speaks no version of TLS that the {ours} speaks")
        }
        AlertDescription::UnrecognisedName => {
            format!("the {peer} has no certificate for the name that it was asked for")
        }
        AlertDescription::HandshakeFailure => {
            format!(
                "the {peer} refused the TLS handshake; it may require a certificate, or other ciphers or versions"
            )
        }
        alert => format!("the {peer} ended TLS with the alert {alert:?}"),
    }
}

/// rustls names what was presented as `DnsName("users.example")`.
fn name_alone(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

fn date(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    ASN1Time::from_timestamp(seconds).map_or_else(|_| format!("second {seconds}"), |time| time.to_string())
}
