//! How cost grows with connections, streams, message size and cores.

use super::measure::{Client, H2load, LOAD_CPU, cpu_seconds, pinned, start};
use super::peers::program;
use super::plot::Line;
use crate::process::{Server, free_address};

/// The figures of one dimension.
pub(super) struct Scaling {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) lines: Vec<Line>,
}

const SERVERS: &[(&str, &str)] = &[("gannet", "gannet_server"), ("tonic", "tonic_server")];

/// Server CPU per call as connections grow, a few calls in flight on each.
pub(super) fn connections() -> Result<Scaling, String> {
    let lines = lines(&[1, 10, 100, 1000, 5000, 9000], |server, connections| {
        let streams = (1000 / connections).max(1);
        unary(server, connections, streams, if server == "gannet_server" { 200_000 } else { 60_000 })
    })?;
    let title =
        "server CPU per unary call (µs) by connections, 1,000 calls in flight or one on each connection";
    Ok(Scaling { name: "connections", title, lines })
}

/// Server CPU per call as the streams of one connection grow.
pub(super) fn streams() -> Result<Scaling, String> {
    let lines = lines(&[1, 10, 100, 1000], |server, streams| {
        unary(server, 1, streams, if server == "gannet_server" && streams > 1 { 200_000 } else { 50_000 })
    })?;
    let title = "server CPU per unary call (µs) by streams of one connection";
    Ok(Scaling { name: "streams", title, lines })
}

/// Server CPU per message of a stream as messages grow.
pub(super) fn sizes() -> Result<Scaling, String> {
    let lines =
        lines(&[0, 100, 1024, 16 * 1024, 64 * 1024, 1024 * 1024, 4 * 1024 * 1024 - 64], |server, bytes| {
            let address = free_address()?;
            let running = start(server, address)?;
            let load = Client { program: "gannet_client", mode: "down", at_once: 1, bytes, cpu: LOAD_CPU };
            let items = (600_000_000 / (bytes + 600)).clamp(150, 1_000_000);
            let before = cpu_seconds(running.id())?;
            load.run(address, items)?;
            Ok((cpu_seconds(running.id())? - before) * 1e6 / items as f64)
        })?;
    Ok(Scaling { name: "sizes", title: "server CPU per message of a server stream (µs) by bytes", lines })
}

/// Calls a second on one connection whose handler computes for 20 µs, on one core and on two.
pub(super) fn cores() -> Result<Scaling, String> {
    let lines = lines(&[1, 2], |server, cores| {
        let address = free_address()?;
        let cpus = if cores == 1 { "0" } else { "0,1" };
        let mut command = pinned(cpus, &program(server));
        let _server = Server::start(command.arg(address.to_string()).args(["mt", "20"]), address)?;
        let load = H2load { connections: 1, streams: 100, cpu: LOAD_CPU, tls: false };
        load.run(address, 5_000)?;
        load.run(address, 100_000)
    })?;
    let title = "calls per second on one connection by cores, the handler computing for 20 µs; on two cores the load \
                 shares one of them";
    Ok(Scaling { name: "cores", title, lines })
}

fn lines(points: &[u64], measure: impl Fn(&str, u64) -> Result<f64, String>) -> Result<Vec<Line>, String> {
    let mut lines: Vec<Line> =
        SERVERS.iter().map(|(name, _)| Line { name: (*name).to_owned(), points: Vec::new() }).collect();
    for &point in points {
        for (line, (name, server)) in lines.iter_mut().zip(SERVERS) {
            eprintln!("{name} at {point}");
            line.points.push((point as f64, measure(server, point)?));
        }
    }
    Ok(lines)
}

fn unary(server: &str, connections: u64, streams: u64, calls: u64) -> Result<f64, String> {
    let address = free_address()?;
    let running = start(server, address)?;
    let load = H2load { connections, streams, cpu: LOAD_CPU, tls: false };
    // Connecting is no part of a call: what the handshakes cost is measured by a run of one call each.
    let before = cpu_seconds(running.id())?;
    load.run(address, connections * streams)?;
    let handshakes = cpu_seconds(running.id())? - before;
    load.run(address, calls + connections * streams)?;
    let all = cpu_seconds(running.id())? - before - handshakes;
    Ok((all - handshakes).max(0.0) * 1e6 / calls as f64)
}

impl Scaling {
    /// A Markdown table: a row for each point.
    pub(super) fn table(&self) -> String {
        let names: Vec<&str> = self.lines.iter().map(|line| line.name.as_str()).collect();
        let mut text = format!(
            "{}\n\n| {} | {} |\n|{}\n",
            self.title,
            self.name,
            names.join(" | "),
            " --- |".repeat(names.len() + 1)
        );
        for (place, (x, _)) in self.lines[0].points.iter().enumerate() {
            let figures: Vec<String> = self.lines.iter().map(|line| figure(line.points[place].1)).collect();
            text += &format!("| {x} | {} |\n", figures.join(" | "));
        }
        text
    }
}

/// Three digits that count.
pub(super) fn figure(value: f64) -> String {
    match value {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
