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

/// A message in a field of another, for what comes to be decoded into it.
///
/// # Errors
/// Where the message that came has decoded to more than it may.
#[cfg(feature = "buffa")]
#[inline]
pub fn member<'a, M: Default, P: ::buffa::ProtoBox<M>>(
    field: &'a mut ::buffa::MessageField<M, P>,
    context: ::buffa::DecodeContext<'_>,
) -> std::result::Result<&'a mut M, ::buffa::DecodeError> {
    // One that lies in its field is a part of the message around it, which is counted where it is an element.
    if size_of::<P>() < size_of::<M>() && field.is_unset() {
        context.register_element_memory(size_of::<M>())?;
    }
    Ok(field.get_or_insert_default())
}

/// A message in a box, which a oneof has decoded.
///
/// # Errors
/// Where the message that came has decoded to more than it may.
#[cfg(feature = "buffa")]
#[inline]
pub fn boxed<M>(
    message: M,
    context: ::buffa::DecodeContext<'_>,
) -> std::result::Result<Box<M>, ::buffa::DecodeError> {
    context.register_element_memory(size_of::<M>())?;
    Ok(Box::new(message))
}
