//! From a request's `:path` to a method.

use super::dispatch::Inline;
use crate::{MethodSpec, Service, ServiceSpec};
use std::collections::HashMap;
use std::sync::Arc;

/// The services of a server by path.
#[derive(Default)]
pub(crate) struct Routes {
    services: Vec<Arc<dyn Service>>,
    methods: Vec<Route>,
    by_path: HashMap<&'static [u8], usize, foldhash::fast::FixedState>,
}

/// One method of one service.
pub(crate) struct Route {
    pub(crate) spec: &'static MethodSpec,
    pub(super) service: Arc<dyn Service>,
    /// The method's place in its service.
    pub(super) method: usize,
    /// Of first polls.
    pub(super) inline: Inline,
    /// Of the later polls of streams.
    pub(super) stays: Inline,
    /// Ended with UNAVAILABLE as soon as the server drains, where others may finish.
    pub(super) ends_on_drain: bool,
}

impl Routes {
    /// Adds a service; one of the same name takes the place of an earlier one.
    pub(crate) fn add(&mut self, service: Arc<dyn Service>) {
        for (method, spec) in service.spec().methods.iter().enumerate() {
            let route = Route {
                spec,
                service: Arc::clone(&service),
                method,
                inline: Inline::default(),
                stays: Inline::default(),
                ends_on_drain: false,
            };
            self.by_path.insert(spec.path.as_bytes(), self.methods.len());
            self.methods.push(route);
        }
        self.services.push(service);
    }

    /// The place of the method with this path.
    pub(crate) fn find(&self, path: &[u8]) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Route> {
        self.methods.get(index)
    }

    /// Marks a method as one that ends on drain. `false` where there is no such method.
    pub(crate) fn end_on_drain(&mut self, path: &str) -> bool {
        let found = self.find(path.as_bytes()).and_then(|index| self.methods.get_mut(index));
        found.map(|route| route.ends_on_drain = true).is_some()
    }

    pub(crate) fn has_service(&self, name: &[u8]) -> bool {
        self.services.iter().any(|service| service.spec().name.as_bytes() == name)
    }

    pub(crate) fn services(&self) -> &[Arc<dyn Service>] {
        &self.services
    }

    pub(crate) fn specs(&self) -> Vec<&'static ServiceSpec> {
        self.services.iter().map(|service| service.spec()).collect()
    }
}
