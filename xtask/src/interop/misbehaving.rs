//! gannet's client against servers that misbehave.

use super::gannet::build;
use super::matrix::Outcome;
use super::peer::{Peer, Transport};
use crate::process::{Server, free_address};
use std::process::Command;

/// The cases of grpc/grpc `doc/negative-http2-interop-test-descriptions.md`.
const CASES: &[&str] =
    &["goaway", "rst_after_header", "rst_during_data", "rst_after_data", "ping", "max_streams"];

/// Runs every case, a line for each.
pub(super) fn run(gannet: &Peer) -> Result<Vec<Outcome>, String> {
    println!("\ngannet client, servers that misbehave");
    let program = build()?.join("http2-server");
    let one = |case: &&str| {
        let address = free_address()?;
        let mut command = Command::new(&program);
        command.arg(format!("--port={}", address.port())).arg(format!("--test_case={case}"));
        let server = Server::start(&mut command, address)?;
        gannet.run(address.port(), &Transport::Plaintext, case, &[])?;
        // The server knows what the client may do.
        server.wait()
    };
    let outcome = |case: &&str| match one(case) {
        Ok(()) => {
            println!("{case}: ok");
            Outcome::Passed
        }
        Err(text) => {
            println!("{case}: FAILED: {text}");
            Outcome::Failed(text)
        }
    };
    Ok(CASES.iter().map(outcome).collect())
}
