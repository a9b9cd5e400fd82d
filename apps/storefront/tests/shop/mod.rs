//! What the tests share: a storefront in this process, or the program itself.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its part of this")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub mod program;

use gannet::{Channel, Code, Status};
use std::path::Path;
use storefront::proto::user::v1::{CreateUserRequest, User, UserServiceClient};
use storefront::server::server;
use storefront::store::Store;
use tempfile::TempDir;

/// A storefront in this process, with its own data.
pub struct Shop {
    pub folder: TempDir,
    pub store: Store,
    pub channel: Channel,
    pub users: UserServiceClient,
}

/// The largest upload that a [`Shop`] takes.
pub const MAX_UPLOAD_BYTES: u64 = 1024 * 1024;

impl Shop {
    pub async fn open() -> Self {
        Self::open_in(tempfile::tempdir().unwrap()).await
    }

    pub async fn open_in(folder: TempDir) -> Self {
        let store = Store::open(folder.path()).await.unwrap();
        let channel = Channel::to_server(server(store.clone(), MAX_UPLOAD_BYTES).await.unwrap());
        let users = UserServiceClient::new(channel.clone());
        Self { folder, store, channel, users }
    }

    /// Closes it and opens it again on the same data.
    pub async fn reopen(self) -> Self {
        let Self { folder, store, channel, users } = self;
        drop((channel, users));
        store.close().await;
        // The server ends once its last channel is gone; its lock with it.
        drop(store);
        let store = loop {
            match Store::open(folder.path()).await {
                Ok(store) => break store,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let channel = Channel::to_server(server(store.clone(), MAX_UPLOAD_BYTES).await.unwrap());
        let users = UserServiceClient::new(channel.clone());
        Self { folder, store, channel, users }
    }

    /// A user to work with.
    pub async fn user(&self, name: &str) -> User {
        let created = self.users.create_user(new_user(name)).await.unwrap();
        created.user.into_option().unwrap()
    }

    /// What the database has, past the services.
    pub async fn query(&self, sql: &'static str) -> Vec<String> {
        let path = self.folder.path().join("storefront.db");
        query(&path, sql).await
    }
}

/// The first column of what a statement finds.
pub async fn query(database: &Path, sql: &'static str) -> Vec<String> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let found = sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap();
    pool.close().await;
    found
}

/// A valid request; the email is made of the name.
pub fn new_user(name: &str) -> CreateUserRequest {
    CreateUserRequest { name: name.into(), email: format!("{name}@example.com"), ..Default::default() }
}

/// The status of a call that must fail with this code and say this.
#[track_caller]
pub fn fails<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, says: &str) -> Status {
    let status = result.unwrap_err();
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(says), "{status}");
    status
}
