//! `cargo xtask interop`: gannet and the official peers against each other.

mod cases;
mod gannet;
mod grpc_go;
mod grpc_java;
mod grpc_js;
mod grpcio;
mod matrix;
mod misbehaving;
mod peer;
pub(crate) mod tls;

pub(crate) use gannet::build;
pub(crate) use matrix::run;

use crate::peers::work;
use crate::process::root;
use std::path::PathBuf;

fn protos() -> PathBuf {
    root().join("interop/proto")
}
