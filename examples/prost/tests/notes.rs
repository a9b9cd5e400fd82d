//! The service over prost messages, through the whole stack.

use gannet::Code;
use notes::Memory;
use notes::messages::Note;
use notes::services::notes::v1::NotesClient;

fn note(text: &str) -> Note {
    Note { text: text.to_owned(), written: None }
}

#[tokio::test]
async fn prost_messages_go_both_ways() {
    let client = NotesClient::in_process(Memory::default());
    let added = client.add(note("first")).await.unwrap();
    assert!(added.written.is_some());
    client.add(note(&"long ".repeat(10_000))).await.unwrap();

    let mut notes = client.list(()).await.unwrap();
    assert_eq!(notes.next().await.unwrap(), Some(added));
    assert_eq!(notes.next().await.unwrap().unwrap().text.len(), 50_000);
    assert_eq!(notes.next().await.unwrap(), None);

    client.clear(()).await.unwrap();
    assert_eq!(client.list(()).await.unwrap().next().await.unwrap(), None);
    assert_eq!(client.add(note("")).await.unwrap_err().code(), Code::InvalidArgument);
}
