//! grpcio (Python, on gRPC's C core): programs of ours over it.

use super::peer::{Peer, Program};
use super::{protos, work};
use crate::peers;
use crate::process::{self, root};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) fn prepare() -> Result<Peer, String> {
    let python = Python::prepare()?;
    let program = |name| {
        let program = Program::new(&python.interpreter).argument(Python::script(name));
        program.environment("PYTHONPATH", &python.stubs)
    };
    Ok(Peer { name: "grpcio", client: program("cases.py"), server: program("server.py") })
}

/// A Python with grpcio in an environment of its own, and the stubs of the interop services.
pub(super) struct Python {
    interpreter: PathBuf,
    stubs: PathBuf,
}

impl Python {
    pub(super) fn prepare() -> Result<Self, String> {
        let interpreter = peers::python(Path::new("interop/peers/python/requirements.txt"))?;
        let stubs = work()?.join("python");
        generate_stubs(&interpreter, &stubs)?;
        Ok(Self { interpreter, stubs })
    }

    /// One of our programs over grpcio, ended after so many seconds.
    pub(super) fn limited(&self, name: &str, flags: &[String], seconds: u32) -> Command {
        self.run(name, flags, peers::limited(&self.interpreter, seconds))
    }

    /// One that is ended by who started it: a server.
    pub(super) fn unlimited(&self, name: &str, flags: &[String]) -> Command {
        self.run(name, flags, Command::new(&self.interpreter))
    }

    fn run(&self, name: &str, flags: &[String], mut command: Command) -> Command {
        command.arg(Self::script(name)).args(flags).env("PYTHONPATH", &self.stubs);
        command
    }

    fn script(name: &str) -> PathBuf {
        root().join("interop/peers/python").join(name)
    }
}

/// The protos' own folder is called `grpc`, as grpcio's package is: the stubs get another. Those of load reports are where
/// gannet has them.
fn generate_stubs(python: &Path, stubs: &Path) -> Result<(), String> {
    let package = stubs.join("grpc_testing_stubs");
    std::fs::create_dir_all(&package).map_err(|error| error.to_string())?;
    let mut protoc = Command::new(python);
    let reports = root().join("crates/gannet-services/proto");
    protoc.args(["-m", "grpc_tools.protoc"]);
    protoc.arg(format!("-I{}", stubs.display())).arg(format!("-I{}", reports.display()));
    protoc.arg(format!("--python_out={}", stubs.display()));
    protoc.arg(format!("--grpc_python_out={}", stubs.display()));
    for name in ["empty.proto", "messages.proto", "test.proto"] {
        let text = std::fs::read_to_string(protos().join("grpc/testing").join(name))
            .map_err(|error| error.to_string())?;
        let target = package.join(name);
        std::fs::write(&target, text.replace("grpc/testing/", "grpc_testing_stubs/"))
            .map_err(|error| error.to_string())?;
        protoc.arg(target);
    }
    protoc.args(["xds/data/orca/v3/orca_load_report.proto", "xds/service/orca/v3/orca.proto"]);
    process::run(&mut protoc)
}
