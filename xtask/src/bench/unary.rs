//! `cargo xtask bench`: gannet beside its peers, in one run.

use crate::process::{Server, free_address, output, root, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A server that is measured: its program, and how many calls at 10 × 100 give it a second of CPU.
struct Peer {
    name: &'static str,
    package: &'static str,
    program: &'static str,
    calls: u64,
}

const PEERS: &[Peer] = &[
    Peer { name: "gannet", package: "gannet-echo", program: "gannet_server", calls: 600_000 },
    Peer { name: "tonic", package: "tonic-echo", program: "tonic_server", calls: 200_000 },
    Peer { name: "h2 by hand", package: "h2-echo", program: "h2-echo", calls: 300_000 },
    Peer { name: "limit", package: "limit", program: "limit", calls: 1_000_000 },
];

/// Connections, streams on each, and the CPU of the load. "1x1s" has server and load on one CPU: across CPUs the cost
/// of waking the other drowns everything and does not repeat.
const SHAPES: &[(&str, u64, u64, &str)] = &[("10x100", 10, 100, "1"), ("1x1s", 1, 1, "0")];
const ROUNDS: usize = 3;
/// Messages of the 100-byte stream.
const STREAM_MESSAGES: u64 = 2_000_000;

/// Server CPU per unary call and per message of a stream, with the ratios.
pub(super) fn unary() -> Result<(), String> {
    let bench = root().join("bench");
    build(&bench)?;
    let programs = bench.join("target/release");
    let mut rows = Vec::new();
    for &(shape, connections, streams, load_cpu) in SHAPES {
        let mut measured: Vec<Vec<Measured>> = PEERS.iter().map(|_| Vec::new()).collect();
        for round in 1..=ROUNDS {
            for (place, peer) in PEERS.iter().enumerate() {
                eprintln!("{shape}, round {round} of {ROUNDS}: {}", peer.name);
                let calls = if streams > 1 { peer.calls } else { 40_000 };
                measured[place].push(load(&bench, &programs, peer, calls, (connections, streams, load_cpu))?);
            }
        }
        rows.push((shape, measured));
    }
    println!("server CPU per unary call in µs, median of {ROUNDS} interleaved rounds (lowest to highest)\n");
    println!("| shape | server | CPU µs/call | calls/s | of tonic's |");
    println!("| --- | --- | --- | --- | --- |");
    for (shape, measured) in &rows {
        let tonic = median(&measured[1], |m| m.cpu);
        for (peer, runs) in PEERS.iter().zip(measured) {
            let cpu = median(runs, |m| m.cpu);
            let (low, high) = runs.iter().fold((f64::MAX, 0.0_f64), |(l, h), m| (l.min(m.cpu), h.max(m.cpu)));
            let rate = median(runs, |m| m.rate);
            let name = peer.name;
            println!("| {shape} | {name} | {cpu:.2} ({low:.2}–{high:.2}) | {rate:.0} | {:.2} |", cpu / tonic);
        }
    }
    stream_rows(&programs)
}

/// A server stream of 100-byte messages: gannet's client reads from each server.
fn stream_rows(programs: &Path) -> Result<(), String> {
    println!("\nserver CPU per 100-byte message of a server stream in µs, median of {ROUNDS} rounds\n");
    println!("| server | CPU µs/message | of tonic's |\n| --- | --- | --- |");
    let mut measured = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        for (place, peer) in PEERS[..2].iter().enumerate() {
            eprintln!("stream, round {round} of {ROUNDS}: {}", peer.name);
            measured[place].push(stream(programs, peer)?);
        }
    }
    let tonic = median(&measured[1], |cpu| *cpu);
    for (peer, runs) in PEERS.iter().zip(&measured) {
        let cpu = median(runs, |cpu| *cpu);
        println!("| {} | {cpu:.3} | {:.2} |", peer.name, cpu / tonic);
    }
    Ok(())
}

fn build(bench: &Path) -> Result<(), String> {
    let missing = |tool: &str| Command::new(tool).arg("--version").output().is_err();
    if missing("h2load") {
        return Err("h2load makes the load; install nghttp2-client (Debian) or nghttp2".to_owned());
    }
    if missing("protoc") {
        return Err(
            "tonic's generator needs protoc; install protobuf-compiler (gannet's does not)".to_owned()
        );
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(bench).args(["build", "--release"]);
    cargo.args(PEERS.iter().flat_map(|peer| ["-p", peer.package]));
    run(&mut cargo)
}

struct Measured {
    cpu: f64,
    rate: f64,
}

fn start(programs: &Path, peer: &Peer) -> Result<(Server, String), String> {
    let address = free_address()?;
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(programs.join(peer.program)).arg(address.to_string());
    Ok((Server::start(&mut command, address)?, address.to_string()))
}

fn load(
    bench: &Path,
    programs: &Path,
    peer: &Peer,
    calls: u64,
    (connections, streams, load_cpu): (u64, u64, &str),
) -> Result<Measured, String> {
    let (server, address) = start(programs, peer)?;
    let h2load = |calls: u64| -> Result<f64, String> {
        let mut command = Command::new("taskset");
        command.args(["-c", load_cpu, "h2load", "-t", "1"]);
        command.args(["-n", &calls.to_string(), "-c", &connections.to_string(), "-m", &streams.to_string()]);
        command.args(["-H", "content-type: application/grpc", "-H", "te: trailers", "-d"]);
        command.arg(body(bench)).arg(format!("http://{address}/bench.v1.Echo/Unary"));
        let text = output(&mut command)?;
        if !text.contains(&format!("{calls} succeeded")) {
            return Err(format!("{}: not every call succeeded\n{text}", peer.name));
        }
        rate(&text).ok_or_else(|| format!("h2load says no rate:\n{text}"))
    };
    h2load((calls / 20).max(connections * streams))?;
    let before = cpu_seconds(server.id())?;
    let rate = h2load(calls)?;
    Ok(Measured { cpu: (cpu_seconds(server.id())? - before) * 1e6 / calls as f64, rate })
}

fn body(bench: &Path) -> PathBuf {
    bench.join("bodies/user.grpc")
}

fn rate(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("finished in"))?;
    line.split(", ").nth(1)?.strip_suffix(" req/s")?.trim().parse().ok()
}

fn stream(programs: &Path, peer: &Peer) -> Result<f64, String> {
    let (server, address) = start(programs, peer)?;
    let before = cpu_seconds(server.id())?;
    let mut client = Command::new("taskset");
    client.args(["-c", "1"]).arg(programs.join("gannet_client"));
    client.args([&address, "down", "1", &STREAM_MESSAGES.to_string(), "100"]);
    output(&mut client)?;
    Ok((cpu_seconds(server.id())? - before) * 1e6 / STREAM_MESSAGES as f64)
}

/// User and system time of a process, in ticks of 10 ms.
fn cpu_seconds(id: u32) -> Result<f64, String> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).map_err(|error| error.to_string())?;
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

fn median<T>(runs: &[T], figure: impl Fn(&T) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
