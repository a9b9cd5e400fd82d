//! The echo service of the bench, and the calls that are made to it.

use crate::Outcome;
use crate::proto::bench::v1::{Chunk, DownReq, Echo, EchoClient, EchoServer, ListReq, Msg, MsgList, Sum};
use gannet::{Call, Channel, Receiver, Result, Sender, Server, Status};
use std::time::Duration;

/// Client and server in this process.
pub(crate) fn in_process() -> EchoClient {
    EchoClient::new(Channel::to_server(service()))
}

/// The server of the echo.
pub(crate) fn service() -> Server {
    // The counting machine is some fifty times slower: by its clock no handler would be quick.
    Server::new().add(EchoServer::new(Service)).inline_limit(Duration::from_secs(1))
}

/// So many calls, `at_once` in flight.
pub(crate) async fn unary(client: EchoClient, at_once: usize, count: usize) -> Outcome {
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..count / at_once {
                    client.unary(user()).await?;
                }
                Ok::<(), Status>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok(())
}

/// A stream of so many messages of `size` bytes to the client.
pub(crate) async fn down(client: EchoClient, count: usize, size: usize) -> Outcome {
    let request = DownReq { n: i32::try_from(count)?, size: i32::try_from(size)?, ..Default::default() };
    let mut messages = client.down(request).await?;
    let mut seen = 0;
    while let Some(chunk) = messages.next().await? {
        seen += usize::from(chunk.content.len() == size);
    }
    expect(seen, count)
}

/// A stream of so many messages of `size` bytes to the server.
pub(crate) async fn up(client: EchoClient, count: usize, size: usize) -> Outcome {
    let chunk = Chunk { content: vec![7; size].into(), ..Default::default() };
    let mut upload = client.up();
    for _ in 0..count {
        upload.send(chunk.clone()).await?;
    }
    expect(usize::try_from(upload.finish().await?.n)?, count)
}

/// So many messages there and back, one at a time.
pub(crate) async fn chat(client: EchoClient, count: usize) -> Outcome {
    let (mut requests, mut responses) = client.chat().await?;
    for _ in 0..count {
        requests.send(user()).await?;
        responses.next().await?.ok_or("the echo ended")?;
    }
    requests.finish();
    expect(usize::from(responses.next().await?.is_some()), 0)
}

fn expect(seen: usize, expected: usize) -> Outcome {
    if seen == expected { Ok(()) } else { Err(format!("{seen} messages where {expected} were sent").into()) }
}

/// The message of the bench: 71 bytes of protobuf.
fn user() -> Msg {
    Msg {
        id: "0123456789abcdef".into(),
        name: "John Doe".into(),
        email: "john@example.com".into(),
        status: 1,
        tags: vec!["admin".into(), "beta".into(), "eu".into()],
        at: 1_700_000_000,
        ..Msg::default()
    }
}

struct Service;

impl Echo for Service {
    async fn unary(&self, _call: &mut Call, request: Msg) -> Result<Msg> {
        Ok(request)
    }

    async fn list(&self, _call: &mut Call, _request: ListReq) -> Result<MsgList> {
        Err(Status::unimplemented("not counted"))
    }

    async fn down(&self, _call: &mut Call, request: DownReq, mut responses: Sender<Chunk>) -> Result<()> {
        let content = vec![7; usize::try_from(request.size).unwrap_or_default()];
        let chunk = Chunk { content: content.into(), ..Default::default() };
        for _ in 0..request.n {
            responses.send_shared(&chunk).await?;
        }
        Ok(())
    }

    async fn up(&self, _call: &mut Call, mut requests: Receiver<Chunk>) -> Result<Sum> {
        let mut sum = Sum::default();
        while let Some(chunk) = requests.next().await? {
            sum.n += 1;
            sum.bytes += i64::try_from(chunk.content.len()).unwrap_or(i64::MAX);
        }
        Ok(sum)
    }

    async fn chat(
        &self,
        _call: &mut Call,
        mut requests: Receiver<Msg>,
        mut responses: Sender<Msg>,
    ) -> Result<()> {
        while let Some(message) = requests.next().await? {
            responses.send(message).await?;
        }
        Ok(())
    }
}
