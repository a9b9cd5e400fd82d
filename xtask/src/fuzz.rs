//! `cargo xtask fuzz`: every fuzz target for some time, or one (`fuzz/README.md`).

use crate::process::{self, output, root};
use std::path::Path;
use std::process::Command;

/// What cargo-fuzz passes: coverage for libFuzzer, AddressSanitizer, and checks that release builds leave out.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Zsanitizer=address -Cdebug-assertions=yes -Coverflow-checks=yes -Ccodegen-units=1 --cfg fuzzing";

/// More bytes than this are slower, and find the same.
const LARGEST_INPUT_BYTES: usize = 4096;
/// A run that holds more than this, or takes longer, is a finding.
const MEMORY_MB: usize = 2048;
const RUN_SECONDS: usize = 10;

/// `fuzz [--seconds N] [TARGET]`.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let usage = || "usage: cargo xtask fuzz [--seconds N] [TARGET]".to_owned();
    let (seconds, rest) = match arguments {
        ["--seconds", seconds, rest @ ..] => (seconds.parse().map_err(|_| usage())?, rest),
        rest => (60, rest),
    };
    let mut names = targets()?;
    match rest {
        [] => {}
        [name] if names.iter().any(|known| known == name) => names.retain(|known| known == name),
        _ => return Err(usage()),
    }
    let programs = root().join("fuzz/target").join(build()?).join("release");
    for name in &names {
        println!("{name}: {seconds} s");
        fuzz(&programs, name, seconds)?;
        println!("{name}: no finding");
    }
    println!("{} targets, no finding", names.len());
    Ok(())
}

/// Builds all targets; gives the host's triple.
fn build() -> Result<String, String> {
    let target = host()?;
    let mut build = Command::new("cargo");
    build.current_dir(root().join("fuzz")).args(["build", "--release", "--bins", "--target", &target]);
    // Nightly takes the flags as they are; stable only when told to.
    build.env("RUSTFLAGS", FLAGS).env("RUSTC_BOOTSTRAP", "1");
    process::run(&mut build)?;
    Ok(target)
}

/// Goes on from the corpus of earlier runs, and from what they found.
fn fuzz(programs: &Path, name: &str, seconds: u32) -> Result<(), String> {
    let fuzz = root().join("fuzz");
    let (corpus, artifacts) = (fuzz.join("corpus").join(name), fuzz.join("artifacts").join(name));
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut command = Command::new(programs.join(name));
    command.current_dir(&fuzz).arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={LARGEST_INPUT_BYTES}")).arg(format!("-rss_limit_mb={MEMORY_MB}"));
    command.arg(format!("-timeout={RUN_SECONDS}")).arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(&corpus);
    let findings = fuzz.join("findings").join(name);
    if findings.is_dir() {
        command.arg(findings);
    }
    output(&mut command)
        .map_err(|error| format!("{name}: a finding; fuzz/README.md says how it becomes a test\n{error}"))?;
    Ok(())
}

fn host() -> Result<String, String> {
    let text = output(Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc names no host".to_owned())
}

/// The names of the files in `fuzz/targets`.
fn targets() -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(root().join("fuzz/targets")).map_err(|error| error.to_string())?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}
