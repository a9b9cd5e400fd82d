use super::*;
use crate::health::{Health, HealthCheckRequest, HealthClient};
use gannet::{Answer, Call, Channel, Code, Interceptor, Next, Result, Server};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// A handler, as it were, that records what it is given.
struct Records(fn(&mut CallMetricRecorder));

impl Interceptor for Records {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        (self.0)(CallMetricRecorder::of(call));
        next.run(call).await
    }
}

/// The reports of a call that ends well and of one that fails.
async fn reports(
    interceptor: CallReports,
    record: fn(&mut CallMetricRecorder),
) -> Vec<Option<OrcaLoadReport>> {
    let server = Server::new().add(Health::new().service()).intercept(interceptor).intercept(Records(record));
    let client = HealthClient::new(Channel::to_server(server));
    let of = |service: &str| HealthCheckRequest { service: service.to_owned(), ..Default::default() };
    let ok = client.check(of("")).response().await.unwrap();
    let failed = client.check(of("no.Such")).await.unwrap_err();
    vec![load_report(&ok.trailers), load_report(failed.metadata())]
}

/// gRFC A51, "Per-Request Metrics Reporting": in the trailers, whatever the status.
#[tokio::test]
async fn a_call_tells_what_was_recorded() {
    let seen = reports(CallReports::new(), |call| {
        call.record_cpu_utilization(0.9).record_cpu_utilization(1.5).record_memory_utilization(0.5);
        call.record_application_utilization(0.25).record_qps(100.0).record_eps(2.0);
        call.record_utilization("disk", 0.1).record_request_cost("rows", 42.0);
        call.record_named_metric("depth", -3.0);
    })
    .await;
    let named = |name: &str, value: f64| [(name.to_owned(), value)].into_iter().collect();
    let wanted = OrcaLoadReport {
        cpu_utilization: 1.5,
        mem_utilization: 0.5,
        application_utilization: 0.25,
        rps_fractional: 100.0,
        eps: 2.0,
        utilization: named("disk", 0.1),
        request_cost: named("rows", 42.0),
        named_metrics: named("depth", -3.0),
        ..Default::default()
    };
    assert_eq!(seen, [Some(wanted.clone()), Some(wanted)]);
}

/// gRFC A51: "Values outside of the valid range are ignored."
#[tokio::test]
async fn values_out_of_range_are_ignored() {
    let seen = reports(CallReports::new(), |call| {
        for value in [-0.1, f64::NAN, f64::INFINITY] {
            call.record_cpu_utilization(value).record_memory_utilization(value).record_qps(value);
            call.record_application_utilization(value)
                .record_eps(value)
                .record_named_metric("n", if value < 0.0 { f64::NEG_INFINITY } else { value });
            call.record_request_cost("cost", value).record_utilization("disk", value);
        }
        call.record_memory_utilization(1.1).record_utilization("disk", 1.1);
    })
    .await;
    assert_eq!(seen, [None, None]);

    let load = ServerMetricRecorder::new();
    load.set_memory_utilization(0.5);
    load.set_memory_utilization(1.1);
    load.set_utilization("disk", 0.5);
    load.set_utilization("disk", -1.0);
    load.set_all_utilization([("net", 0.1), ("disk", 2.0)]);
    let report = load.load().into_report();
    assert_eq!((report.mem_utilization, report.utilization.get("disk")), (0.5, None));
    assert_eq!(report.utilization.get("net"), Some(&0.1));
}

/// gRFC A51: "metrics recorded with per-request recorder take a higher precedence", 0 as well as others.
#[tokio::test]
async fn what_a_call_records_goes_before_the_servers_load() {
    let load = ServerMetricRecorder::new();
    load.set_cpu_utilization(0.9);
    load.set_eps(1.0);
    load.set_qps(5.0);
    load.clear_qps();
    load.set_utilization("disk", 0.1);
    load.set_utilization("net", 0.2);
    let seen = reports(CallReports::new().with_server(&load), |call| {
        call.record_cpu_utilization(0.0).record_utilization("net", 0.3);
    })
    .await;
    let report = seen[0].as_ref().unwrap();
    assert_eq!((report.cpu_utilization, report.eps, report.rps_fractional), (0.0, 1.0, 0.0));
    let utilization = |name| report.utilization.get(name).copied();
    assert_eq!((utilization("disk"), utilization("net")), (Some(0.1), Some(0.3)));
}

/// A report is no reason to fail a call.
#[tokio::test]
async fn a_report_that_is_too_large_does_not_go() {
    let many = |call: &mut CallMetricRecorder| {
        for number in 0..200 {
            call.record_request_cost(format!("cost number {number}"), 1.0);
        }
    };
    assert_eq!(reports(CallReports::new(), many).await, [None, None]);
    let seen = reports(CallReports::new().max_bytes(8 * 1024), many).await;
    assert!(seen.iter().all(|report| report.as_ref().is_some_and(|report| report.request_cost.len() == 200)));
}

#[test]
fn what_is_no_report_is_none() {
    let mut trailers = gannet::Metadata::new();
    trailers.append_bin("endpoint-load-metrics-bin", b"\xff\xff").unwrap();
    assert_eq!(load_report(&trailers), None);
}

fn channel(service: OrcaService) -> Channel {
    Channel::to_server(Server::new().add(service))
}

/// gRFC A51: a report at once; "If report_interval is not specified (equals to 0), it is also treated as service
/// minimum", and so is one below; there is no upper bound.
#[tokio::test(start_paused = true)]
async fn reports_come_in_the_interval_that_was_asked_for() {
    let load = ServerMetricRecorder::new();
    for (least, asked, expected) in [
        (None, Duration::ZERO, 30 * SECOND),
        (None, SECOND, 30 * SECOND),
        (None, 90 * SECOND, 90 * SECOND),
        (Some(2 * SECOND), SECOND, 2 * SECOND),
        (Some(Duration::ZERO), Duration::ZERO, SECOND / 100),
    ] {
        let service = OrcaService::new(&load);
        let service = match least {
            Some(least) => service.min_report_interval(least),
            None => service,
        };
        let mut reports = LoadReports::subscribe(&channel(service), asked);
        let start = Instant::now();
        load.set_cpu_utilization(0.1);
        assert_eq!(reports.next().await.unwrap().cpu_utilization, 0.1);
        assert!(start.elapsed() < SECOND / 100, "{:?}", start.elapsed());
        load.set_cpu_utilization(0.2);
        let first = Instant::now();
        assert_eq!(reports.next().await.unwrap().cpu_utilization, 0.2);
        let took = first.elapsed();
        let late = Duration::from_millis(20);
        assert!(took + late > expected && took < expected + late, "{took:?}, not {expected:?}");
    }
}

/// What a client may ask for that is no time.
#[tokio::test(start_paused = true)]
async fn a_strange_interval_is_the_least_or_never() {
    let client = OpenRcaServiceClient::new(channel(OrcaService::new(&ServerMetricRecorder::new())));
    let asked = |seconds| {
        let interval = gannet::well_known::Duration { seconds, ..Default::default() };
        OrcaLoadReportRequest { report_interval: interval.into(), ..Default::default() }
    };
    let mut negative = client.stream_core_metrics(asked(-5)).await.unwrap();
    let mut endless = client.stream_core_metrics(asked(i64::MAX)).await.unwrap();
    for reports in [&mut negative, &mut endless] {
        reports.next().await.unwrap().unwrap();
    }
    negative.next().await.unwrap().unwrap();
    let day = tokio::time::timeout(24 * 3600 * SECOND, endless.next()).await;
    assert!(day.is_err());
}

#[tokio::test(start_paused = true)]
async fn another_interval_is_another_call() {
    let load = ServerMetricRecorder::new();
    let mut reports = LoadReports::subscribe(&channel(OrcaService::new(&load)), 3600 * SECOND);
    reports.next().await.unwrap();
    reports.set_interval(60 * SECOND);
    let start = Instant::now();
    reports.next().await.unwrap();
    reports.next().await.unwrap();
    assert!(start.elapsed() < 61 * SECOND, "{:?}", start.elapsed());
}

/// gRFC A51: "the client must not retry the call".
#[tokio::test]
async fn a_server_without_reports_is_asked_once() {
    let channel = Channel::to_server(Server::new().add(Health::new().service()));
    let mut reports = LoadReports::subscribe(&channel, SECOND);
    assert_eq!(reports.next().await.unwrap_err().code(), Code::Unimplemented);
}

/// Ends the first calls with UNAVAILABLE, the first of all after a report.
struct Refuses(std::sync::atomic::AtomicUsize);

impl Interceptor for Refuses {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        match self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => {
                let _ = tokio::time::timeout(SECOND, next.run(call)).await;
                Err(gannet::Status::unavailable("later"))
            }
            1..4 => Err(gannet::Status::unavailable("later")),
            _ => next.run(call).await,
        }
    }
}

/// gRFC A51: at once after a stream that brought something, then with backoff.
#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_is_opened_again_with_backoff() {
    let service = OrcaService::new(&ServerMetricRecorder::new());
    let server = Server::new().add(service).intercept(Refuses(0.into()));
    let mut reports = LoadReports::subscribe(&Channel::to_server(server), SECOND);
    reports.next().await.unwrap();
    let start = Instant::now();
    reports.next().await.unwrap();
    // One second until the stream ends; the next at once, then after 1 s, 1.6 s and 2.56 s, each ± 20 %.
    let took = start.elapsed();
    assert!(took > 5 * SECOND && took < 8 * SECOND, "{took:?}");
}

/// A stream of reports holds no server up that shuts down.
#[tokio::test]
async fn the_reports_end_with_the_server() {
    let service = OrcaService::new(&ServerMetricRecorder::new());
    let bound = Server::new().add(service).bind(["127.0.0.1:0"]).await.unwrap();
    let client = OpenRcaServiceClient::new(Channel::new(&bound.addresses()[0].to_string()).unwrap());
    let handle = bound.handle();
    tokio::spawn(bound.serve());
    let mut reports = client.stream_core_metrics(OrcaLoadReportRequest::default()).await.unwrap();
    reports.next().await.unwrap().unwrap();
    let shutdown = handle.shutdown(3600 * SECOND);
    let (report, end) = tokio::join!(shutdown, reports.next());
    assert_eq!((report.cut, end.unwrap_err().code()), (0, Code::Unavailable));
}
