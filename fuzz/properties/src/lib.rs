//! What must hold for any bytes that a peer can send.
//!
//! Each property is a function of arbitrary bytes that panics where it does not hold. The fuzz targets
//! (`fuzz/targets`) call them with libFuzzer's bytes, `cargo test` with random ones: the same functions, once.

#![forbid(unsafe_code)]

mod choices;
mod connection;
mod frames;
mod grpc_framing;
mod hpack;
mod joined;
mod ledger;
mod metadata;
mod peer;
mod wire;

pub use connection::connection;
pub use frames::frames;
pub use grpc_framing::grpc_framing;
pub use hpack::hpack;
pub use joined::joined;
pub use metadata::metadata;
