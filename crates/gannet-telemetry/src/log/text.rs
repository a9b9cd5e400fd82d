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
        self.put("\" took_us=");
        self.number(u64::try_from(ending.took().as_micros()).unwrap_or(u64::MAX));
        write!(self.0, " peer={}", call.peer())?;
        self.put(" request_bytes=");
        self.number(call.message_bytes(Direction::Request));
        self.put(" response_bytes=");
        self.number(call.message_bytes(Direction::Response));
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

    /// A number as decimal digits, without what `fmt` asks before each.
    fn number(&mut self, number: u64) {
        let mut digits = [0; 20];
        let (mut rest, mut from) = (number, digits.len());
        loop {
            from -= 1;
            digits[from] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.0.extend(digits[from..].iter().map(|digit| char::from(*digit)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for number in [0, 7, 10, 1_000_000, u64::MAX] {
            let mut text = Text(String::new());
            text.number(number);
            assert_eq!(text.0, number.to_string());
        }
    }
}
