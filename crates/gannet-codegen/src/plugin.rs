//! The plugin for `protoc` and `buf`: a request in, a response with files out.
//!
//! | parameter | is |
//! | --- | --- |
//! | `client=false`, `server=false` | [`Generator::client`], [`Generator::server`] |
//! | `unimplemented_defaults` | [`Generator::unimplemented_defaults`] |
//! | `views`, `json`, `text` | the options of these names |
//! | `bytes=.demo.v1.Hello` | [`Generator::bytes`] |
//! | `reply=.demo.Greeter.Greet` | [`Generator::reply`] |
//! | `extern=.demo.v1=::shared::demo::v1` | [`Generator::extern_path`] |
//! | `codec=::shared::Codec` | [`Generator::codec`] |
//! | `runtime=::shared::gannet` | [`Generator::runtime`] and [`Generator::buffa_runtime`] |
//! | `tree=false` | no `mod.rs`; for `buf` with `strategy: directory` |
//!
//! Parameters are separated by commas; a name without `=` is `true`.

use crate::descriptors::Descriptors;
use crate::error::Error;
use crate::generator::{Generated, Generator};
use buffa::Message;
use buffa_codegen::generated::compiler::code_generator_response::{Feature, File};
use buffa_codegen::generated::compiler::{CodeGeneratorRequest, CodeGeneratorResponse};
use buffa_codegen::generated::descriptor::Edition;

/// Answers an encoded `CodeGeneratorRequest` with an encoded `CodeGeneratorResponse`.
///
/// A mistake in the parameters or the files is told in the response, as plugins should.
///
/// # Errors
/// When the bytes are not a request.
pub fn run(request: &[u8]) -> Result<Vec<u8>, Error> {
    let request = buffa_codegen::decode_request(request).map_err(Error::new)?;
    let features = Feature::FEATURE_PROTO3_OPTIONAL as u64 | Feature::FEATURE_SUPPORTS_EDITIONS as u64;
    let mut response = CodeGeneratorResponse {
        supported_features: Some(features),
        minimum_edition: Some(Edition::EDITION_PROTO2 as i32),
        maximum_edition: Some(Edition::EDITION_2023 as i32),
        ..Default::default()
    };
    match generate(request) {
        Ok(files) => response.file = files,
        Err(error) => response.error = Some(error.to_string()),
    }
    Ok(response.encode_to_vec())
}

fn generate(request: CodeGeneratorRequest) -> Result<Vec<File>, Error> {
    let parameters = Parameters::parse(request.parameter.as_deref().unwrap_or_default())?;
    let descriptors = Descriptors { files: request.proto_file };
    let generated = parameters.generator.generate(&descriptors, &request.file_to_generate)?;
    let tree = parameters.tree.then(|| file("mod.rs", generated.module_tree()));
    let Generated { files, .. } = generated;
    Ok(files.into_iter().map(|generated| file(&generated.name, generated.content)).chain(tree).collect())
}

fn file(name: &str, content: String) -> File {
    File { name: Some(name.to_owned()), content: Some(content), ..Default::default() }
}

struct Parameters {
    generator: Generator,
    tree: bool,
}

impl Parameters {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut generator = Generator::new();
        let mut tree = true;
        for parameter in text.split(',').map(str::trim).filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, "true"));
            let flag = || {
                value.parse::<bool>().map_err(|_| {
                    Error::new(format!("parameter `{parameter}`: `true` or `false` is expected"))
                })
            };
            generator = match name {
                "client" => generator.client(flag()?),
                "server" => generator.server(flag()?),
                "unimplemented_defaults" => generator.unimplemented_defaults(flag()?),
                "views" => generator.views(flag()?),
                "json" => generator.json(flag()?),
                "text" => generator.text(flag()?),
                "bytes" => generator.bytes(value),
                "reply" => generator.reply(value),
                "codec" => generator.codec(value),
                "runtime" => generator.runtime(value).buffa_runtime(Some(value)),
                "extern" => match value.split_once('=') {
                    Some((proto, rust)) => generator.extern_path(proto, rust),
                    None => {
                        return Err(Error::new(format!(
                            "parameter `{parameter}`: expected `extern=.proto.path=::rust::path`"
                        )));
                    }
                },
                "tree" => {
                    tree = flag()?;
                    generator
                }
                // Read from the request before it was decoded.
                buffa_codegen::ELEMENT_MEMORY_LIMIT_OPT => generator,
                _ => {
                    return Err(Error::new(format!(
                        "there is no parameter `{name}`; there are: client, server, unimplemented_defaults, views, \
                         json, text, bytes, reply, codec, runtime, extern, tree"
                    )));
                }
            };
        }
        Ok(Self { generator, tree })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let parsed = Parameters::parse("client=false, unimplemented_defaults,reply=a.B,tree=false").unwrap();
        assert!(
            !parsed.generator.client && parsed.generator.server && parsed.generator.unimplemented_defaults
        );
        assert_eq!(parsed.generator.replies, [".a.B"]);
        assert!(!parsed.tree);
        for (wrong, told) in [
            ("client=no", "parameter `client=no`: `true` or `false` is expected"),
            ("extern=.a", "parameter `extern=.a`: expected `extern=.proto.path=::rust::path`"),
            ("clients", "there is no parameter `clients`"),
        ] {
            let error = Parameters::parse(wrong).err().unwrap().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
