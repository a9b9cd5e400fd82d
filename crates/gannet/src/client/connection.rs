//! The task of one client connection.

mod attempts;
mod responses;
mod slot;

use super::channel::Channel;
use super::failures::{in_phase, moved_to};
use crate::call::ConnectionFacts;
use crate::driver::{Command, Io, Mail, Mailbox, Reading, Transport, Upkeep, UpkeepAction, clock};
use crate::registry::{Counter, SocketEntry};
use crate::{Metadata, Phase, Result, Status};
use attempts::Attempts;
use gannet_core::LifetimeConfig;
use gannet_http2::Connection;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::oneshot;

/// Reads in one poll before other tasks get their turn: 256 KiB.
const READS_PER_POLL: u32 = 4;

/// The task of one client connection: a future that ends with the connection.
pub(super) struct ClientConnection<S> {
    transport: Transport<S>,
    attempts: Attempts,
    mail: Mail,
    now: Instant,
    upkeep: Upkeep,
    /// The server has not answered a keepalive PING.
    server_is_gone: bool,
    /// Where others look what the connection does.
    entry: Option<SocketEntry>,
}

/// What a keepalive PING carries, to tell its answer from others in a trace.
const KEEPALIVE_PING: [u8; 8] = *b"are u ok";

impl<S: Io> ClientConnection<S> {
    pub(super) fn new(
        io: S,
        channel: &Channel,
        (facts, entry): (Arc<ConnectionFacts>, Option<SocketEntry>),
        (mailbox, ready): (Arc<Mailbox>, oneshot::Sender<Result<()>>),
        now: Instant,
    ) -> Self {
        let settings = channel.settings();
        // A message within its limit can always arrive.
        let http2 = settings.http2.clone().fits_messages(settings.max_decoded_message);
        let transport = Transport::new(io, Connection::client(http2, now));
        let attempts = Attempts::new(channel, facts, mailbox, ready);
        let upkeep = Upkeep::new(channel.keepalive(), LifetimeConfig::default(), now, 0.0);
        Self { transport, attempts, mail: Mail::default(), now, upkeep, server_is_gone: false, entry }
    }

    fn take_mail(&mut self) {
        self.attempts.mailbox.take(&mut self.mail);
        for command in self.mail.commands.drain(..) {
            self.attempts.command(&mut self.transport.http2, self.now, command);
        }
        for key in self.mail.streams.drain(..) {
            self.attempts.pump(&mut self.transport.http2, key);
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> bool {
        let http2 = &self.transport.http2;
        self.upkeep.calls(self.now, http2.open_streams() > 0, false);
        let next = [http2.poll_timeout(), self.attempts.next_deadline(), self.upkeep.next()];
        let next = next.into_iter().flatten().min();
        if self.transport.poll_timer(cx, self.now, next).is_pending() {
            return false;
        }
        self.transport.http2.handle_timeout(self.now);
        self.attempts.expire(&mut self.transport.http2, self.now);
        match self.upkeep.poll(self.now) {
            Some(UpkeepAction::Ping) => {
                self.transport.http2.ping(KEEPALIVE_PING);
                self.attempts.counts[Counter::KeepalivesSent] += 1;
            }
            Some(UpkeepAction::PeerIsGone) => {
                let peer = &self.attempts.facts.peer;
                let text = format!("{peer} does not answer: a keepalive PING was not acknowledged in time");
                self.attempts.error = Some(Status::unavailable(text));
                self.server_is_gone = true;
            }
            // A client's connection has no age.
            Some(UpkeepAction::Drain | UpkeepAction::Cut) | None => {}
        }
        true
    }

    /// Bytes have come.
    fn heard(&mut self) {
        self.upkeep.heard(self.now);
        if self.attempts.starting.is_some() {
            self.attempts.see_first_bytes(self.transport.last_read());
        }
    }

    fn is_over(&self) -> bool {
        let http2 = &self.transport.http2;
        let idle = http2.open_streams() == 0 && self.attempts.waiting.is_empty();
        let unwanted = self.attempts.channel.is_gone() || http2.peer_is_going_away();
        (http2.is_closed() || (idle && unwanted)) && http2.unsent() == 0 && self.transport.unwritten() == 0
    }

    /// Shows others what has been done so far.
    fn show(&mut self) {
        let Some(entry) = &self.entry else { return };
        let (send, receive) = self.transport.http2.windows();
        self.attempts.counts[Counter::SendWindow] = send;
        self.attempts.counts[Counter::ReceiveWindow] = receive;
        entry.show(&self.attempts.counts, self.now);
    }

    fn lost(&mut self, error: &std::io::Error) {
        let peer = &self.attempts.facts.peer;
        let status = Status::unavailable(format!("the connection to {peer} was lost: {}", explain(error)));
        self.attempts.error =
            Some(if is_of_tls(error) { in_phase(status, Phase::Tls, peer) } else { status });
    }
}

/// With TLS 1.3 a server refuses a client's certificate after the client's handshake is over.
#[cfg(feature = "tls")]
fn is_of_tls(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

#[cfg(not(feature = "tls"))]
fn is_of_tls(_: &std::io::Error) -> bool {
    false
}

#[cfg(feature = "tls")]
fn explain(error: &std::io::Error) -> String {
    // With TLS 1.3 a server refuses a client's certificate after the client's handshake is over.
    crate::tls::explain(crate::tls::Side::Client, error)
}

#[cfg(not(feature = "tls"))]
fn explain(error: &std::io::Error) -> String {
    error.to_string()
}

impl<S: Io> Future for ClientConnection<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.now = clock::now();
        let mut reading = this.transport.read(cx, this.now);
        let mut reads = 0;
        loop {
            if let Reading::Failed(error) = &reading {
                this.lost(error);
                return Poll::Ready(());
            }
            if let Reading::Came = reading {
                this.heard();
            }
            this.transport.lend_buffer();
            this.take_mail();
            // What is late is late, whatever has come meanwhile.
            let mut timed_out = this.transport.is_time(this.now) && this.poll_time(cx);
            while let Some(event) = this.transport.http2.poll_event(this.now) {
                this.attempts.event(&mut this.transport.http2, this.now, event);
            }
            this.transport.end_read();
            this.attempts.tell_start(&this.transport.http2);
            this.attempts.arm(this.now);
            this.show();
            // After all that may have set a time to wake at.
            timed_out |= this.poll_time(cx);
            if this.server_is_gone || this.transport.http2.is_abandoned() {
                return Poll::Ready(());
            }
            match this.transport.poll_write(cx, this.now) {
                Poll::Ready(Err(error)) => {
                    this.lost(&error);
                    return Poll::Ready(());
                }
                Poll::Ready(Ok(())) if this.is_over() => return this.transport.poll_shutdown(cx).map(|_| ()),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
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
            if !news && this.attempts.mailbox.sleep(cx.waker()) {
                this.transport.return_buffers();
                return Poll::Pending;
            }
            this.now = clock::now();
        }
    }
}

/// The connection is gone: attempts that were sent end, those that were not are tried elsewhere.
impl<S> Drop for ClientConnection<S> {
    fn drop(&mut self) {
        let attempts = &mut self.attempts;
        if let Some(channel) = attempts.channel.upgrade() {
            channel.retire(&attempts.mailbox);
        }
        let peer = &attempts.facts.peer;
        let lost = Status::unavailable(format!("the connection to {peer} was lost"));
        let error = attempts.error.take().unwrap_or(lost);
        if let Some(starting) = attempts.starting.take() {
            // Nobody waits any more where connecting took too long.
            let _ = starting.send(Err(error.clone()));
        }
        let unsent = attempts.mailbox.close().into_iter().filter_map(|command| match command {
            Command::Open(attempt) => Some(attempt),
            _ => None,
        });
        for attempt in unsent.chain(attempts.waiting.drain(..)) {
            attempt.unprocessed(moved_to(&error, Phase::Send, peer));
        }
        for slot in attempts.slots.iter_mut().filter_map(Option::take) {
            attempts.counts[Counter::StreamsFailed] += 1;
            attempts.counts.call_ended(false);
            slot.end(Err(moved_to(&error, Phase::Wait, peer)), Metadata::default());
        }
        if let Some(entry) = &self.entry {
            entry.show(&attempts.counts, self.now);
        }
    }
}
