//! ChatService through the whole stack: every good case and every error of the contract.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use gannet::{Channel, Code, Receiver, Sender, Status};
use gannet_types::BadRequest;
use shop::program::Program;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use storefront::proto::chat::v1::{ChatMessage, ChatServiceClient};
use tokio::task::JoinHandle;

fn start() -> ChatServiceClient {
    ChatServiceClient::new(Channel::in_process(storefront::chat::service()))
}

fn message(room_id: &str, user_id: &str, content: &str) -> ChatMessage {
    let [room_id, user_id, content] = [room_id, user_id, content].map(str::to_owned);
    ChatMessage { room_id, user_id, content, ..Default::default() }
}

struct Member {
    outbound: Sender<ChatMessage>,
    inbound: Receiver<ChatMessage>,
}

impl Member {
    /// Enters a room and has seen its own first message there.
    async fn enter(client: &ChatServiceClient, room_id: &str, user_id: &str) -> Self {
        let (mut outbound, inbound) = client.chat().await.unwrap();
        outbound.send(message(room_id, user_id, "hello")).await.unwrap();
        let mut member = Self { outbound, inbound };
        while member.next().await.user_id != user_id {}
        member
    }

    async fn say(&mut self, room_id: &str, content: &str) {
        self.outbound.send(message(room_id, "", content)).await.unwrap();
    }

    async fn next(&mut self) -> ChatMessage {
        self.inbound.next().await.unwrap().unwrap()
    }

    async fn ends_with(&mut self) -> Status {
        loop {
            match self.inbound.next().await {
                Ok(message) => assert!(message.is_some(), "the stream ended OK"),
                Err(status) => return status,
            }
        }
    }

    /// Reads so many messages in a task of its own.
    fn read(mut self, count: usize) -> (Sender<ChatMessage>, JoinHandle<Vec<String>>) {
        let reading = tokio::spawn(async move {
            let mut contents = Vec::new();
            while contents.len() < count {
                contents.push(self.inbound.next().await.unwrap().unwrap().content);
            }
            contents
        });
        (self.outbound, reading)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_see_one_order() {
    const EACH: usize = 300;
    let client = start();
    let mut readers = Vec::new();
    let mut members = Vec::new();
    for user_id in ["a", "b", "c"] {
        members.push(Member::enter(&client, "room", user_id).await);
    }
    // The hellos of those that came later.
    for (place, member) in members.iter_mut().enumerate() {
        for _ in place + 1..3 {
            assert_eq!(member.next().await.content, "hello");
        }
    }
    for (place, member) in members.into_iter().enumerate() {
        let (mut outbound, reading) = member.read(3 * EACH);
        readers.push(reading);
        tokio::spawn(async move {
            for number in 0..EACH {
                outbound.send(message("room", "", &format!("{place} {number}"))).await.unwrap();
            }
            // Stays until the others have read.
            std::future::pending::<()>().await;
            drop(outbound);
        });
    }
    let first = readers.remove(0).await.unwrap();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), first);
    }
    for place in 0..3 {
        let own: Vec<_> = first.iter().filter(|content| content.starts_with(&format!("{place} "))).collect();
        assert!((0..EACH).eq(own.iter().map(|content| content[2..].parse::<usize>().unwrap())));
    }
}

#[tokio::test]
async fn a_message_comes_as_it_was_sent_with_the_servers_time() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let client = start();
    let before = now();
    let (mut outbound, mut inbound) = client.chat().await.unwrap();
    let mut sent = message("room", "ä user", "🐦");
    sent.timestamp.get_or_insert_default().seconds = 7;
    outbound.send(sent).await.unwrap();
    let got = inbound.next().await.unwrap().unwrap();
    assert_eq!((&*got.room_id, &*got.user_id, &*got.content), ("room", "ä user", "🐦"));
    let seconds = got.timestamp.as_option().unwrap().seconds;
    assert!((before..=now()).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn the_first_message_names_the_room() {
    let client = start();
    let (mut outbound, mut inbound) = client.chat().await.unwrap();
    outbound.send(message("", "a", "hello")).await.unwrap();
    let status = inbound.next().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.detail::<BadRequest>().unwrap().field_violations[0].field, "room_id");

    let (outbound, mut inbound) = client.chat().await.unwrap();
    outbound.finish();
    assert_eq!(inbound.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_message_for_another_room_moves_there() {
    let client = start();
    let mut old = Member::enter(&client, "old", "old").await;
    let mut new = Member::enter(&client, "new", "new").await;
    let mut mover = Member::enter(&client, "old", "mover").await;
    assert_eq!(old.next().await.user_id, "mover");

    mover.say("", "an empty room is the present one").await;
    for member in [&mut old, &mut mover] {
        let got = member.next().await;
        assert_eq!((&*got.room_id, &*got.content), ("old", "an empty room is the present one"));
    }
    mover.say("new", "moved").await;
    mover.say("", "here").await;
    for member in [&mut new, &mut mover] {
        for content in ["moved", "here"] {
            let got = member.next().await;
            assert_eq!((&*got.room_id, &*got.content), ("new", content));
        }
    }
    // Nothing of that went to the old room, and nothing from there comes any more.
    old.say("", "who is there?").await;
    assert_eq!(old.next().await.content, "who is there?");
    new.say("", "last").await;
    assert_eq!(mover.next().await.content, "last");
}

#[tokio::test]
async fn half_close_gives_what_waits_and_ends_ok() {
    let client = start();
    let mut stays = Member::enter(&client, "room", "stays").await;
    let Member { mut outbound, mut inbound } = Member::enter(&client, "room", "goes").await;
    assert_eq!(stays.next().await.user_id, "goes");
    for number in 0..100 {
        outbound.send(message("", "goes", &number.to_string())).await.unwrap();
    }
    outbound.finish();
    for number in 0..100 {
        let content = number.to_string();
        assert_eq!(inbound.next().await.unwrap().unwrap().content, content);
        assert_eq!(stays.next().await.content, content);
    }
    assert_eq!(inbound.next().await.unwrap(), None);
    stays.say("", "alone").await;
    assert_eq!(stays.next().await.content, "alone");
}

/// One by the number of messages, one by their bytes; the room has all of them nevertheless.
#[tokio::test]
async fn who_does_not_read_is_let_go_and_slows_nobody() {
    let client = start();
    for (room_id, size, count) in [("many", 1024, 2500), ("large", 1 << 20, 25)] {
        let mut asleep = Member::enter(&client, room_id, "asleep").await;
        let awake = Member::enter(&client, room_id, "awake").await;
        let (mut outbound, reading) = awake.read(count);
        let filling = "x".repeat(size);
        for number in 0..count {
            outbound.send(message("", "awake", &format!("{number} {filling}"))).await.unwrap();
        }
        let numbers = reading.await.unwrap();
        let numbers =
            numbers.iter().map(|content| content.split(' ').next().unwrap().parse::<usize>().unwrap());
        assert!((0..count).eq(numbers));

        let mut read = 0;
        let status = loop {
            match asleep.inbound.next().await {
                Ok(message) => read += usize::from(message.is_some()),
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), Code::ResourceExhausted, "{room_id}: {status}");
        assert!(read < count - 16, "{read} of {count} were not dropped");
    }
}

/// A client that sends and reads gets all of it, however fast it sends.
#[tokio::test]
async fn a_flood_is_delivered_to_those_that_read() {
    const COUNT: usize = 5_000;
    let client = start();
    let listener = Member::enter(&client, "room", "listener").await;
    let mut sender = Member::enter(&client, "room", "sender").await;
    let (_stays, listening) = listener.read(COUNT + 1);
    let sending = tokio::spawn(async move {
        for number in 0..COUNT {
            sender.outbound.send(message("", "", &number.to_string())).await.unwrap();
        }
        sender.outbound
    });
    let mut inbound = sender.inbound;
    for number in 0..COUNT {
        assert_eq!(inbound.next().await.unwrap().unwrap().content, number.to_string());
    }
    assert_eq!(listening.await.unwrap().len(), COUNT + 1);
    drop(sending.await.unwrap());
}

/// A broken message ends its own stream and nobody else's.
#[tokio::test]
async fn a_message_over_the_limit_ends_its_stream_alone() {
    let client = start();
    let mut stays = Member::enter(&client, "room", "stays").await;
    let mut broken = Member::enter(&client, "room", "broken").await;
    assert_eq!(stays.next().await.user_id, "broken");
    let too_long = message("", "", &"x".repeat(5 << 20));
    // The server may end the call before all of it is sent.
    let _ = tokio::time::timeout(Duration::from_secs(20), broken.outbound.send(too_long)).await.unwrap();
    assert_eq!(broken.ends_with().await.code(), Code::ResourceExhausted);
    stays.say("", "still here").await;
    assert_eq!(stays.next().await.content, "still here");
}

/// The storefront's contract, "at SIGTERM": told at once, whatever the grace.
#[tokio::test]
async fn a_drain_ends_it_at_once() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &["--grace", "60s"]);
    let mut member = Member::enter(&ChatServiceClient::new(program.channel()), "room", "a").await;
    program.terminate();
    let status = member.ends_with().await;
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "server is shutting down"));
    drop(member);
    assert!(program.ended().await.0.success());
}
