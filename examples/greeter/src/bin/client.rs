//! A first gannet client: `cargo run --bin client`, while the server runs.

gannet::include_protos!();

use gannet::Channel;
use greeter::{GreetRequest, GreeterClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let greeter = GreeterClient::new(Channel::new("127.0.0.1:50051")?);
    let answer = greeter.greet(GreetRequest { name: "world".into(), ..Default::default() }).await?;
    println!("{}", answer.text);
    Ok(())
}
