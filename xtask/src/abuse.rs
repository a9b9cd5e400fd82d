//! `cargo xtask abuse`: attacks on the interop server, a line for each.

use crate::interop::build;
use crate::process;
use std::process::Command;

/// Runs every attack, against a server in a process of its own.
pub(crate) fn run() -> Result<(), String> {
    let programs = build()?;
    let server = format!("--server={}", programs.join("interop-server").display());
    process::run(Command::new(programs.join("abuse")).arg(server))
}
