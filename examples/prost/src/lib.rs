//! A service whose messages are prost's: what a project that has such messages writes.

/// What prost-build made.
#[allow(missing_docs, reason = "the .proto file says what there is to say")]
pub mod messages {
    include!(concat!(env!("OUT_DIR"), "/notes.v1.rs"));
}

/// What gannet-build made.
#[allow(missing_docs, reason = "the .proto file says what there is to say")]
pub mod services {
    gannet::include_protos!();
}

use gannet::{Call, Result, Sender, Status};
use messages::Note;
use services::notes::v1::Notes;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Notes in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<Note>>);

impl Notes for Memory {
    async fn add(&self, _call: &mut Call, mut request: Note) -> Result<Note> {
        if request.text.is_empty() {
            return Err(Status::invalid_argument("a note needs a text"));
        }
        request.written = Some(SystemTime::now().into());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        Ok(request)
    }

    async fn list(&self, _call: &mut Call, _request: (), mut responses: Sender<Note>) -> Result<()> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for note in notes {
            responses.send(note).await?;
        }
        Ok(())
    }

    async fn clear(&self, _call: &mut Call, _request: ()) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}
