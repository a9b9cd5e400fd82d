//! gannet's client and server in all official cases, without the network.

use gannet::Channel;
use gannet_interop::cases::{self, CASES, MISBEHAVING, Soak};
use gannet_interop::misbehaving::Misbehaviour;
use gannet_interop::service::server;
use std::net::TcpListener;
use std::time::Duration;

fn soak() -> Soak {
    // The machine may be busy, and this is no test of its speed.
    let long = Duration::from_secs(60);
    Soak { iterations: 3, max_latency: long, overall_timeout: long, ..Soak::default() }
}

fn misbehaviours() -> impl Iterator<Item = (&'static str, Misbehaviour)> {
    MISBEHAVING.iter().filter_map(|case| Some((*case, case.parse().ok()?)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_passes() {
    for case in CASES {
        let connect = || Channel::to_server(server());
        cases::run(case, &connect, &soak()).await.unwrap_or_else(|status| panic!("{case}: {status}"));
    }
}

/// grpc/grpc doc/negative-http2-interop-test-descriptions.md
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_misbehave_do_no_harm() {
    for (case, misbehaviour) in misbehaviours() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = format!("ipv4:{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || misbehaviour.serve(&listener));
        let connect = || Channel::new(&target).unwrap();
        cases::run(case, &connect, &soak()).await.unwrap_or_else(|status| panic!("{case}: {status}"));
        let served = tokio::task::spawn_blocking(|| server.join().unwrap()).await.unwrap();
        assert_eq!(served, Ok(()), "{case}");
    }
    assert_eq!(misbehaviours().count(), 6);
}
