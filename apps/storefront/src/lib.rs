//! The storefront: users, orders, files and chat, served over gannet on an embedded database.

pub mod access;
pub mod authentication;
mod batch;
pub mod chat;
pub mod cli;
pub mod demo;
pub mod files;
pub mod log;
pub mod metrics;
pub mod orders;
pub mod outgoing;
pub mod server;
pub mod store;
pub mod time;
pub mod users;

/// The generated services and messages.
#[allow(missing_docs, reason = "the .proto files say what there is to say")]
pub mod proto {
    gannet::include_protos!();
}
