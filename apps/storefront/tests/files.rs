//! FileService through the whole stack: every good case and every error of the contract.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod shop;

use bytes::Bytes;
use gannet::{Channel, Code, Receiver, Result, Status};
use gannet_types::{BadRequest, ResourceInfo};
use sha2::{Digest, Sha256};
use shop::program::Program;
use shop::{MAX_UPLOAD_BYTES, Shop};
use std::path::{Path, PathBuf};
use std::time::Duration;
use storefront::proto::file::v1::{DownloadFileRequest, FileChunk, FileServiceClient, UploadResponse};

const CHUNK: usize = 64 * 1024;

struct Server {
    shop: Shop,
    client: FileServiceClient,
}

async fn start() -> Server {
    let shop = Shop::open().await;
    let client = FileServiceClient::new(shop.channel.clone());
    Server { shop, client }
}

fn chunk(filename: &str, content: &[u8], offset: i64) -> FileChunk {
    let (content, filename) = (Bytes::copy_from_slice(content), filename.to_owned());
    FileChunk { content, filename, offset, ..Default::default() }
}

impl Server {
    async fn upload(&self, chunks: impl IntoIterator<Item = FileChunk>) -> Result<UploadResponse> {
        let mut upload = self.client.upload_file();
        for chunk in chunks {
            // The server may have ended the call meanwhile: `finish` says how.
            if upload.send(chunk).await.is_err() {
                break;
            }
        }
        upload.finish().await
    }

    async fn refused(&self, chunks: impl IntoIterator<Item = FileChunk>) -> Status {
        let status = self.upload(chunks).await.unwrap_err();
        self.nothing_is_left().await;
        status
    }

    async fn download(&self, file_id: &str, offset: i64) -> Result<Receiver<FileChunk>> {
        let file_id = file_id.to_owned();
        self.client.download_file(DownloadFileRequest { file_id, offset, ..Default::default() }).await
    }

    async fn chunks(&self, file_id: &str, offset: i64) -> Result<Vec<FileChunk>> {
        let mut chunks = self.download(file_id, offset).await?;
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            all.push(chunk);
        }
        Ok(all)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.shop.folder.path().join(name)
    }

    /// No file. What a dropped call leaves to another thread may take a moment.
    async fn nothing_is_left(&self) {
        for folder in ["incoming", "files"] {
            wait_until_empty(&self.folder(folder)).await;
        }
    }
}

async fn wait_until_empty(folder: &Path) {
    let count = || std::fs::read_dir(folder).unwrap().count();
    let emptied = async {
        while count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), emptied).await.unwrap();
}

async fn wait_until_begun(incoming: &Path) {
    while std::fs::read_dir(incoming).unwrap().count() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Bytes without a period that a chunk could hide.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place ^ (place >> 7) ^ (place >> 15)) as u8).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_is_uploaded_is_downloaded() {
    let server = start().await;
    for len in [1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 7, MAX_UPLOAD_BYTES as usize] {
        let bytes = content(len);
        let pieces = bytes.chunks(50_000).enumerate();
        let pieces = pieces.map(|(place, piece)| match place {
            0 => chunk("ä picture.jpg", piece, 0),
            // An offset may be left out.
            odd if odd % 2 == 1 => chunk("", piece, 0),
            even => chunk("", piece, even as i64 * 50_000),
        });
        let uploaded = server.upload(pieces).await.unwrap();
        assert_eq!(uploaded.size, len as i64);
        assert_eq!(uploaded.checksum, hex(&Sha256::digest(&bytes)));

        for offset in [0, 1, len / 2, len - 1] {
            let chunks = server.chunks(&uploaded.file_id, offset as i64).await.unwrap();
            let mut at = offset;
            for (place, chunk) in chunks.iter().enumerate() {
                assert_eq!(chunk.filename, if place == 0 { "ä picture.jpg" } else { "" });
                assert_eq!(chunk.offset, at as i64);
                assert_eq!(chunk.content.len(), CHUNK.min(len - at));
                assert!(chunk.content == bytes[at..at + chunk.content.len()], "the bytes from {at} on");
                at += chunk.content.len();
            }
            assert_eq!(at, len);
        }
    }
}

#[tokio::test]
async fn an_empty_file_and_the_very_end() {
    let server = start().await;
    let empty = server.upload([chunk("empty", b"", 0)]).await.unwrap();
    assert_eq!(empty.size, 0);
    assert_eq!(empty.checksum, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(server.chunks(&empty.file_id, 0).await.unwrap(), [chunk("empty", b"", 0)]);

    let short = server.upload([chunk("short", b"abc", 0), chunk("short", b"", 3)]).await.unwrap();
    assert_eq!(server.chunks(&short.file_id, 3).await.unwrap(), [chunk("short", b"", 3)]);
}

#[tokio::test]
async fn one_name_is_two_files() {
    let server = start().await;
    let first = server.upload([chunk("a", b"first", 0)]).await.unwrap();
    let second = server.upload([chunk("a", b"second", 0)]).await.unwrap();
    assert_ne!(first.file_id, second.file_id);
    assert_eq!(server.chunks(&first.file_id, 0).await.unwrap()[0].content, "first");
    assert_eq!(server.chunks(&second.file_id, 0).await.unwrap()[0].content, "second");
}

#[tokio::test]
async fn what_can_not_be_uploaded() {
    let server = start().await;
    let bad_name =
        |status: &Status| status.detail::<BadRequest>().unwrap().field_violations[0].field == "filename";

    let none = server.refused([]).await;
    assert_eq!(none.code(), Code::InvalidArgument);
    let hostile = ["", "..", "../a", "/etc/passwd", "a\\b", "a\0b", &"n".repeat(256)];
    for name in hostile {
        let status = server.refused([chunk(name, b"abc", 0)]).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{name:?}");
        assert!(bad_name(&status), "{name:?}");
    }
    let late = server.refused([chunk("", b"abc", 0), chunk("a", b"abc", 3)]).await;
    assert_eq!(late.code(), Code::InvalidArgument);
    let another = server.refused([chunk("a", b"abc", 0), chunk("b", b"abc", 3)]).await;
    assert_eq!(another.code(), Code::InvalidArgument);
    assert!(bad_name(&another));

    for offset in [1, -1, i64::MAX, i64::MIN] {
        let first = server.refused([chunk("a", b"abc", offset)]).await;
        assert_eq!(first.code(), Code::OutOfRange, "{offset}");
        let second = server.refused([chunk("a", b"abc", 0), chunk("", b"def", offset)]).await;
        assert_eq!(second.code(), Code::OutOfRange, "{offset}");
        assert!(second.message().contains("after 3 bytes"), "{}", second.message());
    }

    let full = vec![0; MAX_UPLOAD_BYTES as usize];
    let too_large = server.refused([chunk("a", &full, 0), chunk("", b"x", 0)]).await;
    assert_eq!(too_large.code(), Code::ResourceExhausted);
    assert_eq!(too_large.message(), "a file may have at most 1048576 bytes");
}

#[tokio::test]
async fn what_can_not_be_downloaded() {
    let server = start().await;
    let file = server.upload([chunk("a", b"abc", 0)]).await.unwrap().file_id;
    for id in ["", "nobody", "../storefront.db", "../files/x"] {
        let status = server.chunks(id, 0).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, &*format!("File {id} not found")));
        assert_eq!(status.detail::<ResourceInfo>().unwrap().resource_name, id);
    }
    for offset in [4, i64::MAX] {
        assert_eq!(server.chunks(&file, offset).await.unwrap_err().code(), Code::OutOfRange);
    }
    for offset in [-1, i64::MIN] {
        let status = server.chunks(&file, offset).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.detail::<BadRequest>().unwrap().field_violations[0].field, "offset");
    }
}

#[tokio::test]
async fn a_file_that_somebody_damaged_is_data_loss() {
    let server = start().await;
    let file = server.upload([chunk("a", b"abc", 0)]).await.unwrap().file_id;
    let path = server.folder("files").join(&file);
    std::fs::write(&path, b"ab").unwrap();
    assert_eq!(server.chunks(&file, 2).await.unwrap_err().code(), Code::DataLoss);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(server.chunks(&file, 0).await.unwrap_err().code(), Code::DataLoss);
}

/// A client that goes away in the middle: its call is dropped, and its temporary file with it.
#[tokio::test]
async fn a_cancelled_upload_leaves_nothing() {
    let server = start().await;
    for content in [b"".as_slice(), &content(300_000)] {
        let mut upload = server.client.upload_file();
        upload.send(chunk("a", content, 0)).await.unwrap();
        let incoming = server.folder("incoming");
        wait_until_begun(&incoming).await;
        drop(upload);
        server.nothing_is_left().await;
    }
}

#[tokio::test]
async fn an_upload_whose_deadline_passes_leaves_nothing() {
    let server = start().await;
    let mut upload = server.client.upload_file().deadline(Duration::from_millis(200));
    upload.send(chunk("a", b"abc", 0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(upload.finish().await.unwrap_err().code(), Code::DeadlineExceeded);
    server.nothing_is_left().await;
}

/// What a killed process leaves in `incoming`: an upload without its row goes, one with it is completed.
#[tokio::test]
async fn the_next_start_ends_what_a_kill_cut() {
    let server = start().await;
    let file = server.upload([chunk("a", b"abc", 0)]).await.unwrap().file_id;
    let (files, incoming) = (server.folder("files"), server.folder("incoming"));
    std::fs::rename(files.join(&file), incoming.join(&file)).unwrap();
    std::fs::write(incoming.join("0190a0a0-0000-7000-8000-000000000000"), b"half a fi").unwrap();
    let service = storefront::files::service(server.shop.store.clone(), MAX_UPLOAD_BYTES).await.unwrap();
    let server = Server { client: FileServiceClient::new(Channel::in_process(service)), ..server };
    assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 0);
    assert_eq!(server.chunks(&file, 0).await.unwrap(), [chunk("a", b"abc", 0)]);
    assert_eq!(std::fs::read_dir(&files).unwrap().count(), 1);
}

/// Uploads do not wait for one another, and a download that nobody reads keeps nobody from his.
#[tokio::test]
async fn uploads_and_downloads_at_once() {
    let server = start().await;
    let bytes = content(900_000);
    let file = server.upload(pieces(&bytes)).await.unwrap().file_id;
    let unread = server.download(&file, 0).await.unwrap();
    let uploads: Vec<_> = (0..8)
        .map(|number| {
            let client = server.client.clone();
            tokio::spawn(async move {
                let mut upload = client.upload_file();
                for piece in pieces(&content(100_000 + number)) {
                    upload.send(piece).await.unwrap();
                }
                upload.finish().await
            })
        })
        .collect();
    for (number, upload) in uploads.into_iter().enumerate() {
        assert_eq!(upload.await.unwrap().unwrap().size, 100_000 + number as i64);
    }
    assert_eq!(server.chunks(&file, 0).await.unwrap().len(), 14);
    drop(unread);
}

fn pieces(bytes: &[u8]) -> Vec<FileChunk> {
    let piece = |(place, piece)| chunk(if place == 0 { "a" } else { "" }, piece, 0);
    bytes.chunks(CHUNK).enumerate().map(piece).collect()
}

/// Kill -9 in the middle of an upload: what was answered OK is there, no half file is.
#[tokio::test]
async fn a_kill_leaves_files_whole_or_not_at_all() {
    let data = tempfile::tempdir().unwrap();
    let (files, incoming) = (data.path().join("files"), data.path().join("incoming"));
    let program = Program::start(data.path(), &[]);
    let client = FileServiceClient::new(program.channel());
    let bytes = content(300_000);
    let mut whole = client.upload_file();
    for piece in pieces(&bytes) {
        whole.send(piece).await.unwrap();
    }
    let file_id = whole.finish().await.unwrap().file_id;
    let mut cut = client.upload_file();
    cut.send(chunk("b", &bytes, 0)).await.unwrap();
    wait_until_begun(&incoming).await;
    program.kill();
    assert!(cut.finish().await.is_err());

    let program = Program::start(data.path(), &[]);
    assert_eq!(std::fs::read_dir(&incoming).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(&files).unwrap().count(), 1);
    let client = FileServiceClient::new(program.channel());
    let request = DownloadFileRequest { file_id, ..Default::default() };
    let mut chunks = client.download_file(request).await.unwrap();
    let mut got = Vec::new();
    while let Some(chunk) = chunks.next().await.unwrap() {
        got.extend_from_slice(&chunk.content);
    }
    assert!(got == bytes);
}

/// At SIGTERM an upload may finish within the grace.
#[tokio::test]
async fn an_upload_finishes_while_the_server_drains() {
    let data = tempfile::tempdir().unwrap();
    let program = Program::start(data.path(), &["--grace", "60s"]);
    let client = FileServiceClient::new(program.channel());
    let mut upload = client.upload_file();
    upload.send(chunk("a", b"before", 0)).await.unwrap();
    wait_until_begun(&data.path().join("incoming")).await;
    program.terminate();
    upload.send(chunk("", b" and after", 0)).await.unwrap();
    assert_eq!(upload.finish().await.unwrap().size, 16);
    assert!(program.ended().await.0.success());
}
