//! The tokio driver: one task owns a connection.
//!
//! A turn of its loop: take what other tasks left in the [`Mailbox`], read all that has come, hand it to the
//! connection's state machine, act on its events, write everything that came of it at once, wait. What is particular to
//! a role is in `server` and `client`; here is what both share.

pub(crate) mod clock;
pub(crate) mod lock;
mod mailbox;
#[cfg(all(test, gannet_loom))]
mod model;
mod random;
mod read_buffers;
#[cfg(feature = "tls")]
mod replayed;
mod socket;
mod transport;
mod upkeep;
pub(crate) mod write_buffers;

pub(crate) use mailbox::{Command, Mail, Mailbox};
pub(crate) use random::random;
#[cfg(feature = "tls")]
pub(crate) use replayed::Replayed;
pub(crate) use socket::Socket;
pub(crate) use transport::{Io, Reading, Transport};
pub(crate) use upkeep::{Upkeep, UpkeepAction};
