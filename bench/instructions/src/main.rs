//! Calls whose instructions are counted by `cargo xtask bench instructions`.
//!
//! usage: gannet-instructions WORKLOAD COUNT
//!
//! Client and server run in one process, on one thread, over a pipe in memory, so that a run repeats to the instruction.
//! What a run costs before its first call is the same for every COUNT: the difference of two runs is the cost of the
//! calls alone.

mod echo;
mod hpack;
mod observed;
mod proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
    gannet::include_protos!();
}

use std::process::ExitCode;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workload, count] = arguments.as_slice() else {
        eprintln!("usage: gannet-instructions WORKLOAD COUNT");
        return ExitCode::FAILURE;
    };
    match count.parse().map_err(Into::into).and_then(|count| run(workload, count)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{workload}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(workload: &str, count: usize) -> Outcome {
    match workload {
        "hpack-encode" => return hpack::encode(count),
        "hpack-decode" => return hpack::decode(count),
        _ => {}
    }
    // One thread, and a clock that stands still: windows follow measured bandwidth, and with them what is written at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    runtime.block_on(async {
        if workload == "unary-observed" {
            return echo::unary(observed::in_process()?, 1, count).await;
        }
        let client = echo::in_process();
        match workload {
            "unary" => echo::unary(client, 1, count).await,
            "unary-100" => echo::unary(client, 100, count).await,
            "down" => echo::down(client, count, 100).await,
            "down-16k" => echo::down(client, count, 16 * 1024).await,
            "up-64k" => echo::up(client, count, 64 * 1024).await,
            "chat" => echo::chat(client, count).await,
            other => Err(format!("no workload is called {other}").into()),
        }
    })
}
