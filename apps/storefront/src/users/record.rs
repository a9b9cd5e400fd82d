//! Users in the database.

use super::checks::role_or_default;
use crate::proto::user::v1::{Role, User, UserStatus};
use crate::store::Store;
use crate::time::{now_ns, timestamp};
use gannet::buffa::EnumValue;
use sqlx::{SqliteConnection, SqlitePool};

/// A row of the table. The password's hash never leaves it.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) sequence: i64,
    id: String,
    name: String,
    email: String,
    status: i32,
    role: i32,
    created_at_ns: i64,
    updated_at_ns: i64,
}

/// The columns of a [`Row`], for a statement's text.
macro_rules! columns {
    () => {
        "sequence, id, name, email, status, role, created_at_ns, updated_at_ns"
    };
}
pub(super) use columns;

impl Row {
    /// About the memory that it takes.
    pub(super) fn text_bytes(&self) -> usize {
        self.id.len() + self.name.len() + self.email.len()
    }
}

impl From<Row> for User {
    fn from(row: Row) -> Self {
        User {
            id: row.id,
            name: row.name,
            email: row.email,
            status: EnumValue::from(row.status),
            role: EnumValue::from(row.role),
            created_at: timestamp(row.created_at_ns).into(),
            updated_at: timestamp(row.updated_at_ns).into(),
            ..Default::default()
        }
    }
}

/// A user about to be stored. It is ACTIVE.
#[derive(Debug)]
pub(super) struct New {
    id: String,
    name: String,
    pub(super) email: String,
    role: Role,
    password_hash: Option<String>,
}

impl New {
    /// Gives the user its id.
    pub(super) fn of(
        name: String,
        email: String,
        role: EnumValue<Role>,
        password_hash: Option<String>,
    ) -> Self {
        let id = uuid::Uuid::now_v7().to_string();
        Self { id, name, email, role: role_or_default(role), password_hash }
    }
}

/// Stores users in one transaction, or gives those back whose email is taken.
pub(super) async fn insert_all(
    store: &Store,
    mut users: Vec<New>,
) -> Result<Vec<Result<User, New>>, sqlx::Error> {
    if users.len() < 2 {
        // A statement by itself is a transaction by itself.
        let Some(one) = users.pop() else { return Ok(Vec::new()) };
        let mut writer = store.writer.acquire().await?;
        return Ok(vec![insert(&mut writer, one).await?]);
    }
    let mut inserted = Vec::with_capacity(users.len());
    let mut transaction = store.writer.begin().await?;
    for user in users {
        inserted.push(insert(&mut transaction, user).await?);
    }
    transaction.commit().await?;
    Ok(inserted)
}

async fn insert(connection: &mut SqliteConnection, new: New) -> Result<Result<User, New>, sqlx::Error> {
    const INSERT: &str = "INSERT INTO users
        (id, name, email, email_key, password_hash, status, role, created_at_ns, updated_at_ns)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (email_key) DO NOTHING";
    let now = now_ns();
    let inserted = sqlx::query(INSERT)
        .bind(&new.id)
        .bind(&new.name)
        .bind(&new.email)
        .bind(email_key(&new.email))
        .bind(&new.password_hash)
        .bind(UserStatus::Active as i32)
        .bind(new.role as i32)
        .bind(now)
        .bind(now)
        .execute(connection)
        .await?;
    if inserted.rows_affected() == 0 {
        return Ok(Err(new));
    }
    Ok(Ok(User {
        id: new.id,
        name: new.name,
        email: new.email,
        status: UserStatus::Active.into(),
        role: new.role.into(),
        created_at: timestamp(now).into(),
        updated_at: timestamp(now).into(),
        ..Default::default()
    }))
}

/// The user with this id.
pub(super) async fn find(readers: &SqlitePool, id: &str) -> Result<Option<User>, sqlx::Error> {
    const FIND: &str = concat!("SELECT ", columns!(), " FROM users WHERE id = ?");
    let row: Option<Row> = sqlx::query_as(FIND).bind(id).fetch_optional(readers).await?;
    Ok(row.map(User::from))
}

/// Whether there was such a user; now there is none.
pub(super) async fn delete(writer: &SqlitePool, id: &str) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query("DELETE FROM users WHERE id = ?").bind(id).execute(writer).await?;
    Ok(deleted.rows_affected() > 0)
}

/// Emails are compared without case.
pub(super) fn email_key(email: &str) -> String {
    email.to_lowercase()
}
