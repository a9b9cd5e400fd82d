//! The PROXY protocol, versions 1 and 2 (HAProxy, `proxy-protocol.txt`): how a proxy says whose connection it passes on.
//!
//! A value: bytes in, what they say out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A header of version 1 has at most this many bytes (§2.1).
const V1_LONGEST: usize = 107;
/// A header of version 2 is 16 bytes and what their length says. It may say 64 KiB; what proxies send, certificates'
/// names included, is a few hundred bytes.
const V2_LONGEST: usize = 4096;
const V2_HEAD: usize = 16;
/// §2.2: what no other protocol begins with.
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// What the first bytes of a connection say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The header is not whole yet.
    Incomplete,
    /// A header of this many bytes. `source` is who connected to the proxy; `None` where the proxy speaks for itself,
    /// or does not know.
    Header { bytes: usize, source: Option<SocketAddr> },
    /// No header, or a broken one.
    Invalid(Problem),
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Missing,
    Malformed(u8),
    TooLong,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing => f.write_str(
                "the connection does not begin with a PROXY header, which this address asks for; is the client \
                 connected without the proxy?",
            ),
            Problem::Malformed(version) => write!(f, "the PROXY header (version {version}) is broken"),
            Problem::TooLong => write!(f, "the PROXY header has more than {V2_LONGEST} bytes"),
        }
    }
}

/// Reads the header that a connection begins with.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    if let Some(head) = bytes.get(..V2_HEAD)
        && head.starts_with(V2_SIGNATURE)
    {
        return parse_v2(bytes, head);
    }
    if V2_SIGNATURE.starts_with(bytes) || bytes.starts_with(V2_SIGNATURE) || b"PROXY ".starts_with(bytes) {
        return Parsed::Incomplete;
    }
    if bytes.starts_with(b"PROXY ") { parse_v1(bytes) } else { Parsed::Invalid(Problem::Missing) }
}

/// §2.1: `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`.
fn parse_v1(bytes: &[u8]) -> Parsed {
    let line = &bytes[..bytes.len().min(V1_LONGEST)];
    let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") else {
        let longer = bytes.len() < V1_LONGEST;
        return if longer { Parsed::Incomplete } else { Parsed::Invalid(Problem::Malformed(1)) };
    };
    let source = std::str::from_utf8(&line[..end]).ok().and_then(v1_source);
    source.map_or(Parsed::Invalid(Problem::Malformed(1)), |source| Parsed::Header { bytes: end + 2, source })
}

fn v1_source(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        // §2.1: what follows is to be ignored.
        return Some(None);
    }
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let (source, _destination) = (address()?, address()?);
    let port = v1_port(words.next()?)?;
    v1_port(words.next()?)?;
    words.next().is_none().then_some(Some(SocketAddr::new(source, port)))
}

/// Digits alone, without zeros before them.
fn v1_port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok())?
}

/// §2.2: signature, version and command, family and protocol, length, addresses, extensions.
fn parse_v2(bytes: &[u8], head: &[u8]) -> Parsed {
    const MALFORMED: Parsed = Parsed::Invalid(Problem::Malformed(2));
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const UNSPEC: u8 = 0x00;
    const TCP_OVER_IPV4: u8 = 0x11;
    const TCP_OVER_IPV6: u8 = 0x21;
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    let whole = V2_HEAD + length;
    if whole > V2_LONGEST {
        return Parsed::Invalid(Problem::TooLong);
    }
    if !matches!(head[12], LOCAL | PROXY) {
        return MALFORMED;
    }
    let Some(body) = bytes.get(V2_HEAD..whole) else { return Parsed::Incomplete };
    let source = match (head[12], head[13]) {
        // §2.2: the proxy's own connection, such as a health check: the real address counts.
        (LOCAL, _) | (PROXY, UNSPEC) => Some(None),
        (PROXY, TCP_OVER_IPV4) => v2_source::<4, 12>(body).map(Some),
        (PROXY, TCP_OVER_IPV6) => v2_source::<16, 36>(body).map(Some),
        // Another family: the connection is good, its source is not known.
        _ => Some(None),
    };
    source.map_or(MALFORMED, |source| Parsed::Header { bytes: whole, source })
}

/// Source address, destination address, source port, destination port: `ALL` bytes.
fn v2_source<const ADDRESS: usize, const ALL: usize>(body: &[u8]) -> Option<SocketAddr>
where
    IpAddr: From<[u8; ADDRESS]>,
{
    let addresses: &[u8; ALL] = body.first_chunk()?;
    let ip: &[u8; ADDRESS] = addresses.first_chunk()?;
    let port = u16::from_be_bytes([addresses[2 * ADDRESS], addresses[2 * ADDRESS + 1]]);
    Some(SocketAddr::new(IpAddr::from(*ip), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: usize, source: &str) -> Parsed {
        Parsed::Header { bytes, source: Some(source.parse().unwrap()) }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&V2_SIGNATURE[..], &[command, family], &length, body].concat()
    }

    /// proxy-protocol.txt, §2.1 and §2.2.
    #[test]
    fn headers_and_what_they_say() {
        let malformed = |version| Parsed::Invalid(Problem::Malformed(version));
        let v4 = b"\xc0\0\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb";
        let mut v6 = [0; 36];
        (v6[15], v6[32], v6[33]) = (1, 0x12, 0x34);
        let unknown = |bytes| Parsed::Header { bytes, source: None };
        let rows: Vec<(&str, Vec<u8>, Parsed)> = vec![
            (
                "TCP4",
                b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nPRI".to_vec(),
                header(45, "192.0.2.1:56324"),
            ),
            ("TCP6", b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n".to_vec(), header(36, "[2001:db8::1]:1")),
            ("UNKNOWN", b"PROXY UNKNOWN ffff:: x\r\n".to_vec(), unknown(24)),
            ("UNKNOWN alone", b"PROXY UNKNOWN\r\n".to_vec(), unknown(15)),
            ("a family that is none", b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), malformed(1)),
            ("IPv6 for TCP4", b"PROXY TCP4 ::1 ::1 1 1\r\n".to_vec(), malformed(1)),
            ("a port too high", b"PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n".to_vec(), malformed(1)),
            ("a port with a sign", b"PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n".to_vec(), malformed(1)),
            ("a port with zeros", b"PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n".to_vec(), malformed(1)),
            ("a word too many", b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n".to_vec(), malformed(1)),
            ("two spaces", b"PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n".to_vec(), malformed(1)),
            ("no end", [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat(), malformed(1)),
            ("no text", b"PROXY \xff\r\n".to_vec(), malformed(1)),
            ("version 2, IPv4", v2(0x21, 0x11, v4), header(28, "192.0.2.1:56324")),
            ("version 2, IPv6", v2(0x21, 0x21, &v6), header(52, "[::1]:4660")),
            (
                "with extensions",
                v2(0x21, 0x11, &[&v4[..], b"\x04\0\x01x"].concat()),
                header(32, "192.0.2.1:56324"),
            ),
            ("the proxy itself", v2(0x20, 0x00, b""), unknown(16)),
            ("the proxy itself, with an address", v2(0x20, 0x11, v4), unknown(28)),
            ("not specified", v2(0x21, 0x00, b"abc"), unknown(19)),
            ("a Unix socket", v2(0x21, 0x31, &[0; 216]), unknown(232)),
            ("a body cut short", v2(0x21, 0x11, &v4[..11]), malformed(2)),
            ("another version", v2(0x11, 0x11, v4), malformed(2)),
            ("another command", v2(0x22, 0x11, v4), malformed(2)),
            ("too long", v2(0x21, 0x11, &[0; 5000]), Parsed::Invalid(Problem::TooLong)),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Parsed::Invalid(Problem::Missing)),
            ("TLS", b"\x16\x03\x01\x02\0\x01".to_vec(), Parsed::Invalid(Problem::Missing)),
        ];
        for (name, bytes, expected) in rows {
            assert_eq!(parse(&bytes), expected, "{name}");
        }
    }

    /// However a header is cut, more bytes are asked for and nothing else is read from it.
    #[test]
    fn a_part_of_a_header_is_incomplete() {
        let v1 = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n".to_vec();
        for whole in [v1, v2(0x21, 0x11, &[1; 12])] {
            for cut in 0..whole.len() {
                assert_eq!(parse(&whole[..cut]), Parsed::Incomplete, "{cut}");
            }
            assert!(matches!(parse(&whole), Parsed::Header { .. }));
        }
    }
}
