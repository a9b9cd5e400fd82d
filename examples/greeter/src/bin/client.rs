//! A first gannet client: `cargo run --bin client`, while the server runs.

gannet::include_protos!();

use gannet::Channel;
use greeter::{GreetRequest, GreeterClient};
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let greeter = GreeterClient::new(Channel::new("127.0.0.1:50051")?);
    let request = GreetRequest { name: "world".into(), ..Default::default() };
    let answer = greeter.greet(request).deadline(Duration::from_secs(1)).await?;
    println!("{}", answer.text);
    Ok(())
}
