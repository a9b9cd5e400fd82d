//! The examples of the how-to pages in this folder, compiled and run as doc tests: a page that is wrong fails the build.

/// The README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// Compression.
#[cfg(doctest)]
#[doc = include_str!("../compression.md")]
pub struct CompressionPage;

/// Deadlines, cancellation, draining.
#[cfg(doctest)]
#[doc = include_str!("../deadlines.md")]
pub struct DeadlinesPage;

/// Errors.
#[cfg(doctest)]
#[doc = include_str!("../errors.md")]
pub struct ErrorsPage;
