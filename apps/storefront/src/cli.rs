//! What the program is told on its command line and in its environment.

mod units;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// `storefront`: serves, or shows what it does.
#[derive(Debug, Parser)]
#[command(
    name = "storefront",
    version,
    about = "Serves users, orders, files and chat over gRPC",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true
)]
pub struct Arguments {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// What the program does besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Calls every method and shows what goes each way
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoOptions),
}

/// How to serve.
#[derive(Args, Clone, Debug)]
pub struct ServeOptions {
    /// Where to listen: ADDR:PORT or unix:PATH; may be given more than once. Port 0 is any free one
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOREFRONT_LISTEN",
        value_delimiter = ',',
        default_value = "127.0.0.1:50051"
    )]
    pub listen: Vec<String>,
    /// The folder for the database and the files; it is made where it is missing
    #[arg(long, value_name = "DIR", env = "STOREFRONT_DATA", default_value = "./storefront-data")]
    pub data: PathBuf,
    /// Speaks TLS with this certificate, PEM, those that lead to its authority after it; needs --tls-key. Read again when
    /// it changes
    #[arg(long, value_name = "FILE", env = "STOREFRONT_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of --tls-cert, PEM
    #[arg(long, value_name = "FILE", env = "STOREFRONT_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serves only clients with a certificate that one of these authorities has signed, PEM; needs --tls-cert
    #[arg(long, value_name = "FILE", env = "STOREFRONT_CLIENT_CA", requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,
    /// How long running calls may take after SIGTERM or Ctrl-C: 10s, 500ms, 2m
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub grace: Duration,
    /// The largest file that may be uploaded: bytes, or 64KiB, 10MiB, 1GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = units::bytes)]
    pub max_upload: u64,
}

/// What to show.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// The server to call: ADDR:PORT or unix:PATH. Without it the demo starts one of its own, on a free port and with
    /// temporary data
    #[arg(long, value_name = "ADDRESS")]
    pub connect: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  storefront                                          on 127.0.0.1:50051, data in ./storefront-data
  storefront --listen 0.0.0.0:8080 --data /var/lib/storefront
  storefront --listen 127.0.0.1:0 --listen unix:/run/storefront.sock
  storefront --tls-cert shop.pem --tls-key shop.key   with TLS; --client-ca ca.pem for known clients alone
  storefront --max-upload 64MiB --grace 30s
  STOREFRONT_LISTEN=127.0.0.1:0 STOREFRONT_DATA=/tmp/shop storefront
  RUST_LOG=debug storefront                           with the details in the log
  storefront demo                                     a walk through every method";

const DEMO_EXAMPLES: &str = "\
Examples:
  storefront demo                                     on a server of its own
  storefront demo --connect 127.0.0.1:50051           on one that runs";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn defaults_and_repeated_listeners() {
        let defaults = Arguments::parse_from(["storefront"]).serve;
        assert_eq!(defaults.listen, ["127.0.0.1:50051"]);
        assert_eq!((defaults.grace, defaults.max_upload), (Duration::from_secs(10), 1 << 30));
        let two =
            ["storefront", "--listen", "127.0.0.1:0", "--listen", "unix:/tmp/s", "--max-upload", "64KiB"];
        let two = Arguments::parse_from(two).serve;
        assert_eq!(two.listen, ["127.0.0.1:0", "unix:/tmp/s"]);
        assert_eq!(two.max_upload, 65_536);
    }

    #[test]
    fn what_serves_does_not_go_with_the_demo() {
        assert!(Arguments::try_parse_from(["storefront", "--data", "x", "demo"]).is_err());
    }
}
