//! HTTP/2 ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113)) and HPACK
//! ([RFC 7541](https://www.rfc-editor.org/rfc/rfc7541)) as values.
//!
//! This crate does no I/O, reads no clock and knows no runtime: bytes and times go in, bytes and events come out.
//! It does not know gRPC either; a few field names of gRPC are in its table of well-known names for speed alone.

#![forbid(unsafe_code)]

mod connection;
mod error;
mod event;
mod fields;
mod frame;
#[doc(hidden)]
pub mod hpack;
mod limits;
mod output;
mod settings;
mod stream;
mod streams;
mod validate;

pub use connection::Connection;
pub use error::{ConnectionError, ErrorCode, Initiator, OpenError};
pub use event::Event;
pub use fields::{Field, Fields, FieldsIter, Name};
pub use limits::{Config, Limit};
pub use output::{Mark, Output};
pub use settings::Settings;
pub use streams::StreamKey;
