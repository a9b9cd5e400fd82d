//! The habits of the project: `cargo xtask`.

mod abuse;
mod bench;
mod fuzz;
mod r#gen;
mod h2spec;
mod interop;
mod loom;
mod metrics;
mod peers;
mod process;
mod soak;
mod storefront;
mod tally;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask COMMAND

abuse                 attacks on a server: its memory, the time until it refuses, the calls of others meanwhile
fuzz [--seconds N] [TARGET]
                      every fuzz target, or one, for N seconds (60)
gen [--check]         write the generated code that is kept in the repository, or say what is not current
interop               the official cases with grpcio, grpc-go, grpc-java and grpc-js in both roles; needs python3, go,
                      java, mvn, node and npm, and installs the rest by itself
interop h2spec        the conformance cases of HTTP/2 and HPACK against the server, strict ones too; needs go
interop metrics       the storefront with tokens and metrics; Prometheus' promtool reads its page; needs promtool, or
                      apt-get and dpkg to get it
interop storefront    the storefront's contract from TypeScript and Python; needs node and python3
interop tools         the storefront with grpcurl, buf and grpc-health-probe, by reflection; needs go, node and npm
interop tls           TLS with right and wrong certificates against grpcio, grpc-js and openssl
loom                  what a task and the driver share, in every order of their steps
soak [--minutes N]    mixed calls over connections that come, go, stall and break for N minutes (10), and memory";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["bench", rest @ ..] => bench::run(rest),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["gen", ..] => r#gen::run(&arguments[1..]),
        ["interop"] => interop::run(),
        ["interop", "h2spec"] => h2spec::run(),
        ["interop", "metrics"] => metrics::run(),
        ["interop", "storefront"] => storefront::run(),
        ["interop", "tls"] => interop::tls::run(),
        ["loom"] => loom::run(),
        ["interop", "tools"] => tools::run(),
        ["soak", rest @ ..] => soak::run(rest),
        ["abuse"] => abuse::run(),
        _ => Err(format!("{USAGE}\n{}", bench::USAGE)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}
