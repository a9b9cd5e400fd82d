//! gannet server of proto/echo.proto.
//!
//! usage: gannet_server ADDR [mt [MICROS] | tls CERTIFICATE KEY | observed]
//!   mt: multi-threaded runtime; MICROS: Unary computes for so long before it answers.
//!   observed: each call is logged as a line of text and counted for Prometheus.

mod proto {
    gannet::include_protos!();
}

use gannet::{Call, Receiver, Result, Sender};
use proto::bench::v1::{Chunk, DownReq, Echo, EchoServer, ListReq, Msg, MsgList, Sum};

struct Users {
    stored: Vec<Msg>,
    micros: u64,
}

fn stored_users() -> Vec<Msg> {
    (0..1000)
        .map(|i| Msg {
            id: format!("{i:016x}"),
            name: format!("User {i}"),
            email: format!("user{i}@example.com"),
            status: 1,
            tags: vec!["admin".into(), "beta".into(), "eu".into()],
            at: 1_700_000_000 + i,
            ..Msg::default()
        })
        .collect()
}

/// Computes for so many microseconds of this thread's CPU: time that another program takes does not count.
fn compute(micros: u64) {
    let now = || {
        // SAFETY: timespec is plain numbers, for which zeroes are a value, and clock_gettime only writes into it.
        let time = unsafe {
            let mut time: libc::timespec = std::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
            time
        };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    };
    if micros > 0 {
        let until = now() + micros * 1000;
        while now() < until {
            std::hint::spin_loop();
        }
    }
}

impl Echo for Users {
    async fn unary(&self, _call: &mut Call, request: Msg) -> Result<Msg> {
        compute(self.micros);
        Ok(request)
    }

    async fn list(&self, _call: &mut Call, request: ListReq) -> Result<MsgList> {
        let n = (request.n.max(0) as usize).min(self.stored.len());
        // The same work as the peers': their answers are owned.
        Ok(MsgList { items: self.stored[..n].to_vec(), ..MsgList::default() })
    }

    async fn down(&self, _call: &mut Call, request: DownReq, mut responses: Sender<Chunk>) -> Result<()> {
        let chunk = Chunk { content: vec![7u8; request.size.max(0) as usize].into(), ..Chunk::default() };
        for _ in 0..request.n {
            responses.send(chunk.clone()).await?;
        }
        Ok(())
    }

    async fn up(&self, _call: &mut Call, mut requests: Receiver<Chunk>) -> Result<Sum> {
        let mut sum = Sum::default();
        while let Some(chunk) = requests.next().await? {
            sum.n += 1;
            sum.bytes += chunk.content.len() as i64;
        }
        Ok(sum)
    }

    async fn chat(&self, _call: &mut Call, mut requests: Receiver<Msg>, mut responses: Sender<Msg>) -> Result<()> {
        while let Some(message) = requests.next().await? {
            responses.send(message).await?;
        }
        Ok(())
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let micros = args.get(3).and_then(|micros| micros.parse().ok()).unwrap_or(0);
    let mut builder = if args.get(2).is_some_and(|a| a == "mt") {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let http2 = gannet::Http2Config::default().max_concurrent_streams(1000).receive_budget(128 << 20);
    builder.enable_all().build().unwrap().block_on(async move {
        let users = Users { stored: stored_users(), micros };
        let server = gannet::Server::new().add(EchoServer::new(users)).http2(http2);
        with_tls(observed(server, &args), &args).serve(&args[1]).await.unwrap()
    });
}

#[cfg(feature = "tls")]
fn with_tls(server: gannet::Server, args: &[String]) -> gannet::Server {
    use gannet::tls::{Identity, ServerTls};
    if args.get(2).is_none_or(|arg| arg != "tls") {
        return server;
    }
    server.tls(ServerTls::new(Identity::files(&args[3], &args[4])))
}

#[cfg(not(feature = "tls"))]
fn with_tls(server: gannet::Server, _: &[String]) -> gannet::Server {
    server
}

#[cfg(feature = "observed")]
fn observed(server: gannet::Server, args: &[String]) -> gannet::Server {
    use gannet_telemetry::{LATENCY_BUCKETS_SECONDS, Log, SIZE_BUCKETS_BYTES, ServerMetrics};
    use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
    if args.get(2).is_none_or(|arg| arg != "observed") {
        return server;
    }
    // The lines are made, and go nowhere: what a file or a pipe takes is the system's.
    tracing_subscriber::fmt().with_writer(std::io::sink).init();
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("duration".to_owned()), LATENCY_BUCKETS_SECONDS)
        .and_then(|b| b.set_buckets_for_metric(Matcher::Suffix("size".to_owned()), SIZE_BUCKETS_BYTES))
        .unwrap()
        .build_recorder();
    // What is recorded waits until somebody fetches the page, or this is done.
    let page = recorder.handle();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(5)).await;
            page.run_upkeep();
        }
    });
    let metrics = ServerMetrics::with_recorder(std::sync::Arc::new(recorder));
    server.intercept(metrics).intercept(Log::new().as_text())
}

#[cfg(not(feature = "observed"))]
fn observed(server: gannet::Server, _: &[String]) -> gannet::Server {
    server
}
