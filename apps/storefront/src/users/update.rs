//! UpdateUser: the fields that a mask names, or those that are set.

use super::record::{Row, columns, email_key};
use super::{checks, email_taken, not_found};
use crate::proto::user::v1::{UpdateUserRequest, User, UserStatus};
use crate::store::Store;
use crate::time::now_ns;
use gannet::{Result, ResultExt};

/// Changes a user in one statement.
pub(super) async fn update(store: &Store, request: UpdateUserRequest) -> Result<User> {
    // A user's time never stands still, whatever the clock does.
    const UPDATE: &str = concat!(
        "UPDATE users SET name = COALESCE(?, name), email = COALESCE(?, email),
         email_key = COALESCE(?, email_key), status = COALESCE(?, status),
         updated_at_ns = MAX(?, updated_at_ns + 1) WHERE id = ? RETURNING ",
        columns!()
    );
    let change = Change::of(&request)?;
    let updated: Result<Option<Row>, _> = sqlx::query_as(UPDATE)
        .bind(change.name)
        .bind(change.email)
        .bind(change.email.map(email_key))
        .bind(change.status.map(|status| status as i32))
        .bind(now_ns())
        .bind(&request.id)
        .fetch_optional(&store.writer)
        .await;
    match updated {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(email_taken(change.email.unwrap_or_default()))
        }
        updated => {
            updated.internal("changing the user")?.map(User::from).ok_or_else(|| not_found(&request.id))
        }
    }
}

/// The new values; `None` is left as it is.
#[derive(Debug, Default, PartialEq)]
struct Change<'a> {
    name: Option<&'a str>,
    email: Option<&'a str>,
    status: Option<UserStatus>,
}

impl<'a> Change<'a> {
    fn of(request: &'a UpdateUserRequest) -> Result<Self> {
        let mask = request.update_mask.as_option().map_or(&[][..], |mask| &mask.paths);
        let mut change = if mask.is_empty() { Self::of_what_is_set(request) } else { Self::default() };
        let mut takes_status = mask.is_empty() && request.status.to_i32() != UserStatus::Unspecified as i32;
        for path in mask {
            let all = path == "*";
            match path.as_str() {
                "*" | "name" | "email" | "status" => {}
                other => {
                    let description = format!("{other:?} can't be changed; name, email, status and * can");
                    return Err(checks::wrong("update_mask", description));
                }
            }
            if all || path == "name" {
                change.name = Some(&request.name);
            }
            if all || path == "email" {
                change.email = Some(&request.email);
            }
            takes_status |= all || path == "status";
        }
        checks::name_and_email(change.name, change.email)?;
        if takes_status {
            change.status = Some(checks::status(request.status)?);
        }
        Ok(change)
    }

    fn of_what_is_set(request: &'a UpdateUserRequest) -> Self {
        let set = |text: &'a String| (!text.is_empty()).then_some(text.as_str());
        Self { name: set(&request.name), email: set(&request.email), status: None }
    }
}
