//! The plugin for `protoc` and `buf`; its parameters are listed at `gannet_codegen::plugin`.

use std::io::{Read, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("protoc-gen-gannet: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().any(|argument| argument == "--version") {
        println!("protoc-gen-gannet {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let mut request = Vec::new();
    std::io::stdin().read_to_end(&mut request)?;
    std::io::stdout().write_all(&gannet_codegen::plugin::run(&request)?)?;
    Ok(())
}
