//! The storefront: users, orders, files and chat over gannet.
fn main() {}
