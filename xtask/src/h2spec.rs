//! `cargo xtask interop h2spec`: the conformance cases of HTTP/2 and HPACK against gannet's server.

use crate::interop::build;
use crate::peers::work;
use crate::process::{Server, free_address, output};
use std::path::PathBuf;
use std::process::Command;

const PROGRAM: &str = "github.com/summerwind/h2spec/cmd/h2spec";
/// The last revision, with repairs to cases of the release before it.
const REVISION: &str = "af83a65f0b62";
/// The last release that Go's module rules know: for a module proxy that serves no bare revisions.
const RELEASE: &str = "v2.2.1+incompatible";

/// Runs all cases, without and with those that `--strict` adds. A case that is skipped has not passed.
pub(crate) fn run() -> Result<(), String> {
    let h2spec = prepare()?;
    let address = free_address()?;
    let mut server = Command::new(build()?.join("interop-server"));
    let _server = Server::start(server.arg(format!("--port={}", address.port())), address)?;
    for flags in [&[][..], &["--strict"]] {
        let mut cases = Command::new("timeout");
        cases
            .arg("300")
            .arg(&h2spec)
            .args(["-h", "127.0.0.1", "-o", "5", "-p"])
            .arg(address.port().to_string());
        let text = output(cases.args(flags).args(["generic", "http2", "hpack"]))?;
        let summary = text.lines().rfind(|line| line.contains(" tests, ")).unwrap_or_default();
        println!("plaintext{}: {summary}", flags.concat().replace("--", ", "));
        if !summary.contains(" 0 skipped, 0 failed") {
            return Err(format!("h2spec: not every case passed\n{text}"));
        }
    }
    Ok(())
}

/// The program that `H2SPEC` names, or one that Go installs among the build output.
fn prepare() -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os("H2SPEC") {
        return Ok(program.into());
    }
    install(REVISION).or_else(|_| {
        println!("Go's module proxy gives no h2spec {REVISION}; using {RELEASE}, which has a case less");
        install(RELEASE)
    })
}

fn install(version: &str) -> Result<PathBuf, String> {
    let folder = work()?.join(format!("h2spec-{version}"));
    let program = folder.join("h2spec");
    if !program.exists() {
        let mut go = Command::new("go");
        output(go.arg("install").arg(format!("{PROGRAM}@{version}")).env("GOBIN", &folder))?;
    }
    Ok(program)
}
