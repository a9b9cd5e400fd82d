//! The lock of what tasks share with the driver: loom's where its models run (`driver/model.rs`), else the standard one.

#[cfg(all(test, gannet_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, gannet_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard};
