//! BatchCreateUsers: many users in few transactions.

use super::checks;
use super::password::Passwords;
use super::record::{self, New};
use crate::proto::user::v1::{BatchCreateUsersResponse, CreateUserRequest, User};
use crate::store::Store;
use gannet::buffa::Message;
use gannet::{Call, Receiver, Result, ResultExt};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

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
    while let Some(first) = requests.next().await? {
        let portion = gather(first, &mut requests).await?;
        let arrived = portion.len();
        let valid = prepare(portion, passwords).await?;
        let created = commit(store, valid).await.internal("storing users")?;
        summary.failures += arrived - created.len();
        created.into_iter().for_each(|user| summary.add(user));
    }
    if summary.truncated {
        call.set_trailer("users-truncated", "true")?;
    }
    Ok(summary.into())
}

/// One transaction takes so many users, or so many bytes of them, or what arrives in so long a time.
const PORTION_USERS: usize = 1_000;
const PORTION_BYTES: usize = 1024 * 1024;
const PORTION_TIME: Duration = Duration::from_millis(200);

/// What has come, without waiting long for more: a client that sends little by little has it stored little by little.
async fn gather(
    first: CreateUserRequest,
    requests: &mut Receiver<CreateUserRequest>,
) -> Result<Vec<CreateUserRequest>> {
    let end = Instant::now() + PORTION_TIME;
    let mut bytes = first.encoded_len() as usize;
    let mut portion = vec![first];
    while portion.len() < PORTION_USERS && bytes < PORTION_BYTES {
        // `next` is cancel-safe: where the time is over, nothing that has come is lost.
        let Ok(next) = timeout_at(end, requests.next()).await else { break };
        let Some(request) = next? else { break };
        bytes += request.encoded_len() as usize;
        portion.push(request);
    }
    Ok(portion)
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

/// Stores what can be stored in one transaction: an email that is taken fails alone.
async fn commit(store: &Store, users: Vec<New>) -> Result<Vec<User>, sqlx::Error> {
    let mut created = Vec::with_capacity(users.len());
    if users.is_empty() {
        return Ok(created);
    }
    let mut transaction = store.writer.begin().await?;
    for user in users {
        if let Ok(user) = record::insert(&mut transaction, user).await? {
            created.push(user);
        }
    }
    transaction.commit().await?;
    Ok(created)
}

/// The answer so far.
#[derive(Default)]
struct Summary {
    users: Vec<User>,
    users_bytes: usize,
    truncated: bool,
    successes: usize,
    failures: usize,
}

/// Users past so many bytes are left out of the answer, which would else be over the limit of most clients (4 MiB).
const ANSWER_BYTES: usize = 3 * 1024 * 1024;
/// A field's key and its length, at most.
const FIELD_OVERHEAD_BYTES: usize = 6;

impl Summary {
    fn add(&mut self, user: User) {
        self.successes += 1;
        let bytes = user.encoded_len() as usize + FIELD_OVERHEAD_BYTES;
        // Once one was left out, those after it are as well: what is there is the beginning.
        self.truncated |= self.users_bytes + bytes > ANSWER_BYTES;
        if !self.truncated {
            self.users_bytes += bytes;
            self.users.push(user);
        }
    }
}

impl From<Summary> for BatchCreateUsersResponse {
    fn from(summary: Summary) -> Self {
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        BatchCreateUsersResponse {
            users: summary.users,
            success_count: count(summary.successes),
            failure_count: count(summary.failures),
            ..Default::default()
        }
    }
}
