//! What is measured, and what gannet has to reach.

/// One line of the tables: the same work on several peers.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) work: Work,
    /// Whose CPU counts.
    pub(super) side: Side,
    /// Server and load on one CPU. Across CPUs the cost of waking the other drowns a single call, and does not repeat.
    pub(super) same_cpu: bool,
    pub(super) tls: bool,
    /// gannet with every call logged and counted, beside gannet without.
    pub(super) observed: bool,
    /// How many items tonic has a second of CPU with, about.
    pub(super) items: u64,
    pub(super) goals: &'static [Goal],
}

/// The load.
#[derive(Clone, Copy)]
pub(super) enum Work {
    /// Unary calls by h2load.
    Unary { connections: u64, streams: u64 },
    /// Unary calls by each peer's own client, to the limit's server.
    Calls { at_once: u64 },
    /// Streams by gannet's client, whoever the server is, so that each server has the same load.
    Stream { mode: &'static str, at_once: u64, bytes: u64 },
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Server,
    Client,
}

/// What gannet has to reach.
pub(super) enum Goal {
    /// At most this many times what the other costs.
    Times(&'static str, f64),
    /// At most so many µs.
    Micros(f64),
    /// At most so many µs more than the other.
    MicrosMore(&'static str, f64),
}

use Goal::{Micros, MicrosMore, Times};

const BASE: Row = Row {
    name: "",
    title: "",
    work: Work::Calls { at_once: 1 },
    side: Side::Server,
    same_cpu: false,
    tls: false,
    observed: false,
    items: 100_000,
    goals: &[],
};

/// The rows that a name stands for: a row's own name, or the part before the dash for all that begin with it. The first
/// look, `unary`, shows the stream of small messages as well.
pub(super) fn named(name: &str) -> Vec<&'static Row> {
    let also = if name == "unary" { "down-100" } else { name };
    let fits = |row: &&Row| {
        row.name == name || row.name == also || row.name.split_once('-').is_some_and(|(kind, _)| kind == name)
    };
    ROWS.iter().filter(fits).collect()
}

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "unary-10x100",
        title: "unary, 10 connections × 100 streams: server",
        work: Work::Unary { connections: 10, streams: 100 },
        goals: &[Times("tonic", 0.2), Times("limit", 2.2)],
        ..BASE
    },
    Row {
        name: "unary-1x100",
        title: "unary, 1 × 100: server",
        work: Work::Unary { connections: 1, streams: 100 },
        goals: &[Times("tonic", 0.2)],
        ..BASE
    },
    Row {
        name: "unary-100x10",
        title: "unary, 100 × 10: server",
        work: Work::Unary { connections: 100, streams: 10 },
        goals: &[Times("tonic", 0.2)],
        ..BASE
    },
    Row {
        name: "unary-1x1s",
        title: "unary, one at a time, load on the same CPU: server",
        work: Work::Unary { connections: 1, streams: 1 },
        same_cpu: true,
        items: 30_000,
        goals: &[Times("limit", 1.2)],
        ..BASE
    },
    Row {
        name: "unary-observed",
        title: "unary, 10 × 100, logged and counted: server",
        work: Work::Unary { connections: 10, streams: 100 },
        observed: true,
        goals: &[MicrosMore("unobserved", 1.5)],
        ..BASE
    },
    Row {
        name: "tls-10x100",
        title: "unary over TLS (AES-128-GCM), 10 × 100: server",
        work: Work::Unary { connections: 10, streams: 100 },
        tls: true,
        goals: &[Times("tonic", 1.0 / 3.0)],
        ..BASE
    },
    Row {
        name: "client-100",
        title: "unary, 100 in flight: client",
        work: Work::Calls { at_once: 100 },
        side: Side::Client,
        goals: &[Times("tonic", 0.25), Times("h2load", 1.0)],
        ..BASE
    },
    Row {
        name: "client-1s",
        title: "unary, one at a time, server on the same CPU: client",
        work: Work::Calls { at_once: 1 },
        side: Side::Client,
        same_cpu: true,
        items: 30_000,
        goals: &[Times("tonic", 0.5)],
        ..BASE
    },
    Row {
        name: "down-100",
        title: "server stream, messages of 100 B: server",
        work: Work::Stream { mode: "down", at_once: 1, bytes: 100 },
        items: 1_500_000,
        goals: &[Micros(0.15)],
        ..BASE
    },
    Row {
        name: "down-16k",
        title: "server stream, messages of 16 KiB: server",
        work: Work::Stream { mode: "down", at_once: 1, bytes: 16 * 1024 },
        items: 60_000,
        goals: &[Times("tonic", 0.5)],
        ..BASE
    },
    Row {
        name: "down-1m",
        title: "server stream, messages of 1 MiB: server",
        work: Work::Stream { mode: "down", at_once: 1, bytes: 1024 * 1024 },
        items: 1200,
        goals: &[Times("tonic", 0.5)],
        ..BASE
    },
    Row {
        name: "up-64k",
        title: "client stream, messages of 64 KiB: server",
        work: Work::Stream { mode: "up", at_once: 1, bytes: 64 * 1024 },
        items: 20_000,
        goals: &[Times("tonic", 2.0 / 3.0)],
        ..BASE
    },
    Row {
        name: "chat-100",
        title: "ping-pong on 100 streams: server",
        work: Work::Stream { mode: "chat", at_once: 100, bytes: 71 },
        items: 200_000,
        goals: &[Times("tonic", 0.5)],
        ..BASE
    },
    Row {
        name: "chat-1s",
        title: "ping-pong on one stream, load on the same CPU: server",
        work: Work::Stream { mode: "chat", at_once: 1, bytes: 71 },
        same_cpu: true,
        items: 30_000,
        goals: &[Times("tonic", 2.0 / 3.0)],
        ..BASE
    },
];
