//! Who calls, and what they may do: for gannet's servers and channels.
//!
//! - [`Bearer`] is a server's interceptor: it verifies the JSON Web Token of each call and leaves its [`Claims`] for
//!   the handlers.
//! - [`TokenCredentials`] is a channel's: it sends a token with each call and gets the next one in time.
//! - [`Authorization`] is a server's: it allows and denies calls by a policy in the form of gRFC A43.
//!
//! It does no cryptography of its own (`jsonwebtoken` does), and no HTTP: where keys or tokens come from an address, a
//! closure fetches them.

#![forbid(unsafe_code)]

mod bearer;
mod credentials;
mod jwt;
mod policy;

pub use bearer::Bearer;
pub use credentials::{Token, TokenCredentials, TokenSource};
pub use jwt::{Claims, KeyError, Keys, Refusal, Verifier};
pub use policy::{Authorization, Caller, Decision, Policy, PolicyError};
