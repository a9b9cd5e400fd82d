//! One run of one row on one peer.

use super::peers::{Peer, UNOBSERVED, observed_program, program, tls_program};
use super::rows::{Row, Side, Work};
use crate::process::{Server, free_address, output, root, run};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// CPU per item, in µs.
    pub(super) cpu: f64,
    /// Items per second.
    pub(super) rate: f64,
}

/// The CPU of the server, and of a load that does not share it.
pub(super) const SERVER_CPU: &str = "0";
pub(super) const LOAD_CPU: &str = "1";

/// One run.
pub(super) fn measure(row: &Row, peer: &Peer) -> Result<Measured, String> {
    let load_cpu = if row.same_cpu { SERVER_CPU } else { LOAD_CPU };
    match (row.work, row.side) {
        (Work::Unary { connections, streams }, _) => {
            let items = row.items * if streams > 1 { peer.speed } else { 1 };
            let address = free_address()?;
            let server = match row {
                Row { tls: true, .. } => start_with_tls(peer, address)?,
                Row { observed: true, .. } => start_observed(peer, address)?,
                _ => start(peer.server, address)?,
            };
            let load = H2load { connections, streams, cpu: load_cpu, tls: row.tls };
            server_cpu(&server, items, |items| load.run(address, items))
        }
        (Work::Stream { mode, at_once, bytes }, _) => {
            let address = free_address()?;
            let server = start(peer.server, address)?;
            let load = Client { program: "gannet_client", mode, at_once, bytes, cpu: load_cpu };
            server_cpu(&server, row.items, |items| load.run(address, items).map(|measured| measured.rate))
        }
        (Work::Calls { at_once }, _) => {
            let address = free_address()?;
            let _limit = start("limit", address)?;
            match peer.client {
                Some(client) => {
                    let load = Client { program: client, mode: "unary", at_once, bytes: 0, cpu: load_cpu };
                    load.run(address, row.items)
                }
                None => {
                    let load = H2load { connections: 1, streams: at_once, cpu: load_cpu, tls: false };
                    let before = children_cpu_seconds()?;
                    let rate = load.run(address, row.items * peer.speed)?;
                    let cpu = (children_cpu_seconds()? - before) * 1e6 / (row.items * peer.speed) as f64;
                    Ok(Measured { cpu, rate })
                }
            }
        }
    }
}

/// Whether the row can be measured on this peer.
pub(super) fn fits(row: &Row, peer: &Peer) -> bool {
    match row.work {
        _ if row.tls => matches!(peer.name, "gannet" | "tonic"),
        _ if row.observed => ["gannet", UNOBSERVED.name].contains(&peer.name),
        _ if peer.name == UNOBSERVED.name => false,
        Work::Unary { .. } => !peer.server.is_empty(),
        Work::Stream { .. } => peer.streams,
        Work::Calls { .. } => row.side == Side::Client && (peer.client.is_some() || peer.server.is_empty()),
    }
}

/// Runs a twentieth of the load to warm up, then all of it, and counts the server's CPU.
fn server_cpu(
    server: &Server,
    items: u64,
    load: impl Fn(u64) -> Result<f64, String>,
) -> Result<Measured, String> {
    load((items / 20).max(1))?;
    let before = cpu_seconds(server.id())?;
    let rate = load(items)?;
    Ok(Measured { cpu: (cpu_seconds(server.id())? - before) * 1e6 / items as f64, rate })
}

/// Starts a server of the bench on the server's CPU.
pub(super) fn start(server: &str, address: SocketAddr) -> Result<Server, String> {
    let mut command = pinned(SERVER_CPU, &program(server));
    Server::start(command.arg(address.to_string()), address)
}

fn start_with_tls(peer: &Peer, address: SocketAddr) -> Result<Server, String> {
    let (certificate, key) = certificate()?;
    let mut command = pinned(SERVER_CPU, &tls_program(peer.server));
    Server::start(command.arg(address.to_string()).arg("tls").arg(certificate).arg(key), address)
}

/// The same program with and without: what differs is what is looked at.
fn start_observed(peer: &Peer, address: SocketAddr) -> Result<Server, String> {
    let mut command = pinned(SERVER_CPU, &observed_program(peer.server));
    command.arg(address.to_string());
    if peer.name != UNOBSERVED.name {
        command.arg("observed");
    }
    Server::start(&mut command, address)
}

/// A certificate for this run alone.
fn certificate() -> Result<(PathBuf, PathBuf), String> {
    let directory = root().join("bench/target");
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    if !certificate.exists() {
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"]);
        output(openssl.arg(&key).arg("-out").arg(&certificate))?;
    }
    Ok((certificate, key))
}

/// A command that runs on these CPUs alone.
pub(super) fn pinned(cpus: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cpus]).arg(program);
    command
}

/// Unary calls by h2load.
pub(super) struct H2load {
    pub(super) connections: u64,
    pub(super) streams: u64,
    pub(super) cpu: &'static str,
    pub(super) tls: bool,
}

impl H2load {
    /// Makes so many calls; gives how many a second there were.
    pub(super) fn run(&self, address: SocketAddr, calls: u64) -> Result<f64, String> {
        let calls = calls.max(self.connections * self.streams);
        let mut command = pinned(self.cpu, Path::new("h2load"));
        command.args(["-t", "1", "-n", &calls.to_string(), "-c", &self.connections.to_string()]);
        command.args(["-m", &self.streams.to_string(), "--tls13-ciphers=TLS_AES_128_GCM_SHA256"]);
        command.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-d"]);
        command.arg(root().join("bench/bodies/user.grpc"));
        let scheme = if self.tls { "https" } else { "http" };
        command.arg(format!("{scheme}://{address}/bench.v1.Echo/Unary"));
        let text = output(&mut command)?;
        if !text.contains(&format!("{calls} succeeded")) {
            return Err(format!("not every call succeeded\n{text}"));
        }
        let line = text.lines().find_map(|line| line.strip_prefix("finished in"));
        let rate = line.and_then(|line| line.split(", ").nth(1)?.strip_suffix(" req/s")?.trim().parse().ok());
        rate.ok_or_else(|| format!("h2load says no rate:\n{text}"))
    }
}

/// A client of the bench, which says its own CPU.
pub(super) struct Client {
    pub(super) program: &'static str,
    pub(super) mode: &'static str,
    pub(super) at_once: u64,
    pub(super) bytes: u64,
    pub(super) cpu: &'static str,
}

impl Client {
    pub(super) fn run(&self, address: SocketAddr, items: u64) -> Result<Measured, String> {
        let items = items.max(self.at_once);
        let mut command = pinned(self.cpu, &program(self.program));
        command.args([&address.to_string(), self.mode, &self.at_once.to_string(), &items.to_string()]);
        let text = output(command.arg(self.bytes.to_string()))?;
        let figure = |name: &str| -> Option<f64> {
            let word = text.split_whitespace().find_map(|word| word.strip_prefix(name))?;
            word.trim_end_matches("/s").parse().ok()
        };
        match (figure("client_cpu_us="), figure("rate=")) {
            (Some(cpu), Some(rate)) => Ok(Measured { cpu, rate }),
            _ => Err(format!("{} printed no figures: {text}", self.program)),
        }
    }
}

/// The CPU that a process has had, all its threads together.
pub(super) fn cpu_seconds(id: u32) -> Result<f64, String> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).map_err(|error| error.to_string())?;
    let nanos = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    Ok(nanos.sum::<f64>() / 1e9)
}

/// The CPU of the programs that have ended, in ticks of 10 ms.
fn children_cpu_seconds() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/stat").map_err(|error| error.to_string())?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(13) + ticks(14)) / 100.0)
}

/// Programs that measuring needs.
pub(super) fn check_tools() -> Result<(), String> {
    run(Command::new("taskset").args(["-c", "0,1", "true"]))
        .map_err(|error| format!("measuring needs two CPUs and taskset (util-linux): {error}"))
}
