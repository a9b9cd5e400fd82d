//! What other languages' programs need, installed into build output: this tree stays as it is.

use crate::process::{self, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the peers' packages and stubs go.
pub(crate) fn work() -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let work = root().join(target).join("interop");
    std::fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    Ok(work)
}

/// A Python with these packages, in an environment of its own.
pub(crate) fn python(requirements: &Path) -> Result<PathBuf, String> {
    let environment = work()?.join("venv");
    let python = environment.join("bin/python");
    if !python.exists() {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    process::run(pip.arg(root().join(requirements)))?;
    Ok(python)
}

/// A copy of a folder of Node.js programs with the packages that its `package.json` names.
pub(crate) fn node(programs: &Path, name: &str) -> Result<PathBuf, String> {
    let node = work()?.join(name);
    std::fs::create_dir_all(&node).map_err(|error| error.to_string())?;
    let programs = root().join(programs);
    let failed = |error: std::io::Error| format!("{}: {error}", programs.display());
    for entry in std::fs::read_dir(&programs).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        std::fs::copy(entry.path(), node.join(entry.file_name())).map_err(failed)?;
    }
    let install = ["install", "--silent", "--no-audit", "--no-fund"];
    process::run(Command::new("npm").current_dir(&node).args(install))?;
    Ok(node)
}

/// A program that Go installs among the build output, once for each version. The last part of the package is its name.
pub(crate) fn go(package: &str, version: &str) -> Result<PathBuf, String> {
    let folder = work()?.join("go").join(package.replace('/', "-")).join(version);
    let name = package.rsplit('/').next().unwrap_or(package);
    let program = folder.join(name);
    if !program.exists() {
        let mut go = Command::new("go");
        process::output(go.arg("install").arg(format!("{package}@{version}")).env("GOBIN", &folder))?;
    }
    Ok(program)
}

/// A program that is ended after some time: a case that hangs is a case that fails.
pub(crate) fn limited(program: &Path, seconds: u32) -> Command {
    let mut command = Command::new("timeout");
    command.arg(seconds.to_string()).arg(program);
    command
}
