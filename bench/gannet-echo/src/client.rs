//! gannet client of proto/echo.proto.
//!
//! usage: gannet_client ADDR MODE CONCURRENCY TOTAL [SIZE]
//!   MODE unary | list | down | up | chat; SIZE is the chunk size of down and up.
//! Prints rate, this process's CPU per item, and p50/p99 latency where it means something.

mod proto {
    gannet::include_protos!();
}

use gannet::Channel;
use proto::bench::v1::{Chunk, DownReq, EchoClient, ListReq, Msg};
use std::time::Instant;

fn user() -> Msg {
    Msg {
        id: "0123456789abcdef".into(),
        name: "John Doe".into(),
        email: "john@example.com".into(),
        status: 1,
        tags: vec!["admin".into(), "beta".into(), "eu".into()],
        at: 1_700_000_000,
        ..Msg::default()
    }
}

fn cpu_seconds() -> f64 {
    // SAFETY: rusage is plain numbers, for which zeroes are a value, and getrusage only writes into it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) as f64
        + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) as f64 / 1e6
}

/// One worker's calls; the latencies of those that have one, in microseconds.
async fn work(client: EchoClient, mode: String, n: usize, size: usize) -> Vec<u32> {
    let mut seen = Vec::with_capacity(n);
    match mode.as_str() {
        "unary" => {
            for _ in 0..n {
                let t = Instant::now();
                client.unary(user()).await.unwrap();
                seen.push(t.elapsed().as_micros() as u32);
            }
        }
        "list" => {
            for _ in 0..n {
                let t = Instant::now();
                let list = client.list(ListReq { n: 1000, ..ListReq::default() }).await.unwrap();
                assert_eq!(list.items.len(), 1000);
                seen.push(t.elapsed().as_micros() as u32);
            }
        }
        "down" => {
            let request = DownReq { n: n as i32, size: size as i32, ..DownReq::default() };
            let mut stream = client.down(request).await.unwrap();
            let mut k = 0;
            while let Some(chunk) = stream.next().await.unwrap() {
                assert_eq!(chunk.content.len(), size);
                k += 1;
            }
            assert_eq!(k, n);
        }
        "up" => {
            let chunk = Chunk { content: vec![7u8; size].into(), filename: "f".into(), ..Chunk::default() };
            let mut upload = client.up();
            for _ in 0..n {
                upload.send(chunk.clone()).await.unwrap();
            }
            assert_eq!(upload.finish().await.unwrap().n as usize, n);
        }
        "chat" => {
            let (mut requests, mut responses) = client.chat().await.unwrap();
            for _ in 0..n {
                let t = Instant::now();
                requests.send(user()).await.unwrap();
                responses.next().await.unwrap().unwrap();
                seen.push(t.elapsed().as_micros() as u32);
            }
            requests.finish();
            assert!(responses.next().await.unwrap().is_none());
        }
        other => panic!("unknown mode {other}"),
    }
    seen
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mode = args[2].clone();
    let conc: usize = if mode == "up" { 1 } else { args[3].parse().unwrap() };
    let total: usize = args[4].parse().unwrap();
    let size: usize = args.get(5).map_or(100, |s| s.parse().unwrap());
    let target = format!("ipv4:{}", args[1]);
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async move {
        let channel = Channel::builder(&target).unwrap().max_decoded_message(64 << 20).build();
        channel.connect().await.unwrap();
        let client = EchoClient::new(channel);
        if mode == "unary" {
            assert_eq!(client.unary(user()).await.expect("first call"), user(), "not an echo server");
        }
        let mut latencies: Vec<u32> = Vec::with_capacity(total);
        let cpu0 = cpu_seconds();
        let start = Instant::now();
        let workers: Vec<_> =
            (0..conc).map(|_| tokio::spawn(work(client.clone(), mode.clone(), total / conc, size))).collect();
        for worker in workers {
            latencies.extend(worker.await.unwrap());
        }
        let wall = start.elapsed().as_secs_f64();
        let cpu = cpu_seconds() - cpu0;
        let done = total / conc * conc;
        let (rate, each) = (done as f64 / wall, cpu * 1e6 / done as f64);
        print!("{mode} conc={conc} n={done} size={size} rate={rate:.0}/s client_cpu_us={each:.2}");
        if mode == "down" || mode == "up" {
            print!(" MB/s={:.0}", done as f64 * size as f64 / wall / 1e6);
        }
        if !latencies.is_empty() {
            latencies.sort_unstable();
            let at = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
            print!(" p50_us={} p99_us={}", at(0.5), at(0.99));
        }
        println!();
    });
}
