//! A connection's first bytes: HTTP/2, something else, or nothing in time.

use super::connection::ServerConnection;
use super::shared::ServerShared;
use crate::Peer;
use crate::driver::{Io, Mailbox, clock};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a client of HTTP/2 begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What somebody who speaks HTTP/1.1 to this port is told.
const NOT_HTTP2: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 56\r\n\r\nThis port speaks gRPC over HTTP/2, without an upgrade.\r\n";

/// Serves a connection that has been accepted, to its end.
pub(crate) async fn serve_connection<S: Io>(
    mut io: S,
    server: Arc<ServerShared>,
    peer: Peer,
    mailbox: Arc<Mailbox>,
) {
    let first = tokio::time::timeout(server.handshake_timeout, first_bytes(&mut io)).await;
    match first {
        Ok(Ok(First::Http2(bytes))) => {
            ServerConnection::new(io, server, peer, mailbox, bytes, clock::now()).await;
        }
        Ok(Ok(First::Foreign(bytes))) => match &server.foreign {
            Some(foreign) => foreign.serve(peer, bytes, Box::new(io)).await,
            // RFC 9113 §3.4: an invalid preface is a connection error, which the state machine finds and says.
            None if !is_http1(&bytes) => {
                ServerConnection::new(io, server, peer, mailbox, bytes, clock::now()).await;
            }
            None => {
                // Whether the peer reads it is its own affair.
                let _ = io.write_all(NOT_HTTP2).await;
                let _ = io.shutdown().await;
            }
        },
        // Gone, or silent for too long.
        Ok(Err(_)) | Err(_) => {}
    }
}

enum First {
    Http2(Bytes),
    Foreign(Bytes),
}

/// Reads until the bytes are the preface, or can't become it any more.
async fn first_bytes<S: Io>(io: &mut S) -> std::io::Result<First> {
    let mut bytes = BytesMut::with_capacity(4096);
    loop {
        if io.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let compared = bytes.len().min(PREFACE.len());
        if bytes[..compared] != PREFACE[..compared] {
            return Ok(First::Foreign(bytes.freeze()));
        }
        if compared == PREFACE.len() {
            return Ok(First::Http2(bytes.freeze()));
        }
    }
}

/// Whether the first line could be a request of HTTP/1.0 or 1.1 (RFC 9112 §3): then the peer reads an answer of its
/// own kind.
fn is_http1(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.windows(8).any(|word| word == b" HTTP/1.")
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
    fn the_answer_to_http_1_has_the_length_that_it_says() {
        let text = std::str::from_utf8(NOT_HTTP2).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
