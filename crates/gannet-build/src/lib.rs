//! The `build.rs` door of gannet: `.proto` files to Rust, without `protoc`.
//!
//! ```no_run
//! // build.rs
//! fn main() -> gannet_build::Result {
//!     gannet_build::compile(&["proto/user/v1/user.proto"], &["proto"])
//! }
//! ```
//!
//! The code is then taken into the crate with one line, which declares a module for each package, here `user::v1`:
//!
//! ```ignore
//! // ignore: `include!` needs what the build script has written
//! gannet::include_protos!();
//!
//! use user::v1::{User, UserServiceClient};
//! ```
//!
//! The modules may stand anywhere, also in a module of your own (`mod proto { gannet::include_protos!(); }`): all
//! packages are in one tree and find each other from there. What your files import is generated along with them where
//! they use its types; `google.protobuf` is part of gannet. Only `gannet` itself has to be a dependency.
//!
//! A mistake in a `.proto` file is shown with its line, as the compiler would show one in Rust.

#![forbid(unsafe_code)]

mod builder;
mod diagnostic;
mod error;

pub use builder::Builder;
pub use error::{Error, Result};
pub use gannet_codegen::Generator;

use std::path::Path;

/// Generates the code of these `.proto` files into `OUT_DIR`, where `gannet::include_protos!()` finds it.
///
/// `includes` are the directories that imports are relative to; the files lie in one of them.
///
/// # Errors
/// When a file has a mistake or cannot be read: return the error from `main`, it tells the user what to do.
pub fn compile(files: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result {
    Builder::new().files(files).includes(includes).compile()
}
