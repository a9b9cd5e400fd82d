//! The official gRPC interop cases, server and client.
fn main() {}
