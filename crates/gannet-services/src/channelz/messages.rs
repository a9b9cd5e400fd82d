//! From what a registry says to the messages of channelz.

use super::generated::grpc::channelz::v1::{self as proto, __buffa::oneof};
use super::{address, channel_connectivity_state::State, channel_trace_event::Severity, security};
use gannet::buffa::MessageName;
use gannet::well_known::{Any, Duration, Int64Value, Timestamp};
use gannet::{
    CallCounts, ChannelFacts, ChannelState, PeerAddress, ServerFacts, SocketFacts, SocketOption,
    SocketOptionValue, SocketSecurity, SubchannelFacts, TraceEvent, TraceFacts, TraceSeverity,
};
use std::net::IpAddr;

pub(super) fn server(facts: ServerFacts) -> proto::Server {
    let calls = facts.calls;
    let data = proto::ServerData {
        trace: trace(facts.trace, "").into(),
        calls_started: number(calls.started),
        calls_succeeded: number(calls.succeeded),
        calls_failed: number(calls.failed),
        last_call_started_timestamp: calls.last_started.map(Timestamp::from).into(),
        ..Default::default()
    };
    proto::Server {
        r#ref: proto::ServerRef { server_id: number(facts.id), ..Default::default() }.into(),
        data: data.into(),
        listen_socket: facts.listening.into_iter().map(socket_ref).collect(),
        ..Default::default()
    }
}

pub(super) fn channel(facts: ChannelFacts) -> proto::Channel {
    let id = number(facts.id);
    let subchannel_ref = proto::SubchannelRef {
        subchannel_id: number(facts.subchannel),
        name: facts.target.clone(),
        ..Default::default()
    };
    proto::Channel {
        r#ref: proto::ChannelRef { channel_id: id, name: facts.target.clone(), ..Default::default() }.into(),
        data: proto::ChannelData {
            trace: trace(facts.trace, &facts.target).into(),
            ..channel_data(facts.state, facts.target, facts.calls)
        }
        .into(),
        subchannel_ref: vec![subchannel_ref],
        ..Default::default()
    }
}

pub(super) fn subchannel(facts: SubchannelFacts) -> proto::Subchannel {
    let id = number(facts.id);
    proto::Subchannel {
        r#ref: proto::SubchannelRef { subchannel_id: id, name: facts.target.clone(), ..Default::default() }
            .into(),
        data: proto::ChannelData {
            trace: trace(facts.trace, &facts.target).into(),
            ..channel_data(facts.state, facts.target, facts.calls)
        }
        .into(),
        socket_ref: facts.sockets.into_iter().map(socket_ref).collect(),
        ..Default::default()
    }
}

pub(super) fn socket_ref(socket: gannet::SocketRef) -> proto::SocketRef {
    proto::SocketRef { socket_id: number(socket.id), name: socket.name, ..Default::default() }
}

pub(super) fn socket(facts: SocketFacts) -> proto::Socket {
    let last_stream = facts.last_stream_started.map(Timestamp::from);
    let (local, remote) = if facts.is_client { (last_stream, None) } else { (None, last_stream) };
    let data = facts.remote.is_some().then(|| proto::SocketData {
        streams_started: number(facts.streams_started),
        streams_succeeded: number(facts.streams_succeeded),
        streams_failed: number(facts.streams_failed),
        messages_sent: number(facts.messages_sent),
        messages_received: number(facts.messages_received),
        keep_alives_sent: number(facts.keepalives_sent),
        last_local_stream_created_timestamp: local.into(),
        last_remote_stream_created_timestamp: remote.into(),
        last_message_sent_timestamp: facts.last_message_sent.map(Timestamp::from).into(),
        last_message_received_timestamp: facts.last_message_received.map(Timestamp::from).into(),
        local_flow_control_window: window(facts.send_window).into(),
        remote_flow_control_window: window(facts.receive_window).into(),
        option: facts.options.into_iter().map(option).collect(),
        ..Default::default()
    });
    proto::Socket {
        r#ref: proto::SocketRef { socket_id: number(facts.id), name: facts.name, ..Default::default() }
            .into(),
        data: data.into(),
        local: facts.local.map(address).into(),
        remote: facts.remote.map(address).into(),
        security: facts.security.map(security).into(),
        ..Default::default()
    }
}

fn channel_data(state: ChannelState, target: String, calls: CallCounts) -> proto::ChannelData {
    let state = match state {
        ChannelState::Idle => State::IDLE,
        ChannelState::Connecting => State::CONNECTING,
        ChannelState::Ready => State::READY,
        ChannelState::TransientFailure => State::TRANSIENT_FAILURE,
        _ => State::UNKNOWN,
    };
    proto::ChannelData {
        state: proto::ChannelConnectivityState { state: state.into(), ..Default::default() }.into(),
        target,
        calls_started: number(calls.started),
        calls_succeeded: number(calls.succeeded),
        calls_failed: number(calls.failed),
        last_call_started_timestamp: calls.last_started.map(Timestamp::from).into(),
        ..Default::default()
    }
}

fn address(address: PeerAddress) -> proto::Address {
    let address: oneof::address::Address = match address {
        PeerAddress::Tcp(address) => {
            let ip_address = match address.ip() {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let port = i32::from(address.port());
            address::TcpIpAddress { ip_address, port, ..Default::default() }.into()
        }
        PeerAddress::Unix(path) => {
            let filename = path.map(|path| path.to_string()).unwrap_or_default();
            address::UdsAddress { filename, ..Default::default() }.into()
        }
        other => address::OtherAddress { name: other.to_string(), ..Default::default() }.into(),
    };
    proto::Address { address: Some(address), ..Default::default() }
}

fn security(facts: SocketSecurity) -> proto::Security {
    let tls = security::Tls {
        cipher_suite: facts.cipher_suite.map(oneof::security::tls::CipherSuite::StandardName),
        remote_certificate: facts.remote_certificate.unwrap_or_default(),
        ..Default::default()
    };
    proto::Security { model: Some(tls.into()), ..Default::default() }
}

/// Subchannels have the name of their channel.
fn trace(facts: TraceFacts, name: &str) -> proto::ChannelTrace {
    proto::ChannelTrace {
        num_events_logged: number(facts.logged),
        creation_timestamp: Timestamp::from(facts.created).into(),
        events: facts.events.into_iter().map(|one| event(one, name)).collect(),
        ..Default::default()
    }
}

fn event(event: TraceEvent, name: &str) -> proto::ChannelTraceEvent {
    let severity = match event.severity {
        TraceSeverity::Info => Severity::CT_INFO,
        TraceSeverity::Warning => Severity::CT_WARNING,
        _ => Severity::CT_UNKNOWN,
    };
    let subchannel = event.subchannel.map(|id| proto::SubchannelRef {
        subchannel_id: number(id),
        name: name.to_owned(),
        ..Default::default()
    });
    proto::ChannelTraceEvent {
        description: event.description,
        severity: severity.into(),
        timestamp: Timestamp::from(event.time).into(),
        child_ref: subchannel.map(Into::into),
        ..Default::default()
    }
}

/// channelz.proto: the value for people, and for some options a message with it.
fn option(option: SocketOption) -> proto::SocketOption {
    let (value, additional) = match option.value {
        SocketOptionValue::Flag(on) => (on.to_string(), None),
        SocketOptionValue::Number(number) => (number.to_string(), None),
        SocketOptionValue::Text(text) => (text, None),
        SocketOptionValue::Timeout(timeout) => {
            let message = proto::SocketOptionTimeout {
                duration: timeout.map(Duration::from).into(),
                ..Default::default()
            };
            (time(timeout), Some(packed(&message)))
        }
        SocketOptionValue::Linger(linger) => {
            let message = proto::SocketOptionLinger {
                active: linger.is_some(),
                duration: linger.map(Duration::from).into(),
                ..Default::default()
            };
            (time(linger), Some(packed(&message)))
        }
        other => (format!("{other:?}"), None),
    };
    proto::SocketOption {
        name: option.name.to_owned(),
        value,
        additional: additional.into(),
        ..Default::default()
    }
}

fn time(time: Option<std::time::Duration>) -> String {
    time.map_or_else(|| "none".to_owned(), |time| format!("{time:?}"))
}

fn packed<M: gannet::buffa::Message + MessageName>(message: &M) -> Any {
    Any::pack(message, M::TYPE_URL)
}

fn window(bytes: u64) -> Int64Value {
    Int64Value { value: number(bytes), ..Default::default() }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
