//! Passwords: argon2id hashes, made where they hold up nobody.

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use gannet::{Result, ResultExt};
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::Semaphore;

/// Hashes passwords, at most one per core at a time: each takes 19 MiB and some 20 ms.
#[derive(Clone, Debug)]
pub(super) struct Passwords {
    cores: Arc<Semaphore>,
    parallelism: usize,
}

impl Passwords {
    pub(super) fn new() -> Self {
        let parallelism = available_parallelism().map_or(1, usize::from);
        Self { cores: Arc::new(Semaphore::new(parallelism)), parallelism }
    }

    /// How many are hashed at once.
    pub(super) fn parallelism(&self) -> usize {
        self.parallelism
    }

    /// The password's hash as a PHC string (`$argon2id$v=19$…`); none where there is no password.
    pub(super) async fn hash(&self, password: String) -> Result<Option<String>> {
        if password.is_empty() {
            return Ok(None);
        }
        let core = Arc::clone(&self.cores).acquire_owned().await.internal("waiting to hash a password")?;
        let hashing = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also where the call that waited for it is over.
            let _core = core;
            Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
        });
        hashing.await.internal("hashing the password")?.internal("hashing the password").map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::PasswordVerifier;
    use argon2::password_hash::phc::PasswordHash;

    #[tokio::test]
    async fn a_hash_is_argon2id_and_fits_its_password_only() {
        let hash = Passwords::new().hash("correct horse".to_owned()).await.unwrap().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$"), "{hash}");
        let parsed = PasswordHash::new(&hash).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"battery staple", &parsed).is_err());
    }

    #[tokio::test]
    async fn no_password_has_no_hash() {
        assert_eq!(Passwords::new().hash(String::new()).await.unwrap(), None);
    }
}
