//! The matrix: every case between gannet and every peer, in both roles.

use super::cases::{CASES, LEFT_OUT, flags, missing};
use super::peer::{Peer, Transport};
use super::{gannet, grpc_go, grpc_java, grpc_js, grpcio, misbehaving};
use crate::process::free_address;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

/// Installs the peers, runs every pair and prints the matrix.
pub(crate) fn run() -> Result<(), String> {
    let gannet = gannet::prepare()?;
    let peers = [grpcio::prepare()?, grpc_go::prepare()?, grpc_java::prepare()?, grpc_js::prepare()?];
    let mut pairs = vec![Pair { client: &gannet, server: &gannet }];
    pairs.extend(peers.iter().map(|server| Pair { client: &gannet, server }));
    pairs.extend(peers.iter().map(|client| Pair { client, server: &gannet }));

    let mut outcomes = Vec::new();
    for transport in [Transport::Plaintext, Transport::Tls(grpc_go::credentials()?)] {
        let columns = run_pairs(&pairs, &transport);
        print_matrix(&transport, &pairs, &columns);
        outcomes.extend(columns.into_iter().flatten());
    }
    println!("\ncases that nobody runs here");
    for (cases, reason) in LEFT_OUT {
        println!("- {cases}: {reason}");
    }
    outcomes.extend(misbehaving::run(&gannet)?);

    let count = |kind: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| kind(outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    println!(
        "\n{} passed, {failed} failed, {} skipped",
        count(|outcome| matches!(outcome, Outcome::Passed)),
        count(|outcome| matches!(outcome, Outcome::Skipped(_)))
    );
    if failed == 0 { Ok(()) } else { Err("interop: not every case passed".to_owned()) }
}

struct Pair<'a> {
    client: &'a Peer,
    server: &'a Peer,
}

pub(super) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// The outcomes of every pair in the order of the cases. Two pairs run at a time: their programs mostly wait.
fn run_pairs(pairs: &[Pair<'_>], transport: &Transport) -> Vec<Vec<Outcome>> {
    let next = Mutex::new(pairs.iter().enumerate());
    let columns = Mutex::new(BTreeMap::new());
    let lock = "no thread panics while it holds the lock";
    let work = || {
        loop {
            #[expect(clippy::expect_used, reason = "a panic of the other thread ends this one too")]
            let Some((place, pair)) = next.lock().expect(lock).next() else { return };
            let start = Instant::now();
            let column = pair.run(transport);
            println!(
                "{}, {} client, {} server: {} s",
                transport.name(),
                pair.client.name,
                pair.server.name,
                start.elapsed().as_secs()
            );
            #[expect(clippy::expect_used, reason = "a panic of the other thread ends this one too")]
            columns.lock().expect(lock).insert(place, column);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    columns.into_inner().unwrap_or_default().into_values().collect()
}

impl Pair<'_> {
    fn run(&self, transport: &Transport) -> Vec<Outcome> {
        let server = free_address().and_then(|address| Ok((self.server.serve(address, transport)?, address)));
        let one = |case: &&str| {
            if let Some(reason) = missing(self.client.name, self.server.name, case) {
                return Outcome::Skipped(reason);
            }
            let run = match &server {
                Ok((_, address)) => self.client.run(address.port(), transport, case, flags(case)),
                Err(error) => Err(error.clone()),
            };
            run.map_or_else(Outcome::Failed, |()| Outcome::Passed)
        };
        CASES.iter().map(one).collect()
    }
}

const CASE_WIDTH: usize = 28;
const PEER_WIDTH: usize = 10;

fn print_matrix(transport: &Transport, pairs: &[Pair<'_>], columns: &[Vec<Outcome>]) {
    let line = |title: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells: String = cells.map(|cell| format!("{cell:<PEER_WIDTH$}")).collect();
        println!("{}", format!("{title:<CASE_WIDTH$}{cells}").trim_end());
    };
    println!("\n{}", transport.name());
    line("client", &mut pairs.iter().map(|pair| pair.client.name));
    line("server", &mut pairs.iter().map(|pair| pair.server.name));
    for (row, case) in CASES.iter().enumerate() {
        line(case, &mut columns.iter().map(|column| column.get(row).map_or("", Outcome::cell)));
    }

    let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (pair, column) in pairs.iter().zip(columns) {
        for (case, outcome) in CASES.iter().zip(column) {
            match outcome {
                Outcome::Failed(text) => {
                    println!("\nFAILED: {case}, {} client, {} server", pair.client.name, pair.server.name);
                    println!("{}", text.trim_end());
                }
                Outcome::Skipped(reason) => skipped.entry(reason).or_default().push(case),
                Outcome::Passed => {}
            }
        }
    }
    for (reason, cases) in skipped {
        println!("- {reason} ({})", cases.join(", "));
    }
}

impl Outcome {
    fn cell(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "-",
        }
    }
}
