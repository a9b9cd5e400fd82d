//! The load of `cargo xtask soak`: mixed calls over connections that come, go, stall and break.
//!
//! `soak --server_port=10000 --seconds=60`. Prints how the calls ended; fails where one had no status within a minute, or
//! another status than it must have.

use gannet::{Channel, Code};
use gannet_interop::cases::{self, Soak};
use gannet_interop::flags;
use gannet_interop::proto::grpc::testing::{
    ResponseParameters, StreamingOutputCallRequest, TestServiceClient,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A call that has no status after this long has lost it.
const LONGEST_CALL: Duration = Duration::from_secs(60);
/// What a connection that is no good begins with, and then nothing more comes: HTTP/2's preface and SETTINGS, and half
/// a header block.
const HALF: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x05\x01\0\0\0\0\x01\x83\x86";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("soak: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<String, String> {
    let flags = flags::parse(std::env::args().skip(1))?;
    let number = |name: &str| -> Result<u64, String> {
        let text = flags.get(name).ok_or_else(|| format!("--{name} is missing"))?;
        text.parse().map_err(|_| format!("--{name}={text} is no number"))
    };
    let port = u16::try_from(number("server_port")?).map_err(|_| "--server_port is too high".to_owned())?;
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let load = Load {
        server,
        until: Instant::now() + Duration::from_secs(number("seconds")?),
        ends: Arc::default(),
    };

    let mut workers = JoinSet::new();
    for seed in 1..=2 {
        workers.spawn(load.clone().steady());
        workers.spawn(load.clone().visitors());
        workers.spawn(load.clone().relayed(Fault::Cut, Random(seed)));
        workers.spawn(load.clone().relayed(Fault::Stall, Random(seed + 10)));
        workers.spawn(load.clone().slow_readers());
    }
    workers.spawn(load.clone().half_open());
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|error| error.to_string())??;
    }
    let ends = load.ends.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if ends.lost > 0 || ends.wrong > 0 { Err(ends.to_string()) } else { Ok(ends.to_string()) }
}

/// How calls ended.
#[derive(Clone, Debug, Default)]
struct Ends {
    by_code: BTreeMap<&'static str, u64>,
    /// Without a status.
    lost: u64,
    /// With another status than they must have.
    wrong: u64,
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: u64 = self.by_code.values().sum::<u64>() + self.lost;
        write!(f, "{all} calls: ")?;
        for (code, count) in &self.by_code {
            write!(f, "{count} {code}, ")?;
        }
        write!(f, "{} lost, {} with a wrong status", self.lost, self.wrong)
    }
}

#[derive(Clone)]
struct Load {
    server: SocketAddr,
    until: Instant,
    ends: Arc<Mutex<Ends>>,
}

/// What a relay does to the connections that go through it.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Cut,
    Stall,
}

impl Load {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    /// Runs an interop case, which is one call or some. Where its connection may be lost it may end with UNAVAILABLE, and
    /// with no other status (grpc/grpc doc/statuscodes.md).
    async fn call(&self, channel: &Channel, case: &str, must_work: bool) {
        let connect = || channel.clone();
        let soak = Soak::default();
        let result = tokio::time::timeout(LONGEST_CALL, cases::run(case, &connect, &soak)).await;
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Err(_) => ends.lost += 1,
            Ok(Ok(())) => *ends.by_code.entry("OK").or_default() += 1,
            Ok(Err(status)) => {
                *ends.by_code.entry(status.code().name()).or_default() += 1;
                if must_work || status.code() != Code::Unavailable {
                    ends.wrong += 1;
                    eprintln!("{case}: {status}");
                }
            }
        }
    }

    /// All kinds of calls on one connection that stays.
    async fn steady(self) -> Result<(), String> {
        let channel = channel(self.server)?;
        while self.goes_on() {
            for case in cases::CASES {
                self.call(&channel, case, true).await;
            }
        }
        Ok(())
    }

    /// Each call on a connection of its own.
    async fn visitors(self) -> Result<(), String> {
        while self.goes_on() {
            for case in cases::CASES {
                self.call(&channel(self.server)?, case, true).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    /// Calls over connections that break or stall in the middle of anything.
    async fn relayed(self, fault: Fault, random: Random) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let relay = tokio::spawn(relay(listener, self.server, fault, random));
        while self.goes_on() {
            let channel = channel(address)?;
            for case in cases::CASES {
                self.call(&channel, case, fault == Fault::Stall).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        relay.abort();
        Ok(())
    }

    /// Asks for more than it reads, waits, and goes away.
    async fn slow_readers(self) -> Result<(), String> {
        let channel = channel(self.server)?;
        let client = TestServiceClient::new(channel);
        let parameters = ResponseParameters { size: 100_000, ..Default::default() };
        while self.goes_on() {
            let request = StreamingOutputCallRequest {
                response_parameters: vec![parameters.clone(); 100],
                ..Default::default()
            };
            let mut responses =
                client.streaming_output_call(request).await.map_err(|error| error.to_string())?;
            responses.next().await.map_err(|error| error.to_string())?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Connections that begin and never go on.
    async fn half_open(self) -> Result<(), String> {
        let mut open = std::collections::VecDeque::new();
        while self.goes_on() {
            let mut socket = TcpStream::connect(self.server).await.map_err(|error| error.to_string())?;
            let cut = open.len() % HALF.len();
            // The server may have ended it already.
            let _ = socket.write_all(&HALF[..cut]).await;
            open.push_back(socket);
            if open.len() > 100 {
                open.pop_front();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn channel(address: SocketAddr) -> Result<Channel, String> {
    Channel::new(&format!("ipv4:{address}")).map_err(|error| error.to_string())
}

/// Passes connections on, each until its fault.
async fn relay(listener: TcpListener, server: SocketAddr, fault: Fault, mut random: Random) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let random = Random(random.next());
        connections.spawn(pass_on(client, server, fault, random));
        while connections.try_join_next().is_some() {}
    }
}

async fn pass_on(client: TcpStream, server: SocketAddr, fault: Fault, mut random: Random) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut up, mut down) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    let mut fault_at = Box::pin(tokio::time::sleep(Duration::from_millis(random.next() % 300)));
    loop {
        let passed = tokio::select! {
            () = &mut fault_at => {
                if fault == Fault::Cut {
                    return;
                }
                // Nothing goes either way for a while.
                tokio::time::sleep(Duration::from_millis(random.next() % 500)).await;
                fault_at = Box::pin(tokio::time::sleep(Duration::from_millis(random.next() % 2000)));
                Ok(1)
            }
            read = from_client.read(&mut up) => pass(read, &up, &mut to_server).await,
            read = from_server.read(&mut down) => pass(read, &down, &mut to_client).await,
        };
        if !matches!(passed, Ok(1..)) {
            return;
        }
    }
}

async fn pass(
    read: std::io::Result<usize>,
    buffer: &[u8],
    to: &mut (impl AsyncWriteExt + Unpin),
) -> std::io::Result<usize> {
    let count = read?;
    to.write_all(&buffer[..count]).await?;
    Ok(count)
}

/// Numbers that are the same in each run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
