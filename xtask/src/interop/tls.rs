//! `cargo xtask interop tls`: TLS against grpcio, grpc-js and OpenSSL, with right and wrong certificates, and a
//! certificate that changes under load.

use super::build;
use super::grpcio::Python;
use crate::peers;
use crate::process::{Server, free_address, output, root, said};
use crate::tally::Tally;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long calls go on while the certificate changes, and how often it does.
const LOAD: Duration = Duration::from_secs(12);
const SWAPS: u32 = 5;

/// A case that hangs is a case that fails.
const LIMIT_SECONDS: u32 = 120;

/// Runs every pair, a line for each case.
pub(crate) fn run() -> Result<(), String> {
    let certificates = Certificates::make()?;
    let programs = build()?;
    let python = Python::prepare()?;
    let node = peers::node(Path::new("interop/peers/node"), "node")?;
    let mut cases = Cases { certificates: &certificates, tally: Tally::default() };

    let grpcio = |target: &str, flags: &[String]| {
        let flags = [&[format!("--target={target}")], flags].concat();
        python.limited("tls.py", &flags, LIMIT_SECONDS)
    };
    let grpc_js = |target: &str, flags: &[String]| {
        let mut command = peers::limited(Path::new("node"), LIMIT_SECONDS);
        command.current_dir(&node).arg("tls.js").arg(format!("--target={target}")).args(flags);
        command
    };
    let gannet = |target: &str, flags: &[String]| gannet_client(&programs, target, flags);
    let gannet_server = |address: &str, mutual: bool| {
        let mut command = Command::new(programs.join("interop-server"));
        command.arg(format!("--port={}", port(address))).args(["--use_tls", "true"]);
        command.arg(certificates.flag("tls_cert_file", "server.pem"));
        command.arg(certificates.flag("tls_key_file", "server.key"));
        if mutual {
            command.arg(certificates.flag("tls_client_ca_file", "ca.pem"));
        }
        command
    };
    let grpcio_server = |address: &str, mutual: bool| {
        let mut flags = vec![
            format!("--port={}", port(address)),
            certificates.flag("cert", "server.pem"),
            certificates.flag("key", "server.key"),
        ];
        if mutual {
            flags.push(certificates.flag("client_ca", "ca.pem"));
        }
        python.unlimited("tls_server.py", &flags)
    };
    cases.pair("grpcio client, gannet server", &gannet_server, &grpcio)?;
    cases.pair("grpc-js client, gannet server", &gannet_server, &grpc_js)?;
    cases.pair("gannet client, grpcio server", &grpcio_server, &gannet)?;
    cases.pair("gannet client, gannet server", &gannet_server, &gannet)?;
    cases.openssl(&gannet_server)?;
    cases.swap_under_load(&gannet_server, &grpcio)?;

    cases.tally.finish("interop tls")
}

/// The program that serves at an address; `true` where it asks clients who they are.
type MakeServer<'a> = &'a dyn Fn(&str, bool) -> Command;
/// The program that makes one call to a target, with flags that name its files.
type MakeClient<'a> = &'a dyn Fn(&str, &[String]) -> Command;

struct Cases<'a> {
    certificates: &'a Certificates,
    tally: Tally,
}

impl Cases<'_> {
    /// Right and wrong certificates of the server, then of the client.
    fn pair(&mut self, name: &str, server: MakeServer<'_>, client: MakeClient<'_>) -> Result<(), String> {
        println!("\n{name}");
        let flag = |name: &str, file: &str| self.certificates.flag(name, file);
        let known = [flag("ca", "ca.pem")];
        let other = [flag("ca", "other-ca.pem")];
        let named = [flag("ca", "ca.pem"), "--name=elsewhere.example".to_owned()];
        let own = [flag("ca", "ca.pem"), flag("cert", "client.pem"), flag("key", "client.key")];
        let stranger = [flag("ca", "ca.pem"), flag("cert", "stranger.pem"), flag("key", "stranger.key")];
        let expired = [flag("ca", "ca.pem"), flag("cert", "expired.pem"), flag("key", "expired.key")];
        let rows: [(bool, &str, &[String], &str); 7] = [
            (false, "the server's authority is known", &known, "OK"),
            (false, "another authority", &other, "UNAVAILABLE"),
            (false, "another name", &named, "UNAVAILABLE"),
            (true, "mTLS, a known client", &own, "OK"),
            (true, "mTLS, no certificate", &known, "UNAVAILABLE"),
            (true, "mTLS, a stranger's certificate", &stranger, "UNAVAILABLE"),
            (true, "mTLS, an expired certificate", &expired, "UNAVAILABLE"),
        ];
        for mutual in [false, true] {
            let address = free_address()?;
            let _server = Server::start(&mut server(&address.to_string(), mutual), address)?;
            let target = format!("localhost:{}", address.port());
            for (_, case, flags, expected) in rows.iter().filter(|row| row.0 == mutual) {
                let said = said(&mut client(&target, flags))?;
                self.tally.check(case, status(&said) == *expected, &said);
            }
        }
        Ok(())
    }

    /// RFC 9113 §3.2: HTTP/2 is agreed on by ALPN.
    fn openssl(&mut self, server: MakeServer<'_>) -> Result<(), String> {
        println!("\nopenssl s_client, gannet server");
        let address = free_address()?;
        let _server = Server::start(&mut server(&address.to_string(), false), address)?;
        for (version, flag) in [("TLSv1.2", "-tls1_2"), ("TLSv1.3", "-tls1_3")] {
            let said = s_client(address.port(), &[flag], self.certificates)?;
            let good = ["ALPN protocol: h2", "Verify return code: 0 (ok)", version];
            self.tally.check(
                &format!("{version}, h2 by ALPN"),
                good.iter().all(|part| said.contains(part)),
                &said,
            );
        }
        Ok(())
    }

    /// Calls on ever new connections while the server's certificate is another every two seconds.
    fn swap_under_load(&mut self, server: MakeServer<'_>, client: MakeClient<'_>) -> Result<(), String> {
        println!("\na certificate that changes under load, grpcio client, gannet server");
        let address = free_address()?;
        let _server = Server::start(&mut server(&address.to_string(), false), address)?;
        let target = format!("localhost:{}", address.port());
        let flags = [self.certificates.flag("ca", "ca.pem"), format!("--seconds={}", LOAD.as_secs())];
        let mut load = client(&target, &flags);
        let load =
            load.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut seen = vec![presented(address.port(), self.certificates)?];
        for _ in 0..SWAPS {
            self.certificates.renew_server()?;
            let before = seen.last().cloned();
            let until = Instant::now() + Duration::from_secs(10);
            loop {
                let now = presented(address.port(), self.certificates)?;
                if Some(&now) != before.as_ref() {
                    seen.push(now);
                    break;
                }
                if Instant::now() > until {
                    return Err("the new certificate is not used".to_owned());
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        let ended = load.wait_with_output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        let case = format!("{} certificates seen; {}", seen.len(), said.trim());
        self.tally.check(
            &case,
            said.trim().ends_with(" calls, 0 failed"),
            &String::from_utf8_lossy(&ended.stderr),
        );
        Ok(())
    }
}

/// The status that a client has printed first, or what gannet's has printed of it.
fn status(said: &str) -> &str {
    match said.lines().next().unwrap_or_default() {
        "empty_unary: ok" => "OK",
        line if line.contains("empty_unary: UNAVAILABLE") => "UNAVAILABLE",
        line => line,
    }
}

fn gannet_client(programs: &Path, target: &str, flags: &[String]) -> Command {
    let mut command = Command::new(programs.join("interop-client"));
    let (host, port) = target.rsplit_once(':').unwrap_or((target, "0"));
    command.args([format!("--server_host={host}"), format!("--server_port={port}")]);
    command.args(["--use_tls=true", "--test_case=empty_unary"]);
    for flag in flags {
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let name = match name {
            "--ca" => "--ca_file",
            "--cert" => "--tls_cert_file",
            "--key" => "--tls_key_file",
            _ => "--server_host_override",
        };
        command.arg(format!("{name}={value}"));
    }
    command
}

/// What OpenSSL says of a connection.
fn s_client(port: u16, flags: &[&str], certificates: &Certificates) -> Result<String, String> {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-alpn", "h2", "-servername", "localhost", "-connect"]);
    command.arg(format!("localhost:{port}")).arg("-CAfile").arg(certificates.path("ca.pem")).args(flags);
    output(command.stdin(Stdio::null()))
}

/// The certificate that the server presents now.
fn presented(port: u16, certificates: &Certificates) -> Result<String, String> {
    let said = s_client(port, &[], certificates)?;
    let start = said.find("-----BEGIN CERTIFICATE-----").ok_or("openssl shows no certificate")?;
    let end = said[start..].find("-----END CERTIFICATE-----").ok_or("openssl shows half a certificate")?;
    Ok(said[start..start + end].to_owned())
}

/// The files of a run, in a directory of their own.
struct Certificates {
    directory: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn make() -> Result<Self, String> {
        let directory = root().join("target/interop/certificates");
        std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let (authority, other) = (authority("gannet interop")?, authority("nobody knows")?);
        let made = Self { directory, authority };
        made.write("ca.pem", &made.authority.pem())?;
        made.write("other-ca.pem", &other.pem())?;
        made.renew_server()?;
        made.sign("client", &made.authority, |_| {})?;
        made.sign("stranger", &other, |_| {})?;
        made.sign("expired", &made.authority, |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        })?;
        Ok(made)
    }

    /// Another certificate for the server. The key comes first: a pair is used when it fits.
    fn renew_server(&self) -> Result<(), String> {
        self.sign("server", &self.authority, |_| {})
    }

    fn sign(
        &self,
        name: &str,
        issuer: &CertifiedIssuer<'static, KeyPair>,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<(), String> {
        let text = |error: rcgen::Error| error.to_string();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).map_err(text)?;
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate().map_err(text)?;
        let certificate = params.signed_by(&key, issuer).map_err(text)?;
        self.write(&format!("{name}.key"), &key.serialize_pem())?;
        self.write(&format!("{name}.pem"), &certificate.pem())
    }

    /// In one step, so that nobody reads half a file.
    fn write(&self, name: &str, content: &str) -> Result<(), String> {
        let new = self.path(&format!("{name}.new"));
        std::fs::write(&new, content)
            .and_then(|()| std::fs::rename(&new, self.path(name)))
            .map_err(|error| format!("{}: {error}", new.display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn flag(&self, flag: &str, file: &str) -> String {
        format!("--{flag}={}", self.path(file).display())
    }
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>, String> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    CertifiedIssuer::self_signed(params, key).map_err(|error| error.to_string())
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap_or_default()
}
