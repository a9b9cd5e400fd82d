//! How the demo shows what happens: coloured on a terminal, plain in a pipe.

use gannet::Status;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Where the demo writes.
pub(super) struct Stage {
    is_coloured: bool,
}

/// SGR codes (ECMA-48 §8.3.117).
#[derive(Clone, Copy)]
enum Colour {
    Bold = 1,
    Dim = 2,
    Red = 31,
    Green = 32,
    Cyan = 36,
}

impl Stage {
    pub(super) fn new() -> Self {
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_coloured: std::io::stdout().is_terminal() && !is_plain }
    }

    pub(super) fn title(&self, text: &str) {
        self.line(format!("\n{}", self.paint(Colour::Bold, text)));
    }

    /// A service that is shown now.
    pub(super) fn service(&self, name: &str) {
        self.line(format!("\n{}", self.paint(Colour::Cyan, name)));
    }

    /// A call, and what it is made for.
    pub(super) fn call(&self, method: &str, purpose: &str) {
        self.line(format!("\n  {}  {}", self.paint(Colour::Bold, method), self.paint(Colour::Dim, purpose)));
    }

    /// What goes to the server.
    pub(super) fn sent(&self, message: impl Display) {
        self.line(format!("    {} {message}", self.paint(Colour::Cyan, "→")));
    }

    /// What comes back.
    pub(super) fn received(&self, message: impl Display) {
        self.line(format!("    {} {message}", self.paint(Colour::Green, "←")));
    }

    /// A status that had to come.
    pub(super) fn refused(&self, status: &Status) {
        self.line(format!("    {} {status}", self.paint(Colour::Red, "←")));
    }

    /// Progress of something long. On a terminal only, and gone when it is finished.
    pub(super) fn progress(&self, total: u64, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::new(total).with_message(what);
        let style = ProgressStyle::with_template("    {msg} {wide_bar} {human_pos}/{human_len} {elapsed}");
        // The template is right here; a bar without it is a bar all the same.
        style.into_iter().for_each(|style| bar.set_style(style));
        bar
    }

    /// Whoever closed the output does not want to see more.
    fn line(&self, text: String) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.is_coloured { format!("\x1b[{}m{text}\x1b[0m", colour as u8) } else { text.to_owned() }
    }
}
