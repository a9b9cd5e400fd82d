//! What has happened to a server or a channel (gRFC A3): the latest events, and how many there were.

use std::collections::VecDeque;
use std::time::SystemTime;

/// How many events are kept of each server, channel and subchannel where nobody says otherwise.
pub(super) const TRACE_EVENTS: usize = 30;
/// What a peer may say is part of some events.
const LONGEST_DESCRIPTION_BYTES: usize = 256;

/// The trace of a server, a channel or a subchannel, as it was when it was asked about (gRFC A3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceFacts {
    /// When that began which it is the trace of.
    pub created: SystemTime,
    /// How many events there were, those that are forgotten included.
    pub logged: u64,
    /// The latest ones, the oldest first.
    pub events: Vec<TraceEvent>,
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// What, for people; at most 256 bytes.
    pub description: String,
    /// How bad it is.
    pub severity: TraceSeverity,
    /// When.
    pub time: SystemTime,
    /// The subchannel that it happened to, in the trace of its channel.
    pub subchannel: Option<u64>,
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceSeverity {
    /// As it should be.
    Info,
    /// It may be worth a look.
    Warning,
}

/// What is kept of the events.
#[derive(Debug)]
pub(super) struct Trace {
    created: SystemTime,
    logged: u64,
    events: VecDeque<TraceEvent>,
}

impl Trace {
    /// The trace of something that begins now.
    pub(super) fn new() -> Self {
        Self { created: SystemTime::now(), logged: 0, events: VecDeque::new() }
    }

    /// Keeps this event, and of all at most so many.
    pub(super) fn log(&mut self, event: TraceEvent, most: usize) {
        self.logged += 1;
        self.events.push_back(event);
        let over = self.events.len().saturating_sub(most);
        self.events.drain(..over);
    }

    pub(super) fn facts(&self) -> TraceFacts {
        let events = self.events.iter().cloned().collect();
        TraceFacts { created: self.created, logged: self.logged, events }
    }
}

impl TraceEvent {
    /// It happens now.
    pub(super) fn info(description: impl Into<String>) -> Self {
        let mut description = description.into();
        if description.len() > LONGEST_DESCRIPTION_BYTES {
            description.truncate(description.floor_char_boundary(LONGEST_DESCRIPTION_BYTES));
            description.shrink_to_fit();
        }
        let (severity, time) = (TraceSeverity::Info, SystemTime::now());
        Self { description, severity, time, subchannel: None }
    }

    pub(super) fn warning(description: impl Into<String>) -> Self {
        Self { severity: TraceSeverity::Warning, ..Self::info(description) }
    }

    pub(super) fn of_subchannel(self, id: u64) -> Self {
        Self { subchannel: Some(id), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept_and_all_are_counted() {
        for (most, kept) in [(3, vec!["7", "8", "9"]), (0, vec![])] {
            let mut trace = Trace::new();
            (0..10).for_each(|number| trace.log(TraceEvent::info(number.to_string()), most));
            let facts = trace.facts();
            let descriptions: Vec<_> = facts.events.iter().map(|event| event.description.as_str()).collect();
            assert_eq!((facts.logged, descriptions), (10, kept));
            assert!(trace.events.capacity() < 10);
        }
    }

    #[test]
    fn a_description_is_cut_between_characters() {
        let event = TraceEvent::warning("é".repeat(200));
        assert_eq!((event.description.len(), event.severity), (256, TraceSeverity::Warning));
        let event = TraceEvent::info(format!("x{}", "é".repeat(200))).of_subchannel(7);
        assert_eq!((event.description.len(), event.subchannel), (255, Some(7)));
    }
}
