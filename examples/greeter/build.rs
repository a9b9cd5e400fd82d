//! Generates the code of `proto/greeter.proto`.

fn main() -> gannet_build::Result {
    gannet_build::compile(&["proto/greeter.proto"], &["proto"])
}
