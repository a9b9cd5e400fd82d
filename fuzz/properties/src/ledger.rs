//! What a connection may send (RFC 9113 §4.2 and §5.2), counted without the code under test.

use crate::wire::{DATA, Frame, PREFACE, SETTINGS, WINDOW_UPDATE, split_frame, whole_frames};
use std::collections::HashMap;

/// RFC 9113 §6.9.2: every window before anybody says otherwise.
const INITIAL_WINDOW: i64 = 65_535;
const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 4;
/// RFC 9113 §6.5.2: no frame is larger before anybody says that it may be.
const INITIAL_FRAME_SIZE: usize = 16_384;
const SETTINGS_MAX_FRAME_SIZE: u16 = 5;

/// The windows and the frame size of one sender, by what comes to it and what it sends.
pub(crate) struct Ledger {
    /// What has come of a frame that is not whole.
    partial: Vec<u8>,
    largest_payload: usize,
    connection: i64,
    initial: i64,
    /// Those that are no longer what new ones are.
    streams: HashMap<u32, i64>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            partial: Vec::new(),
            largest_payload: INITIAL_FRAME_SIZE,
            connection: INITIAL_WINDOW,
            initial: INITIAL_WINDOW,
            streams: HashMap::new(),
        }
    }

    /// Bytes that have come to the sender, cut anywhere.
    pub(crate) fn came(&mut self, bytes: &[u8]) {
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let mut rest = partial.strip_prefix(PREFACE).unwrap_or(&partial);
        while let Some((frame, after)) = split_frame(rest) {
            self.frame_came(&frame);
            rest = after;
        }
        self.partial = rest.to_vec();
    }

    /// All that the sender has sent since the last time. Panics where it is no whole frames, or where it was not allowed.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        for frame in whole_frames(bytes, self.largest_payload) {
            self.frame_sent(&frame);
        }
    }

    fn frame_came(&mut self, frame: &Frame<'_>) {
        match (frame.kind, frame.stream) {
            (WINDOW_UPDATE, 0) => self.connection += increment(frame.payload),
            (WINDOW_UPDATE, id) => *self.stream(id) += increment(frame.payload),
            (SETTINGS, 0) => {
                for setting in frame.payload.as_chunks::<6>().0 {
                    let [a, b, c, d, e, f] = *setting;
                    let value = u32::from_be_bytes([c, d, e, f]);
                    match u16::from_be_bytes([a, b]) {
                        SETTINGS_INITIAL_WINDOW_SIZE => self.set_initial(i64::from(value)),
                        // A smaller one need not have been heard of yet.
                        SETTINGS_MAX_FRAME_SIZE => {
                            self.largest_payload = self.largest_payload.max(value as usize);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn frame_sent(&mut self, frame: &Frame<'_>) {
        if frame.kind != DATA || frame.payload.is_empty() {
            return;
        }
        let len = frame.payload.len() as i64;
        self.connection -= len;
        assert!(self.connection >= 0, "more DATA than the connection's window allows (RFC 9113 §6.9.1)");
        let stream = self.stream(frame.stream);
        *stream -= len;
        assert!(*stream >= 0, "more DATA than the stream's window allows (RFC 9113 §6.9.1)");
    }

    fn stream(&mut self, id: u32) -> &mut i64 {
        self.streams.entry(id).or_insert(self.initial)
    }

    /// RFC 9113 §6.9.2: it changes the windows of all streams.
    fn set_initial(&mut self, initial: i64) {
        let difference = initial - std::mem::replace(&mut self.initial, initial);
        self.streams.values_mut().for_each(|window| *window += difference);
    }
}

fn increment(payload: &[u8]) -> i64 {
    payload.first_chunk().map_or(0, |bytes| i64::from(u32::from_be_bytes(*bytes) & 0x7fff_ffff))
}
