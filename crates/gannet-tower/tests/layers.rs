//! tower layers around calls, on a server and on a channel.

use gannet::{Answer, Call, Channel, Code, Interceptor, Next, Result, Server};
use gannet_services::health::{Health, HealthCheckRequest, HealthClient};
use gannet_tower::Layered;
use http::{HeaderValue, Request, Response};
use std::time::Duration;
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::util::{MapRequestLayer, MapResponseLayer};
use tower::{BoxError, ServiceBuilder, service_fn};

/// A handler that takes its time, and fails as often as it is told to.
struct Slow {
    takes: Duration,
    failures: std::sync::atomic::AtomicU32,
}

impl Interceptor for Slow {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        use std::sync::atomic::Ordering::Relaxed;
        tokio::time::sleep(self.takes).await;
        if self.failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err(gannet::Status::unavailable("not yet"));
        }
        if let Some(tenant) = call.metadata().get("x-tenant").map(str::to_owned) {
            call.set_trailer("x-seen-tenant", &tenant)?;
        }
        next.run(call).await
    }
}

fn slow(takes: Duration, failures: u32) -> Slow {
    Slow { takes, failures: failures.into() }
}

fn server(layered: impl Interceptor, handler: Slow) -> HealthClient {
    let server = Server::new().intercept(layered).intercept(handler).add(Health::new().service());
    HealthClient::new(Channel::to_server(server))
}

fn whole() -> HealthCheckRequest {
    HealthCheckRequest::default()
}

#[tokio::test]
async fn layers_change_heads_both_ways() {
    let layers = ServiceBuilder::new()
        .layer(MapRequestLayer::new(|mut request: Request<()>| {
            assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
            assert_eq!(request.headers()["x-kept"], "1");
            request.headers_mut().insert("x-tenant", HeaderValue::from_static("7"));
            request
        }))
        .layer(MapResponseLayer::new(|mut response: Response<()>| {
            assert_eq!(response.headers()["grpc-status"], "0");
            response.headers_mut().insert("x-layer", HeaderValue::from_static("was here"));
            response
        }));
    let client = server(Layered::new(layers), slow(Duration::ZERO, 0));
    let response = client.check(whole()).metadata("x-kept", "1").response().await.unwrap();
    assert_eq!(response.headers.get("x-layer"), Some("was here"));
    assert_eq!(response.trailers.get("x-seen-tenant"), Some("7"));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_drops_the_handler_and_is_deadline_exceeded() {
    let layer = TimeoutLayer::new(Duration::from_secs(1));
    let client = server(Layered::new(layer), slow(Duration::from_secs(3600), 0));
    let status = client.check(whole()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
}

#[tokio::test]
async fn the_handlers_status_passes_through() {
    let client = server(Layered::new(tower::layer::util::Identity::new()), slow(Duration::ZERO, 0));
    let unknown = HealthCheckRequest { service: "no.Such".into(), ..Default::default() };
    assert_eq!(client.check(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[derive(Clone)]
struct UntilOk;

impl Policy<Request<()>, Response<()>, BoxError> for UntilOk {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<()>,
        result: &mut Result<Response<()>, BoxError>,
    ) -> Option<Self::Future> {
        let failed = result.as_ref().is_ok_and(|response| response.headers()["grpc-status"] != "0");
        failed.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn a_layer_runs_a_call_again() {
    let client = server(Layered::new(RetryLayer::new(UntilOk)), slow(Duration::ZERO, 2));
    client.check(whole()).await.unwrap();
}

#[tokio::test]
async fn a_layer_answers_by_itself() {
    let refuse = tower::layer::layer_fn(|_| {
        service_fn(|_: Request<()>| async {
            Ok::<_, BoxError>(Response::builder().status(403).body(()).unwrap())
        })
    });
    let client = server(Layered::new(refuse), slow(Duration::ZERO, 0));
    assert_eq!(client.check(whole()).await.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn layers_stand_around_a_channels_calls_too() {
    let refuse = tower::layer::layer_fn(|_| {
        service_fn(|_: Request<()>| async { Err::<Response<()>, BoxError>("closed on Sundays".into()) })
    });
    let channel = Channel::builder("ipv4:127.0.0.1:1").unwrap().intercept(Layered::new(refuse)).build();
    let status = HealthClient::new(channel).check(whole()).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(std::error::Error::source(&status).unwrap().to_string().contains("Sundays"));
}
