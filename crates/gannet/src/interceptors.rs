//! Interceptors that most servers and clients need, ready made. Logs, metrics and traces are in `gannet-telemetry`.

mod bearer;
mod concurrency;
mod deadline;

pub use bearer::{BearerAuth, VerifyToken};
pub use concurrency::ConcurrencyLimit;
pub use deadline::DefaultDeadline;
