//! What must be right in a request about a user.

use crate::proto::user::v1::{CreateUserRequest, Role, UserStatus};
use gannet::buffa::EnumValue;
use gannet::{Result, Status};
use gannet_types::BadRequest;

/// Checks the request for a new user.
pub(super) fn new_user(request: &CreateUserRequest) -> Result<()> {
    name_and_email(Some(&request.name), Some(&request.email))?;
    match request.role.as_known() {
        Some(_) => Ok(()),
        None => Err(wrong("role", format!("{} is no role", request.role.to_i32()))),
    }
}

/// Checks those of the two that are there.
pub(super) fn name_and_email(name: Option<&str>, email: Option<&str>) -> Result<()> {
    let mut missing = BadRequest::default();
    for (field, value) in [("name", name), ("email", email)] {
        if value.is_some_and(|value| value.trim().is_empty()) {
            missing = missing.and(field, "is required");
        }
    }
    if !missing.field_violations.is_empty() {
        return Err(Status::invalid_argument("Name and email are required").with_detail(missing));
    }
    match email {
        Some(email) if !is_email(email) => {
            Err(wrong("email", "is no email address; write it as name@example.com".to_owned()))
        }
        _ => Ok(()),
    }
}

/// A status that a user can be given.
pub(super) fn status(status: EnumValue<UserStatus>) -> Result<UserStatus> {
    match status.as_known() {
        None => Err(wrong("status", format!("{} is no status", status.to_i32()))),
        Some(UserStatus::Unspecified) => Err(wrong("status", "is required".to_owned())),
        Some(status) => Ok(status),
    }
}

/// The role of a new user.
pub(super) fn role_or_default(role: EnumValue<Role>) -> Role {
    role.as_known().filter(|role| *role != Role::Unspecified).unwrap_or(Role::User)
}

/// INVALID_ARGUMENT about one field.
pub(super) fn wrong(field: &str, description: String) -> Status {
    let message = format!("{field}: {description}");
    Status::invalid_argument(message).with_detail(BadRequest::violation(field, description))
}

/// RFC 5321 §4.5.3.1.3: the longest path, without its brackets.
const LONGEST_EMAIL_BYTES: usize = 254;

/// What no address can be without. Whether somebody reads there only a message to it can tell.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let is_plain =
        |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    text.len() <= LONGEST_EMAIL_BYTES
        && is_plain(local)
        && is_plain(domain)
        && !domain.contains('@')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emails() {
        for good in ["a@b.c", "jo.do+tag@mail.example.com", "üser@exämple.de", "root@localhost"] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in [
            "", "a", "@", "a@", "@b.c", "a@b@c", "a b@c.d", "a@b..c", "a@.b", "a@b.", "a@-b.c", "a\n@b.c",
            &long,
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
