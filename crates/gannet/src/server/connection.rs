//! The task of one server connection: bytes in, calls, bytes out.

use super::calls::Calls;
use super::load::{Holding, LOOK_AGAIN, Load};
use super::shared::ServerShared;
use crate::Peer;
use crate::driver::{Command, Io, Mailbox, Transport, clock};
use bytes::Bytes;
use gannet_http2::{Connection, StreamKey};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// A turn writes what it has when there is this much, before it goes on.
const FLUSH_BYTES: usize = 64 * 1024;
/// While this much waits for a peer that does not read, nothing more is read from it.
const UNSENT_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// Reads in one poll before other tasks get their turn: 256 KiB.
const READS_PER_POLL: u32 = 4;

/// The task of one server connection: a future that ends with the connection.
pub(crate) struct ServerConnection<S> {
    transport: Transport<S>,
    pub(super) calls: Calls,
    ready: Vec<StreamKey>,
    commands: Vec<Command>,
    load: Arc<Load>,
    holding: Holding,
    now: Instant,
}

impl<S: Io> ServerConnection<S> {
    pub(crate) fn new(
        io: S,
        server: Arc<ServerShared>,
        peer: Peer,
        mailbox: Arc<Mailbox>,
        early: Bytes,
        now: Instant,
    ) -> Self {
        let mut transport = Transport::new(io, Connection::server(server.http2.clone(), now));
        transport.handle_early_bytes(now, early);
        let load = Arc::clone(&server.load);
        let holding = load.holding();
        let calls = Calls::new(server, peer, mailbox);
        Self { transport, calls, ready: Vec::new(), commands: Vec::new(), load, holding, now }
    }

    /// What other tasks left.
    fn take_mail(&mut self) {
        self.calls.mailbox.take(&mut self.ready, &mut self.commands);
        for key in self.ready.drain(..) {
            self.calls.pump(&mut self.transport.http2, key);
        }
        for command in self.commands.drain(..) {
            self.calls.command(&mut self.transport.http2, self.now, command);
        }
    }

    /// Acts on all events; what was answered is written on the way where there is much of it.
    fn drain_events(&mut self, cx: &mut Context<'_>) {
        while let Some(event) = self.transport.http2.poll_event(self.now) {
            self.calls.event(&mut self.transport.http2, self.now, event);
            if self.transport.http2.unsent() >= FLUSH_BYTES {
                // An error or a full socket shows itself at the end of the turn.
                let _ = self.transport.poll_write(cx, self.now);
            }
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        let look_again = self.load.is_under_pressure().then(|| self.now + LOOK_AGAIN);
        let next = [self.transport.http2.poll_timeout(), self.calls.next_deadline(), look_again];
        let next = next.into_iter().flatten().min();
        if self.transport.poll_timer(cx, next).is_pending() {
            return false;
        }
        self.transport.http2.handle_timeout(self.now);
        self.calls.expire(&mut self.transport.http2, self.now);
        true
    }

    /// Tells the server what this connection holds and which limits it met, and learns how much all hold.
    fn settle(&mut self) {
        let http2 = &mut self.transport.http2;
        http2.take_limit_hits(|limit, count| self.load.count_hit(limit, count));
        self.holding.report(http2.held_bytes() + self.transport.unwritten());
        self.transport.http2.set_under_pressure(self.load.is_under_pressure());
    }

    fn is_over(&self) -> bool {
        let http2 = &self.transport.http2;
        (http2.is_closed() || http2.is_drained()) && http2.unsent() == 0 && self.transport.unwritten() == 0
    }
}

impl<S: Io> Future for ServerConnection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut reads = 0;
        loop {
            this.now = clock::now();
            this.take_mail();
            let mut progress = this.poll_time(cx);
            if this.transport.http2.unsent() + this.transport.unwritten() < UNSENT_LIMIT_BYTES {
                match this.transport.poll_read(cx, this.now) {
                    Poll::Ready(Ok(_)) => {
                        progress = true;
                        reads += 1;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            this.drain_events(cx);
            this.transport.end_read();
            this.calls.arm(this.now);
            this.settle();
            if this.transport.http2.is_abandoned() {
                return Poll::Ready(());
            }
            match this.transport.poll_write(cx, this.now) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) if this.is_over() => {
                    // The peer may be gone already; there is nobody to tell.
                    return this.transport.poll_shutdown(cx).map(|_| ());
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            // Writing makes room for more: the streams that had waited for it have news.
            if this.transport.http2.has_events() {
                continue;
            }
            if progress {
                if reads < READS_PER_POLL {
                    continue;
                }
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if this.calls.mailbox.sleep(cx.waker()) {
                return Poll::Pending;
            }
        }
    }
}

/// The connection is gone, however that came: so are its calls.
impl<S> Drop for ServerConnection<S> {
    fn drop(&mut self) {
        self.calls.lost();
    }
}
