//! ChatService: rooms whose messages go to everyone in them.

mod rooms;

use crate::proto::chat::v1::{ChatMessage, ChatService, ChatServiceServer};
use crate::{access, outgoing};
use gannet::{Call, Receiver, Result, Sender, Status};
use gannet_types::BadRequest;
use rooms::Rooms;
use std::pin::pin;

/// ChatService, without any room yet.
#[must_use]
pub fn service() -> ChatServiceServer<Chat> {
    ChatServiceServer::new(Chat::default())
}

/// The service's implementation.
#[derive(Debug, Default)]
pub struct Chat {
    rooms: Rooms,
}

impl ChatService for Chat {
    async fn chat(
        &self,
        call: &mut Call,
        mut requests: Receiver<ChatMessage>,
        mut responses: Sender<ChatMessage>,
    ) -> Result<()> {
        let Some(first) = requests.next().await? else { return Ok(()) };
        if first.room_id.is_empty() {
            let detail = BadRequest::violation("room_id", "is empty");
            return Err(Status::invalid_argument("the first message must name a room").with_detail(detail));
        }
        access::own(call, &first.user_id)?;
        let (outgoing, waiting) = outgoing::queue();
        let mut deliver = pin!(waiting.deliver(&mut responses));
        // However the call ends, dropping the seat leaves the room.
        let mut seat = self.rooms.enter(&first.room_id, outgoing.clone());
        seat.say(first);
        loop {
            tokio::select! {
                // What waits goes first: a client that sends and reads is not let go for what it sent itself.
                biased;
                delivered = &mut deliver => return delivered,
                request = requests.next() => match request? {
                    Some(message) => {
                        access::own(call, &message.user_id)?;
                        if !message.room_id.is_empty() && message.room_id != seat.room_id() {
                            drop(seat);
                            seat = self.rooms.enter(&message.room_id, outgoing.clone());
                        }
                        seat.say(message);
                        // The others' deliveries get their turn before the next message.
                        tokio::task::yield_now().await;
                    }
                    None => break,
                },
            }
        }
        drop(seat);
        outgoing.finish();
        deliver.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::chat::v1::ChatServiceClient;
    use gannet::Channel;
    use std::sync::Arc;
    use std::time::Duration;

    async fn wait_until(rooms: &Rooms, count: usize) {
        let reached = async {
            while rooms.count() != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
    }

    /// End, cancel and loss of connection leave the room.
    #[tokio::test]
    async fn nobody_stays_behind() {
        let chat = Arc::new(Chat::default());
        let channel = Channel::in_process(ChatServiceServer::from_arc(Arc::clone(&chat)));
        let client = ChatServiceClient::new(channel);
        let mut members = Vec::new();
        for room_id in ["ends", "cancels", "reads no more", "is lost"] {
            let (mut outbound, mut inbound) = client.chat().await.unwrap();
            outbound.send(ChatMessage { room_id: room_id.to_owned(), ..Default::default() }).await.unwrap();
            inbound.next().await.unwrap();
            members.push((outbound, inbound));
        }
        assert_eq!(chat.rooms.count(), 4);

        let (outbound, mut inbound) = members.remove(0);
        outbound.finish();
        assert_eq!(inbound.next().await.unwrap(), None);
        wait_until(&chat.rooms, 3).await;
        let (outbound, inbound) = members.remove(0);
        drop(outbound);
        wait_until(&chat.rooms, 2).await;
        drop(inbound);
        let (outbound, inbound) = members.remove(0);
        drop(inbound);
        wait_until(&chat.rooms, 1).await;
        drop(outbound);
        drop((client, members));
        wait_until(&chat.rooms, 0).await;
    }
}
