//! Logs, metrics and traces of gannet's calls: interceptors for either side and all four kinds of calls; and the load of
//! a server as metrics.
//!
//! ```
//! use gannet::Server;
//! use gannet_telemetry::{Log, ServerMetrics, Trace};
//!
//! let server = Server::new()
//!     .intercept(Trace::new())         // outermost: the others' events belong to its span
//!     .intercept(ServerMetrics::new())
//!     .intercept(Log::new());
//! # drop(server);
//! ```
//!
//! It exports nothing by itself: events go to `tracing`'s subscriber, metrics to the recorder of the crate `metrics`.

#![forbid(unsafe_code)]

mod ending;
mod load;
mod log;
mod metrics;
mod recording;
mod trace;

pub use load::LoadMetrics;
pub use log::Log;
pub use metrics::{ClientMetrics, LATENCY_BUCKETS_SECONDS, SIZE_BUCKETS_BYTES, ServerMetrics};
pub use trace::{Trace, TraceContext};
