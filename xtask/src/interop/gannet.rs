//! gannet's own programs.

use super::peer::{Peer, Program};
use super::work;
use crate::process::{self, root};
use std::path::PathBuf;
use std::process::Command;

pub(super) fn prepare() -> Result<Peer, String> {
    let programs = build()?;
    Ok(Peer {
        name: "gannet",
        client: Program::new(programs.join("interop-client")),
        server: Program::new(programs.join("interop-server")),
    })
}

/// Builds the debug programs, which `cargo test` has mostly built before, and names their folder.
pub(crate) fn build() -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args(["build", "--quiet", "-p", "gannet-interop", "--bins"]);
    process::run(&mut cargo)?;
    Ok(work()?.with_file_name("debug"))
}
