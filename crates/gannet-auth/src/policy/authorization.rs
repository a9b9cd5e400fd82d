//! A server's interceptor that a policy stands behind.

use super::{Caller, Decision, Policy, PolicyError};
use gannet::{Answer, Call, Interceptor, Next, Result, Status};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Allows and denies calls by a [`Policy`]: PERMISSION_DENIED for what is not allowed. Which rule it was is in the
/// status's source, for the log, and not told to the client.
///
/// ```
/// use gannet::Server;
/// use gannet_auth::Authorization;
///
/// let policy = r#"{"name": "open", "allow_rules": [{"name": "all"}]}"#.parse()?;
/// let server = Server::new().intercept(Authorization::new(policy));
/// # drop(server);
/// # Ok::<(), gannet_auth::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Authorization(Arc<RwLock<Arc<Policy>>>);

impl Authorization {
    /// By this policy.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    /// By the policy in this file, which is read again this often; a file that has become invalid is passed over, and
    /// the last valid policy stays (gRFC A43, "API"). The reading ends with the last clone.
    ///
    /// # Errors
    /// Where the file can't be read or its policy is not valid now.
    pub async fn file(path: impl Into<PathBuf>, period: Duration) -> Result<Self, PolicyError> {
        let path = path.into();
        let authorization = Self::new(read(path.clone()).await?);
        let current = Arc::downgrade(&authorization.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let read = read(path.clone()).await;
                let Some(current) = current.upgrade() else { return };
                if let Ok(policy) = read {
                    *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
                }
            }
        });
        Ok(authorization)
    }

    /// Decides by this policy from now on.
    pub fn set(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn read(path: PathBuf) -> Result<Policy, PolicyError> {
    let name = path.display().to_string();
    let text = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
    let text = text.map_err(std::io::Error::other).flatten();
    text.map_err(|error| PolicyError(format!("{name}: {error}")))?
        .parse()
        .map_err(|PolicyError(text)| PolicyError(format!("{name}: {text}")))
}

impl Interceptor for Authorization {
    async fn intercept(&self, call: &mut Call, next: Next<'_>) -> Result<Answer> {
        let policy = self.current();
        let denied = match policy.decide(call.spec().path, call.metadata(), &Caller::of(call.peer())) {
            Decision::Allowed => None,
            Decision::DeniedBy(rule) => {
                Some(format!("rule {rule:?} of policy {:?} denies it", policy.name()))
            }
            Decision::NotAllowed => Some(format!("no rule of policy {:?} allows it", policy.name())),
        };
        match denied {
            None => next.run(call).await,
            Some(reason) => {
                let reason: Box<dyn std::error::Error + Send + Sync> = reason.into();
                Err(Status::permission_denied("this call is not allowed to you").with_source(reason))
            }
        }
    }
}
