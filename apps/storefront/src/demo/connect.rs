//! How the demo reaches a server that runs: where it is, by TLS or not, and with which token.

use super::DemoError;
use crate::cli::DemoOptions;
use gannet::tls::{Authorities, ClientTls, Identity};
use gannet::{Channel, Status};
use gannet_auth::TokenCredentials;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

/// A connected channel to the server at this address.
pub(super) async fn connect(address: &str, options: &DemoOptions) -> Result<Channel, DemoError> {
    let (host, is_https) = match address.strip_prefix("https://") {
        Some(host) => (host.trim_end_matches('/'), true),
        None => (address, false),
    };
    let mut channel = Channel::builder(&target(host)).map_err(DemoError::Target)?;
    if is_https || options.wants_tls() {
        channel = channel.tls(tls(options));
    }
    if let Some(token) = token(options)? {
        channel = channel.intercept(TokenCredentials::fixed(token));
    }
    let channel = channel.build();
    channel.connect().await.map_err(|status| DemoError::Connect(address.to_owned(), status))?;
    Ok(channel)
}

/// `127.0.0.1:50051` and `unix:PATH` are how the server prints them; a channel takes both.
pub(super) fn target(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(address)) => format!("ipv4:{address}"),
        Ok(SocketAddr::V6(address)) => format!("ipv6:{address}"),
        Err(_) => address.to_owned(),
    }
}

fn tls(options: &DemoOptions) -> ClientTls {
    let mut tls = ClientTls::new();
    if let Some(authorities) = &options.tls_ca {
        tls = tls.authorities(Authorities::file(authorities));
    }
    if let (Some(certificate), Some(key)) = (&options.tls_cert, &options.tls_key) {
        tls = tls.identity(Identity::files(certificate, key));
    }
    match &options.tls_server_name {
        Some(name) => tls.server_name(name),
        None => tls,
    }
}

/// The token to send: what is in the file, or what was given.
fn token(options: &DemoOptions) -> Result<Option<String>, DemoError> {
    let Some(path) = &options.token_file else {
        return Ok(options.token.as_ref().map(|token| token.trim().to_owned()));
    };
    let unusable = |source| DemoError::TokenFile(path.clone(), source);
    let token = read_token(path).map_err(unusable)?;
    Ok(Some(token))
}

fn read_token(path: &Path) -> io::Result<String> {
    let token = std::fs::read_to_string(path)?.trim().to_owned();
    if token.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty"));
    }
    Ok(token)
}

/// Why there is no connection, in one line, and what to do at this command line.
pub(super) fn explain(address: &str, status: &Status) -> String {
    // The hints of the library name its methods.
    const FLAGS: [(&str, &str); 5] = [
        ("ClientTls::authorities", "--tls-ca"),
        ("ClientTls::identity", "--tls-cert and --tls-key"),
        ("ClientTls::server_name", "--tls-server-name"),
        ("set ChannelBuilder::tls", "give --tls, or --tls-ca FILE"),
        ("this port speaks TLS", "this port speaks TLS; give --tls, or --tls-ca FILE"),
    ];
    let message = status.message().to_owned();
    let message = FLAGS.iter().fold(message, |message, (method, flag)| message.replace(method, flag));
    if status.source().is_some_and(|source| source.is::<io::Error>()) {
        return format!("no storefront answers at {address} ({message}); start one with: storefront");
    }
    format!("can't call {address}: {message}")
}
