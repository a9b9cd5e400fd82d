//! Flow control of what is received (RFC 9113 §5.2): credit is a promise of memory.
//!
//! Half of the budget is guaranteed to the streams as their initial windows; the other half is a pool, lent to streams
//! whose begun message needs more than its window, and paid back as the application consumes it. The sum of what is
//! granted and not consumed never passes the budget, so the connection's window can be returned on receipt.

use super::Connection;
use crate::frame;
use crate::streams::StreamKey;
use std::collections::VecDeque;

/// The half of the budget that is lent.
#[derive(Debug)]
pub(super) struct Pool {
    total: u32,
    left: u32,
    /// Streams that want to borrow, first come first served.
    waiting: VecDeque<StreamKey>,
}

impl Pool {
    pub(super) fn new(total: u32) -> Self {
        Self { total, left: total, waiting: VecDeque::new() }
    }

    pub(super) fn pay_back(&mut self, bytes: u32) {
        self.left += bytes;
    }
}

impl Connection {
    /// The application has consumed this much of a stream's data: the peer may send as much again.
    pub fn release_capacity(&mut self, key: StreamKey, bytes: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let paid = bytes.min(stream.borrowed);
        stream.borrowed -= paid;
        stream.released = stream.released.saturating_add(bytes - paid);
        // Credit goes out in batches, so that small messages do not each cause a frame.
        if stream.released >= self.config.initial_window_size() / 2 {
            self.give_credit(key);
        }
        if paid > 0 {
            self.pool.pay_back(paid);
            self.lend();
        }
    }

    /// A begun message needs this many bytes more than have come. Where the stream's window can't carry them the rest
    /// is lent from the pool: whole or not at all, first come first served.
    pub fn request_credit(&mut self, key: StreamKey, bytes: usize) {
        let wanted = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.missing(key, wanted) <= 0 {
            return;
        }
        // What was released and kept back for a batch comes first: it may be enough.
        self.give_credit(key);
        let missing = self.missing(key, wanted);
        let Some(stream) = self.streams.get_mut(key).filter(|_| missing > 0) else { return };
        let first_ask = stream.wants_credit == 0;
        stream.wants_credit = u32::try_from(missing).unwrap_or(u32::MAX).min(self.pool.total);
        if first_ask {
            self.pool.waiting.push_back(key);
        }
        self.lend();
    }

    /// How many of these bytes the stream's window does not let through.
    fn missing(&self, key: StreamKey, bytes: i64) -> i64 {
        self.streams.get(key).map_or(0, |stream| bytes - stream.receive_window.max(0))
    }

    /// Sends what the application released as WINDOW_UPDATE.
    fn give_credit(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let credit = std::mem::take(&mut stream.released);
        if credit > 0 && stream.state.may_receive() {
            stream.receive_window += i64::from(credit);
            frame::put_window_update(&mut self.out, stream.id, credit);
        }
    }

    /// Lends to those that wait, in their order, while the pool has enough for the first.
    pub(super) fn lend(&mut self) {
        while let Some(&key) = self.pool.waiting.front() {
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
