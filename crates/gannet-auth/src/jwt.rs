//! JSON Web Tokens (RFC 7519) as bearer tokens.

mod claims;
mod keys;
mod verifier;

pub use claims::Claims;
pub use keys::{KeyError, Keys};
pub use verifier::{Refusal, Verifier};
