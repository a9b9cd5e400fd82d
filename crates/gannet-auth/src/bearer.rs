//! A server's interceptor that wants a token with every call.

use crate::jwt::{Claims, Refusal, Verifier};
use gannet::{Answer, Call, Interceptor, Next, Result, Status};

/// Lets only calls in that bring a token which the [`Verifier`] believes (RFC 6750); the others end with
/// UNAUTHENTICATED. The token's [`Claims`] are in the extensions of the call.
///
/// ```
/// use gannet::Server;
/// use gannet_auth::{Bearer, Keys, Verifier};
///
/// let keys = Keys::secret(b"thirty-two bytes that nobody else knows")?;
/// let server = Server::new().intercept(Bearer::new(Verifier::new(keys)).open("/grpc.health.v1.Health/"));
/// # drop(server);
/// # Ok::<(), gannet_auth::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bearer {
    verifier: Verifier,
    open: Vec<String>,
}

impl Bearer {
    /// Wants a token with every call.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self { verifier, open: Vec::new() }
    }

    /// Leaves the methods whose path begins with this (`/grpc.health.v1.Health/`, or one method's whole path) open to
    /// calls without a token. A token that comes nevertheless has to be valid.
    #[must_use]
    pub fn open(mut self, path: impl Into<String>) -> Self {
        self.open.push(path.into());
        self
    }

    async fn claims(&self, call: &Call) -> Result<Claims, Refusal> {
        let token = token(call).ok_or(Refusal::Missing)?;
        match self.verifier.verify(token) {
            Err(Refusal::UnknownKey) if self.verifier.keys().look_again().await => {
                self.verifier.verify(token)
            }
            verified => verified,
        }
    }

    fn is_open(&self, path: &str) -> bool {
        self.open.iter().any(|open| path.starts_with(open.as_str()))
    }
}

impl Interceptor for Bearer {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        match self.claims(call).await {
            Ok(claims) => {
                call.extensions_mut().insert(claims);
            }
            Err(Refusal::Missing)
                if call.metadata().get("authorization").is_none() && self.is_open(call.spec().path) => {}
            Err(refusal) => return Err(Status::unauthenticated(refusal.to_string()).with_source(refusal)),
        }
        next.run(call).await
    }
}

/// RFC 6750 §2.1; the scheme's name in any case (RFC 9110 §11.1). Two values are none: which one counts would be
/// anybody's guess.
fn token(call: &Call) -> Option<&str> {
    let mut values = call.metadata().get_all("authorization");
    let (first, second) = (values.next()?, values.next());
    let (scheme, token) = first.split_once(' ')?;
    (second.is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}
