//! Short ways to make the details that servers send most.

use crate::{
    BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo, bad_request::FieldViolation,
    precondition_failure::Violation,
};

impl BadRequest {
    /// One field and what is wrong with it; [`BadRequest::and`] adds more.
    #[must_use]
    pub fn violation(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::default().and(field, description)
    }

    /// Adds a field and what is wrong with it.
    #[must_use]
    pub fn and(mut self, field: impl Into<String>, description: impl Into<String>) -> Self {
        let (field, description) = (field.into(), description.into());
        self.field_violations.push(FieldViolation { field, description, ..Default::default() });
        self
    }
}

impl ErrorInfo {
    /// A reason in capitals (`EMAIL_TAKEN`), and the domain that it belongs to.
    #[must_use]
    pub fn of(reason: impl Into<String>, domain: impl Into<String>) -> Self {
        Self { reason: reason.into(), domain: domain.into(), ..Default::default() }
    }

    /// Adds a fact about the error.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }
}

impl ResourceInfo {
    /// The type and the name of what was asked for.
    #[must_use]
    pub fn of(resource_type: impl Into<String>, resource_name: impl Into<String>) -> Self {
        let (resource_type, resource_name) = (resource_type.into(), resource_name.into());
        Self { resource_type, resource_name, ..Default::default() }
    }

    /// Says what is the matter with it.
    #[must_use]
    pub fn described(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }
}

impl PreconditionFailure {
    /// One precondition that does not hold; [`PreconditionFailure::and`] adds more.
    #[must_use]
    pub fn violation(
        kind: impl Into<String>,
        subject: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self::default().and(kind, subject, description)
    }

    /// Adds a precondition that does not hold.
    #[must_use]
    pub fn and(
        mut self,
        kind: impl Into<String>,
        subject: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        let (r#type, subject, description) = (kind.into(), subject.into(), description.into());
        self.violations.push(Violation { r#type, subject, description, ..Default::default() });
        self
    }
}
