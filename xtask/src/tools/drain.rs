//! What the tools see of a server that ends.

use super::{Row, Shop, Tools};
use crate::process;
use crate::tally::Tally;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

/// Long enough for all that is looked at here, short enough to wait for.
pub(super) const FLAGS: [&str; 4] = ["--drain-delay", "5s", "--grace", "1s"];

const WATCH: [&str; 3] = ["-plaintext", "ADDRESS", "grpc.health.v1.Health/Watch"];

/// exit status of grpc-health-probe where the server says something else than SERVING.
const UNHEALTHY: i32 = 4;
/// grpcurl's: 64 and the number of the status, UNAVAILABLE.
const UNAVAILABLE: i32 = 64 + 14;

const PROBE: &[Row] = &[
    Row {
        check: "a probe of the server: NOT_SERVING",
        arguments: &["-addr=ADDRESS", "-connect-timeout=4s", "-rpc-timeout=4s"],
        exit: UNHEALTHY,
        says: &["NOT_SERVING"],
    },
    Row {
        check: "a probe of one service: NOT_SERVING",
        arguments: &[
            "-addr=ADDRESS",
            "-connect-timeout=4s",
            "-rpc-timeout=4s",
            "-service=order.v1.OrderService",
        ],
        exit: UNHEALTHY,
        says: &["NOT_SERVING"],
    },
];

/// The first of them, by somebody who has set nothing.
const PROBE_OF_DEFAULTS: &[Row] = &[Row { check: "with the defaults too", ..PROBE[0] }];

const STILL_SERVED: &[Row] = &[Row {
    check: "calls are still served meanwhile",
    arguments: &["-plaintext", "ADDRESS", "user.v1.UserService/ListUsers"],
    exit: 0,
    says: &["ann@example.com"],
}];

/// Asks the server to end while a long streaming call runs.
pub(super) fn check(shop: Shop, tools: &Tools, tally: &mut Tally) -> Result<(), String> {
    let mut watch = shop.command(&tools.grpcurl, &WATCH);
    let mut watch = watch
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("grpcurl can't be started: {error}"))?;
    let mut lines = BufReader::new(watch.stdout.take().ok_or("grpcurl has no output")?).lines();
    let mut until = |status: &str| {
        let status = format!("\"status\": \"{status}\"");
        lines.by_ref().map_while(Result::ok).any(|line| line.trim() == status)
    };
    tally.check("a watcher is told SERVING", until("SERVING"), "");
    terminate(&shop)?;
    tally.check("at SIGTERM it is told NOT_SERVING", until("NOT_SERVING"), "");
    shop.check(tally, &tools.probe, PROBE)?;
    shop.check(tally, &tools.grpcurl, STILL_SERVED)?;

    let ended = watch.wait().map_err(|error| error.to_string())?;
    let mut errors = String::new();
    if let Some(mut stderr) = watch.stderr.take() {
        stderr.read_to_string(&mut errors).map_err(|error| error.to_string())?;
    }
    let told = ended.code() == Some(UNAVAILABLE) && errors.contains("server is shutting down");
    let said = format!("{ended}\n{errors}");
    tally.check("with the grace the watcher's call ends with UNAVAILABLE", told, &said);
    let ended = shop.server.wait();
    tally.check("the server ends with status 0", ended.is_ok(), &ended.err().unwrap_or_default());
    Ok(())
}

/// Asks a server that nobody has told how to drain to end.
pub(super) fn check_defaults(shop: Shop, tools: &Tools, tally: &mut Tally) -> Result<(), String> {
    terminate(&shop)?;
    shop.check(tally, &tools.probe, PROBE_OF_DEFAULTS)
}

fn terminate(shop: &Shop) -> Result<(), String> {
    process::run(Command::new("kill").args(["-TERM", &shop.server.id().to_string()]))
}
