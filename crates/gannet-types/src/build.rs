//! Short ways to make the details that servers send most.

use crate::{
    BadRequest, DebugInfo, ErrorInfo, Help, LocalizedMessage, PreconditionFailure, QuotaFailure, RequestInfo,
    ResourceInfo, RetryInfo, bad_request::FieldViolation, help::Link, precondition_failure, quota_failure,
};
use std::error::Error;
use std::time::Duration;

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

    /// Gives the field that was added last a reason in capitals (`TOO_SHORT`), for programs.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        if let Some(last) = self.field_violations.last_mut() {
            last.reason = reason.into();
        }
        self
    }

    /// Says the same of the field that was added last in the user's language.
    #[must_use]
    pub fn localized(mut self, locale: impl Into<String>, message: impl Into<String>) -> Self {
        if let Some(last) = self.field_violations.last_mut() {
            last.localized_message = LocalizedMessage::of(locale, message).into();
        }
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

    /// Says whose it is.
    #[must_use]
    pub fn owned_by(mut self, owner: impl Into<String>) -> Self {
        self.owner = owner.into();
        self
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
        self.violations.push(precondition_failure::Violation {
            r#type,
            subject,
            description,
            ..Default::default()
        });
        self
    }
}

impl QuotaFailure {
    /// Whose quota is used up (`clientip:10.0.0.1`, `project:7`) and what it is of; [`QuotaFailure::and`] adds more.
    #[must_use]
    pub fn violation(subject: impl Into<String>, description: impl Into<String>) -> Self {
        Self::default().and(subject, description)
    }

    /// Adds a quota that is used up.
    #[must_use]
    pub fn and(mut self, subject: impl Into<String>, description: impl Into<String>) -> Self {
        let (subject, description) = (subject.into(), description.into());
        self.violations.push(quota_failure::Violation { subject, description, ..Default::default() });
        self
    }
}

impl RetryInfo {
    /// How long to wait before the call is tried again; what a `google.protobuf.Duration` can't hold (315,576,000,000
    /// seconds) is cut to it.
    #[must_use]
    pub fn after(delay: Duration) -> Self {
        const MOST_SECONDS: u64 = 315_576_000_000;
        let delay = buffa_types::google::protobuf::Duration {
            seconds: delay.as_secs().min(MOST_SECONDS) as i64,
            nanos: delay.subsec_nanos() as i32,
            ..Default::default()
        };
        Self { retry_delay: delay.into(), ..Default::default() }
    }

    /// The delay; `None` where there is none or it is negative.
    #[must_use]
    pub fn delay(&self) -> Option<Duration> {
        let delay = self.retry_delay.as_option()?;
        let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
        Duration::from_secs(seconds).checked_add(Duration::from_nanos(nanos.into()))
    }
}

impl DebugInfo {
    /// What went wrong, for those who run the server. It is sent to the client: only where that may know.
    #[must_use]
    pub fn of(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Default::default() }
    }

    /// An error and its sources, an entry each.
    #[must_use]
    pub fn of_error(error: &dyn Error) -> Self {
        let sources = std::iter::successors(error.source(), |source: &&dyn Error| (*source).source());
        Self::of(error.to_string()).entries(sources.map(ToString::to_string))
    }

    /// Adds entries of a stack, the innermost first.
    #[must_use]
    pub fn entries(mut self, entries: impl IntoIterator<Item = String>) -> Self {
        self.stack_entries.extend(entries);
        self
    }
}

impl RequestInfo {
    /// The request's identifier, to be named in a report to those who run the server.
    #[must_use]
    pub fn of(request_id: impl Into<String>) -> Self {
        Self { request_id: request_id.into(), ..Default::default() }
    }

    /// Adds what helps them to find it (an encrypted stack trace, the server's name).
    #[must_use]
    pub fn served(mut self, serving_data: impl Into<String>) -> Self {
        self.serving_data = serving_data.into();
        self
    }
}

impl Help {
    /// Where to read more; [`Help::and`] adds more.
    #[must_use]
    pub fn link(description: impl Into<String>, url: impl Into<String>) -> Self {
        Self::default().and(description, url)
    }

    /// Adds a link.
    #[must_use]
    pub fn and(mut self, description: impl Into<String>, url: impl Into<String>) -> Self {
        let (description, url) = (description.into(), url.into());
        self.links.push(Link { description, url, ..Default::default() });
        self
    }
}

impl LocalizedMessage {
    /// A message for the user in the user's language (`de-CH`, as BCP 47 has it).
    #[must_use]
    pub fn of(locale: impl Into<String>, message: impl Into<String>) -> Self {
        Self { locale: locale.into(), message: message.into(), ..Default::default() }
    }
}
