//! What a channel connects to: the name syntax of gRPC (naming.md).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The port where a name does not say one (naming.md).
pub const DEFAULT_PORT: u16 = 443;

/// What a channel connects to.
///
/// | written | means |
/// | --- | --- |
/// | `dns:///host:port`, `dns:host:port`, `host:port`, `host` | all addresses of the host; port 443 by default |
/// | `dns://1.1.1.1/host:port` | likewise, asked of that DNS server |
/// | `ipv4:10.0.0.1:50051,10.0.0.2` | these addresses; port 443 by default |
/// | `ipv6:[::1]:50051,::2` | these addresses; port 443 by default |
/// | `unix:run/socket`, `unix:///run/socket` | a Unix domain socket |
/// | `unix-abstract:name` | a Unix domain socket in the abstract namespace (Linux) |
///
/// A host that is an IP address is that address; nothing is resolved.
///
/// ```
/// use gannet_core::Target;
///
/// let target: Target = "dns:///users.internal:50051".parse()?;
/// assert_eq!(target.authority(), "users.internal:50051");
/// # Ok::<(), gannet_core::InvalidTarget>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A host to resolve by DNS.
    Dns {
        /// The DNS server to ask, instead of the system's.
        server: Option<String>,
        /// The host's name.
        host: String,
        /// The port of each of its addresses; `None` where the target does not say one.
        port: Option<u16>,
    },
    /// Addresses; at least one.
    Ip(Vec<SocketAddr>),
    /// The path of a Unix domain socket.
    Unix(PathBuf),
    /// The name of a Unix domain socket in the abstract namespace, without the leading zero byte.
    UnixAbstract(String),
}

impl Target {
    /// The `:authority` of calls where nobody says otherwise; without the port where the target has none.
    #[must_use]
    pub fn authority(&self) -> String {
        match self {
            Target::Dns { host, port: Some(port), .. } => format!("{host}:{port}"),
            Target::Dns { host, port: None, .. } => host.clone(),
            Target::Ip(addresses) => {
                addresses.first().map_or_else(|| "localhost".to_owned(), SocketAddr::to_string)
            }
            // As other gRPC implementations say: a socket's path is no authority.
            Target::Unix(_) | Target::UnixAbstract(_) => "localhost".to_owned(),
        }
    }

    /// The name that the certificate of a server must carry where nobody says otherwise: the authority without its
    /// port.
    #[must_use]
    pub fn server_name(&self) -> String {
        match self {
            Target::Dns { host, .. } => host.clone(),
            Target::Ip(addresses) => {
                addresses.first().map_or_else(|| "localhost".to_owned(), |address| address.ip().to_string())
            }
            Target::Unix(_) | Target::UnixAbstract(_) => "localhost".to_owned(),
        }
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme, rest)) => (scheme, rest),
            None => return host_target(None, text),
        };
        match scheme {
            "dns" => dns_target(rest),
            "ipv4" => addresses(rest, ipv4_address).map(Target::Ip),
            "ipv6" => addresses(rest, ipv6_address).map(Target::Ip),
            "unix" => unix_target(rest),
            "unix-abstract" => unix_abstract_target(rest),
            "http" | "https" if rest.starts_with("//") => Err(Problem::Http),
            _ if rest.starts_with("//") => Err(Problem::Scheme(scheme.to_owned())),
            // naming.md: without a scheme, or with one that is not known, it is a name for DNS.
            _ => host_target(None, text),
        }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        Target::parse(text).map_err(|problem| InvalidTarget { target: text.to_owned(), problem })
    }
}

/// In the full form, with the scheme.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Dns { server, .. } => {
                write!(f, "dns://{}/{}", server.as_deref().unwrap_or_default(), self.authority())
            }
            Target::Ip(addresses) => {
                let is_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
                f.write_str(if is_ipv4 { "ipv4:" } else { "ipv6:" })?;
                for (index, address) in addresses.iter().enumerate() {
                    write!(f, "{}{address}", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            // After `unix:` two slashes begin the form with an empty host, so a path that has them takes that form.
            Target::Unix(path) if path.to_string_lossy().starts_with("//") => {
                write!(f, "unix://{}", path.display())
            }
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
            Target::UnixAbstract(name) => write!(f, "unix-abstract:{name}"),
        }
    }
}

/// Why a text names no target, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget {
    target: String,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Http,
    Scheme(String),
    NoHost,
    TwoSlashes(String),
    Host(String),
    Port(String),
    Ipv4(String),
    Ipv6(String),
    NoPath,
    RelativePath,
    ZeroByte,
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a target: ", self.target)?;
        match &self.problem {
            Problem::Http => write!(
                f,
                "leave http:// or https:// out and write host:port; whether TLS is used is a setting of the channel"
            ),
            Problem::Scheme(scheme) => write!(
                f,
                "the scheme {scheme:?} is not known; there are dns, ipv4, ipv6, unix and unix-abstract"
            ),
            Problem::NoHost => write!(f, "the host is missing; write host:port"),
            Problem::TwoSlashes(host) => write!(
                f,
                "what follows two slashes is a DNS server and the host is missing; write dns:///{host} with three"
            ),
            Problem::Host(host) => write!(
                f,
                "{host:?} is not a host name; it may have letters, digits, '.', '-' and '_', and an IPv6 address \
                 before a port stands in brackets"
            ),
            Problem::Port(port) => write!(f, "{port:?} is not a port; a port is a number from 1 to 65535"),
            Problem::Ipv4(address) => {
                write!(f, "{address:?} is not an IPv4 address; write ipv4:10.0.0.1:50051, more after commas")
            }
            Problem::Ipv6(address) => {
                write!(f, "{address:?} is not an IPv6 address; write ipv6:[::1]:50051, more after commas")
            }
            Problem::NoPath => write!(f, "the socket's path or name is missing; write unix:path"),
            Problem::RelativePath => {
                write!(
                    f,
                    "after unix:// the path must begin with a slash; write unix:path for a relative one"
                )
            }
            Problem::ZeroByte => write!(f, "a socket's path or name has no zero byte"),
        }
    }
}

impl std::error::Error for InvalidTarget {}

fn dns_target(rest: &str) -> Result<Target, Problem> {
    let Some(after) = rest.strip_prefix("//") else { return host_target(None, rest) };
    match after.split_once('/') {
        Some(("", name)) => host_target(None, name),
        Some((server, name)) => host_target(Some(server), name),
        None if after.is_empty() => Err(Problem::NoHost),
        None => Err(Problem::TwoSlashes(after.to_owned())),
    }
}

fn host_target(server: Option<&str>, name: &str) -> Result<Target, Problem> {
    let (host, port) = host_and_port(name)?;
    if let Some(address) = ip_address(host) {
        return Ok(Target::Ip(vec![SocketAddr::new(address, port.unwrap_or(DEFAULT_PORT))]));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.is_empty() {
        return Err(Problem::NoHost);
    }
    // RFC 1035 §2.3.4: a name has at most 255 bytes.
    if host.len() > 255 || !host.bytes().all(allowed) {
        return Err(Problem::Host(host.to_owned()));
    }
    Ok(Target::Dns { server: server.map(str::to_owned), host: host.to_owned(), port })
}

/// `host`, `host:port`, `[address]`, `[address]:port`, or an IPv6 address alone.
fn host_and_port(name: &str) -> Result<(&str, Option<u16>), Problem> {
    if name.parse::<Ipv6Addr>().is_ok() {
        return Ok((name, None));
    }
    if name.starts_with('[') {
        let (address, rest) = name.split_once(']').ok_or_else(|| Problem::Ipv6(name.to_owned()))?;
        let address = &address[1..];
        address.parse::<Ipv6Addr>().map_err(|_| Problem::Ipv6(address.to_owned()))?;
        return match rest.strip_prefix(':') {
            Some(digits) => Ok((address, Some(port(digits)?))),
            None if rest.is_empty() => Ok((address, None)),
            None => Err(Problem::Port(rest.to_owned())),
        };
    }
    match name.split_once(':') {
        Some((_, rest)) if rest.contains(':') => Err(Problem::Host(name.to_owned())),
        Some((host, digits)) => Ok((host, Some(port(digits)?))),
        None => Ok((name, None)),
    }
}

fn ip_address(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

fn port(digits: &str) -> Result<u16, Problem> {
    match digits.parse() {
        Ok(port) if port != 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(Problem::Port(digits.to_owned())),
    }
}

fn addresses(
    list: &str,
    address: impl Fn(&str) -> Result<SocketAddr, Problem>,
) -> Result<Vec<SocketAddr>, Problem> {
    // C-core also takes `ipv4:///…`, because its targets are URIs.
    let list = list.strip_prefix("///").unwrap_or(list);
    list.split(',').map(address).collect()
}

fn ipv4_address(text: &str) -> Result<SocketAddr, Problem> {
    let (address, digits) = match text.split_once(':') {
        Some((address, digits)) => (address, Some(digits)),
        None => (text, None),
    };
    let address: Ipv4Addr = address.parse().map_err(|_| Problem::Ipv4(text.to_owned()))?;
    Ok(SocketAddr::new(address.into(), digits.map_or(Ok(DEFAULT_PORT), port)?))
}

fn ipv6_address(text: &str) -> Result<SocketAddr, Problem> {
    // With a scope: `[fe80::1%2]:50051`.
    if let Ok(address) = text.parse::<SocketAddr>()
        && address.is_ipv6()
        && address.port() != 0
    {
        return Ok(address);
    }
    let (address, port) = host_and_port(text).map_err(|problem| match problem {
        Problem::Port(_) => problem,
        _ => Problem::Ipv6(text.to_owned()),
    })?;
    let address: Ipv6Addr = address.parse().map_err(|_| Problem::Ipv6(text.to_owned()))?;
    Ok(SocketAddr::new(address.into(), port.unwrap_or(DEFAULT_PORT)))
}

fn unix_target(rest: &str) -> Result<Target, Problem> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(Problem::RelativePath),
        None => rest,
    };
    socket_name(path).map(|path| Target::Unix(path.into()))
}

fn unix_abstract_target(rest: &str) -> Result<Target, Problem> {
    socket_name(rest).map(|name| Target::UnixAbstract(name.to_owned()))
}

fn socket_name(name: &str) -> Result<&str, Problem> {
    if name.is_empty() {
        return Err(Problem::NoPath);
    }
    if name.contains('\0') { Err(Problem::ZeroByte) } else { Ok(name) }
}

#[cfg(test)]
mod tests;
