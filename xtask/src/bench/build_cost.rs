//! What a user pays before the first call: build time, dependencies, size.

use super::peers::Peer;
use crate::process::{output, root, run};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A Markdown table of gannet and tonic: server and client, cargo's default release profile, an empty target folder,
/// crates already downloaded.
pub(super) fn table(peers: &[&Peer]) -> Result<String, String> {
    let mut text = "clean release build of server and client, cargo's default profile. Goals: 90 s, 60 dependencies, \
                    2,000 KiB.\n\n| program | build s | crates compiled | normal dependencies | server KiB, stripped | \
                    the same, fat LTO |\n| --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for peer in peers.iter().filter(|peer| peer.client.is_some() && !peer.package.is_empty()) {
        eprintln!("clean build: {}", peer.name);
        let (seconds, compiled) = clean_build(peer)?;
        let dependencies = dependencies(peer)?;
        let plain = stripped_kib(&format!("bench/target/clean/release/{}", peer.server))?;
        let lto = stripped_kib(&format!("bench/target/release/{}", peer.server))?;
        let name = peer.name;
        text += &format!("| {name} | {seconds:.0} | {compiled} | {dependencies} | {plain:.0} | {lto:.0} |\n");
    }
    Ok(text)
}

fn clean_build(peer: &Peer) -> Result<(f64, usize), String> {
    let target = root().join("bench/target/clean");
    if target.exists() {
        std::fs::remove_dir_all(&target).map_err(|error| error.to_string())?;
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root().join("bench")).args(["build", "--release", "-p", peer.package, "--target-dir"]);
    cargo.arg(&target).args(["--config", "profile.release.lto=false"]);
    cargo.args(["--config", "profile.release.codegen-units=16"]).stdout(Stdio::null());
    let start = Instant::now();
    let built = cargo.output().map_err(|error| error.to_string())?;
    let seconds = start.elapsed().as_secs_f64();
    let log = String::from_utf8_lossy(&built.stderr);
    if !built.status.success() {
        return Err(format!("{} did not build:\n{log}", peer.name));
    }
    Ok((seconds, log.lines().filter(|line| line.trim_start().starts_with("Compiling")).count()))
}

/// As `cargo tree` lists them, the program itself among them.
fn dependencies(peer: &Peer) -> Result<usize, String> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root().join("bench")).args([
        "tree",
        "-e",
        "normal",
        "--prefix",
        "none",
        "-p",
        peer.package,
    ]);
    let text = output(&mut cargo)?;
    Ok(text.lines().map(|line| line.trim_end_matches(" (*)")).collect::<BTreeSet<_>>().len())
}

fn stripped_kib(path: &str) -> Result<f64, String> {
    let stripped = root().join("bench/target/stripped");
    run(Command::new("strip").arg(root().join(path)).arg("-o").arg(&stripped))?;
    let bytes = std::fs::metadata(&stripped).map_err(|error| error.to_string())?.len();
    Ok(bytes as f64 / 1024.0)
}
