//! `cargo xtask bench`: gannet beside its peers, and its own instructions.

mod build_cost;
mod callgrind;
mod complete;
mod instructions;
mod layers;
mod measure;
mod memory;
mod peers;
mod plot;
mod report;
mod rows;
mod scaling;
mod store;

pub(crate) const USAGE: &str = "\
bench --all [--peers all]       everything that is measured beside the peers, with the report in bench/results; a row
                                that was measured at this commit is kept; needs h2load, openssl and two CPUs
bench NAME [--peers all]        one row (unary-10x100, client-100, down-16k …), all rows that begin with the name
                                (unary, tls, client, down, up, chat) in one table, or memory, build, connections,
                                streams, sizes, cores; unary shows the stream of 100-byte messages too
bench WORKLOAD --profile        where the instructions of unary, unary-100, unary-observed, down, down-16k, up-64k, chat,
                                hpack-encode or hpack-decode go; needs valgrind
bench instructions --check      counts instructions per call and compares them with the recorded ones
bench instructions --record     records them";

/// `bench …`, see [`USAGE`].
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        ["instructions"] | ["instructions", "--check"] => instructions::check(),
        ["instructions", "--record"] => instructions::record(),
        [workload, "--profile"] => instructions::profile(workload),
        ["--all"] => complete::all(false),
        ["--all", "--peers", "all"] => complete::all(true),
        [name] => complete::one(name, false),
        [name, "--peers", "all"] => complete::one(name, true),
        _ => Err(format!("usage:\n{USAGE}")),
    }
}
