//! The server: routing, dispatch, listeners, shutdown.

mod builder;
mod calls;
mod connection;
mod deadlines;
mod dispatch;
mod door;
mod events;
mod handshake;
mod listener;
#[cfg(feature = "tls")]
mod reload;
mod request;
mod response;
mod routes;
mod running;
mod shared;
mod slot;

pub use builder::Server;
pub use door::{ForeignConnection, ForeignIo, HttpBody, HttpHandler, HttpRequest, HttpResponder};
pub use events::ServerEvent;
pub use handshake::HandshakeError;
pub use listener::{ListenAddress, ServeError};
pub use running::{Bound, ServerHandle, ShutdownReport};

pub(crate) use dispatch::Ended;
pub(crate) use door::HttpCommand;
pub(crate) use shared::ServerShared;
