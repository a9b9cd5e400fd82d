use super::*;
use crate::{Peer, PeerAddress};

fn peer(port: u16) -> Peer {
    Peer::plain(PeerAddress::Tcp(([127, 0, 0, 1], port).into()))
}

/// What has been counted is never counted twice, nor lost, when a connection closes.
#[test]
fn a_server_adds_up_what_its_connections_have_counted() {
    let registry = Registry::new();
    let server = ServerEntry::new(registry.clone());
    let (one, other) =
        (server.connection(OwnEnd::default(), peer(1)), server.connection(OwnEnd::default(), peer(2)));
    let mut counts = Counts::default();
    counts[Counter::CallsStarted] = 3;
    counts.call_ended(true);
    counts.call_ended(false);
    let now = crate::driver::clock::now();
    for entry in [&one, &other] {
        entry.show(&counts, now);
    }
    let calls = |registry: &Registry| {
        let calls = registry.servers(0, 1)[0].calls;
        (calls.started, calls.succeeded, calls.failed)
    };
    assert_eq!(calls(&registry), (6, 2, 2));
    drop(one);
    assert_eq!(calls(&registry), (6, 2, 2));
    counts[Counter::CallsStarted] += 1;
    other.show(&counts, now);
    assert_eq!(calls(&registry), (7, 2, 2));
    drop(other);
    assert_eq!(calls(&registry), (7, 2, 2));
    drop(server);
    assert!(registry.servers(0, 1).is_empty());
}

/// A time moves with its count alone.
#[test]
fn times_are_those_of_the_last_change() {
    let registry = Registry::new();
    let server = ServerEntry::new(registry.clone());
    let own = OwnEnd { address: Some(PeerAddress::InProcess), ..OwnEnd::default() };
    let entry = server.connection(own, peer(1));
    let id = registry.server_sockets(server_id(&registry), 0, 1).unwrap()[0].id;
    let start = crate::driver::clock::now();
    let mut counts = Counts::default();
    entry.show(&counts, start);
    assert_eq!(registry.socket(id).unwrap().last_message_sent, None);
    counts[Counter::MessagesSent] = 1;
    entry.show(&counts, start + Duration::from_secs(5));
    let sent = registry.socket(id).unwrap().last_message_sent;
    assert!(sent.is_some());
    counts[Counter::MessagesReceived] = 1;
    entry.show(&counts, start + Duration::from_secs(9));
    let facts = registry.socket(id).unwrap();
    assert_eq!(facts.last_message_sent, sent);
    let between = facts.last_message_received.unwrap().duration_since(sent.unwrap());
    assert_eq!(between.unwrap(), Duration::from_secs(4));
    assert_eq!((facts.local, facts.is_client), (Some(PeerAddress::InProcess), false));
}

/// Whoever connects and fails for ever, or comes and goes, leaves the latest events alone.
#[test]
fn traces_have_as_many_events_as_the_registry_was_told() {
    let registry = Registry::with_trace_events(3);
    let channel = ChannelEntry::new(registry.clone(), "dns:///users".to_owned());
    let nowhere = crate::Status::unavailable("x".repeat(1000));
    for _ in 0..100 {
        channel.is_now(ChannelState::Connecting, None);
        channel.is_now(ChannelState::Connecting, None);
        channel.is_now(ChannelState::TransientFailure, Some(&nowhere));
        drop(channel.connection(OwnEnd::default(), peer(1)));
    }
    let facts = registry.channels(0, 1).remove(0);
    assert_eq!((facts.trace.events.len(), facts.trace.logged), (3, 2 + 200));
    let trace = registry.subchannel(facts.subchannel).unwrap().trace;
    let descriptions: Vec<_> = trace.events.iter().map(|event| &event.description[..17]).collect();
    assert_eq!(descriptions, ["TRANSIENT_FAILURE", "connection begun ", "connection ended "]);
    assert_eq!((trace.logged, trace.events[0].description.len()), (1 + 400, 256));
}

#[test]
fn a_call_ends_once() {
    let registry = Registry::new();
    let channel = ChannelEntry::new(registry.clone(), "dns:///users".to_owned());
    let now = crate::driver::clock::now();
    let calls = || {
        let calls = registry.channels(0, 1)[0].calls;
        (calls.started, calls.succeeded, calls.failed)
    };
    let call = channel.call(now);
    call.end(true);
    call.end(false);
    drop(call);
    assert_eq!(calls(), (1, 1, 0));
    drop(channel.call(now));
    assert_eq!(calls(), (2, 1, 1));
}

/// The connection of a channel that is gone still finishes its calls.
#[test]
fn a_connection_may_outlive_its_channel() {
    let registry = Registry::new();
    let channel = ChannelEntry::new(registry.clone(), "dns:///users".to_owned());
    let facts = registry.channels(0, 1).remove(0);
    let connection = channel.connection(OwnEnd::default(), peer(1));
    let socket = registry.subchannel(facts.subchannel).unwrap().sockets[0].id;
    assert!(registry.socket(socket).unwrap().is_client);
    drop(channel);
    assert!(registry.channel(facts.id).is_none() && registry.subchannel(facts.subchannel).is_none());
    assert!(registry.socket(socket).is_some());
    drop(connection);
    assert!(registry.socket(socket).is_none());
}

fn server_id(registry: &Registry) -> u64 {
    registry.servers(0, 1)[0].id
}
