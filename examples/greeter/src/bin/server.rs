//! A first gannet server: `cargo run --bin server`.

gannet::include_protos!();

use gannet::{Call, Result, ServeError, Server};
use greeter::{GreetRequest, GreetResponse, Greeter, GreeterServer};

struct Polite;

impl Greeter for Polite {
    async fn greet(&self, _call: &mut Call, request: GreetRequest) -> Result<GreetResponse> {
        Ok(GreetResponse { text: format!("Hello, {}!", request.name), ..Default::default() })
    }
}

#[tokio::main]
async fn main() -> Result<(), ServeError> {
    Server::new().add(GreeterServer::new(Polite)).serve("127.0.0.1:50051").await
}
