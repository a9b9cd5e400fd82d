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
    /// When it wakes the task, once it has been polled: until then there is nothing to ask it.
    wakes_at: Option<Instant>,
    read_ended: bool,
    /// What the last read brought, to give its buffer back once its messages are gone.
    last_read: bytes::Bytes,
}

/// How a read went.
#[derive(Debug)]
pub(crate) enum Reading {
    /// Bytes, or the end of them, went into the state machine; its events are to be drained.
    Came,
    /// There are none; the socket wakes the task when there are.
    Waits,
    /// The peer does not take what there is for it: nothing more is read before it does.
    Held,
    /// The socket is broken.
    Failed(io::Error),
}

impl<S: Io> Transport<S> {
    pub(crate) fn new(io: S, http2: Connection) -> Self {
        Self {
            io,
            http2,
            output: Output::new(),
            sleep: None,
            wakes_at: None,
            read_ended: false,
            last_read: bytes::Bytes::new(),
        }
    }

    /// Hands over bytes that were read before the transport was made.
    pub(crate) fn handle_early_bytes(&mut self, now: Instant, bytes: bytes::Bytes) {
        self.http2.handle_bytes(now, bytes);
    }

    /// Reads once. The buffer is borrowed for as long as bytes are there and no longer.
    pub(crate) fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Reading {
        if self.read_ended {
            return Reading::Waits;
        }
        if self.http2.is_held_back(self.output.len()) {
            return Reading::Held;
        }
        let mut buffer = read_buffers::take();
        match pin!(self.io.read_buf(&mut buffer)).poll(cx) {
            Poll::Ready(Ok(1..)) => {
                self.last_read = buffer.freeze();
                self.http2.handle_bytes(now, self.last_read.clone());
                return Reading::Came;
            }
            Poll::Pending => {
                read_buffers::give_back(buffer);
                return Reading::Waits;
            }
            Poll::Ready(Ok(0)) => self.http2.handle_eof(),
            Poll::Ready(Err(error)) => {
                self.read_ended = true;
                return Reading::Failed(error);
            }
        }
        read_buffers::give_back(buffer);
        self.read_ended = true;
        Reading::Came
    }

    /// After a turn: reads on, unless the last read left the task to be woken, or held back what still is.
    pub(crate) fn read_on(&mut self, cx: &mut Context<'_>, now: Instant, last: Reading) -> Reading {
        match last {
            Reading::Came => self.read(cx, now),
            // It finds out whether that is over.
            Reading::Held => self.read(cx, now),
            last => last,
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
            // What the peer does not read stays with its streams, where their limits see it (CVE-2019-9517).
            if self.output.is_empty() {
                self.http2.poll_transmit(now, &mut self.output);
            }
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

    /// Whether the time of the last [`Transport::poll_timer`] has come.
    #[inline]
    pub(crate) fn is_time(&self, now: Instant) -> bool {
        self.wakes_at.is_some_and(|at| at <= now)
    }

    /// Ready when `at` has come. Arms one timer, and only where it has to move.
    pub(crate) fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant, at: Option<Instant>) -> Poll<()> {
        match at {
            None => self.sleep = None,
            Some(at) if at <= now => {}
            Some(_) if at == self.wakes_at => return Poll::Pending,
            Some(at) => {
                let at = tokio::time::Instant::from_std(at);
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
                if sleep.deadline() != at {
                    sleep.as_mut().reset(at);
                }
                if sleep.as_mut().poll(cx).is_pending() {
                    self.wakes_at = Some(at.into_std());
                    return Poll::Pending;
                }
            }
        }
        self.wakes_at = None;
        if at.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }
}
