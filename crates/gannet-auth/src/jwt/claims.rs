//! What a token says.

use serde_json::{Map, Value};

/// The claims of a token that was verified. [`Bearer`](crate::Bearer) leaves them in the call's extensions.
///
/// ```
/// use gannet::{Call, Result, Status};
/// use gannet_auth::Claims;
///
/// fn caller(call: &Call) -> Result<&str> {
///     let claims = call.extensions().get::<Claims>();
///     claims.and_then(Claims::subject).ok_or_else(|| Status::unauthenticated("the token names no subject"))
/// }
/// # let _ = caller;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    pub(crate) fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// Whom the token is about (`sub`, RFC 7519 §4.1.2).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text("sub")
    }

    /// A claim that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Any claim, as JSON has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether this claim holds the word: as one of a list (`roles: ["admin", …]`), or of words between spaces
    /// (`scope`, RFC 8693 §4.2).
    ///
    /// ```
    /// # let claims = gannet_auth::Claims::default();
    /// assert!(!claims.has("roles", "admin"));
    /// ```
    #[must_use]
    pub fn has(&self, name: &str, word: &str) -> bool {
        match self.0.get(name) {
            Some(Value::String(words)) => words.split(' ').any(|one| one == word),
            Some(Value::Array(words)) => words.iter().any(|one| one.as_str() == Some(word)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_lists_and_between_spaces() {
        let claims = serde_json::json!({"sub": "u7", "scope": "read write", "roles": ["admin"], "n": 1});
        let claims = Claims::new(claims.as_object().unwrap().clone());
        assert_eq!(claims.subject(), Some("u7"));
        assert!(claims.has("scope", "read") && claims.has("roles", "admin"));
        assert!(!claims.has("scope", "rea") && !claims.has("roles", "user") && !claims.has("n", "1"));
        assert_eq!(claims.get("n").and_then(Value::as_i64), Some(1));
    }
}
