//! The keys that tokens are verified with, and where they come from.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey};
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

/// The keys that tokens are verified with. Clones share them, so that a refresh reaches all.
///
/// A key verifies only the algorithms of its own kind: a public RSA key is never taken for an HMAC secret.
#[derive(Clone)]
pub struct Keys(Arc<Shared>);

struct Shared {
    set: RwLock<Arc<[Key]>>,
    source: Option<Source>,
    /// When the source was asked last; held while it is asked, so that it is asked once.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

type Fetch = dyn Fn() -> Pin<Box<dyn Future<Output = std::io::Result<String>> + Send>> + Send + Sync;

struct Source {
    name: String,
    fetch: Box<Fetch>,
}

/// One key, and what it may be used for.
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) decoding: DecodingKey,
}

/// A token with an unknown key id has the key set fetched again at most this often: whoever sends made-up ids must not
/// make this server a burden to the one that publishes the keys.
const UNKNOWN_KEY_PAUSE: Duration = Duration::from_secs(10);
/// RFC 7518 §3.2: an HMAC key is at least as long as the hash.
const SHORTEST_SECRET_BYTES: usize = 32;

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

impl Keys {
    /// One secret for HS256, HS384 and HS512, shared with whoever makes the tokens.
    ///
    /// # Errors
    /// Where it has less than 32 bytes (RFC 7518 §3.2): such a secret can be guessed from one token.
    pub fn secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < SHORTEST_SECRET_BYTES {
            return Err(KeyError::new(format!(
                "the secret has {} bytes; it needs at least {SHORTEST_SECRET_BYTES} (RFC 7518 §3.2)",
                secret.len()
            )));
        }
        let algorithms = vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        Ok(Self::fixed(vec![Key { id: None, algorithms, decoding: DecodingKey::from_secret(secret) }]))
    }

    /// One public key in PEM: RSA (RS and PS algorithms), elliptic curve (ES256 or ES384) or Ed25519 (EdDSA).
    ///
    /// # Errors
    /// Where the text is no such key.
    pub fn pem(pem: &[u8]) -> Result<Self, KeyError> {
        type Read = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;
        let kinds: [(Read, &[Algorithm]); 3] = [
            (DecodingKey::from_rsa_pem, &RSA),
            (DecodingKey::from_ec_pem, &[Algorithm::ES256, Algorithm::ES384]),
            (DecodingKey::from_ed_pem, &[Algorithm::EdDSA]),
        ];
        let found = kinds.iter().find_map(|(read, algorithms)| Some((read(pem).ok()?, algorithms)));
        let (decoding, algorithms) = found
            .ok_or_else(|| KeyError::new("the PEM holds no public RSA, elliptic curve or Ed25519 key"))?;
        Ok(Self::fixed(vec![Key { id: None, algorithms: algorithms.to_vec(), decoding }]))
    }

    /// A JSON Web Key Set (RFC 7517) as text. Keys of kinds that are not known here are left out.
    ///
    /// # Errors
    /// Where the text is no key set, or none of its keys can be used.
    pub fn jwks(text: &str) -> Result<Self, KeyError> {
        Ok(Self::fixed(read_jwks(text)?))
    }

    /// A JSON Web Key Set in a file, read again when a token names a key that is not known, and by
    /// [`Keys::refresh_every`].
    ///
    /// # Errors
    /// As [`Keys::jwks`], and where the file can't be read.
    pub async fn jwks_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path: PathBuf = path.as_ref().to_owned();
        let name = path.display().to_string();
        Self::jwks_from(name, move || {
            let path = path.clone();
            async move {
                let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
                read.map_err(std::io::Error::other)?
            }
        })
        .await
    }

    /// A JSON Web Key Set from wherever `fetch` gets it, such as an issuer's `jwks_uri`; `name` stands in messages.
    /// It is fetched now, when a token names a key that is not known (at most every 10 s), and by
    /// [`Keys::refresh_every`].
    ///
    /// # Errors
    /// As [`Keys::jwks`], and where `fetch` fails.
    pub async fn jwks_from<F, R>(name: impl Into<String>, fetch: F) -> Result<Self, KeyError>
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = std::io::Result<String>> + Send + 'static,
    {
        let source = Source { name: name.into(), fetch: Box::new(move || Box::pin(fetch())) };
        let set = source.read().await?;
        let asked = tokio::sync::Mutex::new(Some(Instant::now()));
        Ok(Self(Arc::new(Shared { set: RwLock::new(set.into()), source: Some(source), asked })))
    }

    fn fixed(keys: Vec<Key>) -> Self {
        Self(Arc::new(Shared { set: RwLock::new(keys.into()), source: None, asked: Default::default() }))
    }

    /// Fetches the keys again this often, in a task that ends with the last clone of these keys. When a fetch fails
    /// the keys that were there stay.
    #[must_use]
    pub fn refresh_every(self, period: Duration) -> Self {
        if self.0.source.is_some() {
            let shared: Weak<Shared> = Arc::downgrade(&self.0);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(period).await;
                    let Some(shared) = shared.upgrade() else { return };
                    // Nobody waits for this one; the next fetch, or the refused tokens, tell of the trouble.
                    let _ = Keys(shared).refresh().await;
                }
            });
        }
        self
    }

    /// Fetches the keys again now. Keys without a source stay as they are.
    ///
    /// # Errors
    /// As [`Keys::jwks_from`]; the keys that were there stay.
    pub async fn refresh(&self) -> Result<(), KeyError> {
        let Some(source) = &self.0.source else { return Ok(()) };
        let mut asked = self.0.asked.lock().await;
        self.fetch(source, &mut asked).await
    }

    /// A token names a key that is not here: fetches the keys again, unless that was done just now. Says whether there
    /// may be new ones.
    pub(crate) async fn look_again(&self) -> bool {
        let Some(source) = &self.0.source else { return false };
        let came = Instant::now();
        let mut asked = self.0.asked.lock().await;
        match *asked {
            // Somebody else has fetched them while this call waited.
            Some(at) if at >= came => true,
            Some(at) if at.elapsed() < UNKNOWN_KEY_PAUSE => false,
            _ => self.fetch(source, &mut asked).await.is_ok(),
        }
    }

    async fn fetch(&self, source: &Source, asked: &mut Option<Instant>) -> Result<(), KeyError> {
        let set = source.read().await;
        *asked = Some(Instant::now());
        *self.0.set.write().unwrap_or_else(PoisonError::into_inner) = set?.into();
        Ok(())
    }

    pub(crate) fn current(&self) -> Arc<[Key]> {
        Arc::clone(&self.0.set.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Source {
    async fn read(&self) -> Result<Vec<Key>, KeyError> {
        let text = (self.fetch)().await.map_err(|error| KeyError {
            message: format!("the keys could not be read from {}", self.name),
            source: Some(Box::new(error)),
        })?;
        read_jwks(&text).map_err(|error| KeyError {
            message: format!("the keys from {} can't be used", self.name),
            source: Some(Box::new(error)),
        })
    }
}

fn read_jwks(text: &str) -> Result<Vec<Key>, KeyError> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| KeyError {
        message: "the text is no JSON Web Key Set (RFC 7517)".to_owned(),
        source: Some(Box::new(error)),
    })?;
    let keys: Vec<Key> = set.keys.iter().filter_map(read_jwk).collect();
    if keys.is_empty() {
        return Err(KeyError::new("the key set has no key that can verify a token"));
    }
    Ok(keys)
}

/// `None` for a key of another kind, or for another use (RFC 7517 §4.2).
fn read_jwk(jwk: &Jwk) -> Option<Key> {
    use jsonwebtoken::jwk::PublicKeyUse;
    if jwk.common.public_key_use.as_ref().is_some_and(|use_| *use_ != PublicKeyUse::Signature) {
        return None;
    }
    let of_kind: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &RSA,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[Algorithm::ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[Algorithm::ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
        AlgorithmParameters::OctetKey(_) => &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512],
        _ => return None,
    };
    // RFC 7517 §4.4: a key that names its algorithm is for that one alone.
    let algorithms: Vec<Algorithm> = match jwk.common.key_algorithm {
        Some(named) => of_kind.iter().copied().filter(|one| is(*one, named)).collect(),
        None => of_kind.to_vec(),
    };
    if algorithms.is_empty() {
        return None;
    }
    let decoding = DecodingKey::from_jwk(jwk).ok()?;
    Some(Key { id: jwk.common.key_id.clone(), algorithms, decoding })
}

fn is(algorithm: Algorithm, named: KeyAlgorithm) -> bool {
    named.to_string() == format!("{algorithm:?}")
}

/// Why keys can't be used.
#[derive(Debug)]
pub struct KeyError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl KeyError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.current().len())
    }
}
