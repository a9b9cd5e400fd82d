//! UserService, rule by rule of its contract.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod shop;

use gannet::well_known::FieldMask;
use gannet::{Code, Receiver};
use gannet_types::{BadRequest, ErrorInfo, ResourceInfo};
use shop::{Shop, fails, new_user};
use storefront::proto::user::v1::{
    ChatMessage, CreateUserRequest, DeleteUserRequest, GetUserRequest, ListUsersRequest, Role,
    UpdateUserRequest, User, UserStatus,
};

fn by_id(id: &str) -> GetUserRequest {
    GetUserRequest { id: id.into(), ..Default::default() }
}

/// The names of the fields that a status finds wrong.
fn wrong_fields(status: &gannet::Status) -> Vec<String> {
    let detail: BadRequest = status.detail().expect("a BadRequest");
    detail.field_violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn a_created_user_is_read_back() {
    let shop = Shop::open().await;
    let user = shop.user("ann").await;
    assert_eq!((user.name.as_str(), user.email.as_str()), ("ann", "ann@example.com"));
    assert_eq!((user.status.to_i32(), user.role.to_i32()), (UserStatus::Active as i32, Role::User as i32));
    assert_eq!(uuid::Uuid::parse_str(&user.id).unwrap().get_version_num(), 7);
    assert!(user.created_at.seconds > 1_700_000_000 && user.created_at == user.updated_at);
    let found = shop.users.get_user(by_id(&user.id)).await.unwrap();
    assert_eq!(found.user.into_option(), Some(user));
    let admin = CreateUserRequest { role: Role::Admin.into(), ..new_user("root") };
    assert_eq!(shop.users.create_user(admin).await.unwrap().user.role, Role::Admin);
}

#[tokio::test]
async fn what_is_wrong_with_a_new_user_is_named() {
    let shop = Shop::open().await;
    let request = |name: &str, email: &str| CreateUserRequest {
        name: name.into(),
        email: email.into(),
        ..Default::default()
    };
    let unknown_role = CreateUserRequest { role: 9.into(), ..new_user("ann") };
    let rows: [(CreateUserRequest, &str, &[&str]); 6] = [
        (request("", ""), "Name and email are required", &["name", "email"]),
        (request("", "a@b.c"), "Name and email are required", &["name"]),
        (request("ann", " "), "Name and email are required", &["email"]),
        (request("ann", "nobody"), "email", &["email"]),
        (request("ann", "a@b@c"), "email", &["email"]),
        (unknown_role, "9", &["role"]),
    ];
    for (request, says, fields) in rows {
        let status = fails(shop.users.create_user(request).await, Code::InvalidArgument, says);
        assert_eq!(wrong_fields(&status), fields, "{status}");
    }
    assert_eq!(shop.query("SELECT name FROM users").await, [""; 0]);
}

#[tokio::test]
async fn an_email_belongs_to_one_user_whatever_its_case() {
    let shop = Shop::open().await;
    let ann = shop.user("ann").await;
    let again = CreateUserRequest { email: "ANN@Example.COM".into(), ..new_user("other") };
    let status = fails(shop.users.create_user(again.clone()).await, Code::AlreadyExists, "ANN@Example.COM");
    assert_eq!(status.detail::<ErrorInfo>().unwrap().reason, "EMAIL_TAKEN");
    // A deleted user's email is free again.
    shop.users.delete_user(DeleteUserRequest { id: ann.id, ..Default::default() }).await.unwrap();
    shop.users.create_user(again).await.unwrap();
}

#[tokio::test]
async fn a_password_is_kept_as_a_hash_only() {
    let shop = Shop::open().await;
    let request = CreateUserRequest { password: "correct horse".into(), ..new_user("ann") };
    let user = shop.users.create_user(request).await.unwrap();
    assert!(!format!("{user:?}").contains("correct"));
    shop.user("bob").await;
    let hashes = shop.query("SELECT COALESCE(password_hash, '') FROM users ORDER BY sequence").await;
    assert!(hashes[0].starts_with("$argon2id$v=19$") && hashes[1].is_empty(), "{hashes:?}");
    let entries = std::fs::read_dir(shop.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    for file in entries.filter(|path| path.is_file()) {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(13).any(|window| window == b"correct horse"));
    }
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let shop = Shop::open().await;
    let named = |id: &str| DeleteUserRequest { id: id.into(), ..Default::default() };
    let update = UpdateUserRequest { id: "7".into(), name: "x".into(), ..Default::default() };
    let statuses = [
        fails(shop.users.get_user(by_id("7")).await, Code::NotFound, "User 7 not found"),
        fails(shop.users.delete_user(named("7")).await, Code::NotFound, "User 7 not found"),
        fails(shop.users.update_user(update).await, Code::NotFound, "User 7 not found"),
    ];
    for status in statuses {
        let detail: ResourceInfo = status.detail().unwrap();
        assert_eq!((detail.resource_type.as_str(), detail.resource_name.as_str()), ("user.v1.User", "7"));
    }
    let user = shop.user("ann").await;
    shop.users.delete_user(named(&user.id)).await.unwrap();
    fails(shop.users.get_user(by_id(&user.id)).await, Code::NotFound, &user.id);
    fails(shop.users.delete_user(named(&user.id)).await, Code::NotFound, &user.id);
}

/// The change, its mask, and what becomes of `ann`, `ann@example.com`, ACTIVE.
#[tokio::test]
async fn an_update_changes_what_its_mask_names() {
    let change = |name: &str, email: &str, status: i32| UpdateUserRequest {
        name: name.into(),
        email: email.into(),
        status: status.into(),
        ..Default::default()
    };
    let rows: [(UpdateUserRequest, Option<&[&str]>, (&str, &str, i32)); 9] = [
        (change("Ann", "a@b.c", 2), Some(&["*"]), ("Ann", "a@b.c", 2)),
        (change("Ann", "a@b.c", 2), Some(&["name"]), ("Ann", "ann@example.com", 1)),
        (change("Ann", "a@b.c", 2), Some(&["email", "status"]), ("ann", "a@b.c", 2)),
        (change("Ann", "a@b.c", 2), Some(&[]), ("Ann", "a@b.c", 2)),
        (change("Ann", "", 0), None, ("Ann", "ann@example.com", 1)),
        (change("", "a@b.c", 3), None, ("ann", "a@b.c", 3)),
        (change("", "", 0), None, ("ann", "ann@example.com", 1)),
        (change("", "ANN@example.com", 0), None, ("ann", "ANN@example.com", 1)),
        // What the mask does not name is not looked at.
        (change("Ann", "no email", 77), Some(&["name"]), ("Ann", "ann@example.com", 1)),
    ];
    for (request, mask, (name, email, status)) in rows {
        let shop = Shop::open().await;
        let before = shop.user("ann").await;
        let request = UpdateUserRequest { id: before.id.clone(), ..masked(request, mask) };
        let after = shop.users.update_user(request.clone()).await.unwrap();
        assert_eq!((after.name.as_str(), after.email.as_str()), (name, email), "{request:?}");
        assert_eq!(after.status.to_i32(), status, "{request:?}");
        let times = |user: &User| (user.updated_at.seconds, user.updated_at.nanos);
        assert!(times(&after) > times(&before) && after.created_at == before.created_at);
        let found = shop.users.get_user(by_id(&before.id)).await.unwrap();
        assert_eq!(found.user.into_option(), Some(after));
    }
}

#[tokio::test]
async fn an_update_that_is_wrong_changes_nothing() {
    let shop = Shop::open().await;
    let ann = shop.user("ann").await;
    shop.user("bob").await;
    let change = UpdateUserRequest { name: "Ann".into(), email: "a@b.c".into(), ..Default::default() };
    let status = |status: i32| UpdateUserRequest { status: status.into(), ..change.clone() };
    let email = |email: &str| UpdateUserRequest { email: email.into(), ..change.clone() };
    let rows: [(UpdateUserRequest, Option<&[&str]>, Code, &str); 8] = [
        (change.clone(), Some(&["name", "role"]), Code::InvalidArgument, "role"),
        (change.clone(), Some(&["*"]), Code::InvalidArgument, "status"),
        (change.clone(), Some(&["status"]), Code::InvalidArgument, "status"),
        (status(9), None, Code::InvalidArgument, "9"),
        (status(9), Some(&["status"]), Code::InvalidArgument, "9"),
        (email(""), Some(&["email"]), Code::InvalidArgument, "Name and email are required"),
        (email("nobody"), None, Code::InvalidArgument, "email"),
        (email("BOB@example.com"), None, Code::AlreadyExists, "BOB@example.com"),
    ];
    for (request, mask, code, says) in rows {
        let request = UpdateUserRequest { id: ann.id.clone(), ..masked(request, mask) };
        let refused = fails(shop.users.update_user(request).await, code, says);
        assert_eq!(refused.details().len(), 1, "{refused}");
    }
    let found = shop.users.get_user(by_id(&ann.id)).await.unwrap();
    assert_eq!(found.user.into_option(), Some(ann));
}

fn masked(request: UpdateUserRequest, mask: Option<&[&str]>) -> UpdateUserRequest {
    let mask = mask.map(|paths| FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        ..Default::default()
    });
    UpdateUserRequest { update_mask: mask.into(), ..request }
}

async fn names(list: &mut Receiver<User>) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(user) = list.next().await.unwrap() {
        names.push(user.name);
    }
    names
}

/// One page: its names, the total, the next page's token.
async fn page(shop: &Shop, request: ListUsersRequest) -> (Vec<String>, String, Option<String>) {
    let mut list = shop.users.list_users(request).await.unwrap();
    let names = names(&mut list).await;
    let trailers = list.trailers();
    let total = trailers.get("total-count").unwrap().to_owned();
    (names, total, trailers.get("next-page-token").map(str::to_owned))
}

fn pages_of(page_size: i32, page_token: Option<&str>, filter: UserStatus) -> ListUsersRequest {
    let page_token = page_token.unwrap_or_default().to_owned();
    ListUsersRequest { page_size, page_token, status_filter: filter.into(), ..Default::default() }
}

#[tokio::test]
async fn pages_follow_the_order_of_creation() {
    let shop = Shop::open().await;
    for name in ["e", "d", "c", "b", "a"] {
        shop.user(name).await;
    }
    let all = pages_of(0, None, UserStatus::Unspecified);
    assert_eq!(
        page(&shop, all).await,
        (["e", "d", "c", "b", "a"].map(str::to_owned).to_vec(), "5".into(), None)
    );
    let (mut token, mut pages) = (None, Vec::new());
    loop {
        let request = pages_of(2, token.as_deref(), UserStatus::Unspecified);
        let (names, total, next) = page(&shop, request).await;
        assert_eq!(total, "5");
        pages.push(names.concat());
        token = next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["ed", "cb", "a"]);
    // No token where a page takes the last user.
    assert_eq!(page(&shop, pages_of(5, None, UserStatus::Unspecified)).await.2, None);
}

#[tokio::test]
async fn a_filter_counts_and_pages_what_passes_it() {
    let shop = Shop::open().await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        let user = shop.user(name).await;
        if "bdf".contains(name) {
            let status = UserStatus::Inactive.into();
            shop.users
                .update_user(UpdateUserRequest { id: user.id, status, ..Default::default() })
                .await
                .unwrap();
        }
    }
    let (names, total, next) = page(&shop, pages_of(2, None, UserStatus::Inactive)).await;
    assert_eq!((names.concat().as_str(), total.as_str()), ("bd", "3"));
    let (names, total, end) = page(&shop, pages_of(2, next.as_deref(), UserStatus::Inactive)).await;
    assert_eq!((names.concat().as_str(), total.as_str(), end), ("f", "3", None));
    assert_eq!(page(&shop, pages_of(0, None, UserStatus::Pending)).await, (vec![], "0".into(), None));
    // The token is for its filter.
    let other =
        shop.users.list_users(pages_of(2, next.as_deref(), UserStatus::Active)).await.unwrap().next().await;
    fails(other, Code::InvalidArgument, "page_token");
}

#[tokio::test]
async fn a_token_outlives_deletions_and_restarts() {
    let mut shop = Shop::open().await;
    let mut users = Vec::new();
    for name in ["a", "b", "c", "d"] {
        users.push(shop.user(name).await);
    }
    let (_, _, next) = page(&shop, pages_of(2, None, UserStatus::Unspecified)).await;
    for gone in [&users[0], &users[1], &users[2]] {
        shop.users
            .delete_user(DeleteUserRequest { id: gone.id.clone(), ..Default::default() })
            .await
            .unwrap();
    }
    shop = shop.reopen().await;
    let (names, total, end) = page(&shop, pages_of(2, next.as_deref(), UserStatus::Unspecified)).await;
    assert_eq!((names.concat().as_str(), total.as_str(), end), ("d", "1", None));
}

#[tokio::test]
async fn a_list_that_makes_no_sense_is_refused() {
    let shop = Shop::open().await;
    for name in ["a", "b"] {
        shop.user(name).await;
    }
    let (_, _, next) = page(&shop, pages_of(1, None, UserStatus::Unspecified)).await;
    let next = next.unwrap();
    let changed = next.replace(&next[4..5], if &next[4..5] == "x" { "y" } else { "x" });
    let unknown = ListUsersRequest { status_filter: 9.into(), ..Default::default() };
    let rows = [
        (pages_of(-1, None, UserStatus::Unspecified), "page_size"),
        (pages_of(1, Some("made up"), UserStatus::Unspecified), "page_token"),
        (pages_of(1, Some(&changed), UserStatus::Unspecified), "page_token"),
        (unknown, "status_filter"),
    ];
    for (request, field) in rows {
        let refused = shop.users.list_users(request).await.unwrap().next().await;
        let status = fails(refused, Code::InvalidArgument, field);
        assert_eq!(wrong_fields(&status), [field]);
    }
}

#[tokio::test]
async fn a_long_list_comes_whole_and_in_order() {
    const USERS: usize = 1_700;
    let shop = Shop::open().await;
    let mut batch = shop.users.batch_create_users();
    for number in 0..USERS {
        batch.send(new_user(&format!("{number}"))).await.unwrap();
    }
    assert_eq!(batch.finish().await.unwrap().success_count as usize, USERS);
    let (names, total, next) = page(&shop, pages_of(0, None, UserStatus::Unspecified)).await;
    assert_eq!(names, (0..USERS).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!((total.as_str(), next), ("1700", None));
    let (names, _, next) = page(&shop, pages_of(1_200, None, UserStatus::Unspecified)).await;
    assert_eq!((names.len(), next.is_some()), (1_200, true));
}

#[tokio::test]
async fn a_batch_creates_what_is_valid_and_counts_the_rest() {
    let shop = Shop::open().await;
    shop.user("taken").await;
    let mut batch = shop.users.batch_create_users();
    let with_password = CreateUserRequest { password: "secret".into(), ..new_user("c") };
    let no_email = CreateUserRequest { email: "nobody".into(), ..new_user("x") };
    for request in [
        new_user("a"),
        new_user("taken"),
        new_user("b"),
        no_email,
        new_user(""),
        with_password,
        new_user("a"),
        new_user("d"),
    ] {
        batch.send(request).await.unwrap();
    }
    let summary = batch.finish().await.unwrap();
    assert_eq!((summary.success_count, summary.failure_count), (4, 4));
    let created: Vec<_> = summary.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(created, ["a", "b", "c", "d"]);
    assert_eq!(shop.query("SELECT name FROM users ORDER BY sequence").await, ["taken", "a", "b", "c", "d"]);
    let hashed = shop.query("SELECT name FROM users WHERE password_hash IS NOT NULL").await;
    assert_eq!(hashed, ["c"]);
}

#[tokio::test]
async fn an_empty_batch_is_an_empty_summary() {
    let summary = Shop::open().await.users.batch_create_users().finish().await.unwrap();
    assert_eq!((summary.users.len(), summary.success_count, summary.failure_count), (0, 0, 0));
}

#[tokio::test]
async fn a_summary_past_three_mebibytes_says_that_it_was_cut() {
    let shop = Shop::open().await;
    let mut batch = shop.users.batch_create_users();
    for number in 0..5 {
        let email = format!("{number}@example.com");
        let name = number.to_string().repeat(1024 * 1024);
        batch.send(CreateUserRequest { name, email, ..Default::default() }).await.unwrap();
    }
    let answer = batch.response().await.unwrap();
    let summary = answer.message;
    assert_eq!((summary.users.len(), summary.success_count, summary.failure_count), (2, 5, 0));
    assert_eq!(answer.trailers.get("users-truncated"), Some("true"));
    // Large users are listed a few at a time.
    assert_eq!(page(&shop, pages_of(0, None, UserStatus::Unspecified)).await.0.len(), 5);
}

#[tokio::test]
async fn a_cancelled_batch_keeps_what_was_committed() {
    let shop = Shop::open().await;
    let mut batch = shop.users.batch_create_users();
    batch.send(new_user("first")).await.unwrap();
    // The first is committed without the end of the stream.
    while shop.query("SELECT name FROM users").await.is_empty() {
        tokio::task::yield_now().await;
    }
    batch.send(new_user("second")).await.unwrap();
    drop(batch);
    assert_eq!(shop.query("SELECT name FROM users").await[0], "first");
    shop.user("third").await;
}

#[tokio::test]
async fn a_chat_echoes_in_order_until_the_half_close() {
    let shop = Shop::open().await;
    let (mut messages, mut answers) = shop.users.user_chat().await.unwrap();
    for content in ["one", "", "three"] {
        let message = ChatMessage { user_id: "ann".into(), content: content.into(), ..Default::default() };
        messages.send(message).await.unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!((answer.user_id.as_str(), answer.content), ("ann", format!("Echo: {content}")));
        assert!(answer.timestamp.seconds > 1_700_000_000);
    }
    messages.finish();
    assert_eq!(answers.next().await.unwrap(), None);
}
