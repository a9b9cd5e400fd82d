//! The wire to the letter: each rule of grpc/grpc doc/PROTOCOL-HTTP2.md, statuscodes.md, http-grpc-status-mapping.md and
//! compression.md, beside what gannet sends because of it, in both roles. The other end is HTTP/2 by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod client;
#[path = "../greeter/mod.rs"]
mod greeter;
mod peer;
mod server;
