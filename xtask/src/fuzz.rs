//! `cargo xtask fuzz`: every fuzz target for some time.

use crate::process::{self, output, root};
use std::process::Command;

/// What cargo-fuzz passes: coverage for libFuzzer, AddressSanitizer, and checks that release builds leave out.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Zsanitizer=address -Cdebug-assertions=yes -Coverflow-checks=yes -Ccodegen-units=1 --cfg fuzzing";

fn run_for(seconds: u32) -> Result<(), String> {
    let fuzz = root().join("fuzz");
    let target = host()?;
    let mut build = Command::new("cargo");
    build.current_dir(&fuzz).args(["build", "--release", "--bins", "--target", &target]);
    // Nightly takes the flags as they are; stable only when told to.
    build.env("RUSTFLAGS", FLAGS).env("RUSTC_BOOTSTRAP", "1");
    process::run(&mut build)?;
    let targets = targets()?;
    for name in &targets {
        println!("{name}: {seconds} s");
        let artifacts = fuzz.join("artifacts").join(name);
        std::fs::create_dir_all(&artifacts).map_err(|error| error.to_string())?;
        let mut command = Command::new(fuzz.join("target").join(&target).join("release").join(name));
        command.current_dir(&fuzz).arg(format!("-max_total_time={seconds}"));
        command.args(["-max_len=4096", "-rss_limit_mb=2048", "-timeout=10"]);
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        output(&mut command).map_err(|error| format!("{name}: a finding\n{error}"))?;
        println!("{name}: no finding");
    }
    println!("{} targets, no finding", targets.len());
    Ok(())
}

/// `fuzz [--seconds N]`.
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    let usage = "usage: cargo xtask fuzz [--seconds N]".to_owned();
    match arguments {
        [] => run_for(60),
        ["--seconds", seconds] => run_for(seconds.parse().map_err(|_| usage)?),
        _ => Err(usage),
    }
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
