//! ListUsers: users in order of creation, in constant memory.

use super::record::{Row, columns};
use super::{checks, page_token};
use crate::proto::user::v1::{ListUsersRequest, User};
use crate::store::Store;
use gannet::{Call, Result, ResultExt, Sender};
use std::future::poll_fn;

/// Streams one page, or all there is.
pub(super) async fn list(
    store: &Store,
    call: &mut Call,
    request: ListUsersRequest,
    mut users: Sender<User>,
) -> Result<()> {
    let (filter, mut after, mut left) = check(store, &request)?;
    let extent = Extent::of(store, filter).await.internal("counting users")?;
    call.set_trailer("total-count", &extent.count.to_string())?;
    while left > 0 {
        // No statement is open while a slow client takes its time: a read that lasts keeps the log from being emptied.
        let slice = slice(store, filter, after, extent.last, left).await.internal("reading users")?;
        let Some(last) = slice.last() else { return Ok(()) };
        after = last.sequence;
        left -= slice.len();
        for row in slice {
            users.send(row.into()).await?;
        }
    }
    if more(store, filter, after).await.internal("looking for more users")? {
        call.set_trailer("next-page-token", &page_token::make(&store.secret, after, filter))?;
    }
    Ok(())
}

/// The filter, where to begin, and how many users at most.
fn check(store: &Store, request: &ListUsersRequest) -> Result<(i32, i64, usize)> {
    let filter = request.status_filter.to_i32();
    if request.status_filter.as_known().is_none() {
        return Err(checks::wrong("status_filter", format!("{filter} is no status")));
    }
    let Ok(page_size) = usize::try_from(request.page_size) else {
        return Err(checks::wrong("page_size", "is negative; 0 lists all".to_owned()));
    };
    let after = match request.page_token.as_str() {
        "" => 0,
        token => page_token::read(&store.secret, token, filter).ok_or_else(|| {
            let description = "is none that this server made for this filter; begin without one".to_owned();
            checks::wrong("page_token", description)
        })?,
    };
    Ok((filter, after, if page_size == 0 { usize::MAX } else { page_size }))
}

/// What there is to list when the call begins: a list without end could follow whoever creates users for ever.
struct Extent {
    count: i64,
    last: i64,
}

impl Extent {
    async fn of(store: &Store, filter: i32) -> Result<Self, sqlx::Error> {
        const ALL: &str = "SELECT COUNT(*), COALESCE(MAX(sequence), 0) FROM users";
        const FILTERED: &str = "SELECT COUNT(*), COALESCE(MAX(sequence), 0) FROM users WHERE status = ?1";
        let sql = if filter == 0 { ALL } else { FILTERED };
        let (count, last) = sqlx::query_as(sql).bind(filter).fetch_one(&store.readers).await?;
        Ok(Self { count, last })
    }
}

/// A slice is what is read at once: so many users, or fewer where they are large.
const SLICE_USERS: usize = 500;
const SLICE_BYTES: usize = 256 * 1024;

async fn slice(
    store: &Store,
    filter: i32,
    after: i64,
    last: i64,
    left: usize,
) -> Result<Vec<Row>, sqlx::Error> {
    const ALL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE sequence > ?2 AND sequence <= ?3 ORDER BY sequence LIMIT ?4"
    );
    const FILTERED: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE status = ?1 AND sequence > ?2 AND sequence <= ?3 ORDER BY sequence LIMIT ?4"
    );
    let sql = if filter == 0 { ALL } else { FILTERED };
    let limit = left.min(SLICE_USERS) as i64;
    let query = sqlx::query_as::<_, Row>(sql).bind(filter).bind(after).bind(last).bind(limit);
    let mut rows = query.fetch(&store.readers);
    let (mut slice, mut bytes) = (Vec::new(), 0);
    while bytes < SLICE_BYTES
        && let Some(row) = poll_fn(|cx| rows.as_mut().poll_next(cx)).await.transpose()?
    {
        bytes += row.text_bytes();
        slice.push(row);
    }
    Ok(slice)
}

async fn more(store: &Store, filter: i32, after: i64) -> Result<bool, sqlx::Error> {
    const ALL: &str = "SELECT EXISTS (SELECT 1 FROM users WHERE sequence > ?2)";
    const FILTERED: &str = "SELECT EXISTS (SELECT 1 FROM users WHERE status = ?1 AND sequence > ?2)";
    let sql = if filter == 0 { ALL } else { FILTERED };
    sqlx::query_scalar(sql).bind(filter).bind(after).fetch_one(&store.readers).await
}
