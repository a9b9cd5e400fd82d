//! Standard gRPC services, each a module and a feature of the same name: `health` and `reflection`, both on by default.

#![forbid(unsafe_code)]

#[cfg(feature = "health")]
pub mod health;
#[cfg(feature = "reflection")]
pub mod reflection;
