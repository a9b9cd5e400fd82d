//! Attacks on a server: what a peer that means harm sends, on loopback and bounded.

mod attacks;
mod frames;
mod peer;

pub use attacks::{ATTACKS, Attack, Expected};
