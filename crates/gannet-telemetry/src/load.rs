//! A server's load as metrics.

use crate::recording::{METADATA, with};
use gannet::ServerHandle;
use metrics::{Gauge, Key, Label, Recorder, Unit};
use std::sync::Arc;
use std::time::Duration;

/// What a server carries, and which limits its peers have run into, for the recorder of the crate `metrics`.
///
/// | name | kind | labels |
/// | --- | --- | --- |
/// | `gannet.server.connections` | gauge | |
/// | `gannet.server.held` | gauge, bytes | |
/// | `gannet.server.limit_hits` | counter | `limit` |
///
/// They are no call's, so no interceptor sees them: somebody has to ask. Spawn [`LoadMetrics::every`], or call
/// [`LoadMetrics::report`] where the metrics are collected.
///
/// ```no_run
/// # async fn example(bound: gannet::Bound) {
/// let metrics = gannet_telemetry::LoadMetrics::new(bound.handle());
/// tokio::spawn(metrics.every(std::time::Duration::from_secs(10)));
/// bound.serve().await;
/// # }
/// ```
pub struct LoadMetrics {
    server: ServerHandle,
    recorder: Option<Arc<dyn Recorder + Send + Sync>>,
    connections: Gauge,
    held: Gauge,
}

const CONNECTIONS: &str = "gannet.server.connections";
const HELD: &str = "gannet.server.held";
const LIMIT_HITS: &str = "gannet.server.limit_hits";

impl LoadMetrics {
    /// For the process's global recorder.
    #[must_use]
    pub fn new(server: ServerHandle) -> Self {
        Self::register(server, None)
    }

    /// For a recorder of its own.
    #[must_use]
    pub fn with_recorder(server: ServerHandle, recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        Self::register(server, Some(recorder))
    }

    /// Sets all metrics to what is the case now.
    pub fn report(&self) {
        let load = self.server.load();
        self.connections.set(load.connections as f64);
        self.held.set(load.held_bytes as f64);
        with(self.recorder.as_deref(), |recorder| {
            for (limit, hits) in load.limit_hits {
                let key = Key::from_parts(LIMIT_HITS, vec![Label::from_static_parts("limit", limit)]);
                recorder.register_counter(&key, &METADATA).absolute(hits);
            }
        });
    }

    /// Reports now and whenever so much time has passed. It has no end: it goes with the task that it is spawned in.
    pub async fn every(self, interval: Duration) {
        loop {
            self.report();
            tokio::time::sleep(interval).await;
        }
    }

    fn register(server: ServerHandle, recorder: Option<Arc<dyn Recorder + Send + Sync>>) -> Self {
        let (connections, held) = with(recorder.as_deref(), |recorder| {
            let text = "Connections that are open".into();
            recorder.describe_gauge(CONNECTIONS.into(), Some(Unit::Count), text);
            let text = "Bytes that all connections hold for others".into();
            recorder.describe_gauge(HELD.into(), Some(Unit::Bytes), text);
            let text = "How often peers have run into a limit".into();
            recorder.describe_counter(LIMIT_HITS.into(), Some(Unit::Count), text);
            let gauge = |name| recorder.register_gauge(&Key::from_static_name(name), &METADATA);
            (gauge(CONNECTIONS), gauge(HELD))
        });
        Self { server, recorder, connections, held }
    }
}

impl std::fmt::Debug for LoadMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoadMetrics")
    }
}
