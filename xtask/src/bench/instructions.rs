//! Instructions per call: counted by callgrind, recorded in the repository, compared by CI.
//!
//! A count repeats to the instruction on the toolchain that it is valid for, whatever else the machine does.

use super::callgrind::Counts;
use super::layers::by_layer;
use crate::process::{output, root, run};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

/// A workload of `bench/instructions`, what it repeats, and how often.
struct Workload {
    name: &'static str,
    item: &'static str,
    count: usize,
}

const WORKLOADS: &[Workload] = &[
    Workload { name: "unary", item: "call, one at a time", count: 2000 },
    Workload { name: "unary-100", item: "call, 100 in flight", count: 5000 },
    // Many, for the exporter's clock tunes itself for a while at the start, each time another.
    Workload { name: "unary-observed", item: "call, one at a time, logged and counted", count: 20_000 },
    Workload { name: "down", item: "message of 100 bytes to the client", count: 20_000 },
    Workload { name: "down-16k", item: "message of 16 KiB to the client", count: 400 },
    Workload { name: "up-64k", item: "message of 64 KiB to the server", count: 200 },
    Workload { name: "chat", item: "message there and back", count: 2000 },
    Workload { name: "hpack-encode", item: "header block", count: 5000 },
    Workload { name: "hpack-decode", item: "header block", count: 5000 },
];

/// More than this over the recorded count is a failure.
const ALLOWED_RISE: f64 = 0.03;
/// Functions below this part of their workload's count are not recorded.
const RECORDED_FROM: f64 = 0.005;
const SHOWN: usize = 15;

/// Compares with what is recorded.
pub(super) fn check() -> Result<(), String> {
    let recorded = Record::read()?;
    let program = build()?;
    let toolchain = toolchain()?;
    let comparable = recorded.toolchain == toolchain;
    println!(
        "| workload | instructions | recorded | change | allocations |\n| --- | --- | --- | --- | --- |"
    );
    let mut risen = Vec::new();
    for workload in WORKLOADS {
        let counts = count(&program, workload)?;
        let Some(before) = recorded.workloads.get(workload.name) else {
            return Err(format!(
                "{} is not recorded; run cargo xtask bench instructions --record",
                workload.name
            ));
        };
        let change = counts.total / before.total - 1.0;
        let (name, total) = (workload.name, counts.total);
        let allocations = counts.allocations();
        println!(
            "| {name} | {total:.0} | {:.0} | {:+.1} % | {allocations:.2} |",
            before.total,
            change * 100.0
        );
        if change > ALLOWED_RISE {
            risen.push(explain(workload, before, &counts));
        }
    }
    if !comparable {
        println!(
            "\nNOT COMPARED: the counts are valid for {}, and this is {toolchain}. Record them anew with this one: \
             cargo xtask bench instructions --record",
            recorded.toolchain
        );
        return Ok(());
    }
    if risen.is_empty() { Ok(()) } else { Err(risen.join("\n")) }
}

/// Counts, and writes what was counted to the repository.
pub(super) fn record() -> Result<(), String> {
    let program = build()?;
    let mut record = Record { toolchain: toolchain()?, workloads: BTreeMap::new() };
    for workload in WORKLOADS {
        let counts = count(&program, workload)?;
        println!("{}: {:.0} instructions per {}", workload.name, counts.total, workload.item);
        record.workloads.insert(workload.name.to_owned(), Recorded::of(&counts));
    }
    std::fs::write(record_path(), record.to_text()).map_err(|error| error.to_string())
}

/// Where the instructions of one workload go.
pub(super) fn profile(name: &str) -> Result<(), String> {
    let Some(workload) = WORKLOADS.iter().find(|workload| workload.name == name) else {
        let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        return Err(format!("{name} is no workload; there are {}", names.join(", ")));
    };
    let counts = count(&build()?, workload)?;
    println!(
        "{:.0} instructions and {:.2} allocations per {}\n",
        counts.total,
        counts.allocations(),
        workload.item
    );
    println!("| layer | instructions | % |\n| --- | --- | --- |");
    for (layer, own) in by_layer(&counts) {
        println!("| {layer} | {own:.0} | {:.1} |", own / counts.total * 100.0);
    }
    println!("\n| function | own | with what it calls | times |\n| --- | --- | --- | --- |");
    let mut functions: Vec<_> = counts.functions.iter().collect();
    functions.sort_by(|a, b| b.1.own.total_cmp(&a.1.own));
    for (name, cost) in functions.into_iter().take(2 * SHOWN) {
        println!("| {name} | {:.0} | {:.0} | {:.2} |", cost.own, cost.inclusive, cost.calls);
    }
    Ok(())
}

/// The functions whose cost rose most: the callers first, the place itself at the end of their chain.
fn explain(workload: &Workload, before: &Recorded, now: &Counts) -> String {
    let (name, item) = (workload.name, workload.item);
    let rise = (now.total / before.total - 1.0) * 100.0;
    let mut text = format!(
        "{name}: {:.0} instructions per {item}, {:.0} are recorded: {rise:+.1} % (at most +3 % is allowed). \
         What rose, with what it calls:",
        now.total, before.total
    );
    let mut rises: Vec<_> = now
        .functions
        .iter()
        .map(|(name, cost)| {
            let before = before.functions.get(name).copied().unwrap_or_default();
            (cost.inclusive - before, before, cost, name)
        })
        .filter(|(rise, ..)| *rise >= 1.0)
        .collect();
    rises.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (rise, before, cost, name) in rises.into_iter().take(SHOWN) {
        text +=
            &format!("\n  {rise:+.0} ({before:.0} → {:.0}, itself {:.0})  {name}", cost.inclusive, cost.own);
    }
    text
}

fn build() -> Result<PathBuf, String> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()).args([
        "build",
        "--quiet",
        "--profile",
        "instructions",
        "-p",
        "gannet-instructions",
    ]);
    // The target's baseline, whatever this machine's own flags are.
    cargo.env_remove("RUSTFLAGS");
    run(&mut cargo)?;
    Ok(root().join("target/instructions/gannet-instructions"))
}

/// Two runs; their difference is the calls alone.
fn count(program: &PathBuf, workload: &Workload) -> Result<Counts, String> {
    let first = workload.count / 2;
    let less = callgrind(program, workload.name, first)?;
    let more = callgrind(program, workload.name, first + workload.count)?;
    Ok(more.per_item(&less, workload.count))
}

fn callgrind(program: &PathBuf, workload: &str, count: usize) -> Result<Counts, String> {
    need_valgrind()?;
    let file = root().join("target/instructions").join(format!("callgrind.{workload}.{count}"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--dump-line=yes"]);
    valgrind.arg(format!("--callgrind-out-file={}", file.display()));
    valgrind.arg(program).args([workload, &count.to_string()]);
    // An empty environment: its size moves the stack, and with it a few instructions of alignment.
    valgrind.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    output(&mut valgrind)?;
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Counts::parse(&text))
}

/// Installs valgrind where that can be done without asking; says how otherwise.
fn need_valgrind() -> Result<(), String> {
    if output(Command::new("valgrind").arg("--version")).is_ok() {
        return Ok(());
    }
    let installed = run(Command::new("apt-get").args(["install", "--yes", "--quiet", "valgrind"]));
    installed.map_err(|error| format!("valgrind counts the instructions; install it by hand ({error})"))
}

/// What the counts depend on beside the code.
fn toolchain() -> Result<String, String> {
    let rustc = output(Command::new("rustc").arg("--version"))?;
    let valgrind = output(Command::new("valgrind").arg("--version"))?;
    let libc = output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    Ok(format!("{}, {}, {}, {}", rustc.trim(), valgrind.trim(), libc.trim(), std::env::consts::ARCH))
}

/// The recorded counts.
struct Record {
    toolchain: String,
    workloads: BTreeMap<String, Recorded>,
}

struct Recorded {
    total: f64,
    /// With what each calls.
    functions: BTreeMap<String, f64>,
}

impl Recorded {
    fn of(counts: &Counts) -> Self {
        let large =
            counts.functions.iter().filter(|(_, cost)| cost.inclusive >= RECORDED_FROM * counts.total);
        Self {
            total: counts.total,
            functions: large.map(|(name, cost)| (name.clone(), cost.inclusive)).collect(),
        }
    }
}

fn record_path() -> PathBuf {
    root().join("bench/instructions/recorded.txt")
}

impl Record {
    fn read() -> Result<Self, String> {
        let text = std::fs::read_to_string(record_path()).map_err(|error| error.to_string())?;
        Self::parse(&text).ok_or_else(|| format!("{} can't be read", record_path().display()))
    }

    /// The toolchain; then each workload with its count, and below it, indented, its functions.
    fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.toolchain);
        for (name, recorded) in &self.workloads {
            text += &format!("{:.1} {name}\n", recorded.total);
            for (function, inclusive) in &recorded.functions {
                text += &format!("  {inclusive:.1} {function}\n");
            }
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let (toolchain, rest) = text.split_once('\n')?;
        let mut workloads: BTreeMap<String, Recorded> = BTreeMap::new();
        let mut last = String::new();
        for line in rest.lines() {
            let (count, name) = line.trim_start().split_once(' ')?;
            let count = count.parse().ok()?;
            if line.starts_with(' ') {
                workloads.get_mut(&last)?.functions.insert(name.to_owned(), count);
            } else {
                last = name.to_owned();
                workloads.insert(name.to_owned(), Recorded { total: count, functions: BTreeMap::new() });
            }
        }
        Some(Self { toolchain: toolchain.to_owned(), workloads })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::callgrind::Cost;

    #[test]
    fn a_record_comes_back() {
        let functions = BTreeMap::from([("core::ops::FnOnce::call_once".to_owned(), 12.5)]);
        let recorded = Recorded { total: 100.0, functions };
        let workloads = BTreeMap::from([("unary".to_owned(), recorded)]);
        let text = Record { toolchain: "rustc 1, valgrind 3".to_owned(), workloads }.to_text();
        assert_eq!(Record::parse(&text).unwrap().to_text(), text);
        assert!(Record::parse("rustc\nno number").is_none());
    }

    #[test]
    fn the_place_of_a_rise_is_shown() {
        let before = Recorded { total: 100.0, functions: BTreeMap::from([("slow".to_owned(), 10.0)]) };
        let mut now = Counts { total: 120.0, ..Counts::default() };
        now.functions.insert("slow".to_owned(), Cost { own: 30.0, inclusive: 30.0, calls: 1.0 });
        now.functions.insert("same".to_owned(), Cost { own: 0.5, inclusive: 0.5, calls: 1.0 });
        let text = explain(&WORKLOADS[0], &before, &now);
        assert!(text.contains("+20.0 %") && text.contains("+20 (10 → 30, itself 30)  slow"), "{text}");
        assert!(!text.contains("same"), "{text}");
    }
}
