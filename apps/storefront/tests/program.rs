//! The program: how it starts, what it says where it can't, how it drains and what survives its death.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod shop;

use gannet::{Channel, Code};
use gannet_services::health::{HealthCheckRequest, HealthClient, ServingStatus};
use shop::program::{Program, command, refused};
use shop::{fails, new_user, query};
use std::collections::HashSet;
use storefront::proto::user::v1::{
    ChatMessage, CreateUserRequest, GetUserRequest, ListUsersRequest, UserServiceClient,
};

#[tokio::test]
async fn it_listens_on_every_address_and_logs_each_call() {
    let data = tempfile::tempdir().unwrap();
    let socket = data.path().join("shop.sock");
    let unix = format!("unix:{}", socket.display());
    let program = Program::start(data.path(), &["--listen", &unix]);
    let over_tcp = UserServiceClient::new(program.channel());
    let over_unix = UserServiceClient::new(Channel::new(&unix).unwrap());
    over_tcp.create_user(new_user("ann")).await.unwrap();
    let missing = GetUserRequest { id: "7\n8".into(), ..Default::default() };
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    fails(over_unix.get_user(missing).metadata("traceparent", PARENT).await, Code::NotFound, "7");
    // Nobody reads what is this large, so no interceptor sees the call.
    let large = CreateUserRequest { name: "x".repeat(5 << 20), ..new_user("large") };
    fails(over_tcp.create_user(large).await, Code::ResourceExhausted, "");
    drop((over_tcp, over_unix));
    program.terminate();
    let (status, log) = program.ended().await;
    assert!(status.success(), "{log}");
    let has = |parts: &[&str]| log.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["/user.v1.UserService/CreateUser OK ", " peer=127.0.0.1:"]), "{log}");
    assert!(has(&["/user.v1.UserService/GetUser NOT_FOUND ", " peer=unix:", r"7\n8"]), "{log}");
    assert!(has(&["GetUser NOT_FOUND", " trace_id=0af7651916cd43dd8448eb211c80319c "]), "{log}");
    assert!(has(&[" WARN /user.v1.UserService/CreateUser RESOURCE_EXHAUSTED peer=127.0.0.1:"]), "{log}");
    assert!(!log.contains('\x1b'), "colours in a pipe: {log}");
    assert!(!socket.exists(), "the socket is left behind");
}

/// A terminal that stands still, a pipe that nobody empties: calls are answered, and what had no place is counted.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_no_call() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let users = UserServiceClient::new(program.channel());
    // Each is a line of 600 bytes; the pipe and the server have place for two MiB.
    const CALLERS: usize = 8;
    const CALLS: usize = 600;
    let missing = GetUserRequest { id: "x".repeat(500), ..Default::default() };
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (users, missing) = (users.clone(), missing.clone());
        callers.spawn(async move {
            for _ in 0..CALLS {
                fails(users.get_user(missing.clone()).await, Code::NotFound, "not found");
            }
        });
    }
    callers.join_all().await;
    program.terminate();
    let (status, log) = program.ended().await;
    assert!(status.success());
    let told = |line: &str| {
        let before = line.split_once(" lines were dropped here")?.0;
        before.rsplit_once(' ')?.1.parse::<usize>().ok()
    };
    let dropped: usize = log.lines().filter_map(told).sum();
    let there = log.lines().filter(|line| told(line).is_none()).count();
    // And the three lines of the drain.
    assert!(dropped > 0 && dropped + there == CALLERS * CALLS + 3, "{dropped} and {there}");
}

/// What comes before an error stands before it.
#[test]
fn the_log_is_written_before_the_error() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let message = refused(&["--listen", "nowhere", "--data", folder], &[("RUST_LOG", "debug")]);
    let lines: Vec<&str> = message.lines().collect();
    assert!(
        lines.len() > 1 && lines[..lines.len() - 1].iter().any(|line| line.contains("DEBUG")),
        "{message}"
    );
    assert!(lines.last().unwrap().starts_with("error: "), "{message}");
}

#[tokio::test]
async fn every_service_is_healthy() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let health = HealthClient::new(program.channel());
    for service in ["", "user.v1.UserService"] {
        let request = HealthCheckRequest { service: service.into(), ..Default::default() };
        assert_eq!(health.check(request).await.unwrap().status, ServingStatus::SERVING, "{service}");
    }
}

/// Arguments, and what the one message names.
#[test]
fn a_mistake_gets_one_message() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below_a_file = format!("{}/data", file.display());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let broken = data.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("storefront.db"), "no database ".repeat(1000)).unwrap();
    let rows: [(&[&str], &str); 10] = [
        (&["--frobnicate"], "--frobnicate"),
        (&["--listen"], "--listen"),
        (&["--listen", "nowhere", "--data", folder], "nowhere"),
        (&["--listen", "127.0.0.1:99999", "--data", folder], "127.0.0.1:99999"),
        (&["--listen", &taken, "--data", folder], "in use"),
        (&["--listen", "unix:/no/such/folder/s", "--data", folder], "/no/such/folder/s"),
        (&["--listen", "127.0.0.1:0", "--data", &below_a_file], "can't use the data folder"),
        (&["--listen", "127.0.0.1:0", "--data", broken.to_str().unwrap()], "storefront.db is damaged"),
        (&["--grace", "soon"], "--grace"),
        (&["--max-upload", "10 apples"], "--max-upload"),
    ];
    for (arguments, says) in rows {
        let message = refused(arguments, &[]);
        assert!(message.contains(says) && message.starts_with("error: "), "{arguments:?}: {message}");
        assert!(!message.contains("panicked"), "{message}");
    }
    let message = refused(&[], &[("STOREFRONT_LISTEN", &taken), ("STOREFRONT_DATA", folder)]);
    assert!(message.contains("in use"), "{message}");
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let first = Program::start(data.path(), &[]);
    let message = refused(&["--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()], &[]);
    assert!(message.starts_with("error: another storefront serves from "), "{message}");
    // The first does not mind.
    UserServiceClient::new(first.channel()).create_user(new_user("ann")).await.unwrap();
}

#[test]
fn the_help_has_examples() {
    let help = command(&["--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for part in
        ["--listen", "--data", "--drain-delay", "--grace", "--max-upload", "STOREFRONT_LISTEN", "Examples:"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

/// Streams without an end are told at once, what has an end comes to it, and the status is 0.
#[tokio::test]
async fn sigterm_drains() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &["--grace", "30s"]);
    let users = UserServiceClient::new(program.channel());
    let (mut chat, mut answers) = users.user_chat().await.unwrap();
    chat.send(ChatMessage { content: "hello".into(), ..Default::default() }).await.unwrap();
    answers.next().await.unwrap().unwrap();
    let mut batch = users.batch_create_users();
    batch.send(new_user("before")).await.unwrap();
    while names(data.path()).await.is_empty() {
        tokio::task::yield_now().await;
    }
    program.terminate();
    fails(answers.next().await, Code::Unavailable, "server is shutting down");
    // The chat has ended, so the drain has begun; the batch goes on.
    batch.send(new_user("after")).await.unwrap();
    assert_eq!(batch.finish().await.unwrap().success_count, 2);
    let (status, log) = program.ended().await;
    assert!(status.success(), "{log}");
    assert_eq!(names(data.path()).await, ["before", "after"]);
}

/// With the defaults: who connects after SIGTERM to ask for its health finds a port that is open, and NOT_SERVING.
#[tokio::test]
async fn a_probe_during_a_drain_finds_not_serving() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    program.terminate();
    let mut found = ServingStatus::SERVING.into();
    while found == ServingStatus::SERVING {
        let probe = HealthClient::new(program.channel());
        found = probe.check(HealthCheckRequest::default()).await.unwrap().status;
    }
    assert_eq!(found, ServingStatus::NOT_SERVING);
    let (status, log) = program.ended().await;
    assert!(status.success() && log.contains("health says NOT_SERVING, shutting down in 2s"), "{log}");
}

/// The delay, then the grace: nobody has to wait for either.
#[tokio::test]
async fn each_further_signal_ends_what_is_waited_for() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &["--drain-delay", "60m", "--grace", "60m"]);
    let mut changes =
        HealthClient::new(program.channel()).watch(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap().status, ServingStatus::SERVING);
    let (mut chat, mut answers) = UserServiceClient::new(program.channel()).user_chat().await.unwrap();
    chat.send(ChatMessage { content: "hello".into(), ..Default::default() }).await.unwrap();
    answers.next().await.unwrap().unwrap();

    program.terminate();
    assert_eq!(changes.next().await.unwrap().unwrap().status, ServingStatus::NOT_SERVING);
    UserServiceClient::new(program.channel()).create_user(new_user("late")).await.unwrap();
    chat.send(ChatMessage { content: "still here".into(), ..Default::default() }).await.unwrap();
    answers.next().await.unwrap().unwrap();

    program.terminate();
    fails(answers.next().await, Code::Unavailable, "server is shutting down");

    program.interrupt();
    fails(changes.next().await, Code::Unavailable, "");
    let (status, log) = program.ended().await;
    assert!(status.success() && log.contains("asked again: running calls are cut"), "{log}");
}

/// Whoever presses Ctrl-C waits for calls, and for no load balancer.
#[tokio::test]
async fn ctrl_c_has_no_delay() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &["--drain-delay", "60m"]);
    program.interrupt();
    let (status, log) = program.ended().await;
    assert!(status.success() && log.contains("shut down: "), "{log}");
}

/// When the grace is over, what still runs is cut, and the status is 0 all the same.
#[tokio::test]
async fn the_grace_has_an_end() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &["--grace", "200ms"]);
    let health = HealthClient::new(program.channel());
    let mut changes = health.watch(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap().status, ServingStatus::SERVING);
    program.terminate();
    assert_eq!(changes.next().await.unwrap().unwrap().status, ServingStatus::NOT_SERVING);
    fails(changes.next().await, Code::Unavailable, "server is shutting down");
    let (status, log) = program.ended().await;
    assert!(status.success(), "{log}");
}

/// Killed in the middle of a batch: what was answered OK is there, and of the batch a prefix.
#[tokio::test]
async fn a_killed_server_has_all_that_it_answered() {
    const BATCH: usize = 20_000;
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let users = UserServiceClient::new(program.channel());
    let mut answered = HashSet::new();
    for number in 0..20 {
        let created = users.create_user(new_user(&format!("single-{number}"))).await.unwrap();
        answered.insert(created.user.id.clone());
    }
    let mut batch = users.batch_create_users();
    let sending = tokio::spawn(async move {
        for number in 0..BATCH {
            batch.send(new_user(&format!("batch-{number}"))).await?;
        }
        batch.finish().await
    });
    while names(data.path()).await.len() <= answered.len() {
        tokio::task::yield_now().await;
    }
    program.kill();
    let answer = sending.await.unwrap();
    fails(answer, Code::Unavailable, "");

    let program = Program::start(data.path(), &[]);
    let users = UserServiceClient::new(program.channel());
    let mut list = users.list_users(ListUsersRequest::default()).await.unwrap();
    let (mut ids, mut of_batch) = (HashSet::new(), Vec::new());
    while let Some(user) = list.next().await.unwrap() {
        ids.insert(user.id);
        of_batch.extend(user.name.strip_prefix("batch-").map(|number| number.parse::<usize>().unwrap()));
    }
    assert!(ids.is_superset(&answered));
    assert!(!of_batch.is_empty() && of_batch.len() < BATCH, "{}", of_batch.len());
    assert!(of_batch.iter().copied().eq(0..of_batch.len()), "a gap in the batch");
    // And it goes on.
    users.create_user(new_user("later")).await.unwrap();
}

/// Killed while many create users at once, who share transactions: whoever was answered OK is there.
#[tokio::test]
async fn a_killed_server_has_all_that_it_answered_at_once() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &[]);
    let (sender, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..32 {
        let (users, sender) = (UserServiceClient::new(program.channel()), sender.clone());
        callers.spawn(async move {
            for number in 0.. {
                let created = users.create_user(new_user(&format!("{caller}-{number}"))).await;
                let Ok(created) = created else { return };
                sender.send(created.user.name.clone()).unwrap();
            }
        });
    }
    drop(sender);
    let mut names_answered = HashSet::new();
    while names_answered.len() < 200 {
        names_answered.insert(answered.recv().await.unwrap());
    }
    program.kill();
    callers.join_all().await;
    while let Some(name) = answered.recv().await {
        names_answered.insert(name);
    }
    let stored: HashSet<String> = names(data.path()).await.into_iter().collect();
    let lost: Vec<_> = names_answered.difference(&stored).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

async fn names(data: &std::path::Path) -> Vec<String> {
    query(&data.join("storefront.db"), "SELECT name FROM users ORDER BY sequence").await
}
