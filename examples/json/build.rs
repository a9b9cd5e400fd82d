//! Messages that serde can write, and services that name the codec of this crate.

fn main() -> gannet_build::Result {
    gannet_build::Builder::new()
        .files(["proto/weather.proto"])
        .includes(["proto"])
        .generator(|generator| generator.json(true).codec("crate::codec::ProtoOrJson"))
        .compile()
}
