//! Health (`grpc.health.v1`): whether a server, or one of its services, answers.
//!
//! ```
//! use gannet::Server;
//! use gannet_services::health::{Health, ServingStatus};
//!
//! let health = Health::new();
//! let server = Server::new().add(health.service());
//! // Once the server serves, it and all its services are SERVING; when it drains they are NOT_SERVING.
//! health.set("user.v1.UserService", ServingStatus::NOT_SERVING);
//! # drop(server);
//! ```

mod generated;

use gannet::codegen::{Answer, BoxFuture, Call, Service, ServiceSpec};
use gannet::{Lifecycle, Result, Sender, Status};
use generated::grpc::health::v1 as proto;
use std::collections::HashMap;
use tokio::sync::watch;

pub use proto::health_check_response::ServingStatus;
pub use proto::{
    HealthCheckRequest, HealthCheckResponse, HealthClient, HealthListRequest, HealthListResponse,
};

/// What is known of each service; `""` is the server as a whole. Clones share it.
#[derive(Clone, Debug)]
pub struct Health(watch::Sender<HashMap<String, ServingStatus>>);

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Knows of nothing yet: the server that it is added to tells it its services.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }

    /// The service to add to a server.
    #[must_use]
    pub fn service(&self) -> HealthService {
        HealthService { server: proto::HealthServer::new(self.clone()), health: self.clone() }
    }

    /// Says how a service does. Watchers are told.
    pub fn set(&self, service: impl Into<String>, status: ServingStatus) {
        self.0.send_modify(|statuses| {
            statuses.insert(service.into(), status);
        });
    }

    /// How a service does; `None` where it is not known.
    #[must_use]
    pub fn status(&self, service: &str) -> Option<ServingStatus> {
        self.0.borrow().get(service).copied()
    }

    fn set_all(&self, status: ServingStatus) {
        self.0.send_modify(|statuses| statuses.values_mut().for_each(|known| *known = status));
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into(), ..Default::default() }
}

impl proto::Health for Health {
    async fn check(&self, _call: &mut Call, request: HealthCheckRequest) -> Result<HealthCheckResponse> {
        let status = self.status(&request.service);
        status
            .map(response)
            .ok_or_else(|| Status::not_found(format!("no service {:?} is known", request.service)))
    }

    async fn list(&self, _call: &mut Call, _request: HealthListRequest) -> Result<HealthListResponse> {
        let statuses =
            self.0.borrow().iter().map(|(name, status)| (name.clone(), response(*status))).collect();
        Ok(HealthListResponse { statuses, ..Default::default() })
    }

    async fn watch(
        &self,
        _call: &mut Call,
        request: HealthCheckRequest,
        mut responses: Sender<HealthCheckResponse>,
    ) -> Result<()> {
        let mut changes = self.0.subscribe();
        let mut last = None;
        loop {
            let known = changes.borrow_and_update().get(&request.service).copied();
            // health.proto: a service that is not known is SERVICE_UNKNOWN, and may come to be known.
            let status = known.unwrap_or(ServingStatus::SERVICE_UNKNOWN);
            if last.replace(status) != Some(status) {
                responses.send(response(status)).await?;
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The health service of one server. Made by [`Health::service`].
#[derive(Clone)]
pub struct HealthService {
    server: proto::HealthServer<Health>,
    health: Health,
}

impl Service for HealthService {
    fn spec(&self) -> &'static ServiceSpec {
        self.server.spec()
    }

    fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        self.server.call(method, call)
    }

    fn lifecycle(&self, event: Lifecycle<'_>) {
        match event {
            Lifecycle::Serving(specs) => {
                let names = specs.iter().map(|spec| spec.name).chain([""]);
                // What was said before the start stays.
                self.health.0.send_modify(|statuses| {
                    for name in names {
                        statuses.entry(name.to_owned()).or_insert(ServingStatus::SERVING);
                    }
                });
            }
            Lifecycle::Draining | Lifecycle::Stopped => self.health.set_all(ServingStatus::NOT_SERVING),
            _ => {}
        }
    }
}

impl std::fmt::Debug for HealthService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HealthService").field(&self.health).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gannet::{Channel, Code, Server};

    fn client(health: &Health) -> HealthClient {
        HealthClient::new(Channel::to_server(Server::new().add(health.service())))
    }

    fn of(service: &str) -> HealthCheckRequest {
        HealthCheckRequest { service: service.to_owned(), ..Default::default() }
    }

    #[tokio::test]
    async fn check_and_list() {
        let client = client(&Health::new());
        for name in ["", "grpc.health.v1.Health"] {
            assert_eq!(client.check(of(name)).await.unwrap().status, ServingStatus::SERVING);
        }
        assert_eq!(client.check(of("no.Such")).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(client.list(HealthListRequest::default()).await.unwrap().statuses.len(), 2);
    }

    #[tokio::test]
    async fn watch_tells_every_change_and_waits_for_the_unknown() {
        let health = Health::new();
        let client = client(&health);
        let mut changes = client.watch(of("later")).await.unwrap();
        for status in [ServingStatus::SERVICE_UNKNOWN, ServingStatus::SERVING, ServingStatus::NOT_SERVING] {
            if status != ServingStatus::SERVICE_UNKNOWN {
                health.set("later", status);
            }
            assert_eq!(changes.next().await.unwrap().unwrap().status, status);
        }
    }
}
