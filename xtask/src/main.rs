//! The habits of the project: cargo xtask.
fn main() {}
