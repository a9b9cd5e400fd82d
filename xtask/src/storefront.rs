//! `cargo xtask interop storefront`: the storefront's contract, called from TypeScript and from Python.

use crate::peers;
use crate::process::{self, Server, free_address, root};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Small, so that the checks of the limit are quick.
const MAX_UPLOAD_BYTES: &str = "4194304";
/// A client that is not done by then is ended.
const LIMIT_SECONDS: u32 = 300;

/// Runs the checks of both clients, a line for each, each client on a server of its own.
pub(crate) fn run() -> Result<(), String> {
    process::run(Command::new("cargo").current_dir(root()).args(["build", "--quiet", "-p", "storefront"]))?;
    let mut totals = Totals::default();
    let node = peers::node(Path::new("interop/peers/storefront/node"), "storefront-node")?;
    totals.client("TypeScript over grpc-js", || {
        let mut command = peers::limited(&node.join("node_modules/.bin/tsx"), LIMIT_SECONDS);
        command.arg(node.join("main.ts"));
        command
    })?;
    let python = peers::python(Path::new("interop/peers/storefront/python/requirements.txt"))?;
    let stubs = generate_stubs(&python)?;
    totals.client("Python over grpcio", || {
        let mut command = peers::limited(&python, LIMIT_SECONDS);
        command.arg(root().join("interop/peers/storefront/python/main.py")).env("PYTHONPATH", &stubs);
        command
    })?;
    println!("\n{} passed, {} failed", totals.passed, totals.failed);
    if totals.failed == 0 { Ok(()) } else { Err("interop storefront: not every check passed".to_owned()) }
}

#[derive(Default)]
struct Totals {
    passed: usize,
    failed: usize,
}

impl Totals {
    /// Starts a storefront with nothing in it, runs the client, counts its lines.
    fn client(&mut self, name: &str, client: impl FnOnce() -> Command) -> Result<(), String> {
        println!("\n{name}");
        let data = peers::work()?.join("storefront-data");
        if data.exists() {
            std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        }
        let address = free_address()?.to_string();
        let server = start(&address, &data)?;
        let mut client = client();
        // The guide loads its protos from `./proto`.
        client.current_dir(application()).stdin(Stdio::null()).stdout(Stdio::piped());
        client.arg(format!("--target={address}")).arg(format!("--pid={}", server.id()));
        client.arg(format!("--data={}", data.display())).arg(format!("--max_upload={MAX_UPLOAD_BYTES}"));
        client.arg(format!("--standard={}", root().join("crates/gannet-services/proto").display()));
        client.arg(format!("--google={}", root().join("crates/gannet-types/proto").display()));
        let mut client = client.spawn().map_err(|error| format!("the client can't be started: {error}"))?;
        let failed_before = self.failed;
        for line in client.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
            let line = line.map_err(|error| error.to_string())?;
            println!("  {line}");
            if line.ends_with(": ok") {
                self.passed += 1;
            } else if line.contains(": FAILED") {
                self.failed += 1;
            }
        }
        let status = client.wait().map_err(|error| error.to_string())?;
        if !status.success() && self.failed == failed_before {
            println!("  the client did not come to its end: {status}");
            self.failed += 1;
        }
        Ok(())
    }
}

/// A debug server; what it logs goes into a file beside its data.
fn start(address: &str, data: &Path) -> Result<Server, String> {
    let log = data.with_extension("log");
    let log = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut command = Command::new(peers::work()?.with_file_name("debug").join("storefront"));
    command.args(["--listen", address, "--max-upload", MAX_UPLOAD_BYTES, "--data"]).arg(data).stderr(log);
    Server::start(&mut command, address.parse().map_err(|_| format!("{address} is no address"))?)
}

fn application() -> PathBuf {
    root().join("apps/storefront")
}

/// Where the stubs of the storefront's protos are.
fn generate_stubs(python: &Path) -> Result<PathBuf, String> {
    let stubs = peers::work()?.join("storefront-python");
    std::fs::create_dir_all(&stubs).map_err(|error| format!("{}: {error}", stubs.display()))?;
    let mut protoc = Command::new(python);
    protoc.args(["-m", "grpc_tools.protoc"]).arg(format!("-I{}", application().join("proto").display()));
    protoc.arg(format!("--python_out={}", stubs.display()));
    protoc.arg(format!("--grpc_python_out={}", stubs.display()));
    protoc.args(["user", "order", "file", "chat"].map(|name| format!("{name}/v1/{name}.proto")));
    process::run(&mut protoc)?;
    Ok(stubs)
}
