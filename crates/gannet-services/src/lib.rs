//! Standard gRPC services. Health is here; reflection's messages are generated and its service is to come.

#![forbid(unsafe_code)]

mod generated;
pub mod health;
