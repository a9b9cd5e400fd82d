//! The service of the bench.

fn main() -> gannet_build::Result {
    gannet_build::Builder::new()
        .files(["../proto/echo.proto"])
        .includes(["../proto"])
        .generator(|generator| generator.bytes(".bench.v1.Chunk"))
        .compile()
}
