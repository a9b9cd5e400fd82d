//! Authentication by bearer tokens.

use crate::{Answer, Call, Interceptor, MethodSpec, Next, Result, Status};
use std::collections::HashSet;

/// Says whose a token is.
pub trait VerifyToken: Send + Sync + 'static {
    /// What is known of whom the token belongs to; handlers find it in [`Call::extensions`].
    type Identity: Send + Sync + 'static;

    /// Verifies a token, and that its owner may call this method.
    ///
    /// # Errors
    /// UNAUTHENTICATED for a token that is not good, PERMISSION_DENIED for a method that its owner may not call; with
    /// messages that do not help an attacker.
    fn verify(&self, token: &str, spec: &MethodSpec) -> impl Future<Output = Result<Self::Identity>> + Send;
}

/// A server's door: lets calls pass whose `authorization: Bearer …` a [`VerifyToken`] takes for good.
///
/// ```
/// use gannet::interceptors::{BearerAuth, VerifyToken};
/// use gannet::{Call, MethodSpec, Result, Server, Status};
///
/// struct User(String);
/// struct OnePassword;
///
/// impl VerifyToken for OnePassword {
///     type Identity = User;
///
///     async fn verify(&self, token: &str, _spec: &MethodSpec) -> Result<User> {
///         if token == "swordfish" { Ok(User("admin".into())) } else { Err(Status::unauthenticated("not known")) }
///     }
/// }
///
/// let server = Server::new().intercept(BearerAuth::new(OnePassword).open_to_all("/grpc.health.v1.Health/Check"));
/// # drop(server);
///
/// fn handler(call: &Call) -> Option<&str> {
///     call.extensions().get::<User>().map(|user| user.0.as_str())
/// }
/// ```
#[derive(Debug)]
pub struct BearerAuth<V> {
    verifier: V,
    open: HashSet<String>,
}

impl<V: VerifyToken> BearerAuth<V> {
    /// Asks this verifier about every call.
    #[must_use]
    pub fn new(verifier: V) -> Self {
        Self { verifier, open: HashSet::new() }
    }

    /// Lets every call of this method (`/package.Service/Method`) pass, with a token or without.
    #[must_use]
    pub fn open_to_all(mut self, path: impl Into<String>) -> Self {
        self.open.insert(path.into());
        self
    }
}

impl<V: VerifyToken> Interceptor for BearerAuth<V> {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        if !self.open.contains(call.spec().path) {
            let token = call.metadata().get("authorization").and_then(bearer_token);
            // Whether there was none or it was malformed is the caller's own knowledge.
            let token =
                token.ok_or_else(|| Status::unauthenticated("send a bearer token in \"authorization\""))?;
            let identity = self.verifier.verify(token, call.spec()).await?;
            call.extensions_mut().insert(identity);
        }
        next.run(call).await
    }
}

/// RFC 6750 §2.1; RFC 9110 §11.1: the scheme's name in any case.
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::bearer_token;

    #[test]
    fn bearer_tokens() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc", Some("abc")),
            ("BEARER a.b-c", Some("a.b-c")),
            ("Basic abc", None),
            ("Bearer", None),
            ("Bearer ", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(bearer_token(value), token, "{value:?}");
        }
    }
}
