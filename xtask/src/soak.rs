//! `cargo xtask soak`: a server under mixed calls for minutes, and its memory.

use crate::interop;
use crate::process::{Server, free_address, resident_kib};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often the memory is looked at.
const EVERY: Duration = Duration::from_secs(15);
/// Where memory has settled; from there on it may not grow by more than a quarter and `SLACK_KIB`.
const SETTLED: Duration = Duration::from_secs(120);
const SLACK_KIB: u64 = 8 * 1024;

/// `soak [--minutes N]`.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let usage = "usage: cargo xtask soak [--minutes N]".to_owned();
    let minutes: u64 = match arguments {
        [] => 10,
        ["--minutes", minutes] => minutes.parse().map_err(|_| usage)?,
        _ => return Err(usage),
    };
    soak(Duration::from_secs(60 * minutes))
}

fn soak(length: Duration) -> Result<(), String> {
    let programs = interop::build()?;
    let address = free_address()?;
    let mut command = Command::new(programs.join("interop-server"));
    // What the server tells of broken connections is meant to happen here.
    command.arg(format!("--port={}", address.port())).stderr(Stdio::null());
    let server = Server::start(&mut command, address)?;
    let mut load = Command::new(programs.join("soak"))
        .args([format!("--server_port={}", address.port()), format!("--seconds={}", length.as_secs())])
        .spawn()
        .map_err(|error| error.to_string())?;

    println!("| minutes | server KiB | load KiB |\n| --- | --- | --- |");
    let start = Instant::now();
    let mut settled = None;
    let mut highest = 0;
    let ended = loop {
        std::thread::sleep(EVERY.min(length / 4));
        if let Some(ended) = load.try_wait().map_err(|error| error.to_string())? {
            break ended;
        }
        let (now, memory) = (start.elapsed(), resident_kib(server.id())?);
        println!("| {:.1} | {memory} | {} |", now.as_secs_f64() / 60.0, resident_kib(load.id()).unwrap_or(0));
        if now >= SETTLED {
            settled.get_or_insert(memory);
            highest = highest.max(memory);
        }
    };
    let after = resident_kib(server.id())?;
    println!("{after} KiB once the load has ended");
    if !ended.success() {
        return Err(format!("soak: the load failed: {ended}"));
    }
    match settled {
        Some(settled) if highest > settled + settled / 4 + SLACK_KIB => {
            Err(format!("soak: memory grew from {settled} KiB at two minutes to {highest} KiB"))
        }
        _ => Ok(()),
    }
}
