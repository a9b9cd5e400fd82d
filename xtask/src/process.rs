//! Programs that a command starts: their output, and their end.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Runs a program to its end. An error says what failed and how.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", name(command))) }
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| not_started(command, &error))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed: {}\n{text}{errors}", name(command), output.status))
}

/// What a program prints to both of its outputs, however it ends.
pub(crate) fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| not_started(command, &error))?;
    let [out, errors] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    Ok(format!("{out}{errors}"))
}

/// The memory of a process that is in RAM, in KiB.
pub(crate) fn resident_kib(id: u32) -> Result<u64, String> {
    let path = format!("/proc/{id}/status");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{path} says nothing of memory"))
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    let name = name(command);
    let hint = match name.as_str() {
        "h2load" => "; install nghttp2-client (Debian) or nghttp2",
        "openssl" => "; install openssl",
        "taskset" => "; install util-linux; measuring runs on Linux",
        "strip" => "; install binutils",
        "java" | "mvn" => "; install a JDK, 17 or newer, and Maven",
        "npm" | "node" => "; install Node.js 20 or newer",
        "go" => "; install Go 1.25 or newer",
        "python3" => "; install Python 3 with venv",
        _ => "",
    };
    format!("{name} can't be started: {error}{hint}")
}

/// A program that is ended when this is dropped.
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts it and waits until the address answers.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> Result<Self, String> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| not_started(command, &error))?;
        let mut server = Self { child };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{} ended before it served: {status}", name(command)));
            }
            if Instant::now() > until {
                return Err(format!("{} does not answer on {address}", name(command)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Waits until it ends by itself, half a minute at most.
    pub(crate) fn wait(mut self) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the server failed: {status}")),
                None if Instant::now() > until => return Err("the server waits for more".to_owned()),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port on loopback that nobody listens on at present.
pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map_err(|error| error.to_string())
}
