//! The storefront's program.

use clap::Parser;
use std::process::ExitCode;
use storefront::cli::Arguments;
use storefront::{log, server};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start();
    match server::run(arguments.serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
