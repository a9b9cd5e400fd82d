//! The ways in: addresses of all kinds, sockets that others opened, proxies, threads.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod greeter;

use gannet::{
    Answer, BoxFuture, Call, Channel, Code, Lifecycle, Listen, ListenAddress, PeerAddress, Result, Server,
    ServerHandle, Service, ServiceSpec,
};
use greeter::{GreeterClient, GreeterServer, HELLO, Plain, hello};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Answers with what the caller's peer is, and the thread that serves it.
struct WhoAmI;

static CALLED: AtomicBool = AtomicBool::new(false);

/// Whether this is a process that a test has started with this program.
fn is_child() -> bool {
    std::env::var_os("GANNET_TEST_CHILD").is_some()
}

impl Service for WhoAmI {
    fn spec(&self) -> &'static ServiceSpec {
        GreeterServer::new(Plain::default()).spec()
    }

    fn call<'a>(&'a self, _: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        CALLED.store(true, Ordering::Relaxed);
        Box::pin(async move {
            let peer = call.peer();
            let proxy = peer.proxy().map_or_else(String::new, |proxy| format!(" by {proxy}"));
            let user = peer.credentials().map_or_else(String::new, |of| {
                format!(" user {} process {}", of.user_id, of.process_id.unwrap())
            });
            let text = format!("{peer}{proxy}{user} on {:?}", std::thread::current().id());
            call.answer(HELLO, &hello(&text))
        })
    }
}

async fn start<L: Into<Listen>>(
    server: Server,
    listen: impl IntoIterator<Item = L>,
) -> (Vec<ListenAddress>, ServerHandle) {
    let bound = server.add(WhoAmI).bind(listen).await.unwrap();
    let (addresses, handle) = (bound.addresses(), bound.handle());
    tokio::spawn(bound.serve());
    (addresses, handle)
}

async fn who(target: &str) -> Result<String> {
    let client = GreeterClient::new(Channel::new(target).unwrap());
    Ok(client.greet(hello("")).await?.0)
}

fn tcp(address: &ListenAddress) -> SocketAddr {
    let ListenAddress::Tcp(address) = address else { panic!("{address} is not TCP") };
    *address
}

#[tokio::test]
async fn several_addresses_of_all_kinds() {
    let path = std::env::temp_dir().join(format!("gannet-listening-{}.sock", std::process::id()));
    let name = format!("gannet-listening-{}", std::process::id());
    let unix = format!("unix:{}", path.display());
    let listens =
        ["127.0.0.1:0".to_owned(), "[::1]:0".to_owned(), unix.clone(), format!("unix-abstract:{name}")];
    let (addresses, handle) = start(Server::new(), listens).await;
    assert_eq!(addresses[2].to_string(), unix);
    assert_eq!(addresses[3].to_string(), format!("unix-abstract:{name}"));

    assert!(who(&format!("ipv4:{}", addresses[0])).await.unwrap().starts_with("127.0.0.1:"));
    assert!(who(&format!("ipv6:{}", addresses[1])).await.unwrap().starts_with("[::1]:"));
    // The system says who is at the other end: this process.
    let me = format!("process {}", std::process::id());
    for target in [unix.clone(), format!("unix-abstract:{name}")] {
        let text = who(&target).await.unwrap();
        assert!(text.starts_with("unix: user ") && text.contains(&me), "{text}");
    }

    assert!(path.exists());
    handle.shutdown(Duration::ZERO).await;
    assert!(!path.exists(), "the socket's file is left");
}

#[tokio::test]
async fn every_address_of_the_machine_is_both_families() {
    let (addresses, _handle) = start(Server::new(), ["[::]:0"]).await;
    let port = tcp(&addresses[0]).port();
    assert!(who(&format!("ipv4:127.0.0.1:{port}")).await.unwrap().contains("127.0.0.1"));
    assert!(who(&format!("ipv6:[::1]:{port}")).await.unwrap().starts_with("[::1]:"));
}

#[tokio::test]
async fn a_name_is_all_its_addresses_at_one_port() {
    let (addresses, _handle) = start(Server::new(), ["localhost:0"]).await;
    let ports: HashSet<u16> = addresses.iter().map(|address| tcp(address).port()).collect();
    assert_eq!(ports.len(), 1, "{addresses:?}");
    for address in addresses {
        assert!(TcpStream::connect(tcp(&address)).await.is_ok(), "{address}");
    }
}

#[tokio::test]
async fn sockets_that_others_opened() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (addresses, _handle) = start(Server::new(), [listener]).await;
    assert_eq!(tcp(&addresses[0]), address);
    assert!(who(&format!("ipv4:{address}")).await.unwrap().starts_with("127.0.0.1:"));
}

/// `sd_listen_fds(3)`: the sockets of a process begin at descriptor 3, `LISTEN_FDS` counts them.
#[test]
fn sockets_that_the_process_was_started_with() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script =
        r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" child_inherits --exact --nocapture"#;
    let mut child = Command::new("sh")
        .env("GANNET_TEST_CHILD", "1")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .stdin(std::os::fd::OwnedFd::from(listener))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let text = runtime.block_on(who(&format!("ipv4:{address}")));
    let ended = child.wait().unwrap();
    assert!(text.unwrap().starts_with("127.0.0.1:"));
    assert!(ended.success(), "{ended}");
}

/// The other process of the test above: it serves one call.
#[tokio::test]
async fn child_inherits() {
    if !is_child() {
        return;
    }
    let listens = Listen::inherited().unwrap();
    assert_eq!(listens.len(), 1);
    let (addresses, handle) = start(Server::new(), listens).await;
    assert!(matches!(addresses[..], [ListenAddress::Tcp(_)]));
    while !CALLED.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    handle.shutdown(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn without_inherited_sockets_there_are_none() {
    assert!(Listen::inherited().unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_that_was_accepted_elsewhere() {
    let bound = Server::new().add(WhoAmI).unbound().unwrap();
    let handle = bound.handle();
    let serving = tokio::spawn(bound.serve());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("ipv4:{}", listener.local_addr().unwrap());
    let accepting = handle.clone();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let name = PeerAddress::Unix(Some("elsewhere".into()));
        accepting.serve_connection(socket, name).await;
    });
    let client = GreeterClient::new(Channel::new(&target).unwrap());
    let text = client.greet(hello("")).await.unwrap().0;
    assert!(text.starts_with("unix:elsewhere"), "{text}");
    // It drains as the others do.
    let report = handle.shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.drained, report.cut), (1, 0));
    assert_eq!(serving.await.unwrap(), report);
}

/// Tells when its server was asked to end.
struct Told(tokio::sync::watch::Sender<bool>);

impl Service for Told {
    fn spec(&self) -> &'static ServiceSpec {
        &ServiceSpec { name: "test.Told", file: "", methods: &[], descriptors: b"" }
    }

    fn call<'a>(&'a self, _: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        gannet::codegen::unknown_method(call)
    }

    fn lifecycle(&self, event: Lifecycle<'_>) {
        if matches!(event, Lifecycle::Draining) {
            self.0.send_replace(true);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn until_the_drain_delay_is_over_new_connections_are_served() {
    const DELAY: Duration = Duration::from_secs(60);
    // The paused clock stands still while a blocking task runs.
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    tokio::task::spawn_blocking(move || held.recv());
    let asked = tokio::sync::watch::Sender::new(false);
    let mut told = asked.subscribe();
    let server = Server::new().drain_delay(DELAY).add(Told(asked));
    let (addresses, handle) = start(server, ["127.0.0.1:0"]).await;
    let begun = tokio::time::Instant::now();
    let shutdown = tokio::spawn(async move { handle.shutdown(Duration::from_secs(1)).await });
    told.wait_for(|told| *told).await.unwrap();
    who(&format!("ipv4:{}", addresses[0])).await.unwrap();
    assert!(!shutdown.is_finished());
    drop(go_on);
    assert_eq!(shutdown.await.unwrap().cut, 0);
    assert!(begun.elapsed() >= DELAY);
    assert_eq!(who(&format!("ipv4:{}", addresses[0])).await.unwrap_err().code(), Code::Unavailable);
}

/// Whoever asks again does not want to wait: neither for the delay nor for the grace of the first.
#[tokio::test]
async fn a_drain_delay_can_be_ended() {
    const LONG: Duration = Duration::from_secs(3600);
    let asked = tokio::sync::watch::Sender::new(false);
    let mut told = asked.subscribe();
    let server = Server::new().drain_delay(LONG).add(Told(asked));
    let (addresses, handle) = start(server, ["127.0.0.1:0"]).await;
    let first = handle.clone();
    let first = tokio::spawn(async move { first.shutdown(LONG).await });
    told.wait_for(|told| *told).await.unwrap();
    who(&format!("ipv4:{}", addresses[0])).await.unwrap();
    let report = handle.shutdown_without_delay(Duration::from_secs(10)).await;
    assert_eq!(first.await.unwrap(), report);
    assert_eq!(who(&format!("ipv4:{}", addresses[0])).await.unwrap_err().code(), Code::Unavailable);

    // The first time too.
    let (_, handle) = start(Server::new().drain_delay(LONG), ["127.0.0.1:0"]).await;
    assert_eq!(handle.shutdown_without_delay(LONG).await.cut, 0);
}

/// What the server says to these bytes, and what it tells its operator.
async fn proxied(address: SocketAddr, first: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(first).await.unwrap();
    let mut answer = vec![0; 9];
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut answer)).await.unwrap();
    answer.truncate(read.unwrap_or(0));
    answer
}

/// proxy-protocol.txt: who is behind the proxy, in both versions.
#[tokio::test]
async fn a_proxy_says_whose_connection_it_is() {
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::new().observe(move |event| sender.send(event.to_string()).unwrap());
    let (addresses, _handle) = start(server, [Listen::from("127.0.0.1:0").proxy_protocol()]).await;
    let address = tcp(&addresses[0]);
    let rows: [(&[u8], &str); 3] = [
        (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1:56324 by 127.0.0.1:"),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x02\xc6\x33\x64\x01\xdc\x04\x01\xbb",
            "192.0.2.2:56324 by 127.0.0.1:",
        ),
        (b"PROXY UNKNOWN\r\n", "127.0.0.1:"),
    ];
    for (header, expected) in rows {
        let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("ipv4:{}", relay.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut client, _) = relay.accept().await.unwrap();
            let mut server = TcpStream::connect(address).await.unwrap();
            // In pieces, as a network may.
            for piece in header.chunks(7) {
                server.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
        let text = who(&target).await.unwrap();
        assert!(text.starts_with(expected), "{text}");
    }

    for (bytes, expected) in [
        (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], "does not begin with a PROXY header"),
        (b"PROXY TCP4 1.1.1.1 1.1.1.1 1 99999\r\n", "the PROXY header (version 1) is broken"),
    ] {
        assert_eq!(proxied(address, bytes).await, b"", "the connection goes on");
        let event = events.recv().await.unwrap();
        assert!(event.contains(expected), "{event}");
    }
}

#[tokio::test]
async fn connections_are_spread_over_threads() {
    let (addresses, handle) = start(Server::new().serve_per_core(2), ["127.0.0.1:0"]).await;
    let target = format!("ipv4:{}", addresses[0]);
    let mut threads = HashSet::new();
    // The system spreads them by a hash of their ports: that 40 of them go to one thread has a chance of 2^-39.
    let mut clients = Vec::new();
    for _ in 0..40 {
        let client = GreeterClient::new(Channel::new(&target).unwrap());
        let text = client.greet(hello("")).await.unwrap().0;
        threads.insert(text.split(" on ").nth(1).unwrap().to_owned());
        clients.push(client);
    }
    assert_eq!(threads.len(), 2, "{threads:?}");
    let report = handle.shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.drained, report.cut), (40, 0));
}

#[tokio::test]
async fn at_most_so_many_connections() {
    let (addresses, _handle) = start(Server::new().max_connections(1), ["127.0.0.1:0"]).await;
    let target = format!("ipv4:{}", addresses[0]);
    let first = Channel::new(&target).unwrap();
    first.connect().await.unwrap();
    let second = Channel::new(&target).unwrap();
    let waits = tokio::time::timeout(Duration::from_millis(100), second.connect()).await;
    assert!(waits.is_err(), "a second connection is served");
    drop(first);
    second.connect().await.unwrap();
}

/// RUSTSEC-2024-0376: without file descriptors the server waits, tells, and goes on.
#[test]
fn errors_of_accepting_do_not_end_the_server() {
    let script = r#"ulimit -n 40; exec "$0" child_without_descriptors --exact --nocapture"#;
    let output = Command::new("sh")
        .env("GANNET_TEST_CHILD", "1")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The other process of the test above.
#[tokio::test]
async fn child_without_descriptors() {
    if !is_child() {
        return;
    }
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::new().observe(move |event| drop(sender.send(event.to_string())));
    let (addresses, handle) = start(server, ["127.0.0.1:0"]).await;
    let address = tcp(&addresses[0]);
    // A client outside of this process would have descriptors of its own; here both ends are used up together.
    let mut sockets = Vec::new();
    let event = loop {
        match TcpStream::connect(address).await {
            Ok(socket) => sockets.push(socket),
            // None is left for a client: its last one frees the way to an accept that fails.
            Err(_) => drop(sockets.pop()),
        }
        if let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(20), events.recv()).await {
            break event;
        }
        assert!(sockets.len() < 60, "the limit does not hold");
    };
    assert!(
        event.contains("no connection can be accepted now: ") && event.contains("Too many open files"),
        "{event}"
    );
    assert!(handle.load().limit_hits.iter().any(|(limit, hits)| *limit == "accept" && *hits > 0));
    drop(sockets);
    assert!(who(&format!("ipv4:{address}")).await.unwrap().starts_with("127.0.0.1:"));
}
