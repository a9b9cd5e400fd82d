//! The README's first service is the one in `examples/greeter`, which is compiled.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

/// The lines of a text that say something, without their indentation.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_readme_shows_what_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let readme = read("README.md");
    let files = ["proto/greeter.proto", "build.rs", "src/bin/server.rs", "src/bin/client.rs"]
        .map(|file| read(&format!("examples/greeter/{file}")));
    let blocks: Vec<_> = readme
        .split("\n```")
        .filter_map(|part| part.strip_prefix("protobuf\n").or_else(|| part.strip_prefix("rust,ignore\n")))
        .collect();
    assert_eq!(blocks.len(), files.len());
    for (block, file) in blocks.iter().zip(&files) {
        let (block, file) = (lines(block), lines(file));
        assert!(file.windows(block.len()).any(|part| part == block), "not in examples/greeter: {block:#?}");
    }
}
