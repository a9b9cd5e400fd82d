//! Generates the four services.

fn main() -> gannet_build::Result {
    let files = ["user/v1/user.proto", "order/v1/order.proto", "file/v1/file.proto", "chat/v1/chat.proto"];
    gannet_build::compile(&files.map(|file| format!("proto/{file}")), &["proto"])
}
