//! The storefront's program.

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use storefront::cli::{Arguments, Command};
use storefront::{authentication, demo, log, server};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => {
            log::start();
            server::run(arguments.serve).await.map_err(|error| error.to_string())
        }
        Some(Command::Demo(options)) => demo::run(options).await.map_err(|error| error.to_string()),
        Some(Command::Token(options)) => match authentication::token(&options) {
            Ok(token) => writeln!(io::stdout(), "{token}").map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
