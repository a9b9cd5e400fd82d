//! Standard gRPC services, each a module and a feature of the same name: `health` and `reflection`, both on by default,
//! `channelz` and `orca`.

#![forbid(unsafe_code)]

#[cfg(feature = "channelz")]
pub mod channelz;
#[cfg(feature = "health")]
pub mod health;
#[cfg(feature = "orca")]
pub mod orca;
#[cfg(feature = "reflection")]
pub mod reflection;
