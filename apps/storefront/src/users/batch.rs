//! BatchCreateUsers: many users in few transactions.

use super::checks;
use super::password::Passwords;
use super::record::{self, New};
use crate::batch::{Listed, count, next_portion};
use crate::proto::user::v1::{BatchCreateUsersResponse, CreateUserRequest, User};
use crate::store::Store;
use gannet::{Call, Receiver, Result, ResultExt};
use std::collections::VecDeque;
use tokio::task::JoinHandle;

/// Creates what is valid, in the order of arrival, and counts the rest.
///
/// A call that is cut short keeps the portions that were committed.
pub(super) async fn create(
    store: &Store,
    passwords: &Passwords,
    call: &mut Call,
    mut requests: Receiver<CreateUserRequest>,
) -> Result<BatchCreateUsersResponse> {
    let mut summary = Summary::default();
    while let Some(portion) = next_portion(&mut requests).await? {
        let arrived = portion.len();
        let valid = prepare(portion, passwords).await?;
        let inserted = record::insert_all(store, valid).await.internal("storing users")?;
        let created: Vec<User> = inserted.into_iter().flatten().collect();
        summary.failures += arrived - created.len();
        summary.successes += created.len();
        created.into_iter().for_each(|user| summary.users.add(user));
    }
    if summary.users.truncated {
        call.set_trailer("users-truncated", "true")?;
    }
    Ok(summary.into())
}

/// The valid ones, with their passwords hashed, before any transaction. Of one batch no more passwords wait for a core
/// than there are cores, so that other calls get their turn.
async fn prepare(portion: Vec<CreateUserRequest>, passwords: &Passwords) -> Result<Vec<New>> {
    let mut hashing: VecDeque<Hashing> = VecDeque::new();
    let mut ready = Vec::new();
    for request in portion {
        if checks::new_user(&request).is_err() {
            continue;
        }
        if hashing.len() >= passwords.parallelism()
            && let Some(first) = hashing.pop_front()
        {
            ready.push(first.done().await?);
        }
        hashing.push_back(Hashing::begin(request, passwords));
    }
    for rest in hashing {
        ready.push(rest.done().await?);
    }
    Ok(ready)
}

/// A request whose password is being hashed.
struct Hashing {
    request: CreateUserRequest,
    /// `None` where it has no password.
    hash: Option<JoinHandle<Result<Option<String>>>>,
}

impl Hashing {
    fn begin(mut request: CreateUserRequest, passwords: &Passwords) -> Self {
        let password = std::mem::take(&mut request.password);
        let passwords = passwords.clone();
        let hash =
            (!password.is_empty()).then(|| tokio::spawn(async move { passwords.hash(password).await }));
        Self { request, hash }
    }

    async fn done(self) -> Result<New> {
        let hash = match self.hash {
            Some(hash) => hash.await.internal("hashing a password")??,
            None => None,
        };
        let CreateUserRequest { name, email, role, .. } = self.request;
        Ok(New::of(name, email, role, hash))
    }
}

/// The answer so far.
#[derive(Default)]
struct Summary {
    users: Listed<User>,
    successes: usize,
    failures: usize,
}

impl From<Summary> for BatchCreateUsersResponse {
    fn from(summary: Summary) -> Self {
        BatchCreateUsersResponse {
            users: summary.users.messages,
            success_count: count(summary.successes),
            failure_count: count(summary.failures),
            ..Default::default()
        }
    }
}
