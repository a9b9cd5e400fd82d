//! Load reports (gRFC A51, ORCA): a server tells its load, and what a call cost, to the clients that balance by it.
//!
//! A report comes with the trailers of each call, or again and again by a service of its own, apart from calls:
//!
//! ```
//! use gannet::{Call, Server};
//! use gannet_services::orca::{CallMetricRecorder, CallReports, OrcaService, ServerMetricRecorder};
//!
//! let load = ServerMetricRecorder::new();
//! let server = Server::new()
//!     .add(OrcaService::new(&load))
//!     .intercept(CallReports::new().with_server(&load));
//! load.set_cpu_utilization(0.7); // again and again, by whoever measures it
//!
//! // In a handler:
//! fn tell(call: &mut Call) {
//!     CallMetricRecorder::of(call).record_request_cost("rows", 4200.0);
//! }
//! # drop((server, tell));
//! ```
//!
//! A client finds the report of a call in its trailers ([`load_report`]), and the others by [`LoadReports`]:
//!
//! ```no_run
//! use gannet::{Channel, Result};
//! use gannet_services::orca::LoadReports;
//! use std::time::Duration;
//!
//! async fn watch(channel: &Channel) -> Result<()> {
//!     let mut reports = LoadReports::subscribe(channel, Duration::from_secs(60));
//!     loop {
//!         println!("{}", reports.next().await?.cpu_utilization);
//!     }
//! }
//! ```

mod calls;
mod generated;
mod load;
mod server;
mod service;
mod subscription;

pub use calls::{CallMetricRecorder, CallReports};
pub use generated::xds::data::orca::v3::OrcaLoadReport;
pub use generated::xds::service::orca::v3::{OpenRcaServiceClient, OrcaLoadReportRequest};
pub use server::ServerMetricRecorder;
pub use service::OrcaService;
pub use subscription::LoadReports;

use gannet::Metadata;
use gannet::buffa::Message;

/// The trailer with a call's report (gRFC A51, "Wire Format").
const TRAILER: &str = "endpoint-load-metrics-bin";

/// The report in a call's trailers, or in the [metadata](gannet::Status::metadata) of the status of one that failed;
/// `None` where there is none, or none that can be read.
///
/// ```
/// use gannet::Metadata;
///
/// assert!(gannet_services::orca::load_report(&Metadata::new()).is_none());
/// ```
#[must_use]
pub fn load_report(trailers: &Metadata) -> Option<OrcaLoadReport> {
    OrcaLoadReport::decode_from_slice(&trailers.get_bin(TRAILER)?).ok()
}

#[cfg(test)]
mod tests;
