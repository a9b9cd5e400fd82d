//! grpcio (Python, on gRPC's C core): programs of ours over it.

use super::peer::{Peer, Program};
use super::{protos, work};
use crate::peers;
use crate::process::{self, root};
use std::path::Path;
use std::process::Command;

/// A Python with grpcio in an environment of its own, and the stubs of the interop services.
pub(super) fn prepare() -> Result<Peer, String> {
    let programs = Path::new("interop/peers/python");
    let python = peers::python(&programs.join("requirements.txt"))?;
    let programs = root().join(programs);
    let stubs = work()?.join("python");
    generate_stubs(&python, &stubs)?;
    let program =
        |name| Program::new(&python).argument(programs.join(name)).environment("PYTHONPATH", &stubs);
    Ok(Peer { name: "grpcio", client: program("cases.py"), server: program("server.py") })
}

/// The protos' own folder is called `grpc`, as grpcio's package is: the stubs get another.
fn generate_stubs(python: &Path, stubs: &Path) -> Result<(), String> {
    let package = stubs.join("grpc_testing_stubs");
    std::fs::create_dir_all(&package).map_err(|error| error.to_string())?;
    let mut protoc = Command::new(python);
    protoc.args(["-m", "grpc_tools.protoc"]).arg(format!("-I{}", stubs.display()));
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
    process::run(&mut protoc)
}
