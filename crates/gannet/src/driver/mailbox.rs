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
    mail: Mail,
    /// Set while the driver sleeps.
    sleeper: Option<Waker>,
    /// The connection is gone; nothing is taken any more.
    closed: bool,
}

/// What has been posted. Its lists keep their memory from one turn to the next.
#[derive(Default)]
pub(crate) struct Mail {
    /// Streams with news in their outbox or inbox.
    pub(crate) streams: Vec<StreamKey>,
    /// Streams whose handlers stay with the connection and want to be polled.
    pub(crate) woken: Vec<StreamKey>,
    pub(crate) commands: Vec<Command>,
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
        self.post(|mail| mail.streams.push(key));
    }

    /// Says that this stream's handler, which stays with the connection, is to be polled.
    pub(crate) fn wake(&self, key: StreamKey) {
        self.post(|mail| mail.woken.push(key));
    }

    /// Leaves a command. It comes back where the connection is gone.
    pub(crate) fn command(&self, command: Command) -> Result<(), Command> {
        let mut command = Some(command);
        self.post(|mail| mail.commands.extend(command.take()));
        command.map_or(Ok(()), Err)
    }

    fn post(&self, add: impl FnOnce(&mut Mail)) {
        let mut post = self.lock();
        if post.closed {
            return;
        }
        add(&mut post.mail);
        let sleeper = post.sleeper.take();
        // Woken after the lock is free, or the driver would run into it at once.
        drop(post);
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// The driver's side: takes all that has been posted, behind what is in its hands already.
    pub(crate) fn take(&self, mail: &mut Mail) {
        let mut post = self.lock();
        post.sleeper = None;
        mail.take(&mut post.mail);
    }

    /// The driver's side: to be woken by the next post. `false` where there is post already.
    pub(crate) fn sleep(&self, waker: &Waker) -> bool {
        let mut post = self.lock();
        if !post.mail.is_empty() {
            return false;
        }
        post.sleeper = Some(waker.clone());
        true
    }

    /// The driver's side, at its end: later posts are refused, earlier commands come back to be answered.
    pub(crate) fn close(&self) -> Vec<Command> {
        let mut post = self.lock();
        post.closed = true;
        std::mem::take(&mut post.mail).commands
    }

    fn lock(&self) -> MutexGuard<'_, Post> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Mail {
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.woken.is_empty() && self.commands.is_empty()
    }

    fn take(&mut self, posted: &mut Self) {
        if posted.is_empty() {
            return;
        }
        move_all(&mut posted.streams, &mut self.streams);
        move_all(&mut posted.woken, &mut self.woken);
        move_all(&mut posted.commands, &mut self.commands);
    }
}

fn move_all<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    if to.is_empty() {
        std::mem::swap(from, to);
    } else {
        to.append(from);
    }
}
