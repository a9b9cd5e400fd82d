//! Reflection (`grpc.reflection.v1` and `v1alpha`): tells clients such as grpcurl which services a server has and what
//! their messages look like.
//!
//! ```
//! use gannet::Server;
//! use gannet_services::reflection::Reflection;
//!
//! let reflection = Reflection::new();
//! // v1alpha is for older clients. Once the server serves, it tells both of all its services.
//! let server = Server::new().add(reflection.v1()).add(reflection.v1alpha());
//! # drop(server);
//! ```
//!
//! Whoever may call the server may read its .proto files. Where they are not for everybody, an interceptor decides who
//! calls `/grpc.reflection.v1.ServerReflection/` and `/grpc.reflection.v1alpha.ServerReflection/`.

mod answers;
mod generated;
mod index;

use answers::Answers;
use gannet::codegen::{Answer, BoxFuture, Call, Service};
use gannet::{Lifecycle, Receiver, Result, Sender, ServiceSpec};
use generated::grpc::reflection::{v1, v1alpha};
use index::Index;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use v1::__buffa::oneof::server_reflection_request::MessageRequest;
pub use v1::__buffa::oneof::server_reflection_response::MessageResponse;
pub use v1::{
    ErrorResponse, ExtensionNumberResponse, ExtensionRequest, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionClient, ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};

/// What is known of the services of a server. Clones share it.
///
/// A service that is not generated code may have a [`ServiceSpec::descriptors`] that is empty or no
/// `google.protobuf.FileDescriptorSet`: it is listed, and its files are not found.
#[derive(Clone, Debug, Default)]
pub struct Reflection(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Descriptor sets beside those of the services.
    files: Vec<&'static [u8]>,
    services: BTreeMap<&'static str, &'static ServiceSpec>,
    /// Made of the services when a client first asks: most servers are never asked.
    index: Option<Arc<Index>>,
}

impl Reflection {
    /// Knows of nothing yet: the server that it is added to tells it its services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Knows these .proto files too, an encoded `google.protobuf.FileDescriptorSet`. For messages that no service
    /// imports: a tool that knows the details of a status (`gannet_types::DESCRIPTORS`) shows what is in them. Bytes
    /// that are no such set are not used.
    #[must_use]
    pub fn files(self, descriptors: &'static [u8]) -> Self {
        {
            let mut known = self.known();
            known.files.push(descriptors);
            known.index = None;
        }
        self
    }

    /// `grpc.reflection.v1.ServerReflection`, to add to a server.
    #[must_use]
    pub fn v1(&self) -> ReflectionService {
        self.service(&v1::SERVER_REFLECTION)
    }

    /// `grpc.reflection.v1alpha.ServerReflection`, to add to a server: what clients asked before v1.
    #[must_use]
    pub fn v1alpha(&self) -> ReflectionService {
        self.service(&v1alpha::SERVER_REFLECTION)
    }

    fn service(&self, spec: &'static ServiceSpec) -> ReflectionService {
        ReflectionService {
            spec,
            server: v1::ServerReflectionServer::new(self.clone()),
            reflection: self.clone(),
        }
    }

    fn learn(&self, specs: &[&'static ServiceSpec]) {
        let mut known = self.known();
        for spec in specs {
            if known.services.insert(spec.name, spec).is_none() {
                known.index = None;
            }
        }
    }

    fn index(&self) -> Arc<Index> {
        let mut known = self.known();
        let Known { files, services, index } = &mut *known;
        Arc::clone(index.get_or_insert_with(|| Arc::new(Index::new(services.values().copied(), files))))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl v1::ServerReflection for Reflection {
    async fn server_reflection_info(
        &self,
        _call: &mut Call,
        mut requests: Receiver<ServerReflectionRequest>,
        mut responses: Sender<ServerReflectionResponse>,
    ) -> Result<()> {
        let mut answers = Answers::new(self.index());
        while let Some(request) = requests.next().await? {
            responses.send(answers.answer(request)).await?;
        }
        Ok(())
    }
}

/// One version of the reflection service of one server. Made by [`Reflection::v1`] and [`Reflection::v1alpha`].
#[derive(Clone)]
pub struct ReflectionService {
    /// The versions differ in the names of the service and its messages, which are not sent: v1 answers for both.
    spec: &'static ServiceSpec,
    server: v1::ServerReflectionServer<Reflection>,
    reflection: Reflection,
}

impl Service for ReflectionService {
    fn spec(&self) -> &'static ServiceSpec {
        self.spec
    }

    fn call<'a>(&'a self, method: usize, call: &'a mut Call) -> BoxFuture<'a, Result<Answer>> {
        self.server.call(method, call)
    }

    fn lifecycle(&self, event: Lifecycle<'_>) {
        if let Lifecycle::Serving(specs) = event {
            self.reflection.learn(specs);
        }
    }
}

impl std::fmt::Debug for ReflectionService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ReflectionService").field(&self.spec.name).finish()
    }
}

#[cfg(test)]
mod tests;
