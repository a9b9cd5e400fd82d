//! What the calls that store a stream of things share: portions in, a bounded list out.

use gannet::buffa::Message;
use gannet::{Receiver, Result};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// One transaction takes so many messages, or so many bytes of them, or what arrives in so long a time.
const PORTION_MESSAGES: usize = 1_000;
const PORTION_BYTES: usize = 1024 * 1024;
const PORTION_TIME: Duration = Duration::from_millis(200);

/// What has come, without waiting long for more: a client that sends little by little has it stored little by little.
/// `None` after the last.
///
/// # Errors
/// The status that the stream was cut short with.
pub(crate) async fn next_portion<M: Message>(requests: &mut Receiver<M>) -> Result<Option<Vec<M>>> {
    let Some(first) = requests.next().await? else { return Ok(None) };
    let end = Instant::now() + PORTION_TIME;
    let mut bytes = first.encoded_len() as usize;
    let mut portion = vec![first];
    while portion.len() < PORTION_MESSAGES && bytes < PORTION_BYTES {
        // `next` is cancel-safe: where the time is over, nothing that has come is lost.
        let Ok(next) = timeout_at(end, requests.next()).await else { break };
        let Some(request) = next? else { break };
        bytes += request.encoded_len() as usize;
        portion.push(request);
    }
    Ok(Some(portion))
}

/// A list in an answer, which must not be over the limit of most clients (4 MiB).
#[derive(Debug)]
pub(crate) struct Listed<M> {
    pub(crate) messages: Vec<M>,
    /// Some were left out.
    pub(crate) truncated: bool,
    bytes: usize,
}

const LISTED_BYTES: usize = 3 * 1024 * 1024;
/// A field's key and its length, at most.
const FIELD_OVERHEAD_BYTES: usize = 6;

impl<M: Message> Listed<M> {
    /// Once one was left out, those after it are as well: what is there is the beginning.
    pub(crate) fn add(&mut self, message: M) {
        let bytes = message.encoded_len() as usize + FIELD_OVERHEAD_BYTES;
        self.truncated |= self.bytes + bytes > LISTED_BYTES;
        if !self.truncated {
            self.bytes += bytes;
            self.messages.push(message);
        }
    }
}

impl<M> Default for Listed<M> {
    fn default() -> Self {
        Self { messages: Vec::new(), truncated: false, bytes: 0 }
    }
}

/// A count of an answer.
pub(crate) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
