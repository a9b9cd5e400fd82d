//! Logs, metrics and traces of calls that end well, badly, and not by themselves. The service is health: one unary
//! method, and one that streams until it is given up.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use gannet::{Answer, Call, Channel, Interceptor, Next, Result, Server};
use gannet_services::health::{Health, HealthCheckRequest, HealthClient};
use gannet_telemetry::{ClientMetrics, LoadMetrics, Log, ServerMetrics, Trace, TraceContext};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::instrument::WithSubscriber;

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned(), ..Default::default() }
}

fn server() -> Server {
    Server::new().add(Health::new().service())
}

/// A call that ends well, one that fails, and a stream that its client gives up.
async fn three_calls(client: &HealthClient) {
    client.check(of("")).await.unwrap();
    client.check(of("no.Such")).await.unwrap_err();
    let mut watch = client.watch(of("")).await.unwrap();
    watch.next().await.unwrap();
    drop(watch);
}

/// All metrics, `name{labels}` and what they hold, once this one is there.
async fn metrics_with(
    snapshot: impl Fn() -> BTreeMap<String, String>,
    name: &str,
) -> BTreeMap<String, String> {
    let wait = async {
        loop {
            let all = snapshot();
            if all.contains_key(name) {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap()
}

fn recorder() -> (Arc<DebuggingRecorder>, impl Fn() -> BTreeMap<String, String>) {
    let recorder = Arc::new(DebuggingRecorder::new());
    let (snapshotter, seen) = (recorder.snapshotter(), Mutex::new(BTreeMap::<String, String>::new()));
    let snapshot = move || {
        let mut seen = seen.lock().unwrap();
        for (key, _, _, value) in snapshotter.snapshot().into_vec() {
            let labels = key.key().labels().map(|label| format!("{}={}", label.key(), label.value()));
            let name = format!("{}{{{}}}", key.key().name(), labels.collect::<Vec<_>>().join(","));
            // A snapshot takes the values along: what has been seen is added up.
            let before = seen.get(&name).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
            let text = match value {
                DebugValue::Counter(count) => (before + count as f64).to_string(),
                DebugValue::Gauge(value) => (before + value.0).to_string(),
                DebugValue::Histogram(values) if values.is_empty() => continue,
                DebugValue::Histogram(values) if name.contains("duration") => {
                    assert!(values.iter().all(|value| value.0 > 0.0 && value.0 < 60.0));
                    values.len().to_string()
                }
                DebugValue::Histogram(values) => format!("{values:?}"),
            };
            seen.insert(name, text);
        }
        seen.clone()
    };
    (recorder, snapshot)
}

/// gRFC A66: the names, the labels, and what is counted.
#[tokio::test]
async fn a_servers_metrics() {
    let (recorder, snapshot) = recorder();
    let metered = server().intercept(ServerMetrics::with_recorder(recorder));
    three_calls(&HealthClient::new(Channel::to_server(metered))).await;
    const WATCH: &str = "grpc.method=grpc.health.v1.Health/Watch";
    const CHECK: &str = "grpc.method=grpc.health.v1.Health/Check";
    let cancelled = format!("grpc.server.call.duration{{{WATCH},grpc.status=CANCELLED}}");
    let all = metrics_with(snapshot, &cancelled).await;
    let sent = "grpc.server.call.sent_total_compressed_message_size";
    let received = "grpc.server.call.rcvd_total_compressed_message_size";
    for (name, value) in [
        (format!("grpc.server.call.started{{{CHECK}}}"), "2"),
        (format!("grpc.server.call.started{{{WATCH}}}"), "1"),
        (format!("grpc.server.call.in_flight{{{CHECK}}}"), "0"),
        (format!("grpc.server.call.in_flight{{{WATCH}}}"), "0"),
        (format!("grpc.server.call.duration{{{CHECK},grpc.status=OK}}"), "1"),
        (format!("grpc.server.call.duration{{{CHECK},grpc.status=NOT_FOUND}}"), "1"),
        (cancelled, "1"),
        (format!("{sent}{{{CHECK},grpc.status=OK}}"), "[2.0]"),
        (format!("{received}{{{CHECK},grpc.status=OK}}"), "[0.0]"),
        (format!("{received}{{{CHECK},grpc.status=NOT_FOUND}}"), "[9.0]"),
        (format!("{sent}{{{WATCH},grpc.status=CANCELLED}}"), "[2.0]"),
    ] {
        assert_eq!(all.get(&name).map(String::as_str), Some(value), "{name} in {all:#?}");
    }
}

/// What no call shows: the limits that peers have run into are there before anybody has.
#[tokio::test]
async fn a_servers_load() {
    let (recorder, snapshot) = recorder();
    let bound = server().max_connections_per_peer(1).bind(["127.0.0.1:0"]).await.unwrap();
    let address = bound.addresses()[0].to_string();
    let metrics = LoadMetrics::with_recorder(bound.handle(), recorder);
    tokio::spawn(bound.serve());
    metrics.report();
    let all = snapshot();
    assert_eq!(all["gannet.server.connections{}"], "0");
    assert_eq!(all["gannet.server.limit_hits{limit=resets}"], "0");
    let _first = tokio::net::TcpStream::connect(&address).await.unwrap();
    let mut second = tokio::net::TcpStream::connect(&address).await.unwrap();
    // Refused: it is closed at once.
    let _ = tokio::io::AsyncReadExt::read(&mut second, &mut [0]).await;
    metrics.report();
    assert_eq!(snapshot()["gannet.server.limit_hits{limit=connections_per_peer}"], "1");
}

#[tokio::test]
async fn a_clients_metrics() {
    let (recorder, snapshot) = recorder();
    let metrics = ClientMetrics::with_recorder("dns:///health", recorder);
    let channel = Channel::builder_to_server(server()).intercept(metrics).build();
    three_calls(&HealthClient::new(channel)).await;
    const CHECK: &str = "grpc.method=grpc.health.v1.Health/Check,grpc.target=dns:///health";
    const WATCH: &str = "grpc.method=grpc.health.v1.Health/Watch,grpc.target=dns:///health";
    let cancelled = format!("grpc.client.call.duration{{{WATCH},grpc.status=CANCELLED}}");
    let all = metrics_with(snapshot, &cancelled).await;
    for (name, value) in [
        (format!("grpc.client.attempt.started{{{CHECK}}}"), "2"),
        (format!("grpc.client.call.duration{{{CHECK},grpc.status=OK}}"), "1"),
        (format!("grpc.client.attempt.duration{{{CHECK},grpc.status=NOT_FOUND}}"), "1"),
        (
            format!("grpc.client.attempt.rcvd_total_compressed_message_size{{{CHECK},grpc.status=OK}}"),
            "[2.0]",
        ),
        (format!("grpc.client.call.in_flight{{{WATCH}}}"), "0"),
    ] {
        assert_eq!(all.get(&name).map(String::as_str), Some(value), "{name} in {all:#?}");
    }
}

/// What a subscriber has written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + 'static {
        let written = self.clone();
        tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_writer(move || written.clone())
            .finish()
    }

    async fn lines(&self, count: usize) -> Vec<String> {
        let wait = async {
            loop {
                let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
                let lines: Vec<_> = text.lines().map(str::to_owned).collect();
                if lines.len() >= count {
                    return lines;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap()
    }
}

/// Panics where it is asked to.
struct Panics;

impl Interceptor for Panics {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        assert!(call.metadata().get("x-panic").is_none(), "as it was asked to");
        next.run(call).await
    }
}

/// The global default, so that the tasks of the server write there too; hence one test.
#[tokio::test]
async fn one_line_a_call_in_the_span_of_its_trace() {
    let written = Written::default();
    tracing::subscriber::set_global_default(written.subscriber()).unwrap();
    let traced = server().intercept(Trace::new()).intercept(Log::new()).intercept(Panics);
    let client = HealthClient::new(Channel::to_server(traced));
    three_calls(&client).await;
    written.lines(3).await;
    client.check(of("")).metadata("x-panic", "1").await.unwrap_err();
    let nothing = Server::new().intercept(Log::new()).observe(Log::server_event);
    let lines = written.lines(4).await;
    HealthClient::new(Channel::to_server(nothing)).check(of("")).await.unwrap_err();
    let refused = written.lines(5).await.remove(4);
    for part in [
        "INFO gannet::call: method=/grpc.health.v1.Health/Check code=\"UNIMPLEMENTED\" peer=in-process",
        "no service here answers /grpc.health.v1.Health/Check",
    ] {
        assert!(refused.contains(part), "{part} in {refused}");
    }
    for (line, parts) in
        lines.iter().zip([
            &[
                "INFO",
                "method=\"/grpc.health.v1.Health/Check\"",
                "code=\"OK\"",
                "took_us=",
                "peer=in-process",
            ][..],
            &["INFO", "code=\"NOT_FOUND\"", "no service \"no.Such\" is known", "request_bytes=9"],
            &[
                "INFO",
                "method=\"/grpc.health.v1.Health/Watch\"",
                "code=\"CANCELLED\"",
                "the client cancelled the call",
            ],
            &["ERROR", "code=\"INTERNAL\"", "the handler panicked"],
        ])
    {
        for part in parts.iter().chain(&["gannet::call", "trace_id=", "span_id="]) {
            assert!(line.contains(part), "{part} in {line}");
        }
    }
}

/// The lines of calls of each end, without what differs from run to run.
async fn lines_of(log: Log) -> Vec<String> {
    let written = Written::default();
    let _guard = tracing::subscriber::set_default(written.subscriber());
    let client = HealthClient::new(Channel::to_server(server().intercept(log).intercept(Panics)));
    three_calls(&client).await;
    written.lines(3).await;
    client.check(of("")).metadata("x-panic", "1").await.unwrap_err();
    client.check(of("a\nline \"of\" its own")).await.unwrap_err();
    let mut lines = written.lines(5).await;
    for line in &mut lines {
        let (before, after) = line.split_once("took_us=").unwrap();
        *line = format!("{before}took_us={}", after.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    lines
}

/// In a log of text nobody sees how a line was made.
#[tokio::test]
async fn a_line_as_text_is_the_line_of_the_fields() {
    let (fields, text) = (lines_of(Log::new()).await, lines_of(Log::new().as_text()).await);
    assert_eq!(fields, text);
    assert!(text[0].ends_with("took_us= peer=in-process request_bytes=0 response_bytes=2"), "{}", text[0]);
}

/// Tells the trace context of the call that it stands in.
#[derive(Default)]
struct Sees(Mutex<Vec<TraceContext>>);

impl Interceptor for Sees {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        self.0.lock().unwrap().push(call.extensions().get::<TraceContext>().unwrap().clone());
        next.run(call).await
    }
}

/// Makes a call of its own in the middle of another.
struct Asks(HealthClient);

impl Interceptor for Asks {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        self.0.check(of("")).await?;
        next.run(call).await
    }
}

/// W3C Trace Context: the trace goes along, each call has a span of its own, and nothing is made up for the caller.
#[tokio::test]
async fn a_trace_goes_through_two_servers() {
    let (front_sees, back_sees) = (Arc::new(Sees::default()), Arc::new(Sees::default()));
    let back = server().intercept(Trace::new()).intercept(Arc::clone(&back_sees));
    let to_back = Channel::builder_to_server(back).intercept(Trace::new()).build();
    let front = server()
        .intercept(Trace::new())
        .intercept(Arc::clone(&front_sees))
        .intercept(Asks(HealthClient::new(to_back)));
    let client = HealthClient::new(Channel::to_server(front));
    let sent: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".parse().unwrap();
    let call = client.check(of("")).metadata("traceparent", &sent.to_string()).metadata("tracestate", "a=1");
    call.with_subscriber(tracing::subscriber::NoSubscriber::default()).await.unwrap();
    client.check(of("")).metadata("traceparent", "broken").await.unwrap();
    let (front, back) = (front_sees.0.lock().unwrap(), back_sees.0.lock().unwrap());
    assert_eq!([front[0].trace_id(), back[0].trace_id()], [sent.trace_id(), sent.trace_id()]);
    assert!(!back[0].is_sampled());
    let spans = [sent.span_id(), front[0].span_id(), back[0].span_id()];
    assert!(spans[0] != spans[1] && spans[1] != spans[2] && spans[0] != spans[2], "{spans:?}");
    assert_eq!(front[1].trace_id(), back[1].trace_id());
    assert_ne!(front[1].trace_id(), sent.trace_id());
}
