//! Few bytes that decode to much, in calls that wait: so much of it and no more, and others are served.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../gannet-codegen/tests/golden/tree/mod.rs"]
mod tree;

use buffa_types::google::protobuf::ListValue;
use bytes::Bytes;
use gannet::codegen::*;
use gannet::{Code, Format, Output, Server, ServerHandle, Status};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const MIB: usize = 1024 * 1024;

const fn method(path: &'static str, client_streaming: bool) -> MethodSpec {
    MethodSpec {
        service: "demo.Lists",
        name: "",
        path,
        client_streaming,
        server_streaming: false,
        idempotency: Idempotency::Unknown,
        deprecated: false,
    }
}

static LISTS: ServiceSpec = ServiceSpec {
    name: "demo.Lists",
    file: "demo.proto",
    methods: &[method("/demo.Lists/Keep", false), method("/demo.Lists/KeepEach", true)],
    descriptors: b"",
};

/// Keeps the lists that it gets, and answers an empty one.
#[derive(Clone, Default)]
struct Lists(Arc<Notify>);

impl Lists {
    async fn keep(&self, list: ListValue) -> ListValue {
        if !list.values.is_empty() {
            self.0.notify_one();
            std::future::pending::<()>().await;
        }
        list
    }
}

impl Service for Lists {
    fn spec(&self) -> &'static ServiceSpec {
        &LISTS
    }

    fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        const LIST: Messages<ListValue> = Messages::of::<Buffa>();
        Box::pin(async move {
            let list = match method {
                0 => call.request(LIST)?,
                _ => call.receiver(LIST)?.next().await?.unwrap(),
            };
            let answer = self.keep(list).await;
            call.answer(LIST, &answer)
        })
    }
}

struct Raw;

impl Codec<Bytes> for Raw {
    fn encode(_: Format, message: &Bytes, out: &mut Output) -> Result<()> {
        out.put_bytes(message.clone());
        Ok(())
    }
    fn decode(_: Format, message: Bytes) -> Result<Bytes> {
        Ok(message)
    }
}

/// Calls the method with these bytes, however many messages it takes.
async fn call(channel: Channel, method: usize, message: Bytes) -> Result<Bytes> {
    const RAW: Messages<Bytes> = Messages::of::<Raw>();
    let spec = &LISTS.methods[method];
    if !spec.client_streaming {
        return Unary::new(&channel, spec, RAW, RAW, message).await;
    }
    let mut call = ClientStreaming::new(&channel, spec, RAW, RAW);
    call.send(message).await?;
    call.finish().await
}

/// Empty values: two bytes each.
fn empty_values(count: usize) -> Bytes {
    [0x0a, 0].repeat(count).into()
}

fn hits(handle: &ServerHandle, limit: &str) -> u64 {
    let hits = handle.load().limit_hits;
    hits.iter().find(|(name, _)| *name == limit).map(|(_, hits)| *hits).unwrap()
}

/// A few bytes on the wire are a message in memory, whatever kind of field it is in; one that lies in its field is a part of
/// the message around it.
#[test]
fn messages_in_messages_are_counted() {
    use tree::tree::Node;
    const NODE: usize = size_of::<Node>();
    for (wire, expected) in [
        (&[][..], 0),
        (&[0x12, 0], 0),
        (&[0x0a, 0], NODE),
        (&[0x0a, 2, 0x0a, 0], 2 * NODE),
        // The second adds to the first.
        (&[0x0a, 0, 0x0a, 0], NODE),
        (&[0x1a, 0], size_of::<tree::tree::Weight>()),
        (&[0x22, 2, 0x22, 0], 2 * NODE),
        (&[0x2a, 2, 0x0a, 0], 2 * NODE),
    ] {
        let mut memory = 0;
        let message = Bytes::copy_from_slice(wire);
        let decoded: Result<Node> = Buffa::decode_measured(Format::Proto, message, &mut memory);
        assert_eq!((decoded.is_ok(), memory), (true, expected), "{wire:?}");
    }
}

/// Above what one message may be, it is none.
#[test]
fn messages_in_messages_are_bounded() {
    let count = 32 * MIB / size_of::<tree::tree::Node>() + 1;
    // Half of them in the other half: neither kind alone is too many.
    let message = Bytes::from([0x2a, 2, 0x0a, 0].repeat(count.div_ceil(2)));
    let error = Buffa::decode(Format::Proto, message);
    let error: Status = Result::<tree::tree::Node>::map(error, drop).unwrap_err();
    assert_eq!(error.code(), Code::Internal, "{error}");
}

#[tokio::test]
async fn what_a_few_bytes_decode_to_is_bounded() {
    const BUDGET: usize = 16 * MIB;
    let lists = Lists::default();
    let server = Server::new().max_decoded_message(MIB).decoded_budget(BUDGET).add(lists.clone());
    let bound = server.bind(["127.0.0.1:0"]).await.unwrap();
    let target = format!("ipv4:{}", bound.addresses()[0]);
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    let connect = || Channel::new(&target).unwrap();
    for method in [0, 1] {
        let (hoarder, other) = (connect(), connect());
        let many = empty_values(32 * 1024);
        let mut kept = Vec::new();
        let refused = loop {
            let mut call = tokio::spawn(call(hoarder.clone(), method, many.clone()));
            tokio::select! {
                () = lists.0.notified() => kept.push(call),
                refused = &mut call => break refused.unwrap().unwrap_err(),
            }
        };
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
        assert!(refused.message().contains("decoded messages"), "{refused}");
        assert_eq!(hits(&handle, "decoded_data"), method as u64 + 1);
        // Fewer than would be refused for their own bytes, and each many times those.
        assert!(kept.len() >= 2 && kept.len() * many.len() < BUDGET / 8, "{} calls", kept.len());
        let held = handle.load().held_bytes;
        assert!((BUDGET / 2..BUDGET + 2 * MIB).contains(&held), "{held} bytes are held");
        // Small messages, and those of another, go on.
        call(hoarder.clone(), method, Bytes::new()).await.unwrap();
        let others = tokio::spawn(call(other, method, many.clone()));
        lists.0.notified().await;
        others.abort();

        // What has ended makes room.
        kept.pop().unwrap().abort();
        let again = async {
            loop {
                let mut call = tokio::spawn(call(hoarder.clone(), method, many.clone()));
                tokio::select! {
                    () = lists.0.notified() => return call.abort(),
                    _ = &mut call => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
        kept.iter().for_each(|call| call.abort());
        let empty = async {
            while handle.load().held_bytes >= 64 * 1024 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), empty).await.unwrap();
    }
}
