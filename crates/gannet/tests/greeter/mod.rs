//! A service of plain text: the generated part written by hand, with a codec of its own.

#![allow(dead_code, reason = "each test uses a part of it")]

use gannet::codegen::*;
use gannet::{CancelReason, Cancellation, Compression, Format, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hello(pub(crate) String);

pub(crate) fn hello(text: &str) -> Hello {
    Hello(text.to_owned())
}

pub(crate) struct Text;

impl Codec<Hello> for Text {
    fn encode(_: Format, message: &Hello, out: &mut Output) -> Result<()> {
        out.put_slice(message.0.as_bytes());
        Ok(())
    }
    fn decode(_: Format, message: bytes::Bytes) -> Result<Hello> {
        let text = String::from_utf8(message.into());
        text.map(Hello).map_err(|error| Status::internal(error.to_string()))
    }
}

pub(crate) const HELLO: Messages<Hello> = Messages::of::<Text>();

const fn method(path: &'static str, client_streaming: bool, server_streaming: bool) -> MethodSpec {
    let idempotency = Idempotency::Unknown;
    MethodSpec {
        service: "demo.Greeter",
        name: "",
        path,
        client_streaming,
        server_streaming,
        idempotency,
        deprecated: false,
    }
}

pub(crate) static GREETER: ServiceSpec = ServiceSpec {
    name: "demo.Greeter",
    file: "demo.proto",
    methods: &[
        method("/demo.Greeter/Greet", false, false),
        method("/demo.Greeter/List", false, true),
        method("/demo.Greeter/Batch", true, false),
        method("/demo.Greeter/Chat", true, true),
    ],
    descriptors: b"",
};
static UNKNOWN: MethodSpec = method("/demo.Greeter/Unknown", false, false);

pub(crate) struct GreeterServer(Arc<Plain>);

impl GreeterServer {
    pub(crate) fn new(service: Plain) -> Self {
        Self(Arc::new(service))
    }
    pub(crate) fn from_arc(service: Arc<Plain>) -> Self {
        Self(service)
    }
}

impl Service for GreeterServer {
    fn spec(&self) -> &'static ServiceSpec {
        &GREETER
    }
    fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        match method {
            0 => Box::pin(async move {
                let request = call.request(HELLO)?;
                let answer = self.0.greet(call, request).await?;
                call.answer(HELLO, &answer)
            }),
            1 => Box::pin(async move {
                let request = call.request(HELLO)?;
                let responses = call.sender(HELLO)?;
                self.0.list(call, request, responses).await?;
                Ok(Answer::Streamed)
            }),
            2 => Box::pin(async move {
                let requests = call.receiver(HELLO)?;
                let answer = self.0.batch(call, requests).await?;
                call.answer(HELLO, &answer)
            }),
            3 => Box::pin(async move {
                let requests = call.receiver(HELLO)?;
                let responses = call.sender(HELLO)?;
                self.0.chat(call, requests, responses).await?;
                Ok(Answer::Streamed)
            }),
            _ => unknown_method(call),
        }
    }
}

#[derive(Clone)]
pub(crate) struct GreeterClient(Channel);

impl GreeterClient {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(channel)
    }
    pub(crate) fn in_process(service: impl Into<Arc<Plain>>) -> Self {
        Self(Channel::in_process(GreeterServer(service.into())))
    }
    pub(crate) fn greet(&self, request: Hello) -> Unary<Hello, Hello> {
        Unary::new(&self.0, &GREETER.methods[0], HELLO, HELLO, request)
    }
    pub(crate) fn list(&self, request: Hello) -> ServerStreaming<Hello, Hello> {
        ServerStreaming::new(&self.0, &GREETER.methods[1], HELLO, HELLO, request)
    }
    pub(crate) fn batch(&self) -> ClientStreaming<Hello, Hello> {
        ClientStreaming::new(&self.0, &GREETER.methods[2], HELLO, HELLO)
    }
    pub(crate) fn chat(&self) -> Bidi<Hello, Hello> {
        Bidi::new(&self.0, &GREETER.methods[3], HELLO, HELLO)
    }
    pub(crate) fn unknown(&self, request: Hello) -> Unary<Hello, Hello> {
        Unary::new(&self.0, &UNKNOWN, HELLO, HELLO, request)
    }
}

/// What a user writes.
#[derive(Default)]
pub(crate) struct Plain {
    begun: Notify,
    running: Mutex<Option<Cancellation>>,
}

impl Plain {
    /// A call that runs for ever has begun.
    pub(crate) async fn begun(&self) {
        self.begun.notified().await;
    }

    /// How the last of them was cut short.
    pub(crate) async fn cancelled(&self) -> CancelReason {
        let running = self.running.lock().unwrap().take();
        running.unwrap().cancelled().await
    }

    async fn run_for_ever(&self, call: &Call) {
        *self.running.lock().unwrap() = Some(call.cancellation());
        self.begun.notify_one();
        std::future::pending().await
    }

    async fn greet(&self, call: &mut Call, request: Hello) -> Result<Hello> {
        match request.0.as_str() {
            "panic" => panic!("on purpose"),
            "panic later" => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                panic!("on purpose");
            }
            "wait" => tokio::time::sleep(Duration::from_millis(50)).await,
            text if text.starts_with("for ever") => self.run_for_ever(call).await,
            "refuse" => {
                call.set_trailer("x-why", "because")?;
                return Err(Status::not_found("no such person: ä\n%"));
            }
            "metadata" => {
                let text = call.metadata().get("x-text").unwrap().to_owned();
                let bytes = call.metadata().get_bin("x-bytes-bin").unwrap();
                call.set_header("x-text", &text)?;
                call.set_trailer_bin("x-bytes-bin", &bytes)?;
            }
            _ => {}
        }
        Ok(Hello(format!("Hello {}", request.0)))
    }

    async fn list(&self, call: &mut Call, request: Hello, mut responses: Sender<Hello>) -> Result<()> {
        if request.0 == "for ever" {
            self.run_for_ever(call).await;
        }
        if request.0 == "unread" {
            // More than the client's window takes, less than makes a sender wait.
            for _ in 0..10 {
                responses.send(hello(&"x".repeat(15 * 1024))).await?;
            }
            responses.discard();
            call.set_trailer("x-why", "unread")?;
            return Err(Status::resource_exhausted("read faster"));
        }
        if let Some(mibs) = request.0.strip_suffix(" MiB") {
            for _ in 0..mibs.parse::<usize>().unwrap() {
                responses.send(hello(&"x".repeat(1 << 20))).await?;
            }
        }
        if let Some(kibs) = request.0.strip_suffix(" KiB") {
            for _ in 0..kibs.parse::<usize>().unwrap() {
                responses.send(hello(&"x".repeat(1 << 10))).await?;
            }
        }
        for number in 0..request.0.parse::<u32>().unwrap_or_default() {
            responses.send(hello(&number.to_string())).await?;
        }
        call.set_trailer("x-count", &request.0)
    }

    async fn batch(&self, call: &mut Call, mut requests: Receiver<Hello>) -> Result<Hello> {
        let mut all = String::new();
        while let Some(Hello(text)) = requests.next().await? {
            if text.starts_with("for ever") {
                self.run_for_ever(call).await;
            }
            all.push_str(&text);
        }
        call.set_trailer("x-length", &all.len().to_string())?;
        Ok(Hello(all))
    }

    async fn chat(
        &self,
        call: &mut Call,
        mut requests: Receiver<Hello>,
        mut responses: Sender<Hello>,
    ) -> Result<()> {
        while let Some(Hello(text)) = requests.next().await? {
            if text == "for ever" {
                self.run_for_ever(call).await;
            }
            responses.compress(requests.compression() != Compression::Identity);
            responses.send(Hello(format!("Echo: {text}"))).await?;
        }
        Ok(())
    }
}
