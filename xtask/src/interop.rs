//! `cargo xtask interop`: the official cases against the official peers, in both roles.

use crate::peers;
use crate::process::{self, Server, free_address, output, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cases, in the order of grpc/grpc `doc/interop-test-descriptions.md`.
const CASES: &[&str] = &[
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
];

/// A client that is not done by then is ended.
const LIMIT_SECONDS: u32 = 120;

/// Runs every pair of client and server, a line for each case.
pub(crate) fn run() -> Result<(), String> {
    let programs = build()?;
    let python = Python::prepare()?;
    let node = peers::node(Path::new("interop/peers/node"), "node")?;
    let mut totals = Totals::default();

    let gannet = |address: &str| {
        let mut command = Command::new(programs.join("interop-server"));
        command.arg(format!("--port={}", port(address)));
        command
    };
    let grpcio = |address: &str| python.program("server.py", &[format!("--port={}", port(address))]);

    totals.pair("grpc-js client, gannet server", &gannet, &|address| {
        let mut command = peers::limited(Path::new("node"), LIMIT_SECONDS);
        command.current_dir(&node).arg("cases.js").arg(format!("--proto={}", protos().display()));
        command.args(client_flags(address, &CASES.join(",")));
        vec![command]
    })?;
    totals.pair("grpcio client, gannet server", &gannet, &|address| {
        vec![python.program("cases.py", &client_flags(address, &CASES.join(",")))]
    })?;
    let gannet_clients = |address: &str| {
        let one = |case: &&str| {
            let mut command = peers::limited(&programs.join("interop-client"), LIMIT_SECONDS);
            command.args(client_flags(address, case));
            command
        };
        CASES.iter().map(one).collect()
    };
    totals.pair("gannet client, grpcio server", &grpcio, &gannet_clients)?;
    totals.pair("gannet client, gannet server", &gannet, &gannet_clients)?;

    println!("{} passed, {} failed", totals.passed, totals.failed);
    if totals.failed == 0 { Ok(()) } else { Err("interop: not every case passed".to_owned()) }
}

#[derive(Default)]
struct Totals {
    passed: usize,
    failed: usize,
}

impl Totals {
    /// Starts the server, runs the clients, counts the cases.
    fn pair(
        &mut self,
        name: &str,
        server: &dyn Fn(&str) -> Command,
        clients: &dyn Fn(&str) -> Vec<Command>,
    ) -> Result<(), String> {
        println!("\n{name}");
        let address = free_address()?;
        let _server = Server::start(&mut server(&address.to_string()), address)?;
        let mut seen = 0;
        for mut client in clients(&address.to_string()) {
            // A client that fails has said which case it was.
            let text = output(&mut client).unwrap_or_else(|error| error);
            for line in text.lines().filter(|line| CASES.iter().any(|case| line.contains(case))) {
                println!("  {line}");
                seen += 1;
                if line.ends_with(": ok") { self.passed += 1 } else { self.failed += 1 }
            }
        }
        if seen < CASES.len() {
            println!("  {} cases did not run", CASES.len() - seen);
            self.failed += CASES.len() - seen;
        }
        Ok(())
    }
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}

fn client_flags(address: &str, cases: &str) -> Vec<String> {
    vec![
        "--server_host=127.0.0.1".to_owned(),
        format!("--server_port={}", port(address)),
        format!("--test_case={cases}"),
    ]
}

fn protos() -> PathBuf {
    root().join("interop/proto")
}

/// The debug programs, which `cargo test` has mostly built before.
pub(crate) fn build() -> Result<PathBuf, String> {
    process::run(Command::new("cargo").current_dir(root()).args([
        "build",
        "--quiet",
        "-p",
        "gannet-interop",
        "--bins",
    ]))?;
    Ok(peers::work()?.with_file_name("debug"))
}

/// A Python with grpcio in an environment of its own, and the stubs of the interop services.
struct Python {
    python: PathBuf,
    stubs: PathBuf,
}

impl Python {
    fn prepare() -> Result<Self, String> {
        let python = peers::python(Path::new("interop/peers/python/requirements.txt"))?;
        let stubs = peers::work()?.join("python");
        generate_stubs(&python, &stubs)?;
        Ok(Self { python, stubs })
    }

    fn program(&self, name: &str, flags: &[String]) -> Command {
        let mut command = peers::limited(&self.python, LIMIT_SECONDS);
        command
            .arg(root().join("interop/peers/python").join(name))
            .args(flags)
            .env("PYTHONPATH", &self.stubs);
        command
    }
}

/// The protos' own folder is called `grpc`, as grpcio's package is: the stubs get another.
fn generate_stubs(python: &Path, stubs: &Path) -> Result<(), String> {
    let package = stubs.join("grpc_testing_stubs");
    std::fs::create_dir_all(&package).map_err(|error| error.to_string())?;
    let mut protoc = Command::new(python);
    protoc.args(["-m", "grpc_tools.protoc"]).arg(format!("-I{}", stubs.display()));
    protoc
        .arg(format!("--python_out={0}", stubs.display()))
        .arg(format!("--grpc_python_out={}", stubs.display()));
    for name in ["empty.proto", "messages.proto", "test.proto"] {
        let text = std::fs::read_to_string(protos().join("grpc/testing").join(name))
            .map_err(|error| error.to_string())?;
        let target = package.join(name);
        std::fs::write(&target, text.replace("grpc/testing/", "grpc_testing_stubs/"))
            .map_err(|error| error.to_string())?;
        protoc.arg(target);
    }
    process::run(&mut protoc)
}
