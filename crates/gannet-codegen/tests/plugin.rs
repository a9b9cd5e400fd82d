//! The plugin, as `protoc` runs it.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use buffa::Message;
use buffa_codegen::generated::compiler::{CodeGeneratorRequest, CodeGeneratorResponse};
use buffa_codegen::generated::descriptor::FileDescriptorSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");

fn request(file: &str, parameter: &str) -> Vec<u8> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
    let mut compiler = protox::Compiler::new([proto]).unwrap();
    compiler.include_imports(true).include_source_info(true).open_file(file).unwrap();
    let set = FileDescriptorSet::decode_from_slice(&compiler.encode_file_descriptor_set()).unwrap();
    let request = CodeGeneratorRequest {
        file_to_generate: vec![file.to_owned()],
        parameter: Some(parameter.to_owned()),
        proto_file: set.file,
        ..Default::default()
    };
    request.encode_to_vec()
}

fn run(input: &[u8]) -> (bool, Vec<u8>, String) {
    let mut plugin = Command::new(env!("CARGO_BIN_EXE_protoc-gen-gannet"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    plugin.stdin.take().unwrap().write_all(input).unwrap();
    let output = plugin.wait_with_output().unwrap();
    (output.status.success(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

fn respond(file: &str, parameter: &str) -> CodeGeneratorResponse {
    let (success, output, errors) = run(&request(file, parameter));
    assert!(success, "{errors}");
    CodeGeneratorResponse::decode_from_slice(&output).unwrap()
}

#[test]
fn it_writes_what_a_build_script_would() {
    let parameter = "client=false,unimplemented_defaults,bytes=options.Chunk.data,reply=options.Store.Load";
    let response = respond("options.proto", parameter);
    assert_eq!(response.error, None);
    let names: Vec<_> = response.file.iter().map(|file| file.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["options.rs", "mod.rs"]);
    for file in response.file {
        let golden = std::fs::read_to_string(format!("{GOLDEN}/server/{}", file.name.unwrap())).unwrap();
        assert_eq!(file.content.unwrap(), golden);
    }
}

#[test]
fn the_tree_can_be_left_out() {
    let response = respond("greeter.proto", "tree=false");
    let names: Vec<_> = response.file.iter().map(|file| file.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["demo.rs"]);
}

#[test]
fn a_mistake_in_a_parameter_is_told_in_the_response() {
    let response = respond("greeter.proto", "clients=false");
    assert!(response.error.unwrap().starts_with("there is no parameter `clients`"));
    assert!(response.file.is_empty());
}

#[test]
fn what_is_no_request_is_an_error_of_the_program() {
    let (success, output, errors) = run(b"\xff\xff");
    assert!(!success && output.is_empty());
    assert!(errors.starts_with("protoc-gen-gannet: "), "{errors}");
}
