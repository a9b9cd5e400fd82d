//! The log on standard error: a line for each call, and for whatever else happens.
//!
//! `gannet-telemetry` tells of the calls; here is how their lines look.

mod queue;

pub use queue::Flush;

use queue::Queue;
use std::fmt::{self, Debug, Write};
use std::io::{self, IsTerminal};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Begins to write the log to standard error; coloured where that is a terminal. `RUST_LOG` says how much (default
/// `info`). What this returns is kept until the end of the program: dropped, it waits for the last lines.
///
/// # Errors
/// Where the system has no thread for it.
pub fn start() -> io::Result<Flush> {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let (queue, flush) = Queue::start(io::stderr(), dropped)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal() && !is_plain)
        .with_writer(queue)
        .event_format(Lines(Format::default().with_target(false)))
        .init();
    Ok(flush)
}

/// The line for those that are not there.
fn dropped(lines: u64) -> String {
    let mut line = String::new();
    // A String takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut line));
    let _ = writeln!(line, "  WARN the log is read too slowly: {lines} lines were dropped here");
    line
}

/// Events of calls as `/user.v1.UserService/GetUser OK 1.2ms peer=127.0.0.1:40000`, others as `tracing` has them.
struct Lines(Format);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != "gannet::call" {
            return self.0.format_event(context, writer, event);
        }
        let mut line = CallLine::default();
        event.record(&mut line);
        let level = *event.metadata().level();
        if writer.has_ansi_escapes() {
            writer.write_str("\x1b[2m")?;
            SystemTime.format_time(&mut writer)?;
            writeln!(writer, "\x1b[0m \x1b[{}m{level:>5}\x1b[0m {line}", colour(level))
        } else {
            SystemTime.format_time(&mut writer)?;
            writeln!(writer, " {level:>5} {line}")
        }
    }
}

/// SGR codes (ECMA-48 §8.3.117): red, yellow, green.
fn colour(level: Level) -> u8 {
    match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        _ => 32,
    }
}

/// What is said of a call. Requests and answers are no part of it, so that no password ever is logged.
#[derive(Default)]
struct CallLine {
    method: String,
    code: String,
    took: Option<Duration>,
    /// `peer=…`, and of a call that failed its message and causes.
    rest: String,
}

impl Visit for CallLine {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "took_us" {
            self.took = Some(Duration::from_micros(value));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "method" => self.method = value.to_owned(),
            "code" => self.code = value.to_owned(),
            // Quoted, so that no line looks like two.
            name => self.add(name, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "method" => self.method = format!("{value:?}"),
            "code" => self.code = format!("{value:?}"),
            // Its lines are one already; quoted it is a value like the others.
            "message" => {
                let quoted = format!("{value:?}").replace('"', r#"\""#);
                self.add("message", &format_args!("\"{quoted}\""));
            }
            name => self.add(name, value),
        }
    }
}

impl CallLine {
    fn add(&mut self, name: &str, value: &dyn Debug) {
        // A String takes everything.
        let _ = write!(self.rest, " {name}={value:?}");
    }
}

impl fmt::Display for CallLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.code)?;
        if let Some(took) = self.took {
            write!(f, " {took:.1?}")?;
        }
        f.write_str(&self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written of some events, without the times in front.
    fn lines(is_coloured: bool, events: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(is_coloured)
            .with_writer(move || writer.clone())
            .event_format(Lines(Format::default().with_target(false)))
            .finish();
        tracing::subscriber::with_default(subscriber, events);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn the_line_of_a_call() {
        let lines = lines(false, || {
            tracing::info!(target: "gannet::call", method = "/a.B/C", code = "OK", took_us = 1234_u64, peer = %"10.0.0.7:1", request_bytes = 3_u64, trace_id = %"0af7");
            tracing::error!(target: "gannet::call", method = %"/a.B/C", code = "INTERNAL", took_us = 7_u64, peer = %"unix:@7", message = %r#"reading "7" \n"#, cause = "disk \"a\"\non fire");
            tracing::info!(target: "gannet::call", method = %"/x", code = %"HTTP 415", peer = %"10.0.0.7:1", message = "no gRPC");
            tracing::warn!(port = 7, "another event");
        });
        assert_eq!(
            lines,
            [
                " INFO /a.B/C OK 1.2ms peer=10.0.0.7:1 trace_id=0af7",
                r#"ERROR /a.B/C INTERNAL 7.0µs peer=unix:@7 message="reading \"7\" \n" cause="disk \"a\"\non fire""#,
                r#" INFO /x HTTP 415 peer=10.0.0.7:1 message="no gRPC""#,
                " WARN another event port=7",
            ]
        );
    }

    #[test]
    fn a_terminal_has_colours() {
        let call = || tracing::warn!(target: "gannet::call", method = "/a.B/C", code = "UNAVAILABLE", took_us = 1_u64, peer = %"p");
        let line = lines(true, call).remove(0);
        assert_eq!(line, "\x1b[33m WARN\x1b[0m /a.B/C UNAVAILABLE 1.0µs peer=p");
    }
}
