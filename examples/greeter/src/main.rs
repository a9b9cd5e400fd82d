//! A first gannet service.
fn main() {}
