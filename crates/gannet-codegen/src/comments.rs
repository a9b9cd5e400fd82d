//! Comments of `.proto` files as documentation.

use buffa_codegen::generated::descriptor::FileDescriptorProto;

/// The lines of documentation for the element at `path` (as `SourceCodeInfo.Location.path` counts), or none.
pub(crate) fn documentation(file: &FileDescriptorProto, path: &[i32]) -> Vec<String> {
    let location = file.source_code_info.location.iter().find(|location| location.path == path);
    let comment = location.and_then(|location| {
        let leading = location.leading_comments.as_deref().filter(|text| !text.trim().is_empty());
        leading.or(location.trailing_comments.as_deref())
    });
    comment.map(to_documentation).unwrap_or_default()
}

/// The comment's lines, changed where rustdoc would take plain text for something else.
///
/// An indented line would be a Rust example that `cargo test` runs; so would a fence without a language. Brackets
/// would be links, angle brackets HTML.
fn to_documentation(comment: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines: Vec<String> = Vec::new();
    for line in comment.trim_end().lines() {
        let line = line.trim_end();
        let text = line.trim_start();
        if text.starts_with("```") {
            fenced = !fenced;
            lines.push(if fenced && text == "```" { "```text".to_owned() } else { text.to_owned() });
        } else if fenced {
            lines.push(line.strip_prefix(' ').unwrap_or(line).to_owned());
        } else {
            // Up to three spaces are kept for lists within lists.
            let indent = (line.len() - text.len()).saturating_sub(1).min(3);
            lines.push(format!("{}{}", " ".repeat(indent), escape(text)));
        }
    }
    if fenced {
        lines.push("```".to_owned());
    }
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(lines.len());
    lines.drain(..first);
    lines
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut code = false;
    for c in text.chars() {
        if c == '`' {
            code = !code;
        }
        if matches!(c, '[' | ']' | '<' | '>') && !code {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_documentation_that_rustdoc_takes_as_text() {
        for (comment, documentation) in [
            (" One line.\n", vec!["One line."]),
            (" Two\n lines.\n", vec!["Two", "lines."]),
            ("\n First.\n\n Second.\n", vec!["First.", "", "Second."]),
            ("     fn main() {}\n", vec!["   fn main() {}"]),
            (" ```\n let x = 1;\n ```\n", vec!["```text", "let x = 1;", "```"]),
            (" ```proto\n   a\n", vec!["```proto", "  a", "```"]),
            (" See [RFC] and <b>, `Vec<u8>`.\n", vec!["See \\[RFC\\] and \\<b\\>, `Vec<u8>`."]),
            (" - a\n   - b\n", vec!["- a", "  - b"]),
            ("", vec![]),
        ] {
            assert_eq!(to_documentation(comment), documentation, "{comment:?}");
        }
    }
}
