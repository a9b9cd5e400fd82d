//! The program itself, on a free port.

use gannet::Channel;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A storefront that runs as a process. Dropped, it is killed.
pub struct Program {
    child: Child,
    pub address: String,
    /// Where the metrics are, with `--metrics`.
    pub metrics: String,
    log: Option<ChildStderr>,
}

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Program {
    /// Starts it on this folder, and returns once it listens.
    pub fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut child = command(&["--listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(data)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let log = child.stderr.take();
        let mut said = |what: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line.trim_end().strip_prefix(what).map(str::to_owned).ok_or(line)
        };
        let address = match said("listening on ") {
            Ok(address) => address,
            Err(line) => panic!("it does not listen: {line:?} {:?}", read(log)),
        };
        let metrics = arguments.contains(&"--metrics").then(|| said("metrics on http://").unwrap());
        Self { address, metrics: metrics.unwrap_or_default(), child, log }
    }

    pub fn channel(&self) -> Channel {
        Channel::new(&format!("ipv4:{}", self.address)).unwrap()
    }

    /// The most memory that it had in RAM so far.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as an init system does.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Not by the program `kill`: a machine that has Rust alone may lack it.
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end: its status and what it logged. Until now nobody has read that.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let log = self.log.take();
        let log = std::thread::spawn(move || read(log));
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "the program does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        (status, log.join().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program that must not start says: one line.
pub fn refused(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let Output { status, stdout, stderr } =
        command(arguments).envs(environment.iter().copied()).output().unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert!(!status.success() && stdout.is_empty(), "{message}");
    message
}

/// The program with these arguments and nothing from this environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storefront"));
    let own = |name: &str| name.starts_with("STOREFRONT_") || name == "RUST_LOG";
    for (variable, _) in std::env::vars().filter(|(name, _)| own(name)) {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn read(log: Option<ChildStderr>) -> String {
    let mut text = String::new();
    log.unwrap().read_to_string(&mut text).unwrap();
    text
}
