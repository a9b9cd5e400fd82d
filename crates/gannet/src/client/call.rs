//! What all four kinds of calls have in common: options, the request head, attempts.

use super::attempt::{Attempt, AttemptState, Ended};
use super::channel::{Channel, Waiting};
use super::failures::after_attempts;
use crate::compression::Outgoing;
use crate::driver::{Command, Mailbox, clock};
use crate::stream::StreamPair;
use crate::{CallContext, Compression, Failure, Format, Metadata, MethodSpec, Phase, Result, Status};
use bytes::Bytes;
use gannet_core::format_timeout;
use gannet_http2::{Fields, Name};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a caller may set on a call before it begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) metadata: Metadata,
    pub(super) timeout: Option<Duration>,
    pub(super) wait_for_ready: bool,
    /// In place of the channel's.
    pub(super) compression: Option<Compression>,
    /// A setter's mistake: it is the call's own error.
    pub(super) mistake: Option<Status>,
}

impl Options {
    pub(super) fn add(&mut self, added: impl FnOnce(&mut Metadata) -> Result<(), crate::InvalidMetadata>) {
        if let Err(error) = added(&mut self.metadata) {
            self.mistake.get_or_insert_with(|| error.into());
        }
    }

    /// What the call's requests have to keep to.
    pub(super) fn outgoing(&self, channel: &Channel) -> Outgoing {
        let mut outgoing = channel.outgoing();
        outgoing.compression = self.compression.unwrap_or(outgoing.compression);
        outgoing
    }

    /// The earlier of what was set and what the handler that makes the call has left itself.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let own = self.timeout.and_then(|timeout| now.checked_add(timeout));
        own.into_iter().chain(CallContext::current().deadline()).min()
    }
}

/// The setters of every kind of call.
macro_rules! call_setters {
    ($($kind:ident),*) => {$(
        impl<Req, Res> $kind<Req, Res> {
            /// How long the call may take in all, from now. A call made from a handler also ends with that handler's.
            pub fn deadline(mut self, timeout: std::time::Duration) -> Self {
                self.options.timeout = Some(timeout);
                self
            }

            /// Adds a text value to the request's metadata. A name or value that can't stand there is the call's error.
            pub fn metadata(mut self, name: &str, value: &str) -> Self {
                self.options.add(|metadata| metadata.append(name, value));
                self
            }

            /// Adds bytes to the request's metadata; the name ends with `-bin`.
            pub fn metadata_bin(mut self, name: &str, value: &[u8]) -> Self {
                self.options.add(|metadata| metadata.append_bin(name, value));
                self
            }

            /// How the call's requests are compressed, in place of the channel's default. A server that does not know
            /// it answers UNIMPLEMENTED.
            pub fn compression(mut self, compression: crate::Compression) -> Self {
                self.options.compression = Some(compression);
                self
            }

            /// Waits for a connection instead of failing while there is none to be had. Default: the call fails with
            /// UNAVAILABLE once an attempt to connect has failed.
            pub fn wait_for_ready(mut self) -> Self {
                self.options.wait_for_ready = true;
                self
            }
        }
    )*};
}
pub(super) use call_setters;

/// A call while it is made: attempts come and go, this stays.
pub(super) struct CallState {
    pub(super) channel: Channel,
    pub(super) spec: &'static MethodSpec,
    pub(super) format: Format,
    pub(super) metadata: Metadata,
    pub(super) deadline: Option<Instant>,
    pub(super) wait_for_ready: bool,
    pub(super) compression: Compression,
    /// The one request message with its prefix.
    pub(super) body: Option<Bytes>,
    pub(super) attempts: u32,
}

/// How often a call that no server has seen is tried again before its error is told.
const UNPROCESSED_ATTEMPTS: u32 = 5;

impl CallState {
    /// Puts the call on a connection.
    pub(super) fn post(&mut self, mailbox: &Arc<Mailbox>) -> Result<Arc<AttemptState>> {
        let attempt = self.attempt(None)?;
        let state = Arc::clone(&attempt.state);
        send(&self.channel, mailbox, attempt);
        Ok(state)
    }

    /// Puts a streaming call on a connection. The call goes along, to be tried again where no server has seen it.
    pub(super) async fn attach(mut self: Box<Self>, pair: Arc<StreamPair>) -> Result<()> {
        let mailbox = self.pick().await?;
        let mut attempt = self.attempt(Some(pair))?;
        let channel = self.channel.clone();
        attempt.again = Some(self);
        send(&channel, &mailbox, attempt);
        Ok(())
    }

    fn attempt(&mut self, pair: Option<Arc<StreamPair>>) -> Result<Attempt> {
        let fields = self.head(clock::now())?;
        self.attempts += 1;
        Ok(Attempt {
            fields,
            body: self.body.clone(),
            deadline: self.deadline,
            max_decoded_message: self.channel.settings().max_decoded_message,
            accepts: self.channel.compression().accepted,
            state: AttemptState::new(pair, self.attempts),
            again: None,
        })
    }

    /// No server has seen the attempt: another one, where that is still possible (gRFC A6, "Transparent Retries").
    pub(super) fn try_again(self: Box<Self>, pair: Arc<StreamPair>, unprocessed: Status) {
        let runtime = tokio::runtime::Handle::try_current();
        let (true, Ok(runtime)) = (self.may_try_again() && pair.outbox.rewind(), runtime) else {
            return pair.end(Err(unprocessed));
        };
        runtime.spawn(async move {
            if let Err(status) = self.attach(Arc::clone(&pair)).await {
                pair.end(Err(status));
            }
        });
    }

    /// Whether an attempt that no server has seen is to be tried again (gRFC A6, "Transparent Retries").
    pub(super) fn may_try_again(&self) -> bool {
        self.attempts < UNPROCESSED_ATTEMPTS
    }

    /// A connection for the next attempt.
    pub(super) async fn pick(&self) -> Result<Arc<Mailbox>> {
        let waiting = if self.wait_for_ready { Waiting::UntilReady } else { Waiting::UntilFailed };
        let pick = self.channel.pick(waiting);
        let picked = match self.deadline {
            None => pick.await,
            Some(deadline) => {
                let picked = tokio::time::timeout_at(deadline.into(), pick).await;
                picked.unwrap_or_else(|_| Err(self.waited_for_connection()))
            }
        };
        picked.map_err(|status| after_attempts(status, self.attempts))
    }

    /// The deadline has passed, and there is no connection: what the last attempt to make one failed with says why.
    fn waited_for_connection(&self) -> Status {
        let last = self.channel.last_error();
        let cause = last.as_ref().map(|error| format!("; the last connection error: {error}"));
        let status = Status::deadline_exceeded(format!(
            "the deadline passed while the call waited for a connection to {}{}",
            self.channel.target_text(),
            cause.unwrap_or_default(),
        ));
        let known = last.as_ref().and_then(Status::failure).cloned();
        let failure = known.unwrap_or(Failure::new(Phase::Connect));
        status.with_failure(match last {
            Some(error) => failure.with_connection_error(error),
            None => failure,
        })
    }

    /// PROTOCOL-HTTP2, "Requests".
    fn head(&self, now: Instant) -> Result<Fields> {
        let mut fields = Fields::with_capacity(12, 192);
        fields.push(Name::Method, b"POST");
        fields.push(Name::Scheme, self.channel.scheme().as_bytes());
        fields.push(Name::Path, self.spec.path.as_bytes());
        fields.push(Name::Authority, self.channel.authority().as_bytes());
        // "Implementations should send Timeout immediately after the reserved headers."
        if let Some(deadline) = self.deadline {
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                let failure = Failure::new(Phase::Send).with_attempts(self.attempts);
                let status = Status::deadline_exceeded("the deadline passed before the call was sent");
                return Err(status.with_failure(failure));
            }
            fields.push(Name::GrpcTimeout, format_timeout(left).as_bytes());
        }
        fields.push(Name::Te, b"trailers");
        fields.push(Name::ContentType, self.format.content_type().as_bytes());
        if self.compression != Compression::Identity {
            fields.push(Name::GrpcEncoding, self.compression.name().as_bytes());
        }
        let accepted = self.channel.accept_encoding();
        if !accepted.is_empty() {
            fields.push(Name::GrpcAcceptEncoding, accepted.as_bytes());
        }
        fields.push(Name::UserAgent, self.channel.user_agent().as_bytes());
        self.metadata.write_to(&mut fields);
        Ok(fields)
    }
}

fn send(channel: &Channel, mailbox: &Arc<Mailbox>, attempt: Attempt) {
    if let Err(Command::Open(attempt)) = mailbox.command(Command::Open(Box::new(attempt))) {
        // A connection that was lost between its first SETTINGS and its readiness has not retired itself.
        channel.retire(mailbox);
        let status = Status::unavailable("the connection was lost before the call was sent");
        attempt.unprocessed(status.with_failure(Failure::new(Phase::Send)));
    }
}

impl Ended {
    pub(super) fn failed(status: Status) -> Self {
        Self { result: Some(Err(status)), ..Self::default() }
    }
}
