//! The inserts of single CreateUser calls: those that wait at the same time share a transaction, because what a commit
//! costs is the disk's, whatever is in it.

use super::record::{self, New};
use crate::proto::user::v1::User;
use crate::store::Store;
use gannet::{Result, ResultExt, Status};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Where inserts wait. Clones share the place; with the last one the task ends that empties it.
#[derive(Clone, Debug)]
pub(super) struct Inserts(mpsc::Sender<Insert>);

/// A user, and the call that waits for it.
#[derive(Debug)]
struct Insert {
    user: New,
    answer: oneshot::Sender<Inserted>,
}

/// The stored user, or the new one back where its email is taken. An error is everybody's in the transaction.
type Inserted = Result<Result<User, New>, Arc<sqlx::Error>>;

/// More calls wait outside, with what they have in memory already.
const WAITING: usize = 1_000;
/// So many inserts keep others from the writer for a few milliseconds.
const TOGETHER: usize = 100;

impl Inserts {
    /// Begins to take inserts.
    pub(super) fn new(store: Store) -> Self {
        let (inserts, waiting) = mpsc::channel(WAITING);
        tokio::spawn(insert_all(store, waiting));
        Self(inserts)
    }

    /// Stores a user, or gives it back where its email is taken. It is on the disk when this returns.
    ///
    /// # Errors
    /// INTERNAL where the database fails.
    pub(super) async fn insert(&self, user: New) -> Result<Result<User, New>> {
        const GONE: &str = "the task that stores users has ended";
        let (answer, inserted) = oneshot::channel();
        self.0.send(Insert { user, answer }).await.map_err(|_| Status::internal(GONE))?;
        inserted.await.internal(GONE)?.internal("storing the user")
    }
}

async fn insert_all(store: Store, mut waiting: mpsc::Receiver<Insert>) {
    let mut together = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut together, TOGETHER).await > 0 {
        // Whoever has given up in the meantime gets no user.
        together.retain(|insert| !insert.answer.is_closed());
        let (users, answers): (Vec<_>, Vec<_>) =
            together.drain(..).map(|insert| (insert.user, insert.answer)).unzip();
        match record::insert_all(&store, users).await {
            Ok(inserted) => {
                for (answer, inserted) in answers.into_iter().zip(inserted) {
                    // Refused by whoever has given up since.
                    let _ = answer.send(Ok(inserted));
                }
            }
            Err(error) => {
                let error = Arc::new(error);
                for answer in answers {
                    let _ = answer.send(Err(Arc::clone(&error)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::user::v1::Role;
    use gannet::Code;
    use tokio::task::JoinSet;

    fn user(number: usize) -> New {
        New::of(format!("user {number}"), format!("{number}@example.com"), Role::User.into(), None)
    }

    /// Each call has its own answer, and of those with one email one has the user.
    #[tokio::test]
    async fn many_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let inserts = Inserts::new(store.clone());
        let mut calls = JoinSet::new();
        for number in 0..300 {
            let inserts = inserts.clone();
            calls.spawn(async move { (number / 2, inserts.insert(user(number / 2)).await.unwrap()) });
        }
        let mut created = Vec::new();
        while let Some(ended) = calls.join_next().await {
            let (number, inserted) = ended.unwrap();
            let name = match inserted {
                Ok(user) => {
                    created.push(number);
                    user.name
                }
                Err(taken) => format!("user {}", taken.email.strip_suffix("@example.com").unwrap()),
            };
            assert_eq!(name, format!("user {number}"));
        }
        created.sort_unstable();
        assert!(created.into_iter().eq(0..150));
        let stored: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(&store.readers).await.unwrap();
        assert_eq!(stored, 150);
    }

    /// Where the database fails all of them are told, and the next ones are tried again.
    #[tokio::test]
    async fn a_failure_is_everybodys_and_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let inserts = Inserts::new(store.clone());
        sqlx::query("ALTER TABLE users RENAME TO gone").execute(&store.writer).await.unwrap();
        let mut calls = JoinSet::new();
        for number in 0..10 {
            let inserts = inserts.clone();
            calls.spawn(async move { inserts.insert(user(number)).await });
        }
        for failed in calls.join_all().await {
            let status = failed.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::Internal, "storing the user"));
        }
        sqlx::query("ALTER TABLE gone RENAME TO users").execute(&store.writer).await.unwrap();
        assert!(inserts.insert(user(1)).await.unwrap().is_ok());
    }
}
