//! `cargo xtask bench`: gannet beside its peers, and its own instructions.

mod callgrind;
mod instructions;
mod layers;
mod unary;

pub(crate) const USAGE: &str = "\
bench unary                     server CPU per call beside tonic, h2 and the limit; needs h2load, protoc and two CPUs
bench WORKLOAD --profile        where the instructions of unary, unary-100, down, down-16k, up-64k, chat, hpack-encode
                                or hpack-decode go; needs valgrind
bench instructions --check      counts instructions per call and compares them with the recorded ones
bench instructions --record     records them";

/// `bench …`, see [`USAGE`].
pub(crate) fn run(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        ["unary"] => unary::unary(),
        ["instructions"] | ["instructions", "--check"] => instructions::check(),
        ["instructions", "--record"] => instructions::record(),
        [workload, "--profile"] => instructions::profile(workload),
        _ => Err(format!("usage:\n{USAGE}")),
    }
}
