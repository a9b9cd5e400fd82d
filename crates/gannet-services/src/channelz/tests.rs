use super::*;
use crate::health::{Health, HealthCheckRequest, HealthClient};
use channel_connectivity_state::State;
use gannet::{Channel as GannetChannel, Code, ListenAddress, Server as GannetServer};
use gannet::{ServerHandle, well_known::Timestamp};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// A server with health and channelz, and a channel to it that tells of itself in the same registry.
struct Pair {
    registry: Registry,
    address: SocketAddr,
    handle: ServerHandle,
    channel: GannetChannel,
    health: HealthClient,
    channelz: ChannelzClient,
}

impl Pair {
    async fn start() -> Self {
        let registry = Registry::new();
        let server = GannetServer::new()
            .registry(registry.clone())
            .add(Health::new().service())
            .add(Channelz::new(registry.clone()).service());
        let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
        let ListenAddress::Tcp(address) = bound.addresses()[0].clone() else { panic!("not TCP") };
        let handle = bound.handle();
        tokio::spawn(bound.serve());
        let target = format!("ipv4:{address}");
        let channel = GannetChannel::builder(&target).unwrap().registry(registry.clone()).build();
        let health = HealthClient::new(channel.clone());
        // Who asks is not counted at the channel that is asked about.
        let channelz = ChannelzClient::new(GannetChannel::new(&target).unwrap());
        Self { registry, address, handle, channel, health, channelz }
    }

    async fn server(&self) -> Server {
        let servers = self.channelz.get_servers(GetServersRequest::default()).await.unwrap();
        assert!(servers.end);
        servers.server.into_iter().next().unwrap()
    }

    async fn channel(&self) -> Channel {
        let channels = self.channelz.get_top_channels(GetTopChannelsRequest::default()).await.unwrap();
        assert!(channels.end);
        channels.channel.into_iter().next().unwrap()
    }

    async fn socket(&self, reference: &SocketRef) -> Socket {
        let request = GetSocketRequest { socket_id: reference.socket_id, ..Default::default() };
        self.channelz.get_socket(request).await.unwrap().socket.unwrap()
    }

    /// The one connection of the channel that is asked about.
    async fn client_socket(&self) -> Socket {
        let subchannel_id = self.channel().await.subchannel_ref[0].subchannel_id;
        let request = GetSubchannelRequest { subchannel_id, ..Default::default() };
        let subchannel = self.channelz.get_subchannel(request).await.unwrap().subchannel.unwrap();
        assert_eq!(subchannel.socket_ref.len(), 1);
        self.socket(&subchannel.socket_ref[0]).await
    }

    async fn server_sockets(&self) -> Vec<Socket> {
        let server_id = self.server().await.r#ref.server_id;
        let request = GetServerSocketsRequest { server_id, ..Default::default() };
        let mut sockets = Vec::new();
        for reference in self.channelz.get_server_sockets(request).await.unwrap().socket_ref {
            sockets.push(self.socket(&reference).await);
        }
        sockets
    }
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned(), ..Default::default() }
}

fn tcp(address: &Address) -> SocketAddr {
    let Some(oneof::address::Address::TcpipAddress(tcp)) = &address.address else { panic!("{address:?}") };
    let ip = <[u8; 4]>::try_from(tcp.ip_address.as_slice()).unwrap();
    SocketAddr::from((ip, u16::try_from(tcp.port).unwrap()))
}

/// Whether it was within the last minute.
fn is_recent(time: &Timestamp) -> bool {
    let time = SystemTime::try_from(time.clone()).unwrap();
    SystemTime::now().duration_since(time).unwrap() < Duration::from_secs(60)
}

/// What is counted of calls comes a turn after them: asks again until it is there.
async fn until<T, F: Future<Output = T>>(ask: impl Fn() -> F, holds: impl Fn(&T) -> bool) -> T {
    loop {
        let answer = ask().await;
        if holds(&answer) {
            return answer;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_channel_and_its_calls() {
    let pair = Pair::start().await;
    let channel = pair.channel().await;
    assert_eq!(channel.data.state.state, State::IDLE);
    assert_eq!(channel.data.target, pair.address.to_string());
    assert!(channel.data.last_call_started_timestamp.as_option().is_none());

    for _ in 0..3 {
        pair.health.check(of("")).await.unwrap();
    }
    pair.health.check(of("nobody")).await.unwrap_err();
    let mut watch = pair.health.watch(of("")).await.unwrap();
    watch.next().await.unwrap().unwrap();
    let data = pair.channel().await.data.unwrap();
    assert_eq!(data.state.state, State::READY);
    assert_eq!((data.calls_started, data.calls_succeeded, data.calls_failed), (5, 3, 1));
    assert!(is_recent(data.last_call_started_timestamp.as_option().unwrap()));

    drop(watch);
    let data = until(|| pair.channel(), |channel| channel.data.calls_failed == 2).await.data;
    assert_eq!((data.calls_started, data.calls_succeeded), (5, 3));
    let id = pair.channel().await.r#ref.channel_id;
    let request = GetChannelRequest { channel_id: id, ..Default::default() };
    assert_eq!(pair.channelz.get_channel(request).await.unwrap().channel.data, data);
    drop((pair.channel, pair.health));
    assert!(pair.registry.channels(0, 10).is_empty());
}

#[tokio::test]
async fn a_connection_from_both_ends() {
    let pair = Pair::start().await;
    for _ in 0..3 {
        pair.health.check(of("")).await.unwrap();
    }
    let mut watch = pair.health.watch(of("")).await.unwrap();
    watch.next().await.unwrap().unwrap();

    let client = pair.client_socket().await;
    assert_eq!(tcp(&client.remote), pair.address);
    let data = &client.data;
    assert_eq!((data.streams_started, data.streams_succeeded, data.streams_failed), (4, 3, 0));
    assert_eq!((data.messages_sent, data.messages_received), (4, 4));
    assert!(is_recent(data.last_local_stream_created_timestamp.as_option().unwrap()));
    assert!(data.last_remote_stream_created_timestamp.as_option().is_none());
    assert!(is_recent(data.last_message_received_timestamp.as_option().unwrap()));
    assert!(data.remote_flow_control_window.value > 0);
    assert!(client.security.as_option().is_none());

    let is_same = |socket: &Socket| tcp(&socket.remote) == tcp(&client.local);
    let server = pair.server_sockets().await.into_iter().find(is_same).unwrap();
    assert_eq!(tcp(&server.local), pair.address);
    assert_eq!(server.r#ref.name, tcp(&client.local).to_string());
    let data = &server.data;
    assert_eq!((data.streams_started, data.streams_succeeded, data.streams_failed), (4, 3, 0));
    assert_eq!((data.messages_sent, data.messages_received), (4, 4));
    assert!(is_recent(data.last_remote_stream_created_timestamp.as_option().unwrap()));

    // The stream is reset, and with it the call has failed.
    drop(watch);
    until(|| pair.client_socket(), |socket| socket.data.streams_failed == 1).await;
    let failed = |server: &Server| server.data.calls_failed == 1;
    until(|| pair.server(), failed).await;
}

#[tokio::test]
async fn a_server_remembers_the_calls_of_connections_that_are_closed() {
    let pair = Pair::start().await;
    let listening = pair.server().await.listen_socket;
    assert_eq!(listening.len(), 1);
    assert_eq!(tcp(&pair.socket(&listening[0]).await.local), pair.address);

    for _ in 0..2 {
        let channel = GannetChannel::new(&format!("ipv4:{}", pair.address)).unwrap();
        HealthClient::new(channel).check(of("")).await.unwrap();
    }
    let one = |sockets: &Vec<Socket>| sockets.len() == 1;
    until(|| pair.server_sockets(), one).await;
    let before = pair.server().await.data.unwrap();
    let after = pair.server().await.data.unwrap();
    // The question itself is a call, which has not ended when it is answered. That it has begun is told with all else
    // that its connection does in one turn, and so perhaps after its answer.
    assert_eq!(after.calls_succeeded, before.calls_succeeded + 1);
    assert!((0..=1).contains(&(after.calls_started - after.calls_succeeded)), "{after:?}");
    assert!(is_recent(after.last_call_started_timestamp.as_option().unwrap()));
    pair.handle.shutdown(Duration::ZERO).await;
    let status = pair.channelz.get_servers(GetServersRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let registry = pair.registry.clone();
    // Its handles are of the server too.
    drop(pair);
    until(async || registry.servers(0, 10), Vec::is_empty).await;
}

fn descriptions(trace: &ChannelTrace) -> Vec<&str> {
    trace.events.iter().map(|event| event.description.as_str()).collect()
}

/// gRFC A3: what has happened to a channel, its subchannel and a server, in the order in which it has.
#[tokio::test]
async fn traces() {
    use channel_trace_event::Severity;
    let pair = Pair::start().await;
    pair.health.check(of("")).await.unwrap();
    let channel = pair.channel().await;
    let trace = &channel.data.trace;
    assert!(is_recent(trace.creation_timestamp.as_option().unwrap()));
    assert_eq!(descriptions(trace), ["created", "subchannel created", "CONNECTING", "READY"]);
    assert_eq!(trace.num_events_logged, 4);
    assert!(trace.events.iter().all(|event| event.severity == Severity::CT_INFO));
    assert!(trace.events.iter().all(|event| is_recent(event.timestamp.as_option().unwrap())));
    let subchannel_id = channel.subchannel_ref[0].subchannel_id;
    let child = trace.events[2].child_ref.clone().unwrap();
    let oneof::channel_trace_event::ChildRef::SubchannelRef(child) = child else { panic!("{child:?}") };
    assert_eq!(child.subchannel_id, subchannel_id);

    let subchannel = || async {
        let request = GetSubchannelRequest { subchannel_id, ..Default::default() };
        pair.channelz.get_subchannel(request).await.unwrap().subchannel.unwrap()
    };
    let begun = format!("connection begun to {}", pair.address);
    assert_eq!(descriptions(&subchannel().await.data.trace), ["created", "CONNECTING", &begun, "READY"]);

    let listens = format!("listens on {}", pair.address);
    assert_eq!(descriptions(&pair.server().await.data.trace), ["created", &listens]);
    let id = u64::try_from(pair.server().await.r#ref.server_id).unwrap();
    pair.handle.shutdown(Duration::ZERO).await;
    let drains = pair.registry.server(id).unwrap().trace.events;
    assert_eq!(drains.last().unwrap().description, "drains");

    // The connection is gone, and there is none to be had.
    let fails = async || {
        pair.health.check(of("")).await.unwrap_err();
        pair.registry.channels(0, 1).remove(0)
    };
    let channel = until(fails, |channel| channel.state == gannet::ChannelState::TransientFailure).await;
    let last = channel.trace.events.last().unwrap();
    let why = format!("TRANSIENT_FAILURE: connecting to {} failed: ", pair.address);
    assert!(last.description.starts_with(&why), "{last:?}");
    assert_eq!(last.severity, gannet::TraceSeverity::Warning);
    let ended = format!("connection ended to {}", pair.address);
    let is_it = |event: &gannet::TraceEvent| event.description == ended;
    let events = async || pair.registry.subchannel(channel.subchannel).unwrap().trace.events;
    until(events, |events| events.iter().any(is_it)).await;
}

/// channelz.proto, SocketOption: both ends of a connection; a socket that listens has none to tell.
#[tokio::test]
async fn the_options_of_sockets() {
    let pair = Pair::start().await;
    pair.health.check(of("")).await.unwrap();
    let client = pair.client_socket().await;
    let is_same = |socket: &Socket| tcp(&socket.remote) == tcp(&client.local);
    let server = pair.server_sockets().await.into_iter().find(is_same).unwrap();
    for socket in [&client, &server] {
        let option = |name: &str| socket.data.option.iter().find(|option| option.name == name).unwrap();
        assert_eq!(option("TCP_NODELAY").value, "true");
        assert!(option("SO_RCVBUF").value.parse::<u64>().unwrap() > 0);
        let timeout = option("SO_RCVTIMEO");
        let message: SocketOptionTimeout =
            timeout.additional.unpack_if(SocketOptionTimeout::TYPE_URL).unwrap().unwrap();
        assert_eq!((timeout.value.as_str(), message.duration.as_option()), ("none", None));
        let linger = option("SO_LINGER");
        let message: SocketOptionLinger =
            linger.additional.unpack_if(SocketOptionLinger::TYPE_URL).unwrap().unwrap();
        assert_eq!((linger.value.as_str(), message.active), ("none", false));
    }
    let listening = pair.socket(&pair.server().await.listen_socket[0]).await;
    assert!(listening.data.as_option().is_none());
}

/// channelz.proto: pages begin with a number and have an end.
#[tokio::test]
async fn pages() {
    let pair = Pair::start().await;
    let target = format!("ipv4:{}", pair.address);
    let build = || GannetChannel::builder(&target).unwrap().registry(pair.registry.clone()).build();
    let _more: Vec<_> = (0..PAGE + 1).map(|_| build()).collect();
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let start_channel_id = seen.last().map_or(0, |last| last + 1);
        let request = GetTopChannelsRequest { start_channel_id, max_results: 40, ..Default::default() };
        let page = pair.channelz.get_top_channels(request).await.unwrap();
        assert!(page.channel.len() <= 40);
        seen.extend(page.channel.iter().map(|channel| channel.r#ref.channel_id));
        pages += 1;
        if page.end {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (PAGE + 2, 3));
    assert!(seen.is_sorted_by(|one, next| one < next));
    for most in [0, i64::MAX] {
        let request = GetTopChannelsRequest { max_results: most, ..Default::default() };
        let page = pair.channelz.get_top_channels(request).await.unwrap();
        assert_eq!((page.channel.len(), page.end), (PAGE, false));
    }
    let exact = GetServersRequest { max_results: 1, ..Default::default() };
    assert!(pair.channelz.get_servers(exact).await.unwrap().end);
    let beyond = GetServersRequest { start_server_id: i64::MAX, ..Default::default() };
    let beyond = pair.channelz.get_servers(beyond).await.unwrap();
    assert!(beyond.server.is_empty() && beyond.end);
    for (start_server_id, max_results) in [(-1, 0), (0, -1)] {
        let request = GetServersRequest { start_server_id, max_results, ..Default::default() };
        let status = pair.channelz.get_servers(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let pair = Pair::start().await;
    for id in [-1, 0, 1_000] {
        let channelz = &pair.channelz;
        let codes = [
            channelz.get_channel(GetChannelRequest { channel_id: id, ..Default::default() }).await.err(),
            channelz
                .get_subchannel(GetSubchannelRequest { subchannel_id: id, ..Default::default() })
                .await
                .err(),
            channelz.get_socket(GetSocketRequest { socket_id: id, ..Default::default() }).await.err(),
            channelz
                .get_server_sockets(GetServerSocketsRequest { server_id: id, ..Default::default() })
                .await
                .err(),
        ]
        .map(|status| status.map(|status| status.code()));
        assert_eq!(codes, [Some(Code::NotFound); 4], "{id}");
    }
}

/// connectivity-semantics-and-api.md: a channel that can't connect says so, and its calls have failed.
#[tokio::test]
async fn a_channel_without_a_server() {
    let registry = Registry::new();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let channel =
        GannetChannel::builder(&format!("ipv4:{nowhere}")).unwrap().registry(registry.clone()).build();
    HealthClient::new(channel.clone()).check(of("")).await.unwrap_err();
    let facts = &registry.channels(0, 10)[0];
    assert_eq!(facts.state, gannet::ChannelState::TransientFailure);
    assert_eq!((facts.calls.started, facts.calls.succeeded, facts.calls.failed), (1, 0, 1));
}
