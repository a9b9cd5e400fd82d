//! grpc-js (Node.js): programs of ours over it.

use super::peer::{Peer, Program};
use super::protos;
use crate::peers;
use std::path::Path;

/// grpc-js beside a copy of the programs, so that `node_modules` stays out of the tree.
pub(super) fn prepare() -> Result<Peer, String> {
    let folder = peers::node(Path::new("interop/peers/node"), "node")?;
    let proto = format!("--proto={}", protos().display());
    let program = |name| Program::new("node").folder(&folder).argument(name).argument(proto.clone());
    Ok(Peer { name: "grpc-js", client: program("cases.js"), server: program("server.js") })
}
