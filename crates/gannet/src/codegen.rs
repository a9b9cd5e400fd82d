//! What generated code names, and nothing else.

#[cfg(feature = "buffa")]
pub use crate::codec::Buffa;
pub use crate::{
    Answer, Bidi, BoxFuture, Call, Channel, ClientStreaming, Codec, Idempotency, Messages, MethodSpec,
    Receiver, Reply, Result, Sender, ServerStreaming, Service, ServiceSpec, Status, Unary,
};
/// Messages name buffa's crates through here, so that their users depend on gannet alone.
#[cfg(feature = "buffa")]
pub use {::buffa, ::buffa_types};

/// Generated code names this constant: code of another version does not compile, and says why there.
pub const VERSION_1: () = ();

/// The answer to a method number that the service does not have; only a door with an old description asks for one.
#[must_use]
pub fn unknown_method(call: &mut Call) -> BoxFuture<'_, Result<Answer>> {
    let path = call.spec().path;
    Box::pin(async move { Err(Status::unimplemented(format!("{path} is not implemented here"))) })
}
