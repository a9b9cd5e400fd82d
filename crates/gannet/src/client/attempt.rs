//! One attempt of a call: a stream on one connection. The call itself may outlive it.

use super::call::CallState;
use super::failures::after_attempts;
use crate::compression::{Encodings, Received};
use crate::stream::StreamPair;
use crate::{Metadata, Result, Status};
use bytes::Bytes;
use gannet_http2::{Fields, StreamKey};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// What a connection needs to open a stream.
pub(crate) struct Attempt {
    pub(crate) fields: Fields,
    /// The one request message with its prefix; `None` where requests come from the pair's outbox.
    pub(crate) body: Option<Bytes>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) max_decoded_message: usize,
    /// What responses may be compressed with.
    pub(crate) accepts: Encodings,
    pub(crate) state: Arc<AttemptState>,
    /// The call itself, where the attempt is a stream's and nobody else waits to try it again.
    pub(super) again: Option<Box<CallState>>,
}

impl Attempt {
    /// No server has seen it: it is tried again elsewhere.
    pub(super) fn unprocessed(self, status: Status) {
        self.state.unprocessed(self.again, status);
    }

    /// Ends the call without a stream.
    pub(super) fn fail(self, status: Status) {
        let status = after_attempts(status, self.state.number);
        if let Some(pair) = &self.state.pair {
            pair.end(Err(status.clone()));
        }
        self.state.end(Outcome::Ended(Ended::failed(status)));
    }
}

/// What a call and its connection share of an attempt.
#[derive(Default)]
pub(crate) struct AttemptState {
    progress: Mutex<Progress>,
    /// Where messages come and go; `None` for a call with one message each way.
    pub(crate) pair: Option<Arc<StreamPair>>,
    /// Which attempt of its call this is, from 1.
    pub(super) number: u32,
}

#[derive(Default)]
struct Progress {
    key: Option<StreamKey>,
    cancelled: bool,
    ended: bool,
    outcome: Option<Outcome>,
    waiting: Option<Waker>,
}

/// How an attempt ended.
pub(crate) enum Outcome {
    /// The server has answered, or the call can't go on.
    Ended(Ended),
    /// The server has done nothing with it: it may be tried again on another connection.
    Unprocessed(Status),
}

/// The answer of a call with one message, or how another ended.
#[derive(Default)]
pub(crate) struct Ended {
    pub(crate) headers: Metadata,
    pub(crate) trailers: Metadata,
    pub(crate) result: Option<Result<Received>>,
}

impl AttemptState {
    pub(super) fn new(pair: Option<Arc<StreamPair>>, number: u32) -> Arc<Self> {
        Arc::new(Self { progress: Mutex::default(), pair, number })
    }

    /// The connection has opened the stream. `false` where the caller has given up meanwhile.
    pub(crate) fn opened(&self, key: StreamKey) -> bool {
        let mut progress = self.lock();
        progress.key = Some(key);
        !progress.cancelled
    }

    pub(crate) fn key(&self) -> Option<StreamKey> {
        self.lock().key
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// The caller gives up. `true` where the connection has to be told.
    pub(crate) fn cancel(&self) -> bool {
        let mut progress = self.lock();
        progress.cancelled = true;
        !progress.ended
    }

    pub(crate) fn end(&self, outcome: Outcome) {
        let mut progress = self.lock();
        if !std::mem::replace(&mut progress.ended, true) {
            progress.outcome = Some(outcome);
        }
        let waker = progress.waiting.take();
        drop(progress);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// No server has seen the attempt: whoever has the call tries it again.
    pub(super) fn unprocessed(&self, again: Option<Box<CallState>>, status: Status) {
        let status = after_attempts(status, self.number);
        match (&self.pair, again) {
            (Some(pair), Some(call)) => call.try_again(Arc::clone(pair), status.clone()),
            (Some(pair), None) => pair.end(Err(status.clone())),
            (None, _) => {}
        }
        self.end(Outcome::Unprocessed(status));
    }

    pub(crate) fn poll_outcome(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut progress = self.lock();
        if let Some(outcome) = progress.outcome.take() {
            return Poll::Ready(outcome);
        }
        progress.waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
