//! `cargo xtask interop metrics`: the storefront with tokens and metrics, called well and badly, and the page of its
//! metrics before Prometheus' own checker.

use crate::peers;
use crate::process::{self, Server, free_address, root};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A kind of call: its name, the token's flags (`None`: a token that is none), and what has to come of it.
type Case = (&'static str, Option<&'static [&'static str]>, &'static str);

const ADMIN: [&str; 4] = ["--subject", "demo", "--role", "ADMIN"];
const EXPIRED: [&str; 5] = ["--subject", "demo", "--role", "ADMIN", "--expires=-1m"];
const USER: [&str; 2] = ["--subject", "ann"];
const CASES: [Case; 4] = [
    ("with a bad token", None, "UNAUTHENTICATED: the token is not valid here"),
    ("with an expired token", Some(&EXPIRED), "UNAUTHENTICATED: the token has expired"),
    ("with a user's token", Some(&USER), "PERMISSION_DENIED: this call is not allowed to you"),
    ("with an administrator's token", Some(&ADMIN), "Every method answered as it should."),
];

/// What has to be on the page after all of that.
const SERIES: [&str; 4] = [
    r#"grpc_server_call_started_total{grpc_method="user.v1.UserService/CreateUser"}"#,
    r#"grpc_server_call_duration_seconds_count{grpc_method="user.v1.UserService/CreateUser",grpc_status="UNAUTHENTICATED"} 3"#,
    r#"grpc_server_call_duration_seconds_count{grpc_method="user.v1.UserService/CreateUser",grpc_status="PERMISSION_DENIED"} 1"#,
    r#"grpc_server_call_duration_seconds_bucket{grpc_method="user.v1.UserService/ListUsers",grpc_status="OK",le="+Inf"} 2"#,
];

/// Runs it, a line for each step.
pub(crate) fn run() -> Result<(), String> {
    let promtool = promtool()?;
    process::run(Command::new("cargo").current_dir(root()).args(["build", "--quiet", "-p", "storefront"]))?;
    let work = peers::work()?;
    let shop = Shop {
        program: work.with_file_name("debug").join("storefront"),
        secret: work.join("metrics.secret"),
        address: free_address()?.to_string(),
    };
    write(&shop.secret, "the secret of a check, which nobody need keep")?;
    let (metrics, data) = (free_address()?, work.join("metrics-data"));
    if data.exists() {
        std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    }
    let log = work.join("metrics.log");
    let log = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut command = Command::new(&shop.program);
    command.args(["--listen", &shop.address, "--metrics", &metrics.to_string(), "--data"]).arg(&data);
    let server = command.arg("--auth-secret-file").arg(&shop.secret).stderr(log);
    let _server = Server::start(server, shop.address.parse().map_err(|_| "no address".to_owned())?)?;

    shop.calls("without a token", None, "UNAUTHENTICATED: send a token")?;
    for (name, token, says) in CASES {
        let token = token.map_or_else(|| Ok("no.token.here".to_owned()), |flags| shop.token(flags))?;
        shop.calls(name, Some(&token), says)?;
    }
    let page = page(metrics)?;
    for series in SERIES {
        if !page.lines().any(|line| line.starts_with(series)) {
            return Err(format!("{series} is not on the page\n{page}"));
        }
    }
    println!(
        "http://{metrics}/metrics: {} series, those of the calls among them",
        page.lines().filter(|line| !line.starts_with('#')).count()
    );
    check(&promtool, &page, &work.join("metrics.txt"))
}

struct Shop {
    program: PathBuf,
    secret: PathBuf,
    address: String,
}

impl Shop {
    fn token(&self, flags: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        let token = process::output(command.args(["token", "--secret-file"]).arg(&self.secret).args(flags))?;
        Ok(token.trim_end().to_owned())
    }

    /// The demo, which begins with CreateUser: it comes to its end, or says what kept it from that.
    fn calls(&self, name: &str, token: Option<&str>, says: &str) -> Result<(), String> {
        let mut demo = Command::new(&self.program);
        demo.args(["demo", "--connect", &self.address]).env_remove("STOREFRONT_TOKEN");
        let said = process::said(demo.args(token.iter().flat_map(|token| ["--token", token])))?;
        let Some(line) = said.lines().find(|line| line.contains(says)) else {
            return Err(format!("{name}: {says:?} was due\n{said}"));
        };
        println!("{name}: {line}");
        Ok(())
    }
}

fn page(address: SocketAddr) -> Result<String, String> {
    let read = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    };
    let text = read().map_err(|error: std::io::Error| format!("http://{address}/metrics: {error}"))?;
    match text.split_once("\r\n\r\n") {
        Some((head, page)) if head.starts_with("HTTP/1.1 200 ") => Ok(page.to_owned()),
        _ => Err(format!("http://{address}/metrics: {text}")),
    }
}

/// A remark of promtool's is a failure, whatever its exit status.
fn check(promtool: &Path, page: &str, file: &Path) -> Result<(), String> {
    write(file, page)?;
    let input = std::fs::File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = Command::new(promtool);
    let output = command.args(["check", "metrics"]).stdin(Stdio::from(input)).output();
    let output = output.map_err(|error| format!("{}: {error}", promtool.display()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if !output.status.success() || !said.trim().is_empty() {
        return Err(format!("promtool check metrics: {}\n{said}", output.status));
    }
    println!("promtool check metrics: passed, without a remark");
    Ok(())
}

/// Prometheus' own checker: the one that is installed, or that of Debian's package, unpacked where nothing of it starts.
fn promtool() -> Result<PathBuf, String> {
    if process::output(Command::new("promtool").arg("--version")).is_ok() {
        return Ok("promtool".into());
    }
    let folder = peers::work()?.join("prometheus");
    let promtool = folder.join("usr/bin/promtool");
    if promtool.exists() {
        return Ok(promtool);
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let instead = |error| format!("{error}\nput promtool, which comes with Prometheus, on the PATH instead");
    let download = || {
        let mut download = Command::new("apt-get");
        process::output(download.current_dir(&folder).args(["download", "prometheus"]))
    };
    // The lists of packages may be missing, or older than what is there to download; only root can renew them.
    download()
        .or_else(|_| {
            process::output(Command::new("apt-get").args(["update", "--quiet"])).and_then(|_| download())
        })
        .map_err(instead)?;
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let packages = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let package =
        packages.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "deb"));
    let package = package.ok_or_else(|| format!("apt-get left no package in {}", folder.display()))?;
    process::output(Command::new("dpkg").arg("-x").arg(package).arg(&folder)).map_err(instead)?;
    Ok(promtool)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}
