//! grpc-go: its interop programs as they are.

use super::peer::{Peer, Program};
use crate::peers;
use crate::process::output;
use std::path::PathBuf;
use std::process::Command;

const VERSION: &str = "v1.81.1";

pub(super) fn prepare() -> Result<Peer, String> {
    let program = |name| peers::go(name, VERSION).map(Program::new);
    Ok(Peer {
        name: "grpc-go",
        client: program("google.golang.org/grpc/interop/client")?,
        server: program("google.golang.org/grpc/interop/server")?,
    })
}

/// The folder of the official test credentials, which come with grpc-go.
pub(super) fn credentials() -> Result<PathBuf, String> {
    let modules = output(Command::new("go").args(["env", "GOMODCACHE"]))?;
    Ok(PathBuf::from(modules.trim()).join(format!("google.golang.org/grpc@{VERSION}/testdata")))
}
