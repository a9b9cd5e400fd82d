//! A connection's beginning: TLS where the server has it, then HTTP/2, something else, or nothing in time.

use super::connection::ServerConnection;
use super::events::ServerEvent;
use super::listener::Accepted;
use super::load::ServerLimit;
use super::proxy_protocol::{self, Parsed};
use super::shared::ServerShared;
use crate::Peer;
use crate::driver::{Mailbox, Socket, clock};
use bytes::{Buf, Bytes, BytesMut};
#[cfg(feature = "tls")]
use gannet_http2::{Config, Connection, ErrorCode, Output};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a client of HTTP/2 begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What somebody who speaks HTTP/1.1 to this port is told.
const NOT_HTTP2: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 56\r\n\r\nThis port speaks gRPC over HTTP/2, without an upgrade.\r\n";

/// What somebody who speaks HTTP/1.1 to a TLS port is told.
#[cfg(feature = "tls")]
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 38\r\n\r\nThis port speaks gRPC over TLS (h2).\r\n";

/// Why a connection was ended before it could carry calls.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The client said nothing, or stopped in the middle, for as long as
    /// [`Server::handshake_timeout`](super::Server::handshake_timeout) allows.
    TimedOut(Duration),
    /// The connection was lost.
    Lost(io::Error),
    /// The header of the PROXY protocol is missing or broken, where [`Listen::proxy_protocol`](super::Listen) asks for
    /// it.
    Proxy(String),
    /// The client speaks HTTP/1.1, and no [`ForeignConnection`](super::ForeignConnection) is set.
    NotHttp2,
    /// The client speaks TLS, and this server does not.
    TlsOnPlaintext,
    /// The client does not speak TLS, and this server does.
    PlaintextOnTls,
    /// The TLS handshake failed; the text says why.
    Tls(String),
    /// TLS was agreed on, but not HTTP/2 by ALPN (RFC 9113 §3.2).
    NoAlpn,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::TimedOut(limit) => write!(f, "the client did not begin within {limit:?}"),
            HandshakeError::Lost(error) => write!(f, "the connection was lost at its beginning: {error}"),
            HandshakeError::NotHttp2 => f.write_str("the client speaks HTTP/1.1, and this port only HTTP/2"),
            HandshakeError::TlsOnPlaintext => f.write_str(
                "the client speaks TLS to a plaintext port; set Server::tls, or leave TLS out there",
            ),
            HandshakeError::PlaintextOnTls => {
                f.write_str("the client speaks plaintext to a TLS port; it has to use TLS")
            }
            HandshakeError::Proxy(text) | HandshakeError::Tls(text) => f.write_str(text),
            HandshakeError::NoAlpn => f.write_str(
                "the client did not agree to HTTP/2 by ALPN; it has to offer \"h2\" (RFC 9113 §3.2)",
            ),
        }
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            HandshakeError::Lost(error) => Some(error),
            _ => None,
        }
    }
}

/// Serves a connection that has been accepted, to its end.
pub(super) async fn serve_connection(accepted: Accepted, server: Arc<ServerShared>, mailbox: Arc<Mailbox>) {
    let limit = server.handshake_timeout;
    let mut draining = server.draining.subscribe();
    let peer = accepted.peer.clone();
    let own = server.entry.as_ref().map(|_| accepted.socket.own_end()).unwrap_or_default();
    let serve = |socket, server: Arc<ServerShared>, peer: Peer, bytes| {
        let entry = server.entry.as_ref().map(|entry| entry.connection(own, peer.clone()));
        ServerConnection::new(socket, (server, entry), peer, mailbox, bytes, clock::now())
    };
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(limit, greet(accepted, &server)) => greeted,
        // Who has not begun when the server ends goes elsewhere.
        _ = draining.wait_for(|draining| *draining) => return,
    };
    let error = match greeted {
        Ok(Ok(Greeted::Http2 { socket, peer, bytes })) => {
            return serve(socket, server, peer, bytes).await;
        }
        Ok(Ok(Greeted::Foreign { socket, peer, bytes })) => match &server.foreign {
            Some(foreign) => return foreign.serve(peer, bytes, Box::new(socket)).await,
            None if bytes.first() == Some(&TLS_HANDSHAKE) => {
                end_with(socket, NOT_HTTP2).await;
                HandshakeError::TlsOnPlaintext
            }
            None if is_http1(&bytes) => {
                end_with(socket, NOT_HTTP2).await;
                HandshakeError::NotHttp2
            }
            // RFC 9113 §3.4: an invalid preface is a connection error, which the state machine finds and says.
            None => return serve(socket, server, peer, bytes).await,
        },
        // Somebody looked whether the port is open.
        Ok(Ok(Greeted::Nothing)) => return,
        Ok(Err(error)) => error,
        Err(_) => {
            server.load.count(ServerLimit::HandshakeTime);
            HandshakeError::TimedOut(limit)
        }
    };
    server.observer.tell(&ServerEvent::HandshakeFailed { peer: &peer, error: &error });
}

/// What a connection turned out to be.
enum Greeted {
    Http2 { socket: Socket, peer: Peer, bytes: Bytes },
    Foreign { socket: Socket, peer: Peer, bytes: Bytes },
    Nothing,
}

/// A connection on its way, and what has been read of it that nobody has taken yet.
struct Beginning {
    socket: Socket,
    peer: Peer,
    bytes: BytesMut,
}

impl Beginning {
    /// Reads more; `false` at the end.
    async fn read(&mut self) -> Result<bool, HandshakeError> {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(4096);
        }
        Ok(self.socket.read_buf(&mut self.bytes).await.map_err(HandshakeError::Lost)? > 0)
    }
}

async fn greet(accepted: Accepted, server: &ServerShared) -> Result<Greeted, HandshakeError> {
    let Accepted { socket, peer, how } = accepted;
    socket.set_user_timeout(server.keepalive.timeout);
    let mut beginning = Beginning { socket, peer, bytes: BytesMut::new() };
    if how.proxy_protocol && !greet_proxy(&mut beginning).await? {
        return Ok(Greeted::Nothing);
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = server.tls.as_ref().filter(|_| !how.plaintext) {
        return greet_tls(beginning, server, tls).await;
    }
    let _ = server;
    greet_http2(beginning).await
}

/// Takes the header of a proxy. `false` where nothing came.
async fn greet_proxy(beginning: &mut Beginning) -> Result<bool, HandshakeError> {
    loop {
        if !beginning.read().await? {
            return if beginning.bytes.is_empty() { Ok(false) } else { Err(cut_off()) };
        }
        match proxy_protocol::parse(&beginning.bytes) {
            Parsed::Incomplete => {}
            Parsed::Header { bytes, source } => {
                beginning.bytes.advance(bytes);
                if let Some(source) = source {
                    beginning.peer = beginning.peer.clone().behind_proxy(source);
                }
                return Ok(true);
            }
            Parsed::Invalid(problem) => return Err(HandshakeError::Proxy(problem.to_string())),
        }
    }
}

#[cfg(feature = "tls")]
async fn greet_tls(
    mut beginning: Beginning,
    server: &ServerShared,
    tls: &crate::tls::TlsAcceptor,
) -> Result<Greeted, HandshakeError> {
    use crate::driver::Replayed;
    use crate::tls::{Side, explain_handshake};
    if beginning.bytes.is_empty() && !beginning.read().await? {
        return Ok(Greeted::Nothing);
    }
    let Beginning { socket, peer, bytes } = beginning;
    if bytes.first() != Some(&TLS_HANDSHAKE) {
        let is_http2 = PREFACE.starts_with(&bytes) || bytes.starts_with(PREFACE);
        let words = if is_http2 { go_away("this port speaks TLS") } else { NOT_TLS.to_vec() };
        end_with(socket, &words).await;
        return Err(HandshakeError::PlaintextOnTls);
    }
    let accepted = tls.accept(Replayed::new(bytes.freeze(), socket)).await;
    let tls = accepted.map_err(|error| HandshakeError::Tls(explain_handshake(Side::Server, &error)))?;
    let (socket, peer) = (tls.socket, peer.with_tls(tls.session));
    if tls.is_http2 {
        return greet_http2(Beginning { socket, peer, bytes: BytesMut::new() }).await;
    }
    if server.foreign.is_some() {
        return Ok(Greeted::Foreign { socket, peer, bytes: Bytes::new() });
    }
    end_with(socket, &go_away("ALPN: this server speaks HTTP/2 only (h2)")).await;
    Err(HandshakeError::NoAlpn)
}

/// RFC 8446 §5.1: the type of a record that carries a handshake, a ClientHello's first byte.
const TLS_HANDSHAKE: u8 = 22;

/// Reads until the bytes are HTTP/2's preface, or can't become it any more.
async fn greet_http2(mut beginning: Beginning) -> Result<Greeted, HandshakeError> {
    loop {
        let compared = beginning.bytes.len().min(PREFACE.len());
        if beginning.bytes[..compared] != PREFACE[..compared] {
            let Beginning { socket, peer, bytes } = beginning;
            return Ok(Greeted::Foreign { socket, peer, bytes: bytes.freeze() });
        }
        if compared == PREFACE.len() {
            let Beginning { socket, peer, bytes } = beginning;
            return Ok(Greeted::Http2 { socket, peer, bytes: bytes.freeze() });
        }
        if !beginning.read().await? {
            return if beginning.bytes.is_empty() { Ok(Greeted::Nothing) } else { Err(cut_off()) };
        }
    }
}

fn cut_off() -> HandshakeError {
    HandshakeError::Lost(io::ErrorKind::UnexpectedEof.into())
}

/// Whether the first line could be a request of HTTP/1.0 or 1.1 (RFC 9112 §3): then the peer reads an answer of its
/// own kind.
fn is_http1(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.windows(8).any(|word| word == b" HTTP/1.")
}

/// Writes the last words of a connection.
async fn end_with(mut socket: Socket, words: &[u8]) {
    // Whether the peer reads it is its own affair.
    if socket.write_all(words).await.is_ok() {
        socket.read_out().await;
    }
}

/// RFC 9113 §7, INADEQUATE_SECURITY: what a client of HTTP/2 understands.
#[cfg(feature = "tls")]
fn go_away(reason: &'static str) -> Vec<u8> {
    let now = clock::now();
    let mut http2 = Connection::server(Config::default(), now);
    http2.close(ErrorCode::INADEQUATE_SECURITY, reason);
    let mut out = Output::new();
    http2.poll_transmit(now, &mut out);
    out.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_http_1_are_told_from_noise() {
        assert!(is_http1(b"GET / HTTP/1.1\r\nhost: a\r\n"));
        for other in
            [&b"INVALID CONNECTION PREFACE\r\n\r\n"[..], b"\x16\x03\x01", b"PRI * HTTP/2.0\r\nx", b""]
        {
            assert!(!is_http1(other), "{other:?}");
        }
    }

    #[test]
    fn the_answers_to_http_1_have_the_length_that_they_say() {
        let answers = [
            NOT_HTTP2,
            #[cfg(feature = "tls")]
            NOT_TLS,
        ];
        for answer in answers {
            let text = std::str::from_utf8(answer).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        }
    }
}
