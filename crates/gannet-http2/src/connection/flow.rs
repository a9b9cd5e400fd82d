//! Flow control of what is received (RFC 9113 §5.2): credit is a promise of memory.
//!
//! Half of the budget is guaranteed to the streams as their initial windows. The other half is a pool, lent first to
//! streams whose begun message needs more than its window, and paid back as the application consumes it; then, a part of
//! it, to windows that grow with bandwidth × delay. The sum of what is granted and not consumed never passes the
//! budget, so the connection's window can be returned on receipt.

use super::Connection;
use super::bandwidth::SAMPLE_PING;
use crate::frame::{self, kind};
use crate::streams::StreamKey;
use std::collections::VecDeque;
use std::time::Instant;

/// The half of the budget that is lent.
#[derive(Debug)]
pub(super) struct Pool {
    left: u32,
    /// What windows may still grow by; it is part of `left`.
    growth: u32,
    /// Streams that want to borrow, first come first served.
    waiting: VecDeque<StreamKey>,
}

impl Pool {
    pub(super) fn new(total: u32, growth: u32) -> Self {
        Self { left: total, growth, waiting: VecDeque::new() }
    }

    pub(super) fn pay_back(&mut self, borrowed: u32, grown: u32) {
        self.left += borrowed + grown;
        self.growth += grown;
    }

    /// A stream that waits no longer: it must not keep its place before the others.
    pub(super) fn give_up(&mut self, key: StreamKey) {
        self.waiting.retain(|waiting| *waiting != key);
    }

    /// Half of what is left for growing windows, so that those who come later get some as well.
    fn grow(&mut self, wanted: u32) -> u32 {
        let given = if self.waiting.is_empty() { wanted.min(self.growth / 2).min(self.left) } else { 0 };
        self.left -= given;
        self.growth -= given;
        given
    }
}

impl Connection {
    /// The application has consumed this much of a stream's data: the peer may send as much again.
    pub fn release_capacity(&mut self, key: StreamKey, bytes: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(stream.unread);
        stream.unread -= bytes;
        self.unread -= u64::from(bytes);
        let borrowed = bytes.min(stream.borrowed);
        // A window that has grown goes back to what it was while others wait for the rest of their messages.
        let lean = !self.pool.waiting.is_empty();
        let grown = if lean { (bytes - borrowed).min(stream.grown) } else { 0 };
        stream.borrowed -= borrowed;
        stream.grown -= grown;
        stream.released = stream.released.saturating_add(bytes - borrowed - grown);
        // Credit goes out in batches, so that small messages do not each cause a frame.
        if stream.released >= (self.config.initial_window_size() + stream.grown) / 2 {
            self.give_credit(key);
            self.bandwidth.want(self.largest_window());
        }
        if borrowed + grown > 0 {
            self.pool.pay_back(borrowed, grown);
            self.lend();
        }
    }

    /// A begun message needs this many bytes more than have come. Where the stream's window can't carry them the rest
    /// is lent from the pool: whole or not at all, first come first served.
    pub fn request_credit(&mut self, key: StreamKey, bytes: usize) {
        // One byte beyond the message: servers over nghttp2, such as Node.js, see that their data have ended only when
        // the window would let more through. With none left they never send the end of the stream.
        let wanted = i64::try_from(bytes).unwrap_or(i64::MAX).saturating_add(1);
        if self.missing(key, wanted) <= 0 {
            return;
        }
        // What was released and kept back for a batch comes first: it may be enough.
        self.give_credit(key);
        let missing = self.missing(key, wanted);
        let most = self.config.largest_message() as u32;
        let Some(stream) = self.streams.get_mut(key).filter(|_| missing > 0) else { return };
        let first_ask = stream.wants_credit == 0;
        stream.wants_credit = u32::try_from(missing).unwrap_or(u32::MAX).min(most);
        if first_ask {
            self.pool.waiting.push_back(key);
        }
        self.lend();
    }

    /// Memory is short everywhere (`true`): no more is lent, no new stream is taken, until it is not.
    pub fn set_under_pressure(&mut self, under_pressure: bool) {
        if self.under_pressure != under_pressure {
            self.under_pressure = under_pressure;
            self.lend();
        }
    }

    /// The bytes that this connection holds for others: received and not consumed, or waiting to be sent.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.unread as usize + self.queued + self.out.len()
    }

    /// How many of these bytes the stream's window does not let through.
    fn missing(&self, key: StreamKey, bytes: i64) -> i64 {
        self.streams.get(key).map_or(0, |stream| bytes - stream.receive_window.max(0))
    }

    /// Sends what the application released as WINDOW_UPDATE, and more where the path carries more.
    fn give_credit(&mut self, key: StreamKey) {
        let initial = self.config.initial_window_size();
        let Some(stream) = self.streams.get_mut(key) else { return };
        let mut credit = std::mem::take(&mut stream.released);
        if credit == 0 || !stream.state.may_receive() {
            return;
        }
        let wanted = self.bandwidth.product().saturating_sub(initial + stream.grown);
        if wanted > 0 && !self.under_pressure {
            let grown = self.pool.grow(wanted);
            stream.grown += grown;
            credit += grown;
        }
        stream.receive_window += i64::from(credit);
        frame::put_window_update(&mut self.out, stream.id, credit);
    }

    /// DATA counts as a sample of the path; where one begins its PING goes out.
    #[inline]
    pub(super) fn sample_bandwidth(&mut self, now: Instant, bytes: u32) {
        if self.bandwidth.received(now, bytes) {
            frame::put(&mut self.out, kind::PING, 0, 0, &SAMPLE_PING);
        }
    }

    /// The answer to a PING; says whether it was sent to measure the path.
    pub(super) fn bandwidth_measured(&mut self, payload: &[u8; 8]) -> bool {
        let window = self.config.initial_window_size();
        *payload == SAMPLE_PING && self.bandwidth.end(self.now, window, self.largest_window())
    }

    fn largest_window(&self) -> u32 {
        self.config.initial_window_size() + self.config.growth()
    }

    /// Lends to those that wait, in their order, while the pool has enough for the first.
    pub(super) fn lend(&mut self) {
        while !self.under_pressure
            && let Some(&key) = self.pool.waiting.front()
        {
            if let Some(stream) = self.streams.get_mut(key) {
                let wanted = stream.wants_credit;
                if wanted > self.pool.left {
                    return;
                }
                stream.wants_credit = 0;
                if stream.state.may_receive() {
                    self.pool.left -= wanted;
                    stream.borrowed += wanted;
                    stream.receive_window += i64::from(wanted);
                    frame::put_window_update(&mut self.out, stream.id, wanted);
                }
            }
            self.pool.waiting.pop_front();
        }
    }

    /// The connection's own window goes back on receipt, in batches of half.
    pub(super) fn return_connection_window(&mut self, bytes: u32) {
        self.returned += bytes;
        if self.returned >= self.config.receive_budget / 2 {
            self.receive_window += i64::from(self.returned);
            frame::put_window_update(&mut self.out, 0, self.returned);
            self.returned = 0;
        }
    }
}
