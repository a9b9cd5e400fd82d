//! Messages by prost-build, services and clients by gannet-build, both without protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    prost_build::Config::new().compile_fds(protox::compile(["proto/notes.proto"], ["proto"])?)?;
    gannet_build::Builder::new()
        .files(["proto/notes.proto"])
        .includes(["proto"])
        .generator(|generator| {
            generator
                .messages(false)
                .codec("::gannet_prost::Prost")
                .extern_path(".notes.v1", "crate::messages")
                .extern_path(".google.protobuf", "::prost_types")
                .extern_path(".google.protobuf.Empty", "::gannet_prost::Empty")
        })
        .compile()?;
    Ok(())
}
