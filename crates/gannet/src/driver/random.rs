//! Chance, for what must not happen everywhere at once.

use std::hash::{BuildHasher, RandomState};

/// A number from 0 to 1 for jitter; it need not be hard to guess.
pub(crate) fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
