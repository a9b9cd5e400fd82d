//! The service that tells a server's load apart from calls.

use super::generated::xds::service::orca::v3 as proto;
use super::{OrcaLoadReport, OrcaLoadReportRequest, ServerMetricRecorder};
use gannet::codegen::{Answer, BoxFuture, Call, Service, ServiceSpec};
use gannet::{Result, Sender, Status};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// `xds.service.orca.v3.OpenRcaService`: a report at once, and then in the interval that the client asks for.
///
/// ```
/// use gannet::Server;
/// use gannet_services::orca::{OrcaService, ServerMetricRecorder};
/// use std::time::Duration;
///
/// let load = ServerMetricRecorder::new();
/// let service = OrcaService::new(&load).min_report_interval(Duration::from_secs(10));
/// # drop(Server::new().add(service));
/// ```
#[derive(Clone)]
pub struct OrcaService {
    reports: Reports,
    server: proto::OpenRcaServiceServer<Reports>,
}

#[derive(Clone, Debug)]
struct Reports {
    load: ServerMetricRecorder,
    min_interval: Duration,
}

impl OrcaService {
    /// gRFC A51: "A minimum reporting interval (30s by default)".
    const DEFAULT_MIN_INTERVAL: Duration = Duration::from_secs(30);
    /// No client keeps a server busy with reports.
    const LEAST_MIN_INTERVAL: Duration = Duration::from_millis(10);

    /// Reports this load.
    #[must_use]
    pub fn new(load: &ServerMetricRecorder) -> Self {
        Self::of(Reports { load: load.clone(), min_interval: Self::DEFAULT_MIN_INTERVAL })
    }

    /// The shortest interval that a client gets, and what it gets where it asks for none. Default 30 s; at least 10 ms.
    #[must_use]
    pub fn min_report_interval(self, interval: Duration) -> Self {
        let min_interval = interval.max(Self::LEAST_MIN_INTERVAL);
        Self::of(Reports { min_interval, ..self.reports })
    }

    fn of(reports: Reports) -> Self {
        Self { server: proto::OpenRcaServiceServer::from_arc(Arc::new(reports.clone())), reports }
    }
}

impl proto::OpenRcaService for Reports {
    async fn stream_core_metrics(
        &self,
        call: &mut Call,
        request: OrcaLoadReportRequest,
        mut reports: Sender<OrcaLoadReport>,
    ) -> Result<()> {
        // What is no time, such as a negative one, is as none.
        let asked = request.report_interval.as_option().cloned();
        let asked = asked.and_then(|asked| Duration::try_from(asked).ok()).unwrap_or_default();
        let interval = asked.max(self.min_interval);
        loop {
            reports.send(self.load.load().into_report()).await?;
            let next = Instant::now().checked_add(interval);
            let ended = match next {
                Some(next) => timeout_at(next, call.draining()).await.is_ok(),
                // Longer than clocks can say.
                None => {
                    call.draining().await;
                    true
                }
            };
            if ended {
                return Err(Status::unavailable("the server shuts down"));
            }
        }
    }
}

impl Service for OrcaService {
    fn spec(&self) -> &'static ServiceSpec {
        self.server.spec()
    }

    fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        self.server.call(method, call)
    }
}

impl std::fmt::Debug for OrcaService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OrcaService").field(&self.reports).finish()
    }
}
