//! grpc-go: its interop programs as they are.

use super::peer::{Peer, Program};
use super::work;
use crate::process::output;
use std::path::PathBuf;
use std::process::Command;

const VERSION: &str = "v1.81.1";

pub(super) fn prepare() -> Result<Peer, String> {
    let program = |name| install("google.golang.org/grpc/interop", name, VERSION).map(Program::new);
    Ok(Peer { name: "grpc-go", client: program("client")?, server: program("server")? })
}

/// The folder of the official test credentials, which come with grpc-go.
pub(super) fn credentials() -> Result<PathBuf, String> {
    let modules = output(Command::new("go").args(["env", "GOMODCACHE"]))?;
    Ok(PathBuf::from(modules.trim()).join(format!("google.golang.org/grpc@{VERSION}/testdata")))
}

/// Installs the program at `module/name` among the build output, once for each version.
pub(super) fn install(module: &str, name: &str, version: &str) -> Result<PathBuf, String> {
    let folder = work()?.join("go").join(module.replace('/', "-")).join(version);
    let program = folder.join(name);
    if !program.exists() {
        let mut go = Command::new("go");
        output(go.arg("install").arg(format!("{module}/{name}@{version}")).env("GOBIN", &folder))?;
    }
    Ok(program)
}
