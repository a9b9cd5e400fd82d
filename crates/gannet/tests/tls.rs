//! TLS: calls over it, who the peers are, certificates that change, and what each mistake says on both ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and has its own clock"
)]

mod certificates;
mod greeter;

use certificates::{Authority, Pair};
use gannet::tls::{Authorities, ClientTls, Identity, IdentityPem, ServerTls, TlsVersion, rustls};
use gannet::{
    Answer, BoxFuture, Call, Channel, ListenAddress, PeerAddress, Phase, Registry, Result, Server,
    ServerEvent, ServerHandle, Service, ServiceSpec,
};
use greeter::{GreeterClient, GreeterServer, HELLO, Plain, hello};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A server with this TLS on a free port, and what it tells.
struct Started {
    address: SocketAddr,
    handle: ServerHandle,
    events: mpsc::UnboundedReceiver<String>,
}

async fn start(tls: impl Into<Option<ServerTls>>) -> Started {
    start_service(tls, GreeterServer::new(Plain::default())).await
}

async fn start_service(tls: impl Into<Option<ServerTls>>, service: impl Service) -> Started {
    let (sender, events) = mpsc::unbounded_channel();
    let mut server = Server::new().add(service).observe(move |event: &ServerEvent<'_>| {
        let _ = sender.send(event.to_string());
    });
    if let Some(tls) = tls.into() {
        server = server.tls(tls);
    }
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    Started { address, handle, events }
}

impl Started {
    fn channel(&self, tls: impl Into<Option<ClientTls>>) -> Channel {
        let mut builder = Channel::builder(&format!("ipv4:{}", self.address)).unwrap();
        if let Some(tls) = tls.into() {
            builder = builder.tls(tls);
        }
        builder.build()
    }

    /// What the server tells next.
    async fn event(&mut self) -> String {
        let event = tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await;
        event.expect("the server tells nothing").unwrap()
    }
}

async fn greets(channel: &Channel) {
    let client = GreeterClient::new(channel.clone());
    assert_eq!(client.greet(hello("you")).await.unwrap(), hello("Hello you"));
}

fn trusts(authority: &Authority) -> ClientTls {
    ClientTls::new().authorities(authority.authorities())
}

/// Says who calls.
struct WhoAmI;

impl Service for WhoAmI {
    fn spec(&self) -> &'static ServiceSpec {
        GreeterServer::new(Plain::default()).spec()
    }

    fn call<'a>(&'a self, _: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        Box::pin(async move {
            let session = call.peer().tls().unwrap().clone();
            let who = session.certificate().map_or_else(
                || "nobody".to_owned(),
                |certificate| {
                    let (dns, uris) = (certificate.dns_names().join(","), certificate.uris().join(","));
                    format!("{} {dns} {uris} {}", certificate.subject(), certificate.chain().len())
                },
            );
            let name = session.server_name().map(str::to_owned);
            let how = format!("{:?} {} {name:?}", session.version(), session.is_resumed());
            call.answer(HELLO, &hello(&format!("{who}; {how}")))
        })
    }
}

async fn who(channel: &Channel) -> String {
    GreeterClient::new(channel.clone()).greet(hello("")).await.unwrap().0
}

/// gRFC A14, Security: what channelz shows of a connection, at both ends.
#[tokio::test]
async fn a_registry_knows_how_connections_are_secured() {
    let authority = Authority::new("ca");
    let pair = authority.sign(&["127.0.0.1"]);
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let registry = Registry::new();
    let server = Server::new().registry(registry.clone()).tls(ServerTls::new(pair.identity()));
    let bound = server.add(GreeterServer::new(Plain::default())).bind(["127.0.0.1:0"]).await.unwrap();
    let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
    tokio::spawn(bound.serve());
    let channel = Channel::builder(&format!("ipv4:{address}")).unwrap();
    let channel = channel.tls(trusts(&authority)).registry(registry.clone()).build();
    greets(&channel).await;

    let subchannel = registry.subchannel(registry.channels(0, 1)[0].subchannel).unwrap();
    let client = registry.socket(subchannel.sockets[0].id).unwrap();
    let security = client.security.unwrap();
    assert!(security.cipher_suite.as_ref().unwrap().starts_with("TLS_"), "{security:?}");
    assert_eq!(security.remote_certificate.as_deref(), Some(&certificate[..]));
    let accepted = registry.server_sockets(registry.servers(0, 1)[0].id, 0, 1).unwrap();
    let accepted = registry.socket(accepted[0].id).unwrap();
    assert_eq!((accepted.local, accepted.remote), (Some(PeerAddress::Tcp(address)), client.local));
    let of_server = accepted.security.unwrap();
    assert_eq!((of_server.cipher_suite, of_server.remote_certificate), (security.cipher_suite, None));
}

#[tokio::test]
async fn calls_of_all_kinds_and_large_messages() {
    let authority = Authority::new("ca");
    let server = start(ServerTls::new(authority.sign(&["127.0.0.1"]).identity())).await;
    let channel = server.channel(trusts(&authority));
    greets(&channel).await;
    let client = GreeterClient::new(channel);
    let mut list = client.list(hello("3000")).await.unwrap();
    let mut count = 0;
    while list.next().await.unwrap().is_some() {
        count += 1;
    }
    assert_eq!(count, 3000);
    // Larger than windows, records and buffers.
    let mut batch = client.batch();
    let large = "x".repeat(1_000_000);
    for _ in 0..3 {
        batch.send(hello(&large)).await.unwrap();
    }
    assert_eq!(batch.finish().await.unwrap().0.len(), 3_000_000);
}

#[tokio::test]
async fn both_versions_of_tls() {
    let authority = Authority::new("ca");
    let identity = authority.sign(&["127.0.0.1"]).identity();
    let server = start_service(ServerTls::new(identity.clone()), WhoAmI).await;
    assert_eq!(who(&server.channel(trusts(&authority))).await, "nobody; Tls13 false None");

    // A client of TLS 1.2 alone, by rustls's own configuration.
    let mut config = raw_client(&authority, &[&rustls::version::TLS12]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let old = ClientTls::rustls(Arc::new(config));
    assert_eq!(who(&server.channel(old.clone())).await, "nobody; Tls12 false None");

    let mut modern = start(ServerTls::new(identity).min_version(TlsVersion::Tls13)).await;
    let error = modern.channel(old).connect().await.unwrap_err();
    assert!(error.message().contains("speaks no version of TLS that the client speaks"), "{error}");
    let event = modern.event().await;
    assert!(event.contains("no version or cipher of TLS in common"), "{event}");
}

#[tokio::test]
async fn a_client_shows_who_it_is() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let identity = servers.sign(&["users.example"]).identity();
    let required = ServerTls::new(identity.clone()).client_authorities(clients.authorities());
    let optional = ServerTls::new(identity).optional_client_authorities(clients.authorities());
    let (required, optional) = (start_service(required, WhoAmI).await, start_service(optional, WhoAmI).await);

    let nobody = trusts(&servers).server_name("users.example");
    let workload = clients.workload("spiffe://example.org/workload");
    let known = nobody.clone().identity(workload.identity());
    for server in [&required, &optional] {
        let text = who(&server.channel(known.clone())).await;
        assert_eq!(
            text,
            "CN=workload workload.example spiffe://example.org/workload 1; Tls13 false Some(\"users.example\")"
        );
    }
    assert_eq!(who(&optional.channel(nobody)).await, "nobody; Tls13 false Some(\"users.example\")");
}

/// Passes bytes on to a server until it is dropped: then its connections are cut.
struct Relay {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    async fn to(server: SocketAddr) -> Self {
        Self::between(TcpListener::bind("127.0.0.1:0").await.unwrap(), server)
    }

    fn between(listener: TcpListener, server: SocketAddr) -> Self {
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut pipes = tokio::task::JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                pipes.spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, task }
    }

    /// Cuts the connections, and takes new ones.
    async fn cut(self, server: SocketAddr) -> Self {
        self.task.abort();
        let _ = self.task.await;
        Self::between(TcpListener::bind(self.address).await.unwrap(), server)
    }
}

#[tokio::test]
async fn a_session_is_resumed_until_the_certificate_changes() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    directory.write(&authority.sign(&["127.0.0.1"]));
    let server = start_service(ServerTls::new(directory.identity()), WhoAmI).await;
    let relay = Relay::to(server.address).await;
    let target = format!("ipv4:{}", relay.address);
    let channel = Channel::builder(&target).unwrap().tls(trusts(&authority)).build();
    assert!(who(&channel).await.contains("Tls13 false"));
    let relay = relay.cut(server.address).await;
    assert!(who_again(&channel).await.contains("Tls13 true"));
    // A session made under other certificates and authorities is over.
    directory.write(&authority.sign(&["127.0.0.1"]));
    assert!(server.handle.reload_tls().unwrap());
    let _relay = relay.cut(server.address).await;
    assert!(who_again(&channel).await.contains("Tls13 false"));
}

/// After a cut the first call may find the connection not yet gone.
async fn who_again(channel: &Channel) -> String {
    let client = GreeterClient::new(channel.clone());
    for _ in 0..100 {
        if let Ok(answer) = client.greet(hello("")).wait_for_ready().await {
            return answer.0;
        }
    }
    panic!("the channel does not come back");
}

/// Files of a certificate and its key, gone with the value.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("gannet-tls-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, pair: &Pair) {
        self.write_file("key.pem", &pair.key);
        self.write_file("certificate.pem", &pair.certificate);
    }

    /// In one step: nobody reads half a file.
    fn write_file(&self, name: &str, content: &str) {
        std::fs::write(self.0.join("new"), content).unwrap();
        std::fs::rename(self.0.join("new"), self.0.join(name)).unwrap();
    }

    fn identity(&self) -> Identity {
        Identity::files(self.0.join("certificate.pem"), self.0.join("key.pem"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The certificate of a new connection's server, by its first DNS name.
async fn server_name_now(server: &Started, authority: &Authority, name: &str) -> Result<()> {
    server.channel(trusts(authority).server_name(name)).connect().await
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    directory.write(&authority.sign(&["old.example"]));
    let tls = ServerTls::new(directory.identity()).reload_interval(Duration::from_millis(20));
    let mut server = start(tls).await;
    let before = server.channel(trusts(&authority).server_name("old.example"));
    greets(&before).await;

    let new = authority.sign(&["new.example"]);
    // The certificate comes before its key: for a moment they do not fit, and the old pair goes on.
    directory.write_file("certificate.pem", &new.certificate);
    let event = server.event().await;
    assert!(event.contains("the old ones go on") && event.contains("they are not a pair"), "{event}");
    server_name_now(&server, &authority, "old.example").await.unwrap();

    directory.write(&new);
    assert_eq!(server.event().await, "the new TLS certificates are in use");
    server_name_now(&server, &authority, "new.example").await.unwrap();
    server_name_now(&server, &authority, "old.example").await.unwrap_err();
    // The connection that was there is.
    greets(&before).await;
}

#[tokio::test]
async fn a_provider_is_asked_again() {
    let authority = Authority::new("ca");
    let current = Arc::new(Mutex::new(authority.sign(&["old.example"])));
    let asked = Arc::clone(&current);
    let identity = Identity::provider(move || {
        let pair = asked.lock().unwrap().clone();
        Ok(IdentityPem { certificates: pair.certificate.into(), key: pair.key.into() })
    });
    let server = start(ServerTls::new(identity)).await;
    server_name_now(&server, &authority, "old.example").await.unwrap();
    *current.lock().unwrap() = authority.sign(&["new.example"]);
    assert!(server.handle.reload_tls().unwrap());
    assert!(!server.handle.reload_tls().unwrap());
    server_name_now(&server, &authority, "new.example").await.unwrap();
}

/// Calls on old and on ever new connections, while the certificate changes again and again: none fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_certificate_changes() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    directory.write(&authority.sign(&["127.0.0.1"]));
    let server = Arc::new(start(ServerTls::new(directory.identity())).await);
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for stays in [true, false, false] {
        let (server, over, tls) = (Arc::clone(&server), Arc::clone(&over), trusts(&authority));
        callers.spawn(async move {
            let mut channel = server.channel(tls.clone());
            let mut calls = 0_u32;
            while !over.load(Ordering::Relaxed) {
                if !stays {
                    channel = server.channel(tls.clone());
                }
                greets(&channel).await;
                calls += 1;
            }
            calls
        });
    }
    for _ in 0..20 {
        directory.write(&authority.sign(&["127.0.0.1"]));
        assert!(server.handle.reload_tls().unwrap());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    over.store(true, Ordering::Relaxed);
    // A call that failed is a panic of its task.
    let calls: u32 = callers.join_all().await.into_iter().sum();
    assert!(calls > 20, "{calls} calls are no load");
}

/// What each mistake says: to the client's program, and to the server's operator.
#[tokio::test]
async fn mistakes_in_a_handshake_are_told_at_both_ends() {
    let (servers, clients, others) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
    let good = || servers.sign(&["127.0.0.1"]).identity();
    let plain = || ServerTls::new(good());
    let mutual = || plain().client_authorities(clients.authorities());
    let trusting = || trusts(&servers);
    let pair = |pair: Pair| pair.identity();
    #[rustfmt::skip]
    let rows: Vec<(&str, Option<ServerTls>, Option<ClientTls>, &str, &str)> = vec![
        ("an expired certificate",
            Some(ServerTls::new(pair(servers.expired(&["127.0.0.1"])))), Some(trusting()),
            "the server's certificate has expired: it was valid until Jan  1 00:00:00 2021",
            "the client says that the server's certificate has expired"),
        ("a certificate of the future",
            Some(ServerTls::new(pair(servers.not_yet_valid(&["127.0.0.1"])))), Some(trusting()),
            "the server's certificate is valid only from Jan  1 00:00:00 3000",
            "the client says that the server's certificate has expired or is not valid yet"),
        ("a certificate for another host",
            Some(ServerTls::new(pair(servers.sign(&["users.example"])))), Some(trusting()),
            "the server's certificate is for users.example, not for 127.0.0.1; connect by a name that it has, or set \
             ClientTls::server_name",
            "the client refuses the server's certificate: it is for another name, or damaged"),
        ("an authority that nobody knows", Some(plain()), Some(trusts(&others)),
            "the server's certificate is signed by no authority that this side trusts; name its CA with \
             ClientTls::authorities",
            "the client trusts no authority that has signed the server's certificate"),
        ("no client certificate", Some(mutual()), Some(trusting()),
            "the server requires a client certificate; set ClientTls::identity",
            "the client presented no certificate, and this server requires one"),
        ("a client of an unknown authority",
            Some(mutual()), Some(trusting().identity(pair(others.workload("spiffe://a/b")))),
            "the server trusts no authority that has signed the client's certificate",
            "the client's certificate is signed by no authority that this side trusts; name its CA with \
             ServerTls::client_authorities"),
        ("an expired client certificate",
            Some(mutual()), Some(trusting().identity(pair(clients.expired(&["a"])))),
            "the server says that the client's certificate has expired",
            "the client's certificate has expired: it was valid until Jan  1 00:00:00 2021"),
        ("plaintext to a TLS port", Some(plain()), None,
            "this port speaks TLS", "the client speaks plaintext to a TLS port"),
        ("TLS to a plaintext port", None, Some(trusting()),
            "the server does not speak TLS on this port; connect to its TLS port, or leave TLS out",
            "the client speaks TLS to a plaintext port; set Server::tls, or leave TLS out there"),
    ];
    for (name, server_tls, client_tls, at_client, at_server) in rows {
        let mut server = start(server_tls).await;
        let phase = if client_tls.is_some() { Phase::Tls } else { Phase::Connect };
        let channel = server.channel(client_tls);
        let error = GreeterClient::new(channel).greet(hello("you")).await.expect_err(name);
        assert_eq!(error.code(), gannet::Code::Unavailable, "{name}");
        let failure = error.failure().unwrap_or_else(|| panic!("{name}: no phase"));
        assert_eq!((failure.phase(), failure.attempts()), (phase, 0), "{name}");
        assert_eq!(failure.peer(), Some(server.address.to_string().as_str()), "{name}");
        assert!(error.message().contains(at_client), "{name}, client: {}", error.message());
        assert!(error.message().contains(&server.address.to_string()), "{name}: whom? {}", error.message());
        let event = server.event().await;
        assert!(event.contains(at_server), "{name}, server: {event}");
        assert!(event.starts_with("connection from 127.0.0.1:"), "{name}: {event}");
    }
}

/// RFC 9113 §3.2: HTTP/2 over TLS needs ALPN.
#[tokio::test]
async fn missing_alpn_is_told_at_both_ends() {
    let authority = Authority::new("ca");
    let identity = authority.sign(&["127.0.0.1"]);
    for (offered, at_server) in [
        (vec![], "the client did not agree to HTTP/2 by ALPN"),
        (vec![b"http/1.1".to_vec()], "the two ends have no protocol in common by ALPN"),
    ] {
        let mut server = start(ServerTls::new(identity.identity())).await;
        let answer = raw_tls_answer(server.address, &authority, offered.clone()).await;
        let event = server.event().await;
        assert!(event.contains(at_server), "{event}");
        match answer {
            // GOAWAY with words that a client of HTTP/2 shows.
            Ok(bytes) => assert!(String::from_utf8_lossy(&bytes).contains("ALPN"), "{bytes:?}"),
            Err(error) => assert!(error.to_string().contains("NoApplicationProtocol"), "{error}"),
        }
    }

    // A server that knows nothing of ALPN.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(raw_server(&identity)));
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(socket).await.unwrap();
        let _ = stream.read(&mut [0; 100]).await;
    });
    let channel = Channel::builder(&format!("ipv4:{address}")).unwrap().tls(trusts(&authority)).build();
    let error = channel.connect().await.unwrap_err();
    assert!(error.message().contains("the server did not agree to HTTP/2 by ALPN"), "{error}");
}

fn raw_server(pair: &Pair) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap()
}

fn raw_client(
    authority: &Authority,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

async fn raw_tls_answer(
    address: SocketAddr,
    authority: &Authority,
    alpn: Vec<Vec<u8>>,
) -> std::io::Result<Vec<u8>> {
    let mut config = raw_client(authority, &[&rustls::version::TLS13]);
    config.alpn_protocols = alpn;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let socket = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect(address.ip().into(), socket).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// A proxy that ends TLS and speaks HTTP/1.1, a server of another kind, one that only closes.
#[tokio::test]
async fn other_servers_are_told_from_grpc() {
    let authority = Authority::new("ca");
    let rows: [(&str, &[u8], bool, &str); 4] = [
        ("HTTP/1.1", b"HTTP/1.1 400 Bad Request\r\n\r\n", false, "the server speaks HTTP/1.1 on this port"),
        (
            "a TLS alert",
            b"\x15\x03\x03\0\x02\x02\x46",
            false,
            "the server speaks TLS on this port; set ChannelBuilder::tls",
        ),
        (
            "HTTP/1.1 for TLS",
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            true,
            "the server does not speak TLS on this port",
        ),
        (
            "nothing for TLS",
            b"",
            true,
            "the server closed the connection during the TLS handshake; is it a plaintext port?",
        ),
    ];
    for (name, answer, tls, expected) in rows {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut channel = Channel::builder(&format!("ipv4:{}", listener.local_addr().unwrap())).unwrap();
        if tls {
            channel = channel.tls(trusts(&authority));
        }
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 4096]).await;
            socket.write_all(answer).await.unwrap();
        });
        let error = channel.build().connect().await.expect_err(name);
        assert!(error.message().contains(expected), "{name}: {}", error.message());
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off() {
    let authority = Authority::new("ca");
    let (sender, mut events) = mpsc::unbounded_channel();
    let bound = Server::new()
        .add(GreeterServer::new(Plain::default()))
        .tls(ServerTls::new(authority.sign(&["127.0.0.1"]).identity()))
        .handshake_timeout(Duration::from_millis(100))
        .observe(move |event| sender.send(event.to_string()).unwrap())
        .bind(["127.0.0.1:0"])
        .await
        .unwrap();
    let address = bound.addresses()[0].to_string();
    tokio::spawn(bound.serve());
    // The head of a ClientHello that promises more.
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(b"\x16\x03\x01\x02\0\x01").await.unwrap();
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await.unwrap();
    let event = events.recv().await.unwrap();
    assert!(event.contains("did not begin within 100ms"), "{event}");
}

#[tokio::test]
async fn mistakes_in_files_are_told_before_serving() {
    let directory = Directory::new();
    let authority = Authority::new("ca");
    let (one, other) = (authority.sign(&["a"]), authority.sign(&["a"]));
    let file = |name: &str, content: &str| {
        std::fs::write(directory.0.join(name), content).unwrap();
        directory.0.join(name)
    };
    let certificate = file("good.pem", &one.certificate);
    let key = file("good.key", &one.key);
    let rows = [
        (
            "a missing file",
            Identity::files("/no/such.pem", &key),
            "TLS can't begin: the file /no/such.pem can't be read: No such file",
        ),
        (
            "an empty file",
            Identity::files(file("empty.pem", ""), &key),
            "empty.pem has no certificate (-----BEGIN CERTIFICATE-----); it is empty",
        ),
        (
            "files the wrong way round",
            Identity::files(&key, &certificate),
            "good.key has no certificate (-----BEGIN CERTIFICATE-----); it has PEM of another kind",
        ),
        (
            "another's key",
            Identity::files(&certificate, file("other.key", &other.key)),
            "they are not a pair",
        ),
        (
            "a damaged certificate",
            Identity::pem("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", &one.key),
            "the certificate in the PEM text is damaged",
        ),
    ];
    for (name, identity, expected) in rows {
        let server = Server::new().add(GreeterServer::new(Plain::default())).tls(ServerTls::new(identity));
        let error = server.bind(["127.0.0.1:0"]).await.expect_err(name);
        assert!(error.to_string().contains(expected), "{name}: {error}");
        // What `main` prints.
        assert_eq!(format!("{error:?}"), error.to_string(), "{name}");
    }

    let tls = ServerTls::new(one.identity()).client_authorities(Authorities::pem("nothing"));
    let error = Server::new().tls(tls).bind(["127.0.0.1:0"]).await.unwrap_err();
    assert!(error.to_string().contains("the PEM text has no certificate"), "{error}");

    let raw = raw_server(&one);
    let error = Server::new().tls(ServerTls::rustls(Arc::new(raw))).bind(["127.0.0.1:0"]).await.unwrap_err();
    assert!(error.to_string().contains("offers no \"h2\"; add it to its alpn_protocols"), "{error}");

    // A client says it when it connects.
    let server = start(ServerTls::new(one.identity())).await;
    let channel = server.channel(ClientTls::new().authorities(Authorities::file("/no/ca.pem")));
    let error = channel.connect().await.unwrap_err();
    assert!(
        error.message().contains("by TLS failed: the file /no/ca.pem can't be read: No such file"),
        "{error}"
    );
    let channel = server.channel(trusts(&authority).server_name("not a name"));
    let error = channel.connect().await.unwrap_err();
    assert!(error.message().contains("\"not a name\" is no name that a certificate can have"), "{error}");
}
