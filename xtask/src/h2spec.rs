//! `cargo xtask interop h2spec`: the conformance cases of HTTP/2 and HPACK against gannet's server.

use crate::interop::build;
use crate::peers::{self, work};
use crate::process::{Server, free_address, output};
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = "github.com/summerwind/h2spec/cmd/h2spec";
/// The last revision, with repairs to cases of the release before it.
const REVISION: &str = "af83a65f0b62";
/// The last release that Go's module rules know: for a module proxy that serves no bare revisions.
const RELEASE: &str = "v2.2.1+incompatible";

/// Runs all cases, without and with those that `--strict` adds, plaintext and over TLS. A case that is skipped has not
/// passed.
pub(crate) fn run() -> Result<(), String> {
    let h2spec = prepare()?;
    let [certificate, key] = certificate()?;
    let tls = [
        format!("--tls_cert_file={certificate}"),
        format!("--tls_key_file={key}"),
        "--use_tls=true".to_owned(),
    ];
    check("plaintext", &h2spec, &[], &[])?;
    check("TLS", &h2spec, &tls, &["-t", "-k"])
}

fn check(transport: &str, h2spec: &Path, server_flags: &[String], flags: &[&str]) -> Result<(), String> {
    let address = free_address()?;
    let mut server = Command::new(build()?.join("interop-server"));
    server.arg(format!("--port={}", address.port())).args(server_flags);
    let _server = Server::start(&mut server, address)?;
    for strict in [&[][..], &["--strict"]] {
        let mut cases = Command::new("timeout");
        cases
            .arg("300")
            .arg(h2spec)
            .args(["-h", "127.0.0.1", "-o", "5", "-p"])
            .arg(address.port().to_string());
        let text = output(cases.args(flags).args(strict).args(["generic", "http2", "hpack"]))?;
        let summary = text.lines().rfind(|line| line.contains(" tests, ")).unwrap_or_default();
        println!("{transport}{}: {summary}", strict.concat().replace("--", ", "));
        if !summary.contains(" 0 skipped, 0 failed") {
            return Err(format!("h2spec: not every case passed\n{text}"));
        }
    }
    Ok(())
}

/// A certificate and its key for this run.
fn certificate() -> Result<[String; 2], String> {
    let folder = work()?;
    let [certificate, key] = ["h2spec.pem", "h2spec.key"].map(|name| folder.join(name).display().to_string());
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    output(openssl.args(["-keyout", &key, "-out", &certificate]))?;
    Ok([certificate, key])
}

/// The program that `H2SPEC` names, or one that Go installs among the build output.
fn prepare() -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os("H2SPEC") {
        return Ok(program.into());
    }
    peers::go(PROGRAM, REVISION).or_else(|_| {
        println!("Go's module proxy gives no h2spec {REVISION}; using {RELEASE}, which has a case less");
        peers::go(PROGRAM, RELEASE)
    })
}
