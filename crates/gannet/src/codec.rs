//! The codec seam: how messages become bytes and bytes become messages.

#[cfg(feature = "buffa")]
mod buffa;
mod reply;

#[cfg(feature = "buffa")]
pub use self::buffa::Buffa;
pub use reply::Reply;

use crate::{Format, Output, Result};
use bytes::Bytes;

/// A codec is a unit type that implements this for every message type it knows, such as `Buffa` for all of buffa's.
///
/// Generated code names the codec once per file, so that two codecs never meet in one blanket implementation.
///
/// ```
/// use gannet::{Codec, Format, Output, Result};
///
/// /// Messages that are plain text.
/// struct Text;
///
/// impl Codec<String> for Text {
///     fn encode(_: Format, message: &String, out: &mut Output) -> Result<()> {
///         out.put_slice(message.as_bytes());
///         Ok(())
///     }
///     fn decode(_: Format, message: bytes::Bytes) -> Result<String> {
///         String::from_utf8(message.into()).map_err(|e| gannet::Status::internal(e.to_string()))
///     }
/// }
/// ```
pub trait Codec<M> {
    /// Appends the message's bytes, without the gRPC prefix.
    ///
    /// # Errors
    /// A status that ends the call, where the message can't be written in this format.
    fn encode(format: Format, message: &M, out: &mut Output) -> Result<()>;

    /// Reads one message. The bytes are given away, so that a field of bytes can be a slice of them.
    ///
    /// # Errors
    /// INTERNAL where the bytes are no such message.
    fn decode(format: Format, message: Bytes) -> Result<M>;

    /// As [`Codec::decode`], and adds to `memory` the bytes that the message takes beyond those that came. A few bytes can
    /// be many elements, so a server counts them
    /// ([`Server::decoded_budget`](crate::Server::decoded_budget)). By default none are added.
    ///
    /// # Errors
    /// As [`Codec::decode`].
    fn decode_measured(format: Format, message: Bytes, memory: &mut usize) -> Result<M> {
        let _ = memory;
        Self::decode(format, message)
    }
}

/// A codec's two functions for one type. Senders, receivers and clients carry it, so that no codec shows in a user's
/// signature.
pub struct Messages<M> {
    pub(crate) encode: fn(Format, &M, &mut Output) -> Result<()>,
    pub(crate) decode: fn(Format, Bytes, &mut usize) -> Result<M>,
}

impl<M> Messages<M> {
    /// The functions of codec `C` for this type.
    #[must_use]
    pub const fn of<C: Codec<M>>() -> Self {
        Self { encode: C::encode, decode: C::decode_measured }
    }
}

impl<M> Clone for Messages<M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Messages<M> {}

impl<M> std::fmt::Debug for Messages<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Messages<{}>", std::any::type_name::<M>())
    }
}
