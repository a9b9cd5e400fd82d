//! Who calls: the tokens that the server takes, and those that it makes for trying.

use crate::access::{ROLES, TABLE, Who};
use crate::cli::{AuthOptions, TokenOptions};
use gannet_auth::{Bearer, KeyError, Keys, Verifier};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, io};

/// What verifies the tokens of calls; `None` where the options want none.
///
/// # Errors
/// Where the keys can't be read or used.
pub async fn bearer(options: &AuthOptions) -> Result<Option<Bearer>, AuthError> {
    let verifier = match (&options.auth_secret_file, &options.auth_jwks) {
        // Whoever has the secret is near: a token that has expired is not honoured for the sake of clocks.
        (Some(path), _) => Verifier::new(secret(path)?.1).leeway(Duration::ZERO),
        (None, Some(path)) => Verifier::new(key_set(path).await?),
        (None, None) => return Ok(None),
    };
    let verifier = options.auth_issuer.iter().fold(verifier, |verifier, issuer| verifier.issuer(issuer));
    let verifier = options.auth_audience.iter().fold(verifier, |verifier, one| verifier.audience(one));
    let open = TABLE.iter().filter(|(_, who)| *who == Who::Anyone);
    Ok(Some(open.fold(Bearer::new(verifier), |bearer, (path, _)| bearer.open(*path))))
}

/// The file is read again this often, and when a token names a key that is not known: keys are changed without a restart.
const KEY_SET_PERIOD: Duration = Duration::from_secs(60);

async fn key_set(path: &Path) -> Result<Keys, AuthError> {
    let keys = Keys::jwks_file(path).await.map_err(AuthError::KeySet)?;
    Ok(keys.refresh_every(KEY_SET_PERIOD))
}

/// The secret in a file, without the line end that editors and `echo` leave, and the keys that it makes.
fn secret(path: &Path) -> Result<(Vec<u8>, Keys), AuthError> {
    let unreadable = |source| AuthError::Unreadable { path: path.to_owned(), source };
    let mut secret = std::fs::read(path).map_err(unreadable)?;
    while secret.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        secret.pop();
    }
    let keys = Keys::secret(&secret);
    let keys = keys.map_err(|source| AuthError::Secret { path: path.to_owned(), source })?;
    Ok((secret, keys))
}

/// A token that a server with the same secret takes, as `storefront token` prints it.
///
/// # Errors
/// Where the secret can't be read or used.
pub fn token(options: &TokenOptions) -> Result<String, AuthError> {
    let (secret, _) = secret(&options.secret_file)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut claims = serde_json::json!({
        "sub": options.subject,
        ROLES: [options.role.name()],
        "iat": now,
        "exp": now.saturating_add_signed(options.expires),
    });
    for (claim, value) in [("iss", &options.issuer), ("aud", &options.audience)] {
        if let Some(value) = value {
            claims[claim] = value.as_str().into();
        }
    }
    let header = Header::new(Algorithm::HS256);
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&secret)).map_err(AuthError::Signing)
}

/// Why there are no keys to verify or make tokens with.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthError {
    /// The file with the secret can't be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in the file is no secret to use.
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The key set can't be read or used.
    KeySet(KeyError),
    /// The token could not be signed.
    Signing(jsonwebtoken::errors::Error),
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthError::Unreadable { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "can't read the secret {path}: {source}; make one: openssl rand -base64 48 > {path}"
                )
            }
            AuthError::Secret { path, source } => {
                let path = path.display();
                write!(
                    f,
                    "can't use the secret in {path}: {source}; make one: openssl rand -base64 48 > {path}"
                )
            }
            AuthError::KeySet(error) => {
                write!(f, "can't use --auth-jwks: {error}")?;
                let mut cause = error.source();
                while let Some(source) = cause {
                    write!(f, ": {source}")?;
                    cause = source.source();
                }
                Ok(())
            }
            AuthError::Signing(error) => write!(f, "can't sign the token: {error}"),
        }
    }
}

impl Error for AuthError {}
