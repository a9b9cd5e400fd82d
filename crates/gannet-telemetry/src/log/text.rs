//! A call's line as one text, made in memory that the lines of a thread share.

use super::{OneLine, causes};
use crate::TraceContext;
use crate::ending::Ending;
use gannet::Direction;
use std::cell::Cell;
use std::fmt::{self, Write};

thread_local! {
    static LAST: Cell<String> = const { Cell::new(String::new()) };
}

/// What a subscriber of text writes of the event's fields after `method=`.
pub(super) fn of(ending: &Ending<'_>) -> Text {
    let mut text = Text(LAST.try_with(Cell::take).unwrap_or_default());
    // Writing into a string does not fail.
    let _ = text.line(ending);
    text
}

/// A line, whose memory is for the next one.
pub(super) struct Text(String);

impl Text {
    fn line(&mut self, ending: &Ending<'_>) -> fmt::Result {
        let Ending { call, how, .. } = ending;
        self.0.clear();
        self.put("\"");
        self.put(call.spec().path);
        self.put("\" code=\"");
        self.put(how.code_name());
        write!(self.0, "\" took_us={} peer={}", ending.took().as_micros(), call.peer())?;
        let [request, response] =
            [Direction::Request, Direction::Response].map(|way| call.message_bytes(way));
        write!(self.0, " request_bytes={request} response_bytes={response}")?;
        if let Some(context) = call.extensions().get::<TraceContext>() {
            write!(self.0, " trace_id={}", context.trace_id())?;
        }
        if let Some(message) = how.message() {
            write!(self.0, " {}", OneLine(message))?;
        }
        if let Some(cause) = causes(how.cause()) {
            write!(self.0, " cause={cause:?}")?;
        }
        Ok(())
    }

    fn put(&mut self, text: &str) {
        self.0.push_str(text);
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A line with a very long cause is not kept.
const KEPT_BYTES: usize = 4 * 1024;

impl Drop for Text {
    fn drop(&mut self) {
        if self.0.capacity() <= KEPT_BYTES {
            // A thread that ends keeps none.
            let _ = LAST.try_with(|last| last.set(std::mem::take(&mut self.0)));
        }
    }
}
