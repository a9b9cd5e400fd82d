//! What the database says of somebody who calls.

use crate::proto::user::v1::Role;
use sqlx::SqlitePool;

/// What an id is to the shop now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A user with this role.
    User(Role),
    /// It was a user's who has been deleted.
    Removed,
    /// Nobody's who ever was a user here: an operator, another program.
    Stranger,
}

/// Looks an id up: two primary keys, in one statement.
pub(crate) async fn standing(readers: &SqlitePool, id: &str) -> Result<Standing, sqlx::Error> {
    const FIND: &str = "SELECT (SELECT role FROM users WHERE id = ?1),
        EXISTS (SELECT 1 FROM removed_users WHERE id = ?1)";
    let (role, is_removed): (Option<i32>, bool) = sqlx::query_as(FIND).bind(id).fetch_one(readers).await?;
    Ok(match role {
        Some(role) if role == Role::Admin as i32 => Standing::User(Role::Admin),
        Some(role) if role == Role::Moderator as i32 => Standing::User(Role::Moderator),
        Some(_) => Standing::User(Role::User),
        None if is_removed => Standing::Removed,
        None => Standing::Stranger,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::users::record::{New, delete, insert_all};

    #[tokio::test]
    async fn a_user_comes_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let now = async |id: &str| standing(&store.readers, id).await.unwrap();
        assert_eq!(now("ann").await, Standing::Stranger);
        for role in [Role::Admin, Role::Moderator, Role::User] {
            let new = New::of("Ann".into(), "ann@example.com".into(), role.into(), None);
            let ann = insert_all(&store, vec![new]).await.unwrap().remove(0).unwrap();
            assert_eq!(now(&ann.id).await, Standing::User(role));
            assert!(delete(&store.writer, &ann.id).await.unwrap());
            assert_eq!(now(&ann.id).await, Standing::Removed);
        }
        assert!(!delete(&store.writer, "ann").await.unwrap());
        assert_eq!(now("ann").await, Standing::Stranger);
    }
}
