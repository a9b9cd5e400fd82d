//! Whom gannet is measured against.

use crate::process::{output, root, run};
use std::path::PathBuf;
use std::process::Command;

/// An implementation, with its programs in the bench's workspace.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    /// `PROGRAM ADDR`: the echo server.
    pub(super) server: &'static str,
    /// `PROGRAM ADDR MODE AT_ONCE TOTAL [SIZE]`: a client that prints its own CPU.
    pub(super) client: Option<&'static str>,
    /// It serves streams, not only unary calls.
    pub(super) streams: bool,
    /// How many times tonic's calls it makes in the same time, about: so that every run lasts equally long.
    pub(super) speed: u64,
    /// Measured only with `--peers all`.
    pub(super) optional: bool,
}

/// gannet's server as it is beside the one whose calls are logged and counted.
pub(super) const UNOBSERVED: Peer = Peer { speed: 4, ..peer("unobserved", "gannet-echo", "gannet_server") };

pub(super) const H2LOAD: Peer = Peer { speed: 4, ..peer("h2load", "", "") };

const fn peer(name: &'static str, package: &'static str, server: &'static str) -> Peer {
    Peer { name, package, server, client: None, streams: false, speed: 1, optional: false }
}

pub(super) const PEERS: &[Peer] = &[
    Peer {
        client: Some("gannet_client"),
        streams: true,
        speed: 4,
        ..peer("gannet", "gannet-echo", "gannet_server")
    },
    Peer { client: Some("tonic_client"), streams: true, ..peer("tonic", "tonic-echo", "tonic_server") },
    Peer { speed: 2, ..peer("h2 by hand", "h2-echo", "h2-echo") },
    Peer { speed: 6, ..peer("limit", "limit", "limit") },
    Peer { speed: 5, optional: true, ..peer("pajamax", "pajamax-echo", "pajamax-echo") },
    Peer {
        client: Some("connectrpc_client"),
        streams: true,
        optional: true,
        ..peer("connectrpc", "connectrpc-echo", "connectrpc_server")
    },
    Peer { streams: true, optional: true, ..peer("volo-grpc", "volo-echo", "volo-echo") },
];

/// Builds the programs; says which peers there are. One whose tools are missing is left out by name, unless it is one
/// that the ratios need.
pub(super) fn build(all: bool) -> Result<Vec<&'static Peer>, String> {
    if output(Command::new("h2load").arg("--version")).is_err() {
        return Err("h2load makes the load; install nghttp2-client (Debian) or nghttp2".to_owned());
    }
    let (needed, optional): (Vec<_>, Vec<_>) = PEERS.iter().partition(|peer| !peer.optional);
    run(cargo().args(needed.iter().flat_map(|peer| ["-p", peer.package])))?;
    let mut peers = needed;
    for peer in optional.into_iter().filter(|_| all) {
        match run(cargo().args(["-p", peer.package])) {
            Ok(()) => peers.push(peer),
            Err(error) => {
                let hint = "its generator may need protoc (protobuf-compiler)";
                eprintln!("{} is left out, for it did not build: {error}; {hint}", peer.name);
            }
        }
    }
    Ok(peers)
}

/// Builds the programs that speak TLS, apart from those that do not: the others are measured as users build them.
pub(super) fn build_with_tls() -> Result<(), String> {
    let mut cargo = cargo();
    cargo.args(["--target-dir", "target/tls", "-p", "gannet-echo", "-p", "tonic-echo"]);
    run(cargo.args(["--features", "gannet-echo/tls,tonic-echo/tls"]))
}

/// Builds the server that logs and counts, apart for the same reason.
pub(super) fn build_observed() -> Result<(), String> {
    let mut cargo = cargo();
    cargo.args(["--target-dir", "target/observed", "-p", "gannet-echo", "--features", "observed"]);
    run(cargo.args(["--bin", "gannet_server"]))
}

fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root().join("bench")).args(["build", "--release"]);
    cargo
}

/// The path of a program of the bench.
pub(super) fn program(name: &str) -> PathBuf {
    root().join("bench/target/release").join(name)
}

/// The path of a program of the bench that speaks TLS.
pub(super) fn tls_program(name: &str) -> PathBuf {
    root().join("bench/target/tls/release").join(name)
}

/// The path of a program of the bench that logs and counts where it is asked to.
pub(super) fn observed_program(name: &str) -> PathBuf {
    root().join("bench/target/observed/release").join(name)
}
