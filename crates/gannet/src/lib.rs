//! gRPC for Rust on a transport of its own.
//!
//! A service is a plain `async fn` in a trait that `gannet-build` generated from a .proto file; a client is a value
//! that is cheap to clone. See the README for a first service in thirty lines.
//!
//! This crate knows no HTTP/1.1, no JSON, and no files but those of certificates; what gRPC decides without I/O is in `gannet-core`, and HTTP/2 in
//! `gannet-http2`. Users name only this crate.

#![deny(unsafe_code)]

mod call;
mod client;
mod codec;
pub mod codegen;
mod compression;
mod driver;
mod intercept;
pub mod interceptors;
mod peer;
mod registry;
mod server;
mod service;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;

/// The library of the generated messages: `MessageField`, `EnumValue` and the trait `Message`.
#[cfg(feature = "buffa")]
pub use ::buffa;
/// The messages of `google.protobuf`, such as `Timestamp` and `Empty`.
#[cfg(feature = "buffa")]
pub use ::buffa_types::google::protobuf as well_known;
pub use call::{Call, CallContext, CancelReason, Cancellation, Extensions};
pub use client::{Bidi, Channel, ChannelBuilder, ClientStreaming, ServerStreaming, Unary, UnaryResponse};
#[cfg(feature = "buffa")]
pub use codec::Buffa;
pub use codec::{Codec, Messages, Reply};
pub use compression::Compression;
pub use gannet_core::{
    AnyDetail, BackoffConfig, Code, DEFAULT_MESSAGE_LIMIT_BYTES, Detail, Failure, Format, Idempotency,
    InvalidMetadata, InvalidTarget, Kind, Metadata, MetadataEntry, MetadataIter, MethodSpec, Phase, Result,
    ResultExt, ServiceSpec, Status, Target,
};
pub use gannet_http2::{Config as Http2Config, Fields, Limit as Http2Limit, Name, Output};
pub use intercept::{Direction, Interceptor, Next};
pub use peer::{Peer, PeerAddress, PeerCredentials};
pub use registry::{
    CallCounts, ChannelFacts, ChannelState, Registry, ServerFacts, SocketFacts, SocketOption,
    SocketOptionValue, SocketRef, SocketSecurity, SubchannelFacts, TraceEvent, TraceFacts, TraceSeverity,
};
pub use server::{
    Bound, ForeignConnection, ForeignIo, HandshakeError, HttpBody, HttpHandler, HttpRequest, HttpResponder,
    Listen, ListenAddress, ServeError, Server, ServerEvent, ServerHandle, ServerLoad, ShutdownReport,
};
pub use service::{Answer, BoxFuture, Lifecycle, Service};
pub use stream::{IntoStream, Receiver, Sender, Side};

/// The module tree that `gannet-build` wrote, at the place of this macro.
///
/// ```ignore
/// mod proto {
///     gannet::include_protos!();
/// }
/// ```
#[macro_export]
macro_rules! include_protos {
    () => {
        include!(concat!(env!("OUT_DIR"), "/gannet.rs"));
    };
}
