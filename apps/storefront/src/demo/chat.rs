//! ChatService, shown.

use super::stage::Stage;
use super::{DemoError, Of, must};
use crate::proto::chat::v1::{ChatMessage, ChatServiceClient};
use gannet::{Channel, Receiver, Sender};

/// Two people in one room.
pub(super) async fn show(stage: &Stage, channel: &Channel) -> Result<(), DemoError> {
    let chat = ChatServiceClient::new(channel.clone());
    stage.service("chat.v1.ChatService");
    stage.call(METHOD, "two people in one room; everyone hears everything, in one order");
    // A room where nobody else is.
    let room = format!("demo-{}", uuid::Uuid::now_v7().simple());
    let mut ada = Person::enter(stage, &chat, &room, "ada").await?;
    ada.hears(stage, "ada", "Is anybody here?").await?;
    let mut grace = Person::enter(stage, &chat, &room, "grace").await?;
    for person in [&mut ada, &mut grace] {
        person.hears(stage, "grace", "Is anybody here?").await?;
    }
    ada.says(stage, &room, "Hello Grace").await?;
    for person in [&mut ada, &mut grace] {
        person.hears(stage, "ada", "Hello Grace").await?;
    }
    ada.leaves().await?;
    grace.says(stage, &room, "Alone again").await?;
    grace.hears(stage, "grace", "Alone again").await?;
    grace.leaves().await
}

const METHOD: &str = "Chat";

struct Person {
    name: &'static str,
    messages: Sender<ChatMessage>,
    heard: Receiver<ChatMessage>,
}

impl Person {
    async fn enter(
        stage: &Stage,
        chat: &ChatServiceClient,
        room: &str,
        name: &'static str,
    ) -> Result<Self, DemoError> {
        let (messages, heard) = chat.chat().await.of(METHOD)?;
        let mut person = Self { name, messages, heard };
        person.says(stage, room, "Is anybody here?").await?;
        Ok(person)
    }

    async fn says(&mut self, stage: &Stage, room: &str, content: &str) -> Result<(), DemoError> {
        stage.sent(format!("{}: {content:?}", self.name));
        let message = ChatMessage {
            room_id: room.into(),
            user_id: self.name.into(),
            content: content.into(),
            ..Default::default()
        };
        self.messages.send(message).await.of(METHOD)
    }

    async fn hears(&mut self, stage: &Stage, who: &str, what: &str) -> Result<(), DemoError> {
        let message = self.heard.next().await.of(METHOD)?.unwrap_or_default();
        stage.received(format!("{} hears {}: {:?}", self.name, message.user_id, message.content));
        must(message.user_id == who && message.content == what, METHOD, format!("{who}'s {what:?} was due"))
    }

    /// The half-close, and the end that answers it.
    async fn leaves(mut self) -> Result<(), DemoError> {
        self.messages.finish();
        must(self.heard.next().await.of(METHOD)?.is_none(), METHOD, "the half-close ends it")
    }
}
