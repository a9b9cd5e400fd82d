//! Mistakes in `.proto` files, shown as rustc shows those in Rust.

use miette::{Diagnostic, LabeledSpan};
use std::fmt::Write;

/// A file that an error speaks of.
pub(crate) struct Source {
    /// As the user can open it.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The message, and for each place it speaks of: file, line, the line's text and a mark below it.
pub(crate) fn render(error: &dyn Diagnostic, source: Option<&Source>) -> String {
    let mut text = error.to_string();
    let labels: Vec<LabeledSpan> = error.labels().into_iter().flatten().collect();
    if let Some(source) = source {
        let snippets: Vec<Snippet> = labels.iter().map(|label| Snippet::of(&source.text, label)).collect();
        show(&source.path, &snippets, &mut text);
    }
    if let Some(help) = error.help() {
        let _ = write!(text, "\n  = help: {help}");
    }
    for related in error.related().into_iter().flatten() {
        text.push_str("\n\n");
        text.push_str(&render(related, source));
    }
    text
}

fn show(path: &str, snippets: &[Snippet], text: &mut String) {
    let margin = snippets.iter().map(|snippet| snippet.line.to_string().len()).max().unwrap_or(1);
    let blank = " ".repeat(margin);
    if snippets.is_empty() && !text.contains(path) {
        let _ = write!(text, "\n{blank}--> {path}");
    }
    for (index, Snippet { line, column, source, padding, marks, label }) in snippets.iter().enumerate() {
        let arrow = if index == 0 { "-->" } else { ":::" };
        let _ =
            write!(text, "\n{blank}{arrow} {path}:{line}:{column}\n{blank} |\n{line:>margin$} | {source}");
        let _ = write!(text, "\n{blank} | {padding}{marks} {label}");
        text.truncate(text.trim_end().len());
    }
}

/// One place in a file.
struct Snippet {
    /// From 1, as editors count; so is the column, in characters.
    line: usize,
    column: usize,
    source: String,
    /// What stands before the marks: tabs where the source has tabs, so that the marks are below what they mean.
    padding: String,
    marks: String,
    label: String,
}

impl Snippet {
    fn of(text: &str, label: &LabeledSpan) -> Self {
        let start = text.floor_char_boundary(label.offset());
        let end = text.floor_char_boundary(label.offset().saturating_add(label.len())).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let before = &text[line_start..start];
        Self {
            line: text[..line_start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            source: text[line_start..line_end].trim_end().to_owned(),
            padding: before.chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect(),
            marks: "^".repeat(text[start..end.min(line_end)].trim_end().chars().count().max(1)),
            label: label.label().unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_below_what_it_means() {
        let text = "one\n\ttwo é three\nfour";
        for (offset, length, line, column, padding, marks) in [
            (0, 3, 1, 1, "", "^^^"),
            (5, 3, 2, 2, "\t", "^^^"),
            (12, 5, 2, 8, "\t      ", "^^^^^"),
            // Beyond the line's end, at the file's end, and beyond it.
            (12, 50, 2, 8, "\t      ", "^^^^^"),
            (22, 0, 3, 5, "    ", "^"),
            (99, 9, 3, 5, "    ", "^"),
        ] {
            let label = LabeledSpan::new(None, offset, length);
            let snippet = Snippet::of(text, &label);
            assert_eq!((snippet.line, snippet.column), (line, column), "{offset}");
            assert_eq!((snippet.padding.as_str(), snippet.marks.as_str()), (padding, marks), "{offset}");
        }
    }
}
