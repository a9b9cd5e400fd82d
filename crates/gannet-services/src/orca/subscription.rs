//! A server's load as its client sees it, apart from calls.

use super::{OpenRcaServiceClient, OrcaLoadReport, OrcaLoadReportRequest};
use gannet::well_known;
use gannet::{BackoffConfig, Channel, Code, Receiver, Result, Status};
use gannet_core::Backoff;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A server's load reports, for as long as this is kept (gRFC A51, "Out-of-Band Reporting").
///
/// A stream that ends is opened again: at once where it has brought a report, otherwise with backoff.
#[derive(Debug)]
pub struct LoadReports {
    client: OpenRcaServiceClient,
    interval: Duration,
    stream: Option<Receiver<OrcaLoadReport>>,
    backoff: Backoff,
    /// The next stream is not opened before.
    next_start: Option<Instant>,
}

impl LoadReports {
    /// Asks the channel's server for a report in each such interval; the server has a least one, most often 30 s. The
    /// first report comes at once.
    #[must_use]
    pub fn subscribe(channel: &Channel, interval: Duration) -> Self {
        Self {
            client: OpenRcaServiceClient::new(channel.clone()),
            interval,
            stream: None,
            backoff: Backoff::new(BackoffConfig::new()),
            next_start: None,
        }
    }

    /// Asks for another interval. "If the client needs to change its requested interval, it will need to cancel and
    /// restart the call" (gRFC A51): that brings a report at once.
    pub fn set_interval(&mut self, interval: Duration) {
        if self.interval != interval {
            self.interval = interval;
            self.stream = None;
            self.next_start = None;
        }
    }

    /// The next report. A future that is dropped has lost none.
    ///
    /// # Errors
    /// UNIMPLEMENTED where the server reports nothing: it need not be asked again. All other ends are a matter of time.
    pub async fn next(&mut self) -> Result<OrcaLoadReport> {
        loop {
            let status = match self.poll_stream().await {
                Ok(report) => return Ok(report),
                Err(status) => status,
            };
            self.stream = None;
            // gRFC A51: "If the StreamCoreMetrics call fails with status UNIMPLEMENTED, the client will not retry".
            if status.code() == Code::Unimplemented {
                return Err(status);
            }
        }
    }

    async fn poll_stream(&mut self) -> Result<OrcaLoadReport> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                if let Some(start) = self.next_start {
                    sleep_until(start).await;
                }
                let attempt = self.backoff.start_attempt(Instant::now().into_std(), random());
                self.next_start = Some(attempt.next_start.into());
                let report_interval = well_known::Duration::from(self.interval).into();
                let request = OrcaLoadReportRequest { report_interval, ..Default::default() };
                let stream = self.client.stream_core_metrics(request).wait_for_ready().await?;
                self.stream.insert(stream)
            }
        };
        let report = stream.next().await?.ok_or_else(|| Status::unavailable("the reports ended"))?;
        // gRFC A51: "When the client receives a message from the server on a given call, the backoff state is reset, so
        // the next attempt will occur immediately".
        self.backoff.reset();
        self.next_start = None;
        Ok(report)
    }
}

/// A number from 0 to 1 for jitter; it need not be hard to guess.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
