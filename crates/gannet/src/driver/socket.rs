//! What a connection runs over, as one type: the driver is compiled once, and its task is as small as its socket.

use crate::PeerAddress;
use crate::registry::{OwnEnd, of_tcp, of_unix};
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// The two directions of a transport that is none of the known ones.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connected socket.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// To the other end in this process.
    Pipe(DuplexStream),
    /// TLS, or something of the user's.
    Boxed(Box<dyn Duplex>),
}

/// Hands a call on to the socket that it is.
macro_rules! each {
    ($socket:expr, $io:ident => $call:expr) => {
        match $socket {
            Socket::Tcp($io) => $call,
            Socket::Unix($io) => $call,
            Socket::Pipe($io) => $call,
            Socket::Boxed($io) => $call,
        }
    };
}

impl Socket {
    /// What channelz tells of this end.
    pub(crate) fn own_end(&self) -> OwnEnd {
        let options = match self {
            Socket::Tcp(socket) => of_tcp(SockRef::from(socket)),
            Socket::Unix(socket) => of_unix(SockRef::from(socket)),
            Socket::Pipe(_) | Socket::Boxed(_) => Vec::new(),
        };
        OwnEnd { address: self.local_address(), options }
    }

    /// This end's address, where it has one.
    fn local_address(&self) -> Option<PeerAddress> {
        match self {
            Socket::Tcp(socket) => socket.local_addr().ok().map(PeerAddress::Tcp),
            Socket::Unix(socket) => {
                let address = socket.local_addr().ok()?;
                let path = address.as_pathname().map(|path| Arc::from(path.to_string_lossy().as_ref()));
                Some(PeerAddress::Unix(path))
            }
            Socket::Pipe(_) => Some(PeerAddress::InProcess),
            Socket::Boxed(_) => None,
        }
    }

    /// gRFC A18: TCP gives bytes up that the peer has not acknowledged for so long, as keepalive gives a silent peer up.
    pub(crate) fn set_user_timeout(&self, timeout: Duration) {
        if let Socket::Tcp(socket) = self {
            // Where the system has no such option, keepalive alone decides.
            let _ = SockRef::from(socket).set_tcp_user_timeout(Some(timeout));
        }
    }

    /// Closes it so that what was written last arrives: a socket that is closed with bytes unread is reset, and the
    /// peer loses what it has not read.
    pub(crate) async fn read_out(mut self) {
        const MOST_BYTES: usize = 64 * 1024;
        const LONGEST: Duration = Duration::from_secs(1);
        let rest = async {
            self.shutdown().await?;
            let mut buffer = [0; 1024];
            let mut read = 0;
            while read < MOST_BYTES {
                match self.read(&mut buffer).await? {
                    0 => break,
                    count => read += count,
                }
            }
            io::Result::Ok(())
        };
        // The peer may be gone; there is nobody to tell.
        let _ = tokio::time::timeout(LONGEST, rest).await;
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self.get_mut(), io => Pin::new(io).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), io => Pin::new(io).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), io => Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, io => io.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), io => Pin::new(io).poll_shutdown(cx))
    }
}
