//! Generates the interop services.
fn main() -> gannet_build::Result {
    gannet_build::compile(&["proto/grpc/testing/test.proto"], &["proto"])
}
