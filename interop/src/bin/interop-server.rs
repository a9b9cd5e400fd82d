//! The interop server: `interop-server --port=10000`. What is no gRPC gets a page.

use gannet::Server;
use gannet_interop::proto::grpc::testing::TestServiceServer;
use gannet_interop::{flags, page::Page, service::Interop};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("interop-server: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), String> {
    let flags = flags::parse(std::env::args().skip(1))?;
    let port = flags.get("port").map_or("10000", String::as_str);
    let server = Server::new().add(TestServiceServer::new(Interop)).http_handler(Page);
    let bound = server.bind([format!("127.0.0.1:{port}")]).await.map_err(|error| error.to_string())?;
    for address in bound.addresses() {
        println!("listening on {address}");
    }
    bound.serve().await;
    Ok(())
}
