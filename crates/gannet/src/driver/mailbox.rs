//! What other tasks tell the task of a connection.

use super::lock::{Mutex, MutexGuard};
use gannet_http2::StreamKey;
use std::sync::Arc;
use std::task::Waker;

/// Stream keys and commands for one connection. Messages never pass through it: they wait in their stream's outbox.
///
/// The first post while the driver sleeps wakes it; while it runs, a post is an append.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<Post>);

#[derive(Default)]
struct Post {
    /// Streams with news in their outbox or inbox.
    streams: Vec<StreamKey>,
    commands: Vec<Command>,
    /// Set while the driver sleeps.
    sleeper: Option<Waker>,
    /// The connection is gone; nothing is taken any more.
    closed: bool,
}

/// What a task wants of a connection.
pub(crate) enum Command {
    /// A handler that was spawned has ended.
    Ended(StreamKey, crate::server::Ended),
    /// What the handler of a request that is no gRPC sends.
    Http(StreamKey, crate::server::HttpCommand),
    /// The server drains: no new streams.
    Drain,
    /// The server's patience is over: end everything.
    Close,
    /// A client's attempt asks for a stream.
    Open(Box<crate::client::Attempt>),
    /// A client gives an attempt up.
    Cancel(Arc<crate::client::AttemptState>),
}

impl Mailbox {
    /// Says that this stream's outbox or inbox has news.
    pub(crate) fn announce(&self, key: StreamKey) {
        self.post(|post| post.streams.push(key));
    }

    /// Leaves a command. It comes back where the connection is gone.
    pub(crate) fn command(&self, command: Command) -> Result<(), Command> {
        let mut command = Some(command);
        self.post(|post| post.commands.extend(command.take()));
        command.map_or(Ok(()), Err)
    }

    fn post(&self, add: impl FnOnce(&mut Post)) {
        let mut post = self.lock();
        if post.closed {
            return;
        }
        add(&mut post);
        let sleeper = post.sleeper.take();
        // Woken after the lock is free, or the driver would run into it at once.
        drop(post);
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// The driver's side: swaps what has been posted for two empty lists, which keep their memory.
    pub(crate) fn take(&self, streams: &mut Vec<StreamKey>, commands: &mut Vec<Command>) {
        streams.clear();
        commands.clear();
        let mut post = self.lock();
        post.sleeper = None;
        std::mem::swap(&mut post.streams, streams);
        std::mem::swap(&mut post.commands, commands);
    }

    /// The driver's side: to be woken by the next post. `false` where there is post already.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        let mut post = self.lock();
        if !post.streams.is_empty() || !post.commands.is_empty() {
            return false;
        }
        post.sleeper = Some(waker.clone());
        true
    }

    /// The driver's side, at its end: later posts are refused, earlier commands come back to be answered.
    pub(crate) fn close(&self) -> Vec<Command> {
        let mut post = self.lock();
        post.closed = true;
        post.streams = Vec::new();
        std::mem::take(&mut post.commands)
    }

    fn lock(&self) -> MutexGuard<'_, Post> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
