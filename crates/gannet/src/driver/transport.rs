//! Bytes between a socket and a connection's state machine.

use super::{read_buffers, write_buffers};
use gannet_http2::{Connection, Output};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::Sleep;

/// What a connection runs over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A vectored write takes at most this many slices; more than this are rarely ready at once.
const WRITE_SLICES: usize = 32;

/// A socket, the connection's state machine, and what lies between them.
pub(crate) struct Transport<S> {
    io: S,
    pub(crate) http2: Connection,
    output: Output,
    /// Armed only while something waits for time; on the heap, so that an idle connection pays a pointer.
    sleep: Option<Pin<Box<Sleep>>>,
    read_ended: bool,
    /// What the last read brought, to give its buffer back once its messages are gone.
    last_read: bytes::Bytes,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadTurn {
    /// This many bytes went into the state machine; its events are to be drained.
    Bytes(usize),
    /// The peer closed its side.
    Ended,
}

impl<S: Io> Transport<S> {
    pub(crate) fn new(io: S, http2: Connection) -> Self {
        Self {
            io,
            http2,
            output: Output::new(),
            sleep: None,
            read_ended: false,
            last_read: bytes::Bytes::new(),
        }
    }

    /// Hands over bytes that were read before the transport was made.
    pub(crate) fn handle_early_bytes(&mut self, now: Instant, bytes: bytes::Bytes) {
        self.http2.handle_bytes(now, bytes);
    }

    /// Reads once. The buffer is borrowed for as long as bytes are there and no longer.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<ReadTurn>> {
        if self.read_ended {
            return Poll::Pending;
        }
        let mut buffer = read_buffers::take();
        let read = pin!(self.io.read_buf(&mut buffer)).poll(cx);
        match read {
            Poll::Ready(Ok(0)) => {
                read_buffers::give_back(buffer);
                self.read_ended = true;
                self.http2.handle_eof();
                Poll::Ready(Ok(ReadTurn::Ended))
            }
            Poll::Ready(Ok(count)) => {
                self.last_read = buffer.freeze();
                self.http2.handle_bytes(now, self.last_read.clone());
                Poll::Ready(Ok(ReadTurn::Bytes(count)))
            }
            Poll::Ready(Err(error)) => {
                read_buffers::give_back(buffer);
                self.read_ended = true;
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                read_buffers::give_back(buffer);
                Poll::Pending
            }
        }
    }

    /// What the last read brought, until [`Transport::end_read`].
    pub(crate) fn last_read(&self) -> &[u8] {
        &self.last_read
    }

    /// After the events of a read have been drained: its buffer serves the next one, unless a message holds on to it.
    pub(crate) fn end_read(&mut self) {
        read_buffers::reclaim(std::mem::take(&mut self.last_read));
    }

    /// Writes all that the state machine has to send. Pending while the socket takes no more.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<io::Result<()>> {
        loop {
            self.http2.poll_transmit(now, &mut self.output);
            if self.output.is_empty() {
                return Pin::new(&mut self.io).poll_flush(cx);
            }
            while !self.output.is_empty() {
                let written = if self.output.is_contiguous() {
                    ready!(Pin::new(&mut self.io).poll_write(cx, self.output.front()))?
                } else {
                    let mut slices = [IoSlice::new(&[]); WRITE_SLICES];
                    let filled = self.output.io_slices(&mut slices);
                    ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..filled]))?
                };
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.output.advance(written);
            }
        }
    }

    /// Before a turn: what it makes has a buffer to gather in.
    pub(crate) fn lend_buffer(&mut self) {
        self.http2.lend_buffer(write_buffers::take);
    }

    /// Before the connection waits: an idle one keeps no buffer.
    pub(crate) fn return_buffers(&mut self) {
        self.http2
            .take_buffer()
            .into_iter()
            .chain(self.output.take_buffer())
            .for_each(write_buffers::give_back);
    }

    /// Closes this side of the socket.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// How many bytes the socket has not taken yet.
    pub(crate) fn unwritten(&self) -> usize {
        self.output.len()
    }

    /// Ready when `at` has come. Arms one timer, and only where it has to move.
    pub(crate) fn poll_timer(&mut self, cx: &mut Context<'_>, at: Option<Instant>) -> Poll<()> {
        let Some(at) = at else {
            self.sleep = None;
            return Poll::Pending;
        };
        let at = tokio::time::Instant::from_std(at);
        match &mut self.sleep {
            Some(sleep) if sleep.deadline() == at => {}
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at))),
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
