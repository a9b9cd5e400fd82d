//! What the program is told on its command line and in its environment.

mod units;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// `storefront`: serves, shows what it does, or makes a token.
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
    /// Prints a token for a server that was started with --auth-secret-file
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(TokenOptions),
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
    /// Whether callers need tokens.
    #[command(flatten)]
    pub auth: AuthOptions,
    /// Shows metrics for Prometheus at http://ADDR:PORT/metrics, over plain HTTP: keep it from the public
    #[arg(long, value_name = "ADDR:PORT", env = "STOREFRONT_METRICS")]
    pub metrics: Option<String>,
    /// How long to serve on after SIGTERM while health says NOT_SERVING, so that whoever probes looks elsewhere before
    /// the port is closed: 5s, 500ms. Ctrl-C does not wait for it, and a second signal ends it
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = units::duration)]
    pub drain_delay: Duration,
    /// How long running calls may take after that: 10s, 500ms, 2m. One more signal cuts them
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = units::duration)]
    pub grace: Duration,
    /// The largest file that may be uploaded: bytes, or 64KiB, 10MiB, 1GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = units::bytes)]
    pub max_upload: u64,
}

/// Whether callers need tokens. Without any of these they need none.
#[derive(Args, Clone, Debug, Default)]
pub struct AuthOptions {
    /// Serves only calls with a token (JWT: HS256, HS384 or HS512) that is signed with the secret in this file, of 32
    /// bytes or more; see: storefront token --help. Health and reflection stay open
    #[arg(long, value_name = "FILE", env = "STOREFRONT_AUTH_SECRET_FILE", group = "auth_keys")]
    pub auth_secret_file: Option<PathBuf>,
    /// The same with the keys of an identity provider: a JSON Web Key Set (RFC 7517). Read again when it changes
    #[arg(long, value_name = "FILE", env = "STOREFRONT_AUTH_JWKS", group = "auth_keys")]
    pub auth_jwks: Option<PathBuf>,
    /// Takes only tokens of this issuer (`iss`)
    #[arg(long, value_name = "ISSUER", env = "STOREFRONT_AUTH_ISSUER", requires = "auth_keys")]
    pub auth_issuer: Option<String>,
    /// Takes only tokens that are meant for this audience (`aud`)
    #[arg(long, value_name = "AUDIENCE", env = "STOREFRONT_AUTH_AUDIENCE", requires = "auth_keys")]
    pub auth_audience: Option<String>,
}

/// What to show, and how to reach the server.
#[derive(Args, Clone, Debug)]
pub struct DemoOptions {
    /// The server to call: ADDR:PORT or unix:PATH, or with TLS https://HOST:PORT. Without it the demo starts one of its
    /// own, on a free port and with temporary data
    #[arg(long, value_name = "ADDRESS")]
    pub connect: Option<String>,
    /// Speaks TLS, as each of the next four does, and https://; trusts what the system trusts
    #[arg(long, requires = "connect")]
    pub tls: bool,
    /// Trusts servers that these authorities have signed, PEM, in place of the system's
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub tls_ca: Option<PathBuf>,
    /// The certificate to show to a server with --client-ca, PEM; needs --tls-key
    #[arg(long, value_name = "FILE", requires = "connect", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of --tls-cert, PEM
    #[arg(long, value_name = "FILE", requires = "connect", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The name that the server's certificate has, where it is not that of the address
    #[arg(long, value_name = "NAME", requires = "connect")]
    pub tls_server_name: Option<String>,
    /// The token to call with, where the server wants one; the demo needs one with the role ADMIN
    #[arg(long, value_name = "TOKEN", env = "STOREFRONT_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// The same from a file, where others do not see it; it goes before --token
    #[arg(long, value_name = "FILE", requires = "connect")]
    pub token_file: Option<PathBuf>,
}

impl DemoOptions {
    /// Whether one of the options is of use with TLS alone.
    #[must_use]
    pub fn wants_tls(&self) -> bool {
        let files = [&self.tls_ca, &self.tls_cert, &self.tls_key];
        self.tls || self.tls_server_name.is_some() || files.into_iter().any(Option::is_some)
    }
}

/// What the token says.
#[derive(Args, Clone, Debug)]
pub struct TokenOptions {
    /// The secret that the server was given
    #[arg(long, value_name = "FILE", env = "STOREFRONT_AUTH_SECRET_FILE")]
    pub secret_file: PathBuf,
    /// Whom it is for (`sub`): the id of a user, or any other name for somebody who is none
    #[arg(long, value_name = "ID")]
    pub subject: String,
    /// What its bearer may do: a USER changes itself, sees its own orders; an ADMIN may everything. A user of the shop
    /// may no more than its role there
    #[arg(long, value_name = "ROLE", default_value = "USER", ignore_case = true)]
    pub role: TokenRole,
    /// How long it is valid: 90s, 15m, 1h, 30d. Negative, it has expired: -1h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = units::expiry, allow_hyphen_values = true)]
    pub expires: i64,
    /// Who made it (`iss`), for a server with --auth-issuer
    #[arg(long, value_name = "ISSUER")]
    pub issuer: Option<String>,
    /// Whom it is meant for (`aud`), for a server with --auth-audience
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Option<String>,
}

/// The roles of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum TokenRole {
    /// Changes itself and sees its own orders
    User,
    /// As USER
    Moderator,
    /// May everything
    Admin,
}

impl TokenRole {
    /// As the token has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TokenRole::User => "USER",
            TokenRole::Moderator => "MODERATOR",
            TokenRole::Admin => crate::access::ADMIN,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  storefront                                       on 127.0.0.1:50051, data in ./storefront-data
  storefront --listen 0.0.0.0:8080 --data /var/lib/storefront
  storefront --listen 127.0.0.1:0 --listen unix:/run/storefront.sock
  storefront --tls-cert shop.pem --tls-key shop.key                   with TLS
  storefront --tls-cert shop.pem --tls-key shop.key --client-ca ca.pem      for known clients alone
  storefront --auth-secret-file shop.secret        for callers with a token alone
  storefront --metrics 127.0.0.1:9464              with a page for Prometheus
  storefront --max-upload 64MiB --grace 30s
  storefront --drain-delay 15s                     where a load balancer probes its health every 5 s
  STOREFRONT_LISTEN=127.0.0.1:0 STOREFRONT_DATA=/tmp/shop storefront
  RUST_LOG=debug storefront                        with the details in the log
  storefront demo                                  a walk through every method
  storefront token --secret-file shop.secret --subject ann --role ADMIN";

const DEMO_EXAMPLES: &str = "\
Examples:
  storefront demo                                     on a server of its own
  storefront demo --connect 127.0.0.1:50051           on one that runs
  STOREFRONT_TOKEN=$(storefront token --secret-file shop.secret --subject demo --role ADMIN) \\
    storefront demo --connect 127.0.0.1:50051         on one that wants tokens
  storefront demo --connect https://shop.example:443 --token-file admin.token
  storefront demo --connect 10.0.0.7:50051 --tls-ca ca.pem --tls-server-name shop.example \
    --tls-cert client.pem --tls-key client.key        on one that knows its clients";

const TOKEN_EXAMPLES: &str = "\
Examples:
  openssl rand -base64 48 > shop.secret               a secret
  storefront --auth-secret-file shop.secret           the server that wants tokens
  storefront token --secret-file shop.secret --subject ann
  storefront token --secret-file shop.secret --subject root --role ADMIN --expires 8h
  storefront token --secret-file shop.secret --subject ann --expires=-1h       one that has expired
  grpcurl -plaintext -H \"authorization: Bearer $(storefront token --secret-file shop.secret --subject ann)\" \\
    -d '{\"id\": \"…\"}' 127.0.0.1:50051 user.v1.UserService/GetUser

A server takes it in the metadata of a call: authorization: Bearer TOKEN";

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
        assert_eq!(defaults.drain_delay, Duration::from_secs(2));
        let two =
            ["storefront", "--listen", "127.0.0.1:0", "--listen", "unix:/tmp/s", "--max-upload", "64KiB"];
        let two = Arguments::parse_from(two).serve;
        assert_eq!(two.listen, ["127.0.0.1:0", "unix:/tmp/s"]);
        assert_eq!(two.max_upload, 65_536);
    }

    #[test]
    fn a_token_may_have_expired() {
        let token = ["storefront", "token", "--secret-file", "s", "--subject", "ann", "--role", "admin"];
        let of = |more: &[&str]| match Arguments::parse_from(token.iter().chain(more)).command {
            Some(Command::Token(options)) => (options.role, options.expires),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&[]), (TokenRole::Admin, 3600));
        assert_eq!(of(&["--expires", "-5m"]).1, -300);
        assert_eq!(of(&["--expires=-1h"]).1, -3600);
    }

    #[test]
    fn what_serves_does_not_go_with_the_demo() {
        assert!(Arguments::try_parse_from(["storefront", "--data", "x", "demo"]).is_err());
    }
}
