//! `cargo xtask interop`: the official cases against the official peers, in both roles.

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

/// Runs every pair of client and server, a line for each case.
pub(crate) fn run() -> Result<(), String> {
    let programs = build()?;
    let python = Python::prepare()?;
    let node = prepare_node()?;
    let mut totals = Totals::default();

    let gannet = |address: &str| {
        let mut command = Command::new(programs.join("interop-server"));
        command.arg(format!("--port={}", port(address)));
        command
    };
    let grpcio = |address: &str| python.program("server.py", &[format!("--port={}", port(address))]);

    totals.pair("grpc-js client, gannet server", &gannet, &|address| {
        let mut command = limited(Path::new("node"));
        command.current_dir(&node).arg("cases.js").arg(format!("--proto={}", protos().display()));
        command.args(client_flags(address, &CASES.join(",")));
        vec![command]
    })?;
    totals.pair("grpcio client, gannet server", &gannet, &|address| {
        vec![python.program("cases.py", &client_flags(address, &CASES.join(",")))]
    })?;
    let gannet_clients = |address: &str| {
        let one = |case: &&str| {
            let mut command = limited(&programs.join("interop-client"));
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

/// A program that is ended after two minutes: a case that hangs is a case that fails.
fn limited(program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("120").arg(program);
    command
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

/// Where the peers' packages and stubs go: build output.
pub(crate) fn work() -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let work = root().join(target).join("interop");
    std::fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    Ok(work)
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
    Ok(work()?.with_file_name("debug"))
}

/// A Python with grpcio in an environment of its own, and the stubs of the interop services.
struct Python {
    python: PathBuf,
    stubs: PathBuf,
}

impl Python {
    fn prepare() -> Result<Self, String> {
        let work = work()?;
        let environment = work.join("venv");
        let python = environment.join("bin/python");
        if !python.exists() {
            process::run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        }
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
        process::run(pip.arg(root().join("interop/peers/python/requirements.txt")))?;
        let stubs = work.join("python");
        generate_stubs(&python, &stubs)?;
        Ok(Self { python, stubs })
    }

    fn program(&self, name: &str, flags: &[String]) -> Command {
        let mut command = limited(&self.python);
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

/// grpc-js beside a copy of the programs, so that `node_modules` stays out of the tree.
fn prepare_node() -> Result<PathBuf, String> {
    let node = work()?.join("node");
    std::fs::create_dir_all(&node).map_err(|error| error.to_string())?;
    for name in ["package.json", ".npmrc", "cases.js"] {
        let from = root().join("interop/peers/node").join(name);
        std::fs::copy(&from, node.join(name)).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    process::run(Command::new("npm").current_dir(&node).args([
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
    ]))?;
    Ok(node)
}
