//! The client: channels, calls and their attempts.

mod attempt;
mod call;
mod channel;
mod connect;
mod connection;
mod failures;
mod streaming;
mod unary;

pub use channel::{Channel, ChannelBuilder};
pub use streaming::{Bidi, ClientStreaming, ServerStreaming};
pub use unary::{Unary, UnaryResponse};

pub(crate) use attempt::{Attempt, AttemptState};
