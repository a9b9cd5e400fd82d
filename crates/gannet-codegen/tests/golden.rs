//! What is generated, as text that people have read: `tests/golden` holds it, one directory for each of `tests/proto`.
//!
//! `GANNET_BLESS=1 cargo test -p gannet-codegen --test golden` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use gannet_codegen::{Descriptors, Generator};
use std::path::{Path, PathBuf};

fn check(name: &str, files: &[&str], generator: Generator) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut compiler = protox::Compiler::new([tests.join("proto")]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_files(files).unwrap();
    let descriptors = Descriptors::decode(&compiler.encode_file_descriptor_set()).unwrap();
    let files: Vec<String> = descriptors.with_used_files(files);
    let files: Vec<&String> = files.iter().filter(|name| !name.starts_with("google/protobuf/")).collect();
    let generated = generator.generate(&descriptors, &files).unwrap();

    let golden = tests.join("golden").join(name);
    let mut wrong: Vec<PathBuf> = Vec::new();
    let tree = ("mod.rs".to_owned(), generated.module_tree());
    for (file, content) in generated.files.into_iter().map(|file| (file.name, file.content)).chain([tree]) {
        let path = golden.join(file);
        if std::env::var_os("GANNET_BLESS").is_some() {
            std::fs::create_dir_all(&golden).unwrap();
            std::fs::write(&path, content).unwrap();
        } else if std::fs::read_to_string(&path).unwrap_or_default() != content {
            wrong.push(path);
        }
    }
    assert!(wrong.is_empty(), "run again with GANNET_BLESS=1 and read the difference in {wrong:?}");
}

#[test]
fn the_four_kinds() {
    check("greeter", &["greeter.proto"], Generator::new());
}

/// Keywords, names of gannet and of the prelude, methods that a client has already, two methods of one name, nested
/// messages, well-known types, messages of one name from three packages, and a service called as an import.
#[test]
fn names_that_collide() {
    check("names", &["names.proto"], Generator::new());
}

/// Each message in a box is counted where it is decoded.
#[test]
fn messages_that_contain_themselves() {
    check("tree", &["tree.proto"], Generator::new());
}

#[test]
fn deprecated_and_idempotent_methods_without_a_package() {
    check("deprecated", &["deprecated.proto"], Generator::new());
}

#[test]
fn server_with_replies_shared_bytes_and_default_bodies() {
    let generator = Generator::new().client(false).unimplemented_defaults(true).bytes("options.Chunk.data");
    check("server", &["options.proto"], generator.reply("options.Store.Load"));
}

#[test]
fn client_with_a_codec_of_its_own() {
    check("client", &["options.proto"], Generator::new().server(false).codec("crate::Json"));
}
