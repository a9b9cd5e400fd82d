//! Rooms and who sits in them.

use crate::outgoing::{Outgoing, Shared};
use crate::proto::chat::v1::ChatMessage;
use crate::time;
use gannet::buffa::MessageField;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The rooms that somebody is in, by id. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Rooms(Arc<Mutex<HashMap<String, Arc<Room>>>>);

#[derive(Debug, Default)]
struct Room {
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    readers: HashMap<u64, Outgoing<ChatMessage>>,
    /// The number of the next member.
    next: u64,
}

/// A member's place in a room. Dropping it leaves the room; the last one takes the room along.
#[derive(Debug)]
pub(super) struct Seat {
    rooms: Rooms,
    room_id: String,
    room: Arc<Room>,
    number: u64,
}

impl Rooms {
    /// Enters a room: from now on its messages go to this reader too.
    pub(super) fn enter(&self, room_id: &str, reader: Outgoing<ChatMessage>) -> Seat {
        let mut rooms = self.lock();
        let room = Arc::clone(rooms.entry(room_id.to_owned()).or_default());
        let mut members = room.lock();
        let number = members.next;
        members.next += 1;
        members.readers.insert(number, reader);
        drop(members);
        Seat { rooms: self.clone(), room_id: room_id.to_owned(), room, number }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Room>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The room's id.
    pub(super) fn room_id(&self) -> &str {
        &self.room_id
    }

    /// Says a message to everyone in the room. The lock makes one order, of messages and of their times, for all.
    pub(super) fn say(&self, message: ChatMessage) {
        let members = self.room.lock();
        let timestamp = MessageField::some(time::timestamp(time::now_ns()));
        let message = Shared::new(ChatMessage { room_id: self.room_id.clone(), timestamp, ..message });
        for reader in members.readers.values() {
            reader.push(&message);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The rooms are locked before the room, as in `enter`: nobody enters one that is being removed.
        let mut rooms = self.rooms.lock();
        let mut members = self.room.lock();
        members.readers.remove(&self.number);
        if members.readers.is_empty() {
            rooms.remove(&self.room_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing;

    #[test]
    fn the_last_one_takes_the_room_along() {
        let rooms = Rooms::default();
        let (reader, _waiting) = outgoing::queue();
        let first = rooms.enter("a", reader.clone());
        let second = rooms.enter("a", reader.clone());
        let other = rooms.enter("b", reader);
        drop(first);
        assert_eq!(rooms.lock().len(), 2);
        assert_eq!(second.room.lock().readers.len(), 1);
        drop((second, other));
        assert!(rooms.lock().is_empty());
    }
}
