//! The habits of the project: `cargo xtask`.

mod r#gen;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

gen [--check]   write the generated code that is kept in the repository, or say what is not current";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((command, rest)) if command == "gen" => r#gen::run(rest),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
