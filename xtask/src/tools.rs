//! `cargo xtask interop tools`: the storefront with what people have at hand, grpcurl, buf curl and grpc-health-probe.
//! They know of its services what reflection tells them.

mod drain;
mod rows;

use crate::peers;
use crate::process::{self, Server, free_address, root};
use crate::tally::Tally;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

const GRPCURL: (&str, &str) = ("github.com/fullstorydev/grpcurl/cmd/grpcurl", "v1.9.4");
const PROBE: (&str, &str) = ("github.com/grpc-ecosystem/grpc-health-probe", "v0.4.61");

/// A tool that hangs is a tool that fails.
const LIMIT_SECONDS: u32 = 60;

/// Installs the tools, runs every check, a line for each.
pub(crate) fn run() -> Result<(), String> {
    process::run(Command::new("cargo").current_dir(root()).args(["build", "--quiet", "-p", "storefront"]))?;
    let tools = Tools::install()?;
    let mut tally = Tally::default();
    let shop = Shop::start(&drain::FLAGS)?;
    println!("\ngrpcurl");
    shop.check(&mut tally, &tools.grpcurl, rows::GRPCURL)?;
    println!("\nbuf curl");
    shop.check(&mut tally, &tools.buf, rows::BUF)?;
    println!("\ngrpc-health-probe");
    shop.check(&mut tally, &tools.probe, rows::PROBE)?;
    println!("\nduring a drain");
    drain::check(shop, &tools, &mut tally)?;
    drain::check_defaults(Shop::start(&[])?, &tools, &mut tally)?;
    tally.finish("interop tools")
}

/// Where the programs are.
struct Tools {
    grpcurl: PathBuf,
    buf: PathBuf,
    probe: PathBuf,
}

impl Tools {
    fn install() -> Result<Self, String> {
        let node = peers::node(Path::new("interop/peers/tools"), "tools")?;
        Ok(Self {
            grpcurl: peers::go(GRPCURL.0, GRPCURL.1)?,
            buf: node.join("node_modules/.bin/buf"),
            probe: peers::go(PROBE.0, PROBE.1)?,
        })
    }
}

/// What a tool is to say.
struct Row {
    check: &'static str,
    /// `ADDRESS` stands for the server's.
    arguments: &'static [&'static str],
    exit: i32,
    says: &'static [&'static str],
}

/// A storefront with nothing in it.
struct Shop {
    server: Server,
    address: SocketAddr,
}

impl Shop {
    fn start(flags: &[&str]) -> Result<Self, String> {
        let data = peers::work()?.join("tools-data");
        if data.exists() {
            std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        }
        let log = data.with_extension("log");
        let log = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let address = free_address()?;
        let mut command = Command::new(peers::work()?.with_file_name("debug").join("storefront"));
        command.args(["--listen", &address.to_string(), "--data"]).arg(&data).args(flags).stderr(log);
        Ok(Self { server: Server::start(&mut command, address)?, address })
    }

    fn check(&self, tally: &mut Tally, program: &Path, rows: &[Row]) -> Result<(), String> {
        for row in rows {
            let output = self.command(program, row.arguments).output().map_err(|error| error.to_string())?;
            let [out, errors] =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let said = format!("{out}{errors}");
            let as_expected = output.status.code() == Some(row.exit);
            let address = self.address.to_string();
            let says = |part: &&str| said.contains(&part.replace("ADDRESS", &address));
            let good = as_expected && row.says.iter().all(says);
            tally.check(row.check, good, &format!("{}\n{said}", output.status));
        }
        Ok(())
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let address = self.address.to_string();
        let mut command = peers::limited(program, LIMIT_SECONDS);
        command.args(arguments.iter().map(|argument| argument.replace("ADDRESS", &address)));
        command
    }
}
