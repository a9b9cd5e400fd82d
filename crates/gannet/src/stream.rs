//! The messages of a streaming call, between the user's task and the connection's.
//!
//! Messages wait encoded, in both directions: whoever sends encodes, whoever receives decodes, each in the poll that asks
//! for it. The connection only moves bytes. Each direction has one short lock; the first byte into an empty [`Outbox`]
//! announces the stream to its connection, those that follow only append. Where the connection itself polls a handler, it
//! looks for what came of that without being told.

mod home;
mod inbox;
mod outbox;
mod receiver;
mod sender;
mod waiting;

pub(crate) use home::Home;
pub(crate) use inbox::Inbox;
#[cfg(all(test, gannet_loom))]
pub(crate) use outbox::HIGH_WATER_BYTES;
pub(crate) use outbox::Outbox;
pub use receiver::{IntoStream, Receiver};
pub use sender::Sender;
pub(crate) use waiting::COPIED_BELOW_BYTES;

use crate::compression::{DecompressionLimits, Outgoing, Received};
use crate::driver::Mailbox;
use crate::intercept::{Direction, Observers};
use crate::registry::CallEntry;
use crate::server::{Charge, DecodedData};
use crate::{Compression, Format, MethodSpec, Result, Status};
use bytes::Bytes;
use gannet_http2::StreamKey;
use std::sync::{Arc, Mutex};

/// Both directions of one streaming call, in one allocation.
pub(crate) struct StreamPair {
    pub(crate) facts: StreamFacts,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    /// A server's: where its handler is woken while it stays with the connection.
    home: Option<Home>,
    /// For the message that its reader has now, where that came compressed or is large.
    charge: Mutex<Option<Charge>>,
}

/// What a stream's two ends know of their call.
pub(crate) struct StreamFacts {
    pub(crate) spec: &'static MethodSpec,
    pub(crate) format: Format,
    pub(crate) side: Side,
    pub(crate) observers: Observers,
    pub(crate) outgoing: Outgoing,
    pub(crate) decompression: DecompressionLimits,
    /// A server's account of what its calls hold of messages.
    pub(crate) decoded: Option<Arc<DecodedData>>,
    /// Counts the call at a client's channel, where somebody looks.
    pub(crate) counted: Option<Box<CallEntry>>,
}

/// Which end of a call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Whoever makes the call.
    Client,
    /// Whoever answers it.
    Server,
}

impl Side {
    pub(crate) fn sends(self) -> Direction {
        match self {
            Side::Client => Direction::Request,
            Side::Server => Direction::Response,
        }
    }

    pub(crate) fn receives(self) -> Direction {
        match self {
            Side::Client => Direction::Response,
            Side::Server => Direction::Request,
        }
    }
}

impl StreamPair {
    pub(crate) fn new(facts: StreamFacts) -> Arc<Self> {
        let pair = Self::unattached(facts, None);
        if pair.facts.side == Side::Client {
            pair.outbox.keep();
        }
        Arc::new(pair)
    }

    /// A stream whose place on a connection is known and stays: a server's.
    pub(crate) fn attached(facts: StreamFacts, link: Link) -> Arc<Self> {
        let pair = Self::unattached(facts, Some(Home::new(link.clone())));
        pair.attach(link);
        Arc::new(pair)
    }

    fn unattached(facts: StreamFacts, home: Option<Home>) -> Self {
        let outbox = Outbox::new(facts.outgoing.compression);
        Self { facts, outbox, inbox: Inbox::default(), home, charge: Mutex::default() }
    }

    /// Joins the stream to its place on a connection.
    pub(crate) fn attach(&self, link: Link) {
        self.inbox.attach(link.clone());
        self.outbox.attach(link);
    }

    /// Before its handler is polled in the connection's task, which looks for news when that is done: none is announced.
    pub(crate) fn begin_poll(&self) {
        if let Some(home) = &self.home {
            home.begin_poll();
        }
        self.inbox.expect_news();
        self.outbox.expect_news();
    }

    /// After such a poll that left it waiting. Whether it was woken meanwhile.
    pub(crate) fn end_poll(&self) -> bool {
        self.home.as_ref().is_some_and(Home::end_poll)
    }

    /// Before a further run of a client's call by an interceptor: as if there had been none.
    ///
    /// # Errors
    /// FAILED_PRECONDITION where requests have been sent or answers read that can't be taken back.
    pub(crate) fn restart(&self) -> Result<()> {
        if !self.inbox.is_attached() {
            return Ok(());
        }
        if self.facts.spec.client_streaming {
            return Err(Status::failed_precondition("a stream of requests can't be sent again"));
        }
        self.inbox.restart()?;
        self.outbox.restart();
        Ok(())
    }

    /// A message as it was before it was compressed.
    fn decompress(&self, received: Received) -> Result<Bytes> {
        match &self.facts.decoded {
            Some(account) if received.compression != Compression::Identity => {
                let (message, charge) = account.decompress(received, self.facts.decompression)?;
                *self.lock_charge() = Some(charge);
                Ok(message)
            }
            _ => received.decompressed(self.facts.decompression),
        }
    }

    /// Counts what the reader's message takes beyond what it was decompressed to.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED where the calls of the connection hold too much.
    fn hold(&self, bytes: usize) -> Result<()> {
        match &self.facts.decoded {
            Some(account) => account.hold(bytes, &mut self.lock_charge()),
            None => Ok(()),
        }
    }

    fn done_with_message(&self) {
        *self.lock_charge() = None;
    }

    fn lock_charge(&self) -> std::sync::MutexGuard<'_, Option<Charge>> {
        self.charge.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The call is over: what is still sent errs, what is still received ends with `how`.
    pub(crate) fn end(&self, how: Result<()>) {
        if let Some(counted) = &self.facts.counted {
            counted.end(how.is_ok());
        }
        self.outbox.end(how.clone());
        self.inbox.end(how);
    }
}

/// A stream's place on a connection: where news of it is announced.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) key: StreamKey,
}

impl Link {
    pub(crate) fn announce(&self) {
        self.mailbox.announce(self.key);
    }
}
