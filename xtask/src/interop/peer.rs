//! A peer: an implementation of the official interop programs, and how its programs are started.

use crate::process::{Server, output};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An implementation, as client and as server.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) client: Program,
    pub(super) server: Program,
}

/// A program without the flags of the one run.
pub(super) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    environment: Vec<(&'static str, OsString)>,
    /// Takes the official credentials by flags. Others have them built in.
    takes_credentials: bool,
}

/// What the calls go over.
pub(super) enum Transport {
    Plaintext,
    /// With the official test credentials, which are in this folder.
    Tls(PathBuf),
}

/// A name that the official certificate `server1.pem` is for.
const SERVER_NAME: &str = "foo.test.google.fr";
/// How long one case may take: a case that hangs is a case that fails.
const CASE_TIMEOUT_SECONDS: &str = "60";

impl Peer {
    /// Starts the server and waits until it answers.
    pub(super) fn serve(&self, address: SocketAddr, transport: &Transport) -> Result<Server, String> {
        let mut command = Command::new(&self.server.path);
        self.server.complete(&mut command);
        command.arg(format!("--port={}", address.port())).arg(format!("--use_tls={}", transport.is_tls()));
        if let Transport::Tls(credentials) = transport
            && self.server.takes_credentials
        {
            command.arg(format!("--tls_cert_file={}", credentials.join("server1.pem").display()));
            command.arg(format!("--tls_key_file={}", credentials.join("server1.key").display()));
        }
        Server::start(&mut command, address)
    }

    /// Runs one case against the server on this port of loopback. An error is all that the client said.
    pub(super) fn run(
        &self,
        port: u16,
        transport: &Transport,
        case: &str,
        flags: &[&str],
    ) -> Result<(), String> {
        let mut command = Command::new("timeout");
        command.arg(CASE_TIMEOUT_SECONDS).arg(&self.client.path);
        self.client.complete(&mut command);
        command.arg("--server_host=127.0.0.1").arg(format!("--server_port={port}"));
        command.arg(format!("--use_tls={}", transport.is_tls()));
        if let Transport::Tls(credentials) = transport {
            command.arg("--use_test_ca=true").arg(format!("--server_host_override={SERVER_NAME}"));
            if self.client.takes_credentials {
                command.arg(format!("--ca_file={}", credentials.join("ca.pem").display()));
            }
        }
        output(command.arg(format!("--test_case={case}")).args(flags)).map(drop)
    }
}

impl Transport {
    pub(super) fn name(&self) -> &'static str {
        if self.is_tls() { "TLS" } else { "plaintext" }
    }

    fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

impl Program {
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            folder: None,
            environment: Vec::new(),
            takes_credentials: true,
        }
    }

    pub(super) fn own_credentials(mut self) -> Self {
        self.takes_credentials = false;
        self
    }

    pub(super) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The folder that it runs in.
    pub(super) fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    pub(super) fn environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    fn complete(&self, command: &mut Command) {
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
    }
}
