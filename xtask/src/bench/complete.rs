//! The bench itself: rows measured in interleaved rounds, and the report of all of them.

use super::measure::{check_tools, fits, measure};
use super::peers::{H2LOAD, Peer, UNOBSERVED, build, build_observed, build_with_tls};
use super::rows::{ROWS, Row, named};
use super::scaling::{self, Scaling};
use super::store::{Runs, Store, commit, median};
use super::{build_cost, memory, plot, report};
use crate::process::{output, root};
use std::process::Command;

const ROUNDS: usize = 3;
/// What is measured beside the rows.
const TABLES: [&str; 2] = ["memory", "build"];
type Dimension = (&'static str, fn() -> Result<Scaling, String>);
const SCALING: [Dimension; 4] = [
    ("connections", scaling::connections),
    ("streams", scaling::streams),
    ("sizes", scaling::sizes),
    ("cores", scaling::cores),
];

/// All rows, and the report into `bench/results`. Rows that were measured at this commit are not measured again.
pub(super) fn all(all_peers: bool) -> Result<(), String> {
    check_tools()?;
    let peers = build(all_peers)?;
    build_with_tls()?;
    build_observed()?;
    let store = Store::open()?;
    let mut measured: Vec<(&Row, Runs)> = Vec::new();
    for row in ROWS {
        let runs = match store.read(row.name) {
            Some(runs) => runs,
            None => measure_row(row, &peers)?,
        };
        store.write(row.name, &runs)?;
        measured.push((row, runs));
        println!("{}", report::table(&measured[measured.len() - 1..]));
    }
    let mut text = format!("# The bench, last run\n\n{}\n\n{}", machine(&peers)?, report::rows(&measured));
    for name in TABLES {
        text += &format!("\n{}", store.text(name, || table(name, &peers))?);
    }
    let results = root().join("bench/results");
    std::fs::create_dir_all(&results).map_err(|error| error.to_string())?;
    let write =
        |name: &str, text: &str| std::fs::write(results.join(name), text).map_err(|error| error.to_string());
    write("ratios.svg", &plot::bars("CPU of each, as a part of tonic's", &report::groups(&measured)))?;
    text += "\n![CPU of each, as a part of tonic's](ratios.svg)\n\n## Scaling\n";
    for (name, dimension) in SCALING {
        let table = store.text(name, || {
            let scaling = dimension()?;
            write(&format!("{name}.svg"), &plot::lines(scaling.title, &scaling.lines))?;
            Ok(scaling.table())
        })?;
        text += &format!("\n{table}\n![{name}]({name}.svg)\n");
    }
    println!("{text}");
    write("README.md", &text)
}

/// The rows of a name in one table, or another table by its name; prints it and keeps nothing.
pub(super) fn one(name: &str, all_peers: bool) -> Result<(), String> {
    check_tools()?;
    let rows = named(name);
    let dimension = SCALING.iter().find(|(scaling, _)| *scaling == name);
    if rows.is_empty() && dimension.is_none() && !TABLES.contains(&name) {
        let names: Vec<&str> =
            ROWS.iter().map(|row| row.name).chain(TABLES).chain(SCALING.map(|(name, _)| name)).collect();
        return Err(format!("{name} is nothing to measure; there are {}", names.join(", ")));
    }
    let peers = build(all_peers)?;
    if rows.iter().any(|row| row.tls) {
        build_with_tls()?;
    }
    if rows.iter().any(|row| row.observed) {
        build_observed()?;
    }
    let measured: Result<Vec<_>, String> =
        rows.into_iter().map(|row| Ok((row, measure_row(row, &peers)?))).collect();
    let measured = measured?;
    if !measured.is_empty() {
        println!("{}", report::table(&measured));
    }
    if TABLES.contains(&name) {
        println!("{}", table(name, &peers)?);
    }
    if let Some((_, dimension)) = dimension {
        println!("{}", dimension()?.table());
    }
    Ok(())
}

fn table(name: &str, peers: &[&Peer]) -> Result<String, String> {
    if name == "memory" { memory::table(peers) } else { build_cost::table(peers) }
}

/// Interleaved rounds: what disturbs the machine for a while disturbs all peers alike.
fn measure_row(row: &Row, peers: &[&Peer]) -> Result<Runs, String> {
    let peers = peers.iter().copied().chain([&H2LOAD, &UNOBSERVED]);
    let peers: Vec<&Peer> = peers.filter(|peer| fits(row, peer)).collect();
    let mut runs: Runs = peers.iter().map(|peer| (peer.name.to_owned(), Vec::new())).collect();
    for round in 1..=ROUNDS {
        for (place, peer) in peers.iter().enumerate() {
            eprintln!("{}, round {round} of {ROUNDS}: {}", row.name, peer.name);
            let measured =
                measure(row, peer).map_err(|error| format!("{}, {}: {error}", row.name, peer.name))?;
            runs[place].1.push(measured);
        }
    }
    runs.sort_by(|a, b| median(&a.1, |run| run.cpu).total_cmp(&median(&b.1, |run| run.cpu)));
    Ok(runs)
}

/// Where, when and on what this was measured.
fn machine(peers: &[&Peer]) -> Result<String, String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").map_err(|error| error.to_string())?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, name)| name);
    let count = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let first_line = |program: &str, argument: &str| {
        output(Command::new(program).arg(argument))
            .map(|text| text.lines().next().unwrap_or_default().to_owned())
    };
    let (kernel, rustc, h2load) =
        (first_line("uname", "-sr")?, first_line("rustc", "--version")?, first_line("h2load", "--version")?);
    let date = first_line("date", "-uI")?;
    let lock = std::fs::read_to_string(root().join("bench/Cargo.lock")).map_err(|error| error.to_string())?;
    let version = |package: &str| {
        let after = lock.split(&format!("name = \"{package}\"\nversion = \"")).nth(1)?;
        Some(format!("{package} {}", after.split('"').next()?))
    };
    let versions: Vec<String> =
        ["tonic", "h2", "hyper", "tokio", "rustls"].into_iter().filter_map(version).collect();
    let names: Vec<&str> = peers.iter().map(|peer| peer.name).collect();
    Ok(format!(
        "{date}, commit {}; {count} × {model}, {kernel}, {rustc}; {}; {h2load}. Loopback, release, fat LTO, one codegen \
         unit, the system's malloc, one thread for each server and each client. Compared: {}. Every figure is the median \
         of {ROUNDS} interleaved rounds, with the lowest and highest; the machine's noise is 10 to 15 %, so the ratios are \
         what to compare.",
        commit()?,
        versions.join(", "),
        names.join(", ")
    ))
}
