//! Generates the four services.

fn main() -> gannet_build::Result {
    let files = ["user/v1/user.proto", "order/v1/order.proto", "file/v1/file.proto", "chat/v1/chat.proto"];
    gannet_build::Builder::new()
        .files(files.map(|file| format!("proto/{file}")))
        .includes(["proto"])
        // A chunk's bytes are a slice of what was received or read, not a copy.
        .generator(|generator| generator.bytes(".file.v1.FileChunk"))
        .compile()
}
