//! The server: routing, dispatch, listeners, shutdown.

mod builder;
mod calls;
mod connection;
mod deadlines;
mod decoded;
mod dispatch;
mod door;
mod error;
mod events;
mod handshake;
mod listen;
mod listener;
mod load;
mod peer_streams;
mod proxy_protocol;
#[cfg(feature = "tls")]
mod reload;
mod request;
mod response;
mod routes;
mod running;
mod shared;
mod shutdown;
mod slot;

pub use builder::Server;
pub use door::{ForeignConnection, ForeignIo, HttpBody, HttpHandler, HttpRequest, HttpResponder};
pub use error::ServeError;
pub use events::ServerEvent;
pub use handshake::HandshakeError;
pub use listen::{Listen, ListenAddress};
pub use load::ServerLoad;
pub use running::Bound;
pub use shutdown::{ServerHandle, ShutdownReport};

pub(crate) use decoded::{COUNTED_FROM_BYTES, Charge, DecodedData};
pub(crate) use dispatch::Ended;
pub(crate) use door::HttpCommand;
pub(crate) use shared::ServerShared;
