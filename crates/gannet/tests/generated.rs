//! What gannet-codegen writes, compiled against gannet and run: its golden files, unchanged.

#[path = "../../gannet-codegen/tests/golden/greeter/mod.rs"]
mod greeter;

// These only have to compile.
#[path = "../../gannet-codegen/tests/golden/client/mod.rs"]
mod client;
#[path = "../../gannet-codegen/tests/golden/deprecated/mod.rs"]
mod deprecated;
#[path = "../../gannet-codegen/tests/golden/names/mod.rs"]
mod names;
#[path = "../../gannet-codegen/tests/golden/server/mod.rs"]
mod server;

use gannet::{Call, Code, Receiver, Result, Sender, Status};
use greeter::demo::{GREETER, Greeter, GreeterClient, GreeterServer, Hello};
use std::sync::Arc;

/// The codec that the golden client names: buffa under another name.
struct Json;

impl<M> gannet::codegen::Codec<M> for Json
where
    gannet::codegen::Buffa: gannet::codegen::Codec<M>,
{
    fn encode(format: gannet::Format, message: &M, out: &mut gannet::Output) -> Result<()> {
        <gannet::codegen::Buffa as gannet::codegen::Codec<M>>::encode(format, message, out)
    }
    fn decode(format: gannet::Format, message: bytes::Bytes) -> Result<M> {
        <gannet::codegen::Buffa as gannet::codegen::Codec<M>>::decode(format, message)
    }
}

fn hello(name: impl Into<String>) -> Hello {
    Hello { name: name.into(), ..Default::default() }
}

struct Polite;

impl Greeter for Polite {
    async fn greet(&self, _call: &mut Call, request: Hello) -> Result<Hello> {
        if request.name.is_empty() {
            return Err(Status::invalid_argument("nobody to greet"));
        }
        Ok(hello(format!("Hello {}", request.name)))
    }
    async fn list(&self, _call: &mut Call, request: Hello, mut responses: Sender<Hello>) -> Result<()> {
        for number in 1..=3 {
            responses.send(hello(format!("{} {number}", request.name))).await?;
        }
        Ok(())
    }
    async fn batch(&self, _call: &mut Call, mut requests: Receiver<Hello>) -> Result<Hello> {
        let mut names = Vec::new();
        while let Some(request) = requests.next().await? {
            names.push(request.name);
        }
        Ok(hello(names.join(", ")))
    }
    async fn chat(
        &self,
        _: &mut Call,
        mut requests: Receiver<Hello>,
        mut responses: Sender<Hello>,
    ) -> Result<()> {
        while let Some(request) = requests.next().await? {
            responses.send(hello(format!("Echo {}", request.name))).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn unary() {
    let greeter = GreeterClient::in_process(Polite);
    assert_eq!(greeter.greet(hello("you")).await.unwrap().name, "Hello you");
    let status = greeter.greet(hello("")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "nobody to greet"));
}

#[tokio::test]
async fn server_streaming() {
    let greeter = GreeterClient::in_process(Polite);
    let mut list = greeter.list(hello("you")).await.unwrap();
    let mut names = Vec::new();
    while let Some(hello) = list.next().await.unwrap() {
        names.push(hello.name);
    }
    assert_eq!(names, ["you 1", "you 2", "you 3"]);
}

#[tokio::test]
async fn client_streaming() {
    let greeter = GreeterClient::in_process(Polite);
    let mut batch = greeter.batch();
    for name in ["a", "b", "c"] {
        batch.send(hello(name)).await.unwrap();
    }
    assert_eq!(batch.finish().await.unwrap().name, "a, b, c");
}

#[tokio::test]
async fn bidirectional_streaming() {
    let greeter = GreeterClient::in_process(Polite);
    let (mut outbound, mut inbound) = greeter.chat().await.unwrap();
    for name in ["a", "b"] {
        outbound.send(hello(name)).await.unwrap();
        assert_eq!(inbound.next().await.unwrap().unwrap().name, format!("Echo {name}"));
    }
    outbound.finish();
    assert_eq!(inbound.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_shared_service_is_a_service() {
    let shared = Arc::new(Polite);
    let greeter = GreeterClient::in_process(Arc::clone(&shared));
    assert_eq!(greeter.clone().greet(hello("you")).await.unwrap().name, "Hello you");
    drop(GreeterServer::from_arc(shared).clone());
}

#[test]
fn the_spec_has_the_methods_and_their_file() {
    let paths: Vec<&str> = GREETER.methods.iter().map(|method| method.path).collect();
    assert_eq!(
        paths,
        ["/demo.Greeter/Greet", "/demo.Greeter/List", "/demo.Greeter/Batch", "/demo.Greeter/Chat"]
    );
    assert_eq!(GREETER.file, "greeter.proto");
    assert!(GREETER.descriptors.windows(13).any(|window| window == b"greeter.proto"));
}
