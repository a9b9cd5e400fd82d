//! Resident memory of a server for each idle connection and each open stream without a message.

use super::measure::start;
use super::peers::Peer;
use crate::process::free_address;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 2000;
const STREAM_CONNECTIONS: usize = 10;
const STREAMS: u32 = 1000;

/// A Markdown table of all peers that serve streams.
pub(super) fn table(peers: &[&Peer]) -> Result<String, String> {
    let mut text = format!(
        "resident memory: {CONNECTIONS} idle connections; {STREAM_CONNECTIONS} × {STREAMS} open Chat streams without a \
         message. Goals: 6 KiB and 1.5 KiB.\n\n| server | KiB with one connection | KiB per idle connection | KiB per \
         open idle stream |\n| --- | --- | --- | --- |\n"
    );
    for peer in peers.iter().filter(|peer| !peer.server.is_empty() && peer.name != "limit") {
        eprintln!("memory: {}", peer.name);
        let (one, connection) = per_connection(peer)?;
        let stream = if peer.streams { format!("{:.2}", per_stream(peer)?) } else { "-".to_owned() };
        text += &format!("| {} | {one:.0} | {connection:.2} | {stream} |\n", peer.name);
    }
    Ok(text)
}

/// Resident memory with one connection, and what each further one adds, in KiB.
fn per_connection(peer: &Peer) -> Result<(f64, f64), String> {
    let address = free_address()?;
    let server = start(peer.server, address)?;
    let mut sockets = vec![connect(address)?];
    settle(&mut sockets)?;
    let one = resident(server.id())?;
    for _ in 0..CONNECTIONS {
        sockets.push(connect(address)?);
    }
    settle(&mut sockets)?;
    Ok((one, (resident(server.id())? - one) / CONNECTIONS as f64))
}

/// What each open stream adds, in KiB.
fn per_stream(peer: &Peer) -> Result<f64, String> {
    let address = free_address()?;
    let server = start(peer.server, address)?;
    let sockets: Result<Vec<_>, String> = (0..STREAM_CONNECTIONS).map(|_| connect(address)).collect();
    let mut sockets = sockets?;
    settle(&mut sockets)?;
    let before = resident(server.id())?;
    for number in 0..STREAMS {
        let head = frame(1, 4, 1 + 2 * number, &chat_head());
        for socket in &mut sockets {
            socket.write_all(&head).map_err(|error| format!("{}: {error}", peer.name))?;
        }
        if number % 50 == 49 {
            drain(&mut sockets)?;
        }
    }
    settle(&mut sockets)?;
    Ok((resident(server.id())? - before) / (STREAM_CONNECTIONS as f64 * f64::from(STREAMS)))
}

/// RFC 9113 §3.4: preface and SETTINGS; then a larger connection window.
fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let mut socket = TcpStream::connect(address).map_err(|error| error.to_string())?;
    let window = frame(8, 0, 0, &(1_u32 << 20).to_be_bytes());
    let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[]), &window].concat();
    socket.write_all(&begin).map_err(|error| error.to_string())?;
    socket.set_nonblocking(true).map_err(|error| error.to_string())?;
    Ok(socket)
}

/// Answers what the server sends, until it has had time for all that it keeps.
fn settle(sockets: &mut [TcpStream]) -> Result<(), String> {
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        drain(sockets)?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Reads what is there, and acknowledges SETTINGS and PING. What comes is short: it is in one piece.
fn drain(sockets: &mut [TcpStream]) -> Result<(), String> {
    let mut buffer = vec![0; 64 * 1024];
    for socket in sockets {
        let count = match socket.read(&mut buffer) {
            Ok(0) => return Err("the server closed a connection".to_owned()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.to_string()),
        };
        let mut rest = &buffer[..count];
        while let Some((head, payload)) = rest.split_first_chunk::<9>() {
            let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let Some((payload, next)) = payload.split_at_checked(len) else { break };
            rest = next;
            let answer = match (head[3], head[4] & 1) {
                (4, 0) => frame(4, 1, 0, &[]),
                (6, 0) => frame(6, 1, 0, payload),
                (3 | 7, _) => return Err("the server ended a stream or the connection".to_owned()),
                _ => continue,
            };
            socket.write_all(&answer).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

/// RFC 9113 §4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `POST http`, then literals without indexing (RFC 7541 §6.2.2).
fn chat_head() -> Vec<u8> {
    let mut head = vec![0x83, 0x86];
    let fields = [
        (":path", "/bench.v1.Echo/Chat"),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    for (name, value) in fields {
        head.extend([0, name.len() as u8]);
        head.extend(name.bytes());
        head.push(value.len() as u8);
        head.extend(value.bytes());
    }
    head
}

fn resident(id: u32) -> Result<f64, String> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).map_err(|error| error.to_string())?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.ok_or_else(|| "the process has no resident memory".to_owned())
}
