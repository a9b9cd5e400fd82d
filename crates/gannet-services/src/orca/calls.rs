//! The report that goes with a call.

use super::load::{ANY, Load, PART, set, set_named};
use super::{OrcaLoadReport, ServerMetricRecorder, TRAILER};
use gannet::buffa::Message;
use gannet::{Answer, Call, Interceptor, Next, Result};

/// What a handler records of its call (gRFC A51, "Per-Request Recording"). A value that is recorded again replaces the
/// first; one outside of its range is ignored.
///
/// It is reported by [`CallReports`]; without that interceptor nobody sees it.
#[derive(Debug, Default)]
pub struct CallMetricRecorder(Load);

macro_rules! values {
    ($($record:ident, $field:ident, $range:expr, $what:literal;)*) => {
        /// One value of each kind.
        impl CallMetricRecorder {
            $(
                #[doc = concat!("Records ", $what, ".")]
                pub fn $record(&mut self, value: f64) -> &mut Self {
                    set(&mut self.0.$field, $range, value);
                    self
                }
            )*
        }
    };
}

values! {
    record_cpu_utilization, cpu, ANY,
        "the part of the CPU that is used: 0 and more, above 1 where the server is over its soft limit";
    record_memory_utilization, memory, PART, "the part of the memory that is used: 0 to 1";
    record_application_utilization, application, ANY,
        "how used the application is by its own measure: 0 and more";
    record_qps, qps, ANY, "the calls a second of all services";
    record_eps, eps, ANY, "the failed calls a second of all services";
}

impl CallMetricRecorder {
    /// The recorder of this call.
    ///
    /// ```
    /// use gannet::Call;
    /// use gannet_services::orca::CallMetricRecorder;
    ///
    /// fn tell(call: &mut Call) {
    ///     CallMetricRecorder::of(call).record_cpu_utilization(0.7).record_request_cost("rows", 4200.0);
    /// }
    /// # drop(tell);
    /// ```
    pub fn of(call: &mut Call) -> &mut Self {
        let extensions = call.extensions_mut();
        if extensions.get::<Self>().is_none() {
            extensions.insert(Self::default());
        }
        #[expect(clippy::expect_used, reason = "it was put there above")]
        extensions.get_mut::<Self>().expect("the recorder of the call")
    }

    /// Records the part of another resource that is used: 0 to 1.
    pub fn record_utilization(&mut self, name: impl Into<String>, value: f64) -> &mut Self {
        set_named(&mut self.0.utilization, PART, name, value);
        self
    }

    /// Records what the call cost, in the application's own unit.
    pub fn record_request_cost(&mut self, name: impl Into<String>, value: f64) -> &mut Self {
        set_named(&mut self.0.request_cost, ANY, name, value);
        self
    }

    /// Records what the application tells beside.
    pub fn record_named_metric(&mut self, name: impl Into<String>, value: f64) -> &mut Self {
        set_named(&mut self.0.named, f64::MIN..=f64::MAX, name, value);
        self
    }
}

/// Sends what was recorded with the trailers of each call, as `endpoint-load-metrics-bin`.
///
/// A call has no report where nothing is recorded, or where the report would be too large: trailers that the client
/// does not take would fail the call.
#[derive(Clone, Debug)]
pub struct CallReports {
    server: Option<ServerMetricRecorder>,
    max_bytes: usize,
}

impl CallReports {
    /// What a peer takes in all trailers together is often 8 KiB.
    const DEFAULT_MAX_BYTES: usize = 4 * 1024;

    /// For what handlers record.
    #[must_use]
    pub fn new() -> Self {
        Self { server: None, max_bytes: Self::DEFAULT_MAX_BYTES }
    }

    /// For the server's load as well. What a handler records goes before it.
    #[must_use]
    pub fn with_server(mut self, recorder: &ServerMetricRecorder) -> Self {
        self.server = Some(recorder.clone());
        self
    }

    /// The largest report that goes with a call, encoded, in bytes. Default 4 KiB.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    fn report(&self, call: &mut Call) -> OrcaLoadReport {
        let recorded = call.extensions_mut().remove::<CallMetricRecorder>().unwrap_or_default().0;
        let server = self.server.as_ref().map(ServerMetricRecorder::load).unwrap_or_default();
        recorded.over(server).into_report()
    }
}

impl Default for CallReports {
    fn default() -> Self {
        Self::new()
    }
}

impl Interceptor for CallReports {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let result = next.run(call).await;
        let report = self.report(call).encode_to_vec();
        if !report.is_empty() && report.len() <= self.max_bytes {
            call.set_trailer_bin(TRAILER, &report)?;
        }
        result
    }
}
