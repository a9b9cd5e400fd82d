//! What it costs to look: one interceptor that logs, one that counts.

use crate::echo::service;
use crate::proto::bench::v1::EchoClient;
use gannet::Channel;
use gannet_telemetry::{LATENCY_BUCKETS_SECONDS, Log, SIZE_BUCKETS_BYTES, ServerMetrics};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use std::error::Error;
use std::sync::Arc;

/// As `echo::in_process`, with a server whose calls are logged as lines of text and counted for Prometheus.
pub(crate) fn in_process() -> Result<EchoClient, Box<dyn Error>> {
    // The lines are made, and go nowhere.
    tracing_subscriber::fmt().with_writer(std::io::sink).init();
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("duration".to_owned()), LATENCY_BUCKETS_SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("size".to_owned()), SIZE_BUCKETS_BYTES)?
        .build_recorder();
    let metrics = ServerMetrics::with_recorder(Arc::new(recorder));
    let server = service().intercept(metrics).intercept(Log::new().as_text());
    Ok(EchoClient::new(Channel::to_server(server)))
}
