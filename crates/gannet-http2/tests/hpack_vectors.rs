//! Blocks that nine other encoders wrote decode to the headers that they mean.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use gannet_http2::Fields;
use gannet_http2::hpack::{Decoder, Encoder};
use std::path::Path;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Decodes every block of one file; says how many there were.
fn check(file: &Path) -> usize {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines().peekable();
    let (mut decoder, mut encoder, mut back) = tools();
    let mut blocks = 0;
    while let Some(line) = lines.next() {
        let mut words = line.split(' ');
        match words.next() {
            Some("story") => (decoder, encoder, back) = tools(),
            Some("block") => {
                let block = bytes(words.next().unwrap());
                if let (Some("table"), Some(size)) = (words.next(), words.next()) {
                    decoder.set_max_table_size(size.parse().unwrap());
                }
                let mut expected = Fields::new();
                while let Some((name, value)) = lines.peek().and_then(|line| line.split_once('\t')) {
                    expected.push_text(name.as_bytes(), value.as_bytes());
                    lines.next();
                }
                let decoded =
                    decoder.decode(&block).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                assert_eq!(*decoded.fields, expected, "{}: block {blocks}", file.display());
                // Ours say the same in their own way.
                let mut own = Vec::new();
                encoder.encode(&expected, &mut own);
                assert_eq!(*back.decode(&own).unwrap().fields, expected);
                blocks += 1;
            }
            other => panic!("{}: a line that begins with {other:?}", file.display()),
        }
    }
    blocks
}

fn tools() -> (Decoder, Encoder, Decoder) {
    (Decoder::new(4096, usize::MAX), Encoder::new(4096), Decoder::new(4096, usize::MAX))
}

#[test]
fn blocks_of_other_encoders() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hpack");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let counts: Vec<usize> = files
        .filter(|file| file.extension().is_some_and(|kind| kind == "txt"))
        .map(|file| check(&file))
        .collect();
    assert_eq!(counts.len(), 9);
    assert!(counts.iter().all(|count| *count >= 5), "{counts:?}");
}
