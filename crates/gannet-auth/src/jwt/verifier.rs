//! Whether a token is to be believed.

use super::{Claims, Keys};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

/// Verifies JSON Web Tokens: the signature with one of the [`Keys`], the time (`exp`, which must be there, and `nbf`),
/// and, where they are set, issuer and audience.
///
/// ```
/// use gannet_auth::{Keys, Refusal, Verifier};
///
/// let keys = Keys::secret(b"thirty-two bytes that nobody else knows")?;
/// let verifier = Verifier::new(keys).issuer("https://login.example.com").audience("storefront");
/// assert_eq!(verifier.verify("no.token.here"), Err(Refusal::Invalid));
/// # Ok::<(), gannet_auth::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Keys,
    issuer: Option<String>,
    audiences: Vec<String>,
    leeway: Duration,
}

/// Why a token is not believed. A client learns only whether it has to send one, or another one: what was wrong with
/// a forged token is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is none, or not as `Bearer` in `authorization`.
    Missing,
    /// It is no token, is signed with another key, or is meant for others.
    Invalid,
    /// It names a key that is not known.
    UnknownKey,
    /// It was valid until some time ago.
    Expired,
    /// It is not valid yet.
    NotYetValid,
}

/// A longer token is refused unread.
const LONGEST_TOKEN_BYTES: usize = 16 * 1024;

impl Verifier {
    /// Verifies with these keys; any issuer and audience, a leeway of 60 s.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        Self { keys, issuer: None, audiences: Vec::new(), leeway: Duration::from_secs(60) }
    }

    /// Only tokens of this issuer (`iss`). Default: any.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Only tokens that are meant for this audience (`aud`); called again, for one of several. Default: any.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// How far the clocks of the issuer and of this machine may be apart. Default 60 s.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The claims of a token that is to be believed.
    ///
    /// # Errors
    /// Why it is not.
    pub fn verify(&self, token: &str) -> Result<Claims, Refusal> {
        if token.len() > LONGEST_TOKEN_BYTES {
            return Err(Refusal::Invalid);
        }
        let header = decode_header(token).map_err(|_| Refusal::Invalid)?;
        let keys = self.keys.current();
        let named = |key: &&super::keys::Key| match (&key.id, &header.kid) {
            (Some(id), Some(named)) => id == named,
            _ => true,
        };
        let mut candidates = keys.iter().filter(named).peekable();
        if candidates.peek().is_none() {
            return Err(Refusal::UnknownKey);
        }
        let mut refusal = Refusal::Invalid;
        // The token chooses among its key's algorithms, and never another key's (RFC 8725 §3.1).
        for key in candidates.filter(|key| key.algorithms.contains(&header.alg)) {
            match decode::<Map<String, Value>>(token, &key.decoding, &self.validation(header.alg)) {
                Ok(token) => return Ok(Claims::new(token.claims)),
                Err(error) => match error.kind() {
                    ErrorKind::InvalidSignature => {}
                    ErrorKind::ExpiredSignature => refusal = Refusal::Expired,
                    ErrorKind::ImmatureSignature => refusal = Refusal::NotYetValid,
                    _ => {}
                },
            }
        }
        Err(refusal)
    }

    fn validation(&self, algorithm: jsonwebtoken::Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation.validate_aud = !self.audiences.is_empty();
        let mut required = HashSet::from(["exp".to_owned()]);
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.insert("iss".to_owned());
        }
        if !self.audiences.is_empty() {
            validation.set_audience(&self.audiences);
            required.insert("aud".to_owned());
        }
        validation.required_spec_claims = required;
        validation
    }
}

/// What a client is told.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Missing => "send a token: metadata `authorization` with `Bearer TOKEN`",
            Refusal::Expired => "the token has expired; get a new one",
            Refusal::NotYetValid => "the token is not valid yet",
            Refusal::Invalid | Refusal::UnknownKey => "the token is not valid here",
        })
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests;
