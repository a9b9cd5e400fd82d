//! Protobuf descriptors to Rust: messages, service traits, servers and clients.
