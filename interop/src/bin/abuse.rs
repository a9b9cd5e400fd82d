//! Attacks a server and says what it costs: `abuse --server=PROGRAM`, the interop server.
//!
//! For each attack a line: the server's memory before, at its peak and after, the time until it refused the attackers,
//! and the calls that it served for others meanwhile. Fails where one of them is not as it must be.

use gannet::Channel;
use gannet_interop::abuse::{ATTACKS, Attack, Expected};
use gannet_interop::flags;
use gannet_interop::proto::grpc::testing::{Empty, TestServiceClient};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// An attack that is not refused is watched for so long beside what it is expected to take.
const WATCHED: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => {
            eprintln!("abuse: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool, String> {
    let flags = flags::parse(std::env::args().skip(1))?;
    let program = flags.get("server").ok_or("abuse needs --server=PROGRAM")?;
    let server = Server::start(program).await?;
    println!(
        "{:38} {:>7} {:>7} {:>7}  {:>9}  {:>7}",
        "attack (connections)", "before", "peak", "after", "refused", "served"
    );
    let mut all = true;
    for attack in ATTACKS {
        all &= server.suffer(attack).await;
    }
    println!("{} attacks, memory in MiB: {}", ATTACKS.len(), if all { "all held" } else { "NOT all held" });
    Ok(all)
}

/// The server's process; it ends with this value.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    async fn start(program: &str) -> Result<Self, String> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.arg(format!("--port={}", address.port())).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let server = Self { child, address };
        let ready =
            server.client().empty_call(Empty::default()).wait_for_ready().deadline(Duration::from_secs(20));
        ready.await.map_err(|status| status.to_string())?;
        Ok(server)
    }

    fn client(&self) -> TestServiceClient {
        let target = format!("ipv4:{}", self.address);
        // An address is a target.
        TestServiceClient::new(Channel::new(&target).unwrap_or_else(|_| unreachable!()))
    }

    /// One attack, with its line. Says whether the server held.
    async fn suffer(&self, attack: &Attack) -> bool {
        let before = self.memory();
        let (stop, peak) = (Arc::new(AtomicBool::new(false)), AtomicU64::new(before));
        let others = tokio::spawn(serve_others(self.client(), Arc::clone(&stop)));
        let attackers =
            (0..attack.connections).map(|_| tokio::spawn((attack.run)(self.address, most(attack))));
        let attackers: Vec<_> = attackers.collect();
        let watch = async {
            loop {
                peak.fetch_max(self.memory(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let all = async {
            let mut times = Vec::new();
            for attacker in attackers {
                times.push(attacker.await.ok().flatten());
            }
            times
        };
        let times = tokio::select! {
            times = all => times,
            () = watch => Vec::new(),
        };
        stop.store(true, Ordering::Relaxed);
        let (served, failed) = others.await.unwrap_or((0, 1));
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (peak, after) = (peak.load(Ordering::Relaxed), self.memory());

        let slowest =
            times.iter().copied().collect::<Option<Vec<_>>>().and_then(|times| times.into_iter().max());
        let refused = slowest.map_or("-".to_owned(), |time| format!("{:.2} s", time.as_secs_f64()));
        let in_time = match attack.expected {
            Expected::Refused(seconds) => slowest.is_some_and(|time| time <= Duration::from_secs(seconds)),
            Expected::Bounded => true,
        };
        let grown = (peak - before) / 1024;
        let held = in_time && grown <= attack.most_mib && served > 0 && failed == 0;
        let name = format!("{} ({})", attack.name, attack.connections);
        let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
        println!(
            "{name:38} {:>7} {:>7} {:>7}  {refused:>9}  {served:>7}{}",
            mib(before),
            mib(peak),
            mib(after),
            if held { String::new() } else { format!("  NOT HELD ({failed} calls of others failed)") }
        );
        held
    }

    /// Resident memory in KiB (proc_pid_status(5)).
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn most(attack: &Attack) -> Duration {
    match attack.expected {
        Expected::Refused(seconds) => Duration::from_secs(seconds + 1),
        Expected::Bounded => WATCHED,
    }
}

/// Calls of somebody else, one after the other, until told to stop: how many ended well, and how many did not.
async fn serve_others(client: TestServiceClient, stop: Arc<AtomicBool>) -> (u64, u64) {
    let (mut served, mut failed) = (0, 0);
    while !stop.load(Ordering::Relaxed) || served + failed == 0 {
        match client.empty_call(Empty::default()).deadline(Duration::from_secs(5)).await {
            Ok(_) => served += 1,
            Err(_) => failed += 1,
        }
    }
    (served, failed)
}
