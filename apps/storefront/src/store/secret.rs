//! A key that only this data folder has, for what the server must recognise as its own.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A key of random bytes, as many as SHA-256 has in a block (RFC 2104 §3).
pub(crate) struct Secret([u8; 64]);

impl Secret {
    /// Reads the key, or makes it where there is none. The file is for its owner alone.
    pub(super) fn load(path: &Path) -> io::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => match bytes.try_into() {
                Ok(key) => Ok(Self(key)),
                Err(_) => Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is no key of this program; remove it", path.display()),
                )),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(error) => Err(error),
        }
    }

    /// Whole or not at all: what a killed process leaves behind is another name.
    fn make(path: &Path) -> io::Result<Self> {
        let mut key = [0; 64];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let unfinished = path.with_extension("new");
        let mut file =
            File::options().create(true).write(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&key)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        Ok(Self(key))
    }

    /// A key that a test knows.
    #[cfg(test)]
    pub(crate) fn of(key: [u8; 64]) -> Self {
        Self(key)
    }

    /// A signature over these parts, in this order. Parts of varying length need a length of their own in front.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.mac(parts).finalize().into_bytes().into()
    }

    /// Whether the first bytes of a signature are those over these parts, without telling by its time where they differ.
    pub(crate) fn has_signed(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.mac(parts).verify_truncated_left(signature).is_ok()
    }

    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::new(&self.0.into());
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
