//! Metrics of calls, as gRFC A66 names them.

mod instruments;

use crate::ending::told_of;
use gannet::{Answer, Call, Interceptor, Next, Result};
use instruments::{ATTEMPT, CALL, Instruments, Names};
use metrics::Recorder;
use std::sync::Arc;

/// The buckets for durations that gRFC A66 recommends, in seconds.
pub const LATENCY_BUCKETS_SECONDS: &[f64] = &[
    0.0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008,
    0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4,
    0.5, 0.65, 0.8, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// The buckets for sizes that gRFC A66 recommends, in bytes.
pub const SIZE_BUCKETS_BYTES: &[f64] = &[
    0.0,
    1024.0,
    2048.0,
    4096.0,
    16384.0,
    65536.0,
    262144.0,
    1048576.0,
    4194304.0,
    16777216.0,
    67108864.0,
    268435456.0,
    1073741824.0,
    4294967296.0,
];

/// The server's metrics of gRFC A66, for the recorder of the crate `metrics`.
///
/// | name | kind | labels |
/// | --- | --- | --- |
/// | `grpc.server.call.started` | counter | `grpc.method` |
/// | `grpc.server.call.duration` | histogram, seconds | `grpc.method`, `grpc.status` |
/// | `grpc.server.call.sent_total_compressed_message_size` | histogram, bytes | `grpc.method`, `grpc.status` |
/// | `grpc.server.call.rcvd_total_compressed_message_size` | histogram, bytes | `grpc.method`, `grpc.status` |
/// | `grpc.server.call.in_flight` (not in A66) | gauge | `grpc.method` |
///
/// Only methods that the server has are counted, so that nobody can make labels by calling what is not there. A method's
/// instruments are registered by its first call: install the recorder before.
#[derive(Debug)]
pub struct ServerMetrics(Instruments);

/// The client's metrics of gRFC A66, for the recorder of the crate `metrics`. They have the label `grpc.target` as well.
///
/// | name | kind |
/// | --- | --- |
/// | `grpc.client.call.duration` | histogram, seconds |
/// | `grpc.client.attempt.started` | counter |
/// | `grpc.client.attempt.duration` | histogram, seconds |
/// | `grpc.client.attempt.sent_total_compressed_message_size` | histogram, bytes |
/// | `grpc.client.attempt.rcvd_total_compressed_message_size` | histogram, bytes |
/// | `grpc.client.call.in_flight` (not in A66) | gauge |
///
/// An interceptor runs around the call: an attempt that no server has seen and that is tried again counts as one with
/// its call.
#[derive(Debug)]
pub struct ClientMetrics(Instruments);

impl ServerMetrics {
    /// For the process's global recorder.
    #[must_use]
    pub fn new() -> Self {
        Self(Instruments::new(&NAMES_OF_A_SERVER, None, None))
    }

    /// For a recorder of its own.
    #[must_use]
    pub fn with_recorder(recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        Self(Instruments::new(&NAMES_OF_A_SERVER, None, Some(recorder)))
    }
}

impl Default for ServerMetrics {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientMetrics {
    /// For calls to this target, as the channel was given it, and the process's global recorder.
    #[must_use]
    pub fn new(target: impl Into<String>) -> Self {
        Self(Instruments::new(&NAMES_OF_A_CLIENT, Some(target.into()), None))
    }

    /// For a recorder of its own.
    #[must_use]
    pub fn with_recorder(target: impl Into<String>, recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        Self(Instruments::new(&NAMES_OF_A_CLIENT, Some(target.into()), Some(recorder)))
    }
}

static NAMES_OF_A_SERVER: Names = Names {
    started: "grpc.server.call.started",
    started_unit: CALL,
    durations: &["grpc.server.call.duration"],
    sent: "grpc.server.call.sent_total_compressed_message_size",
    received: "grpc.server.call.rcvd_total_compressed_message_size",
    in_flight: "grpc.server.call.in_flight",
    sends: gannet::Direction::Response,
};

static NAMES_OF_A_CLIENT: Names = Names {
    started: "grpc.client.attempt.started",
    started_unit: ATTEMPT,
    durations: &["grpc.client.call.duration", "grpc.client.attempt.duration"],
    sent: "grpc.client.attempt.sent_total_compressed_message_size",
    received: "grpc.client.attempt.rcvd_total_compressed_message_size",
    in_flight: "grpc.client.call.in_flight",
    sends: gannet::Direction::Request,
};

impl Interceptor for ServerMetrics {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let method = self.0.method(call.spec());
        method.begin();
        told_of(call, next, |ending| method.end(ending)).await
    }
}

impl Interceptor for ClientMetrics {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let method = self.0.method(call.spec());
        method.begin();
        told_of(call, next, |ending| method.end(ending)).await
    }
}
