//! The locks and flags of what tasks share with the driver: loom's where its models run (`driver/model.rs`), else the
//! standard ones.

#[cfg(all(test, gannet_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU8};
#[cfg(not(all(test, gannet_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU8};
