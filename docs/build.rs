//! Generates the service of the how-to pages.

fn main() -> gannet_build::Result {
    gannet_build::compile(&["proto/users.proto"], &["proto"])
}
