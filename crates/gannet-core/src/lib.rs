//! What gRPC decides without I/O: status, metadata, message framing, timeouts, method specs.
//!
//! This crate opens no socket, reads no clock, draws no random number and knows no runtime: bytes, times and
//! random numbers are arguments. Users of gannet meet these types through the crate `gannet`, which re-exports them.

#![forbid(unsafe_code)]

mod address;
mod backoff;
mod code;
mod content_type;
mod detail;
mod failure;
mod framing;
mod keepalive;
mod lifetime;
mod metadata;
mod method;
mod outcome;
mod percent;
mod status;
mod timeout;
mod wheel;

pub use address::{DEFAULT_PORT, InvalidTarget, Target};
pub use backoff::{Attempt, Backoff, BackoffConfig};
pub use code::Code;
pub use content_type::Format;
pub use detail::{AnyDetail, Detail};
pub use failure::{Failure, Phase};
pub use framing::{DEFAULT_MESSAGE_LIMIT_BYTES, Deframer, Frame, Prefix};
pub use keepalive::{Keepalive, KeepaliveAction, KeepaliveConfig, PingPolicy, PingStrikes};
pub use lifetime::{Lifetime, LifetimeAction, LifetimeConfig};
pub use metadata::{InvalidMetadata, Metadata, MetadataEntry, MetadataIter};
pub use method::{Idempotency, Kind, MethodSpec, ServiceSpec};
pub use outcome::{check_response_headers, outcome_from_trailers};
pub use status::{Result, ResultExt, Status};
pub use timeout::{TimeoutText, format_timeout, parse_timeout};
pub use wheel::{TimerKey, Wheel};
