//! The official gRPC interop cases (grpc/grpc `doc/interop-test-descriptions.md`): the services, and the cases as a
//! client runs them.

pub mod abuse;
pub mod cases;
pub mod flags;
pub mod misbehaving;
pub mod page;
#[allow(missing_docs, reason = "generated from the official services")]
pub mod proto {
    gannet::include_protos!();
}
pub mod service;
