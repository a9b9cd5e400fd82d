//! Protobuf descriptors to Rust: messages, service traits, servers and clients.
//!
//! Messages are written by `buffa-codegen`; the services beside them are written here. What comes out is one file per
//! Protobuf package, made to be read: formatted, in the order of the `.proto` file, with its comments, and naming
//! nothing but `::gannet::codegen`.
//!
//! Descriptors come from a `build.rs` (`gannet-build`), from `protoc` or `buf` (the program `protoc-gen-gannet` in this
//! crate), or from anywhere else: this crate does not read `.proto` files and depends on no runtime.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use gannet_codegen::{Descriptors, Generator};
//!
//! let descriptors = Descriptors::decode(&std::fs::read("descriptors.bin")?)?;
//! let generated = Generator::new().client(false).generate(&descriptors, &["demo/greeter.proto"])?;
//! for file in &generated.files {
//!     std::fs::write(&file.name, &file.content)?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What generated code expects of `gannet::codegen`
//!
//! - `VERSION_1`, a constant: the generation of everything below.
//! - `buffa` and `buffa_types`, the crates: messages name them, so that users need not depend on them.
//! - For servers: `Answer`, `BoxFuture`, `Call` (with `request`, `receiver`, `sender`, `answer` and `reply`), `Receiver`,
//!   `Reply`, `Result`, `Sender`, `Service`, `Status`, and `unknown_method(&mut Call)`, the future of a method that the
//!   service does not have.
//! - For clients: `Bidi`, `Channel`, `ClientStreaming`, `ServerStreaming` and `Unary`, each with a
//!   `new(&Channel, &'static MethodSpec, Messages<Req>, Messages<Res>)` that also takes the request where there is one.
//! - For both: `Buffa`, `Idempotency`, `Messages`, `MethodSpec` and `ServiceSpec`.

#![forbid(unsafe_code)]

mod boxed;
mod comments;
mod descriptors;
mod error;
mod format;
mod generator;
mod messages;
mod names;
pub mod plugin;
mod render;
mod services;
mod tree;

pub use descriptors::Descriptors;
pub use error::Error;
pub use generator::{Generated, GeneratedFile, Generator};
