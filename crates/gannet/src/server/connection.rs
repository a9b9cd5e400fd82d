//! The task of one server connection: bytes in, calls, bytes out.

use super::calls::Calls;
use super::load::{Holding, LOOK_AGAIN, Load, ServerLimit};
use super::shared::ServerShared;
use crate::Peer;
use crate::driver::{Io, Mail, Mailbox, Reading, Transport, Upkeep, UpkeepAction, clock, random};
use crate::registry::{Counter, SocketEntry};
use bytes::Bytes;
use gannet_core::PingStrikes;
use gannet_http2::{Connection, ErrorCode, Event};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// A turn writes what it has when there is this much, before it goes on.
const FLUSH_BYTES: usize = 64 * 1024;
/// Reads in one poll before other tasks get their turn: 256 KiB.
const READS_PER_POLL: u32 = 4;
/// What one handler does wakes others. In one turn that is followed so far; then what they sent is written.
const ROUNDS_PER_TURN: u32 = 4;
/// Nor is it followed further with so much to write: written first, the next round finds its buffers free again.
const ROUND_BYTES: usize = 16 * 1024;

/// The task of one server connection: a future that ends with the connection.
pub(crate) struct ServerConnection<S> {
    transport: Transport<S>,
    pub(super) calls: Calls,
    mail: Mail,
    load: Arc<Load>,
    holding: Holding,
    /// Where others look what the connection does.
    entry: Option<SocketEntry>,
    now: Instant,
    upkeep: Upkeep,
    pings: PingStrikes,
    /// The client has not answered a keepalive PING.
    client_is_gone: bool,
}

/// What a keepalive PING carries, to tell its answer from others in a trace.
const KEEPALIVE_PING: [u8; 8] = *b"are u ok";

impl<S: Io> ServerConnection<S> {
    pub(crate) fn new(
        io: S,
        (server, entry): (Arc<ServerShared>, Option<SocketEntry>),
        peer: Peer,
        mailbox: Arc<Mailbox>,
        early: Bytes,
        now: Instant,
    ) -> Self {
        let mut transport = Transport::new(io, Connection::server(server.http2.clone(), now));
        transport.handle_early_bytes(now, early);
        let load = Arc::clone(&server.load);
        let holding = load.holding();
        let upkeep = Upkeep::new(Some(server.keepalive), server.lifetime, now, random());
        let pings = PingStrikes::new(server.pings);
        let calls = Calls::new(server, peer, mailbox);
        Self {
            transport,
            calls,
            mail: Mail::default(),
            load,
            holding,
            entry,
            now,
            upkeep,
            pings,
            client_is_gone: false,
        }
    }

    /// What other tasks left. The handlers that were woken are polled later, once for all that has come.
    fn take_mail(&mut self) {
        self.calls.mailbox.take(&mut self.mail);
        for key in self.mail.streams.drain(..) {
            self.calls.pump(&mut self.transport.http2, key);
        }
        for command in self.mail.commands.drain(..) {
            self.calls.command(&mut self.transport.http2, self.now, command);
        }
    }

    /// Polls the handlers that stay here and have been woken. One that is woken in its own poll goes on in the next poll
    /// of this task, or one that never waits would keep it from its socket and others from theirs.
    fn poll_woken(&mut self, cx: &mut Context<'_>) {
        if !self.calls.handlers_stay {
            return;
        }
        for _ in 0..ROUNDS_PER_TURN {
            self.take_mail();
            if self.mail.woken.is_empty() {
                return;
            }
            for key in self.mail.woken.drain(..) {
                self.calls.poll_woken(&mut self.transport.http2, key);
                if self.transport.http2.unsent() >= FLUSH_BYTES {
                    let _ = self.transport.poll_write(cx, self.now);
                }
            }
            if self.transport.http2.unsent() >= ROUND_BYTES {
                return;
            }
        }
    }

    /// Acts on all events; what was answered is written on the way where there is much of it.
    fn drain_events(&mut self, cx: &mut Context<'_>) {
        while let Some(event) = self.transport.http2.poll_event(self.now) {
            match event {
                Event::Ping { moved } => self.pinged(moved),
                event => self.calls.event(&mut self.transport.http2, self.now, event),
            }
            if self.transport.http2.unsent() >= FLUSH_BYTES {
                // An error or a full socket shows itself at the end of the turn.
                let _ = self.transport.poll_write(cx, self.now);
            }
        }
    }

    /// gRFC A9: a client that asks too often is told so and ended.
    fn pinged(&mut self, moved: bool) {
        let has_calls = self.transport.http2.open_streams() > 0;
        if self.pings.ping(self.now, has_calls, moved) {
            self.load.count(ServerLimit::Pings);
            self.transport.http2.close(ErrorCode::ENHANCE_YOUR_CALM, "too_many_pings");
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        let http2 = &self.transport.http2;
        self.upkeep.calls(self.now, http2.open_streams() > 0, self.calls.take_begun());
        let look_again = self.load.is_under_pressure().then(|| self.now + LOOK_AGAIN);
        let next = [http2.poll_timeout(), self.calls.next_deadline(), self.upkeep.next(), look_again];
        let next = next.into_iter().flatten().min();
        if self.transport.poll_timer(cx, self.now, next).is_pending() {
            return false;
        }
        self.transport.http2.handle_timeout(self.now);
        self.calls.expire(&mut self.transport.http2, self.now);
        while let Some(action) = self.upkeep.poll(self.now) {
            let http2 = &mut self.transport.http2;
            match action {
                UpkeepAction::Ping => {
                    http2.ping(KEEPALIVE_PING);
                    self.calls.counts[Counter::KeepalivesSent] += 1;
                }
                UpkeepAction::PeerIsGone => {
                    if !std::mem::replace(&mut self.client_is_gone, true) {
                        self.load.count(ServerLimit::KeepaliveTime);
                    }
                    break;
                }
                UpkeepAction::Drain => http2.shut_down(self.now),
                UpkeepAction::Cut => {
                    self.calls.cut_all(http2, "the connection has reached its greatest age");
                }
            }
        }
        true
    }

    /// Tells the server what this connection holds and which limits it met, and learns how much all hold.
    fn settle(&mut self) {
        let http2 = &mut self.transport.http2;
        http2.take_limit_hits(|limit, count| self.load.count_hit(limit, count));
        self.report_held();
        self.transport.http2.set_under_pressure(self.load.is_under_pressure());
        self.show();
    }

    #[inline]
    fn report_held(&mut self) {
        self.holding.report(self.transport.http2.held_bytes() + self.transport.unwritten());
    }

    /// Shows others what has been done so far.
    fn show(&mut self) {
        let Some(entry) = &self.entry else { return };
        let (send, receive) = self.transport.http2.windows();
        self.calls.counts[Counter::SendWindow] = send;
        self.calls.counts[Counter::ReceiveWindow] = receive;
        entry.show(&self.calls.counts, self.now);
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
        this.now = clock::now();
        // Most often it is bytes that woke the task.
        let mut reading = this.transport.read(cx, this.now);
        let mut reads = 0;
        this.mail.woken.append(&mut this.calls.yielded);
        loop {
            if let Reading::Failed(_) = reading {
                return Poll::Ready(());
            }
            if let Reading::Came = reading {
                this.upkeep.heard(this.now);
            }
            this.transport.lend_buffer();
            this.take_mail();
            // What is late is late, whatever has come meanwhile.
            let mut timed_out = this.transport.is_time(this.now) && this.poll_time(cx);
            this.drain_events(cx);
            this.poll_woken(cx);
            this.transport.end_read();
            this.calls.arm(this.now);
            this.settle();
            // After all that may have set a time to wake at.
            timed_out |= this.poll_time(cx);
            if this.client_is_gone || this.transport.http2.is_abandoned() {
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
            let mut news = timed_out || this.transport.http2.has_events();
            if !news {
                if reads == READS_PER_POLL {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                reading = this.transport.read_on(cx, this.now, reading);
                news = matches!(reading, Reading::Came | Reading::Failed(_));
                reads += u32::from(news);
            }
            if let Reading::Held = reading {
                // That is one of the limits.
                this.settle();
            }
            if !news {
                if this.calls.yielded.is_empty() && this.calls.mailbox.sleep(cx.waker()) {
                    // Less than before the write, and perhaps for long.
                    this.report_held();
                    this.transport.return_buffers();
                    return Poll::Pending;
                }
                // Other tasks go first.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            this.now = clock::now();
        }
    }
}

/// The connection is gone, however that came: so are its calls.
impl<S> Drop for ServerConnection<S> {
    fn drop(&mut self) {
        self.calls.lost();
        if let Some(entry) = &self.entry {
            entry.show(&self.calls.counts, self.now);
        }
    }
}
