//! The build.rs door of gannet: .proto files to Rust, without protoc.
