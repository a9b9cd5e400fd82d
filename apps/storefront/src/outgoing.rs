//! What waits for one reader of a stream that others write to: a bounded queue that never makes them wait.
//!
//! A handler makes a [`queue`] and keeps its [`Waiting`] end; those who have something for this reader get the
//! [`Outgoing`] end, and push without waiting. A reader that is too slow is let go: what waits is dropped, and
//! [`Waiting::deliver`] ends at once with RESOURCE_EXHAUSTED, which the handler returns.
//!
//! ```text
//! let (outgoing, waiting) = outgoing::queue();
//! let seat = room.join(outgoing); // the others push to it: outgoing.push(&Shared::new(message))
//! let deliver = pin!(waiting.deliver(&mut responses));
//! // select! over `deliver` and `requests.next()`, both in one task. After the requests' end:
//! drop(seat);
//! outgoing.finish(); // `deliver` ends with OK once all that waits is sent.
//! deliver.await
//! ```

use bytes::Bytes;
use gannet::buffa::Message;
use gannet::{Result, Sender, Status};
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// So many messages may wait for one reader.
pub const MAX_MESSAGES: usize = 1024;
/// So many encoded bytes may wait for one reader: 16 MiB.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;

/// An empty queue for one reader: the end that is pushed to, and the end that is delivered from.
#[must_use]
pub fn queue<M>() -> (Outgoing<M>, Waiting<M>) {
    let queue = Arc::new(Queue {
        state: Mutex::new(State::Open { messages: VecDeque::new(), bytes: 0, finished: false }),
        arrived: Notify::new(),
        overflowed: Notify::new(),
    });
    (Outgoing(Arc::clone(&queue)), Waiting(queue))
}

/// A message for many readers, encoded once.
#[derive(Debug)]
pub struct Shared<M> {
    encoded: Bytes,
    message: PhantomData<fn(M)>,
}

impl<M: Message> Shared<M> {
    /// Encodes the message.
    pub fn new(message: M) -> Self {
        Self { encoded: message.encode_to_bytes(), message: PhantomData }
    }
}

/// A clone shares the message.
impl<M> Clone for Shared<M> {
    fn clone(&self) -> Self {
        Self { encoded: self.encoded.clone(), message: PhantomData }
    }
}

/// The end that others push to. Clones push to the same reader.
#[derive(Debug)]
pub struct Outgoing<M>(Arc<Queue<M>>);

impl<M> Outgoing<M> {
    /// Adds a message, and never waits. Where there is no room for it the reader is let go. Says whether the reader is
    /// still there.
    pub fn push(&self, message: &Shared<M>) -> bool {
        self.push_all(std::slice::from_ref(message))
    }

    /// Adds messages that come at once, as [`Outgoing::push`]: that they are many does not make the reader a slow one.
    /// Only what waited before them counts against [`MAX_MESSAGES`], while [`MAX_BYTES`] always holds.
    pub fn push_all(&self, burst: &[Shared<M>]) -> bool {
        let mut state = self.0.lock();
        let State::Open { messages, bytes, .. } = &mut *state else { return false };
        *bytes += burst.iter().map(|message| message.encoded.len()).sum::<usize>();
        if messages.len() < MAX_MESSAGES && *bytes <= MAX_BYTES {
            messages.extend(burst.iter().cloned());
            self.0.arrived.notify_one();
            return true;
        }
        drop(state);
        self.let_go();
        false
    }

    /// Lets the reader go, as where too much waits for it.
    pub fn let_go(&self) {
        let mut state = self.0.lock();
        if let State::Open { .. } = &*state {
            *state = State::Overflowed;
            self.0.overflowed.notify_one();
            self.0.arrived.notify_one();
        }
    }

    /// Nothing more will be pushed: the delivery ends with OK once all that waits is sent.
    pub fn finish(&self) {
        if let State::Open { finished, .. } = &mut *self.0.lock() {
            *finished = true;
        }
        self.0.arrived.notify_one();
    }
}

impl<M> Clone for Outgoing<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The end that is delivered from. When it is dropped, what waits goes, and what is pushed later is not kept.
#[derive(Debug)]
pub struct Waiting<M>(Arc<Queue<M>>);

impl<M> Waiting<M> {
    /// Sends what is pushed, as it comes, until [`Outgoing::finish`].
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED at once when too much waits; the status of the call where that has ended.
    pub async fn deliver(self, responses: &mut Sender<M>) -> Result<()> {
        let delivered = self.send_all(responses).await;
        if matches!(*self.0.lock(), State::Overflowed) {
            // The status must not wait for a client that does not read.
            responses.discard();
        }
        delivered
    }

    async fn send_all(&self, responses: &mut Sender<M>) -> Result<()> {
        while let Some(message) = self.next().await? {
            tokio::select! {
                biased;
                () = self.0.overflowed.notified() => return Err(too_slow()),
                sent = responses.send_encoded(message.encoded) => sent?,
            }
        }
        Ok(())
    }

    /// The next message; `None` after the last.
    async fn next(&self) -> Result<Option<Shared<M>>> {
        loop {
            match &mut *self.0.lock() {
                State::Open { messages, bytes, finished } => match messages.pop_front() {
                    Some(next) => {
                        *bytes -= next.encoded.len();
                        return Ok(Some(next));
                    }
                    None if *finished => return Ok(None),
                    None => {}
                },
                State::Overflowed => return Err(too_slow()),
                State::Gone => return Ok(None),
            }
            self.0.arrived.notified().await;
        }
    }
}

impl<M> Drop for Waiting<M> {
    fn drop(&mut self) {
        *self.0.lock() = State::Gone;
    }
}

#[derive(Debug)]
struct Queue<M> {
    state: Mutex<State<M>>,
    /// There is something to deliver, or the end has come.
    arrived: Notify,
    /// The delivery is over, even while it waits for the reader.
    overflowed: Notify,
}

#[derive(Debug)]
enum State<M> {
    Open { messages: VecDeque<Shared<M>>, bytes: usize, finished: bool },
    Overflowed,
    Gone,
}

impl<M> Queue<M> {
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_slow() -> Status {
    Status::resource_exhausted(format!(
        "this stream is read too slowly: more than {MAX_MESSAGES} messages or {} MiB waited for it; \
         read messages as they come, and call again",
        MAX_BYTES / (1024 * 1024)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::order::v1::OrderMatch;
    use gannet::Code;

    fn message(order_id: &str) -> Shared<OrderMatch> {
        Shared::new(OrderMatch { order_id: order_id.to_owned(), ..Default::default() })
    }

    fn order_id(message: &Shared<OrderMatch>) -> String {
        OrderMatch::decode_from_slice(&message.encoded).unwrap().order_id
    }

    #[tokio::test]
    async fn messages_come_in_order_and_end() {
        let (outgoing, waiting) = queue();
        for order_id in ["a", "b"] {
            outgoing.push(&message(order_id));
        }
        outgoing.clone().finish();
        assert_eq!(order_id(&waiting.next().await.unwrap().unwrap()), "a");
        assert_eq!(order_id(&waiting.next().await.unwrap().unwrap()), "b");
        assert!(waiting.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_push_wakes_the_delivery() {
        let (outgoing, waiting) = queue();
        let next = tokio::spawn(async move { waiting.next().await });
        tokio::task::yield_now().await;
        outgoing.push(&message("a"));
        assert_eq!(order_id(&next.await.unwrap().unwrap().unwrap()), "a");
    }

    /// The storefront's contract, ChatService: let go once 1,024 messages or 16 MiB wait.
    #[tokio::test]
    async fn the_limits_are_exact() {
        let mebibyte = message(&"x".repeat(1024 * 1024 - 4));
        assert_eq!(mebibyte.encoded.len(), 1024 * 1024);
        for (message, fit) in [(message("a"), MAX_MESSAGES), (mebibyte, 16)] {
            let (outgoing, waiting) = queue();
            for _ in 0..fit {
                outgoing.push(&message);
            }
            // What was delivered makes room.
            assert!(waiting.next().await.unwrap().is_some());
            outgoing.push(&message);
            assert!(waiting.next().await.unwrap().is_some());
            outgoing.push(&message);
            outgoing.push(&message);
            assert_eq!(waiting.next().await.unwrap_err().code(), Code::ResourceExhausted);
        }
    }

    #[test]
    fn nothing_is_kept_for_a_reader_that_has_gone_or_is_let_go() {
        let message = message("a");
        let (outgoing, waiting) = queue();
        outgoing.push(&message);
        assert!(!message.encoded.is_unique());
        drop(waiting);
        outgoing.push(&message);
        assert!(message.encoded.is_unique());

        let (outgoing, _waiting) = queue();
        for _ in 0..=MAX_MESSAGES + 1 {
            outgoing.push(&message);
        }
        assert!(message.encoded.is_unique());
    }
}
