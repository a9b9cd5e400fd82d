//! Where lines of the log wait to be written, so that no call does.
//!
//! `tracing-appender` does the same, but it bounds lines and not bytes, does not say where lines are missing, and its end
//! waits a tenth of a second for a full queue: a drain's last lines would be lost without a word.

use std::io::{self, Write};
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// So many bytes wait, and as many are being written. More come only when whoever reads the log has stopped: then lines
/// are dropped and counted, for a server that waits for its log stands still when a terminal does.
const WAITING_BYTES: usize = 1 << 20;
/// How long the end of the program waits for whoever reads the log.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Takes lines, which a thread of its own writes, many at once where many have come.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Something waits that was not there, or the end has come nearer.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines that came after those, and had no place.
    dropped: u64,
    is_closed: bool,
    /// Nothing is written any more.
    has_ended: bool,
}

/// Dropped, it waits until everything is written that was logged before: a second at most.
#[derive(Debug)]
pub struct Flush(Arc<Queue>);

impl Queue {
    /// Begins to write to this output. `told` makes the line that says how many lines were dropped.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        told: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<(Arc<Self>, Flush)> {
        let queue = Arc::new(Self::default());
        let written = Arc::clone(&queue);
        thread::Builder::new().name("log".to_owned()).spawn(move || written.write_all_to(output, told))?;
        Ok((Arc::clone(&queue), Flush(queue)))
    }

    fn add(&self, line: &[u8]) {
        let mut waiting = self.lock();
        let is_first = waiting.lines.is_empty();
        // A line that is longer than all the room is written by itself.
        if waiting.dropped > 0 || !is_first && waiting.lines.len() + line.len() > WAITING_BYTES {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        drop(waiting);
        if is_first {
            self.changed.notify_all();
        }
    }

    fn write_all_to(&self, mut output: impl Write, told: impl Fn(u64) -> String) {
        let mut lines = Vec::new();
        loop {
            let mut waiting = self.lock();
            while waiting.lines.is_empty() && !waiting.is_closed {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            if waiting.lines.is_empty() {
                waiting.has_ended = true;
                self.changed.notify_all();
                return;
            }
            std::mem::swap(&mut lines, &mut waiting.lines);
            let dropped = take(&mut waiting.dropped);
            drop(waiting);
            // Whoever closed the log does not want to know.
            let _ = output.write_all(&lines);
            if dropped > 0 {
                let _ = output.write_all(told(dropped).as_bytes());
            }
            let _ = output.flush();
            lines.clear();
            lines.shrink_to(WAITING_BYTES);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line in one piece, as `tracing_subscriber` writes it.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.is_closed = true;
        self.0.changed.notify_all();
        let ended = self.0.changed.wait_timeout_while(waiting, LAST_WORDS, |waiting| !waiting.has_ended);
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// An output that says when it is written to, and then takes nothing until it is let.
    struct Slow {
        begun: Sender<()>,
        goes_on: Receiver<()>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(());
            // Whoever holds it has gone: nothing stops it any more.
            let _ = self.goes_on.recv();
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Slow, Receiver<()>, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let ((begun, has_begun), (go_on, goes_on)) = (channel(), channel());
        let written = Arc::new(Mutex::default());
        (Slow { begun, goes_on, written: Arc::clone(&written) }, has_begun, go_on, written)
    }

    fn told(dropped: u64) -> String {
        format!("{dropped} dropped\n")
    }

    #[test]
    fn what_has_no_place_is_counted_and_the_rest_is_whole() {
        let (output, has_begun, go_on, written) = slow();
        let (queue, flush) = Queue::start(output, told).unwrap();
        queue.add(b"first\n");
        has_begun.recv().unwrap();
        // The output has "first" in hand; from now on lines wait.
        let line = format!("{}\n", "x".repeat(1023));
        let place = WAITING_BYTES / line.len();
        for _ in 0..place + 3 {
            queue.add(line.as_bytes());
        }
        // It would fit where others did not, and out of its turn.
        queue.add(b"\n");
        assert_eq!(queue.lock().lines.len(), WAITING_BYTES);
        drop(go_on);
        drop(flush);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[place + 1]), (place + 2, "first", "4 dropped"));
        assert!(lines[1..=place].iter().all(|line| line.len() == 1023));
    }

    #[test]
    fn a_line_longer_than_all_the_room_is_written() {
        let (output, _, go_on, written) = slow();
        let (queue, flush) = Queue::start(output, told).unwrap();
        drop(go_on);
        queue.add(&vec![b'x'; 3 * WAITING_BYTES]);
        drop(flush);
        assert_eq!(written.lock().unwrap().len(), 3 * WAITING_BYTES);
    }

    /// The program ends, whoever reads its log.
    #[test]
    fn the_end_waits_no_longer_than_it_says() {
        let (output, has_begun, go_on, _) = slow();
        let (queue, flush) = Queue::start(output, told).unwrap();
        queue.add(b"never read\n");
        has_begun.recv().unwrap();
        let begun = std::time::Instant::now();
        drop(flush);
        assert!(begun.elapsed() >= LAST_WORDS);
        drop(go_on);
    }
}
