//! Many users: a list of them all takes the server no more memory than a short one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_os = "linux")]

mod shop;

use shop::program::Program;
use shop::{new_user, query};
use storefront::proto::user::v1::{ListUsersRequest, UserServiceClient};

/// A million take a debug server half a minute: a fifth of that shows the same, since all of them together have some
/// 50 MiB in the answers, and as much again in the rows.
const USERS: i64 = 200_000;
const MORE_MEMORY_KIB: u64 = 16 * 1024;

/// The storefront's contract, ListUsers: in constant memory.
#[tokio::test]
async fn a_list_of_many_takes_no_memory() {
    const INSERT: &str = "
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 200000)
        INSERT INTO users (id, name, email, email_key, status, role, created_at_ns, updated_at_ns)
        SELECT format('0198c0de-0000-7000-8000-%012d', n), format('A user with a name of usual length, %d', n),
            format('user-%d@mail.example.com', n), format('user-%d@mail.example.com', n), 1, 1, n, n FROM numbers";
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    query(&data.path().join("storefront.db"), INSERT).await;
    let users = UserServiceClient::new(program.channel());
    users.create_user(new_user("last")).await.unwrap();
    // A page first: what any list takes is there then.
    assert_eq!(list(&users, 1_000).await, 1_000);
    let before = program.peak_memory_kib();
    assert_eq!(list(&users, 0).await, USERS + 1);
    let more = program.peak_memory_kib() - before;
    assert!(more < MORE_MEMORY_KIB, "{more} KiB more for {USERS} users");
}

async fn list(users: &UserServiceClient, page_size: i32) -> i64 {
    let request = ListUsersRequest { page_size, ..Default::default() };
    let mut list = users.list_users(request).await.unwrap();
    let mut count = 0;
    while list.next().await.unwrap().is_some() {
        count += 1;
    }
    count
}
