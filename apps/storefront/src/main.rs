//! The storefront's program.

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use storefront::cli::{Arguments, Command};
use storefront::{authentication, demo, log, server};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // It outlives every task, and is written before the error.
    let log = match arguments.command {
        None => log::start().map(Some).map_err(|error| format!("can't write the log: {error}")),
        Some(_) => Ok(None),
    };
    let result = log.and_then(|log| {
        let result = run(arguments);
        drop(log);
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(arguments: Arguments) -> Result<(), String> {
    match arguments.command {
        None => server::run(arguments.serve).await.map_err(|error| error.to_string()),
        Some(Command::Demo(options)) => demo::run(options).await.map_err(|error| error.to_string()),
        Some(Command::Token(options)) => match authentication::token(&options) {
            Ok(token) => writeln!(io::stdout(), "{token}").map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
    }
}
