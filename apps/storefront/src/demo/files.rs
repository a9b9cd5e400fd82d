//! FileService, shown.

use super::stage::Stage;
use super::{DemoError, Of, must, must_fail};
use crate::proto::file::v1::{DownloadFileRequest, FileChunk, FileServiceClient};
use gannet::{Channel, Code};
use sha2::{Digest, Sha256};

/// Calls both methods.
pub(super) async fn show(stage: &Stage, channel: &Channel) -> Result<(), DemoError> {
    let files = FileServiceClient::new(channel.clone());
    stage.service("file.v1.FileService");
    let uploaded = upload(stage, &files).await?;
    download(stage, &files, &uploaded, 0).await?;
    download(stage, &files, &uploaded, FILE_BYTES - 100_000).await?;
    refuse_name(stage, &files).await
}

const FILE_BYTES: u64 = 16 << 20;
const CHUNK_BYTES: u64 = 256 << 10;
const NAME: &str = "numbers.bin";

/// A file on the server.
struct Uploaded {
    id: String,
}

/// The bytes of the file from here on, so many of them.
fn content(offset: u64, length: u64) -> Vec<u8> {
    (offset..offset + length).map(|at| (at.wrapping_mul(0x9e37_79b9) >> 16) as u8).collect()
}

async fn upload(stage: &Stage, files: &FileServiceClient) -> Result<Uploaded, DemoError> {
    const METHOD: &str = "UploadFile";
    stage.call(METHOD, "a file in chunks of 256 KiB");
    let (mut upload, mut checksum) = (files.upload_file(), Sha256::new());
    let bar = stage.progress(FILE_BYTES, "bytes uploaded");
    for offset in (0..FILE_BYTES).step_by(CHUNK_BYTES as usize) {
        let content = content(offset, CHUNK_BYTES);
        checksum.update(&content);
        let filename = if offset == 0 { NAME } else { "" }.into();
        let chunk =
            FileChunk { content: content.into(), filename, offset: offset as i64, ..Default::default() };
        upload.send(chunk).await.of(METHOD)?;
        bar.inc(CHUNK_BYTES);
    }
    let answer = upload.finish().await.of(METHOD)?;
    bar.finish_and_clear();
    stage.sent(format!("{FILE_BYTES} bytes named {NAME:?}"));
    stage
        .received(format!("file_id: {} size: {} checksum: {}", answer.file_id, answer.size, answer.checksum));
    let expected: String = checksum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    must(answer.checksum == expected, METHOD, "the checksum is that of another file")?;
    must(u64::try_from(answer.size) == Ok(FILE_BYTES), METHOD, "the size is wrong")?;
    Ok(Uploaded { id: answer.file_id })
}

async fn download(
    stage: &Stage,
    files: &FileServiceClient,
    uploaded: &Uploaded,
    begin: u64,
) -> Result<(), DemoError> {
    const METHOD: &str = "DownloadFile";
    stage.call(METHOD, if begin == 0 { "and back again" } else { "the end of it" });
    stage.sent(format!("file_id: {} offset: {begin}", uploaded.id));
    let (file_id, mut offset) = (uploaded.id.clone(), begin);
    let request = DownloadFileRequest { file_id, offset: begin as i64, ..Default::default() };
    let mut chunks = files.download_file(request).await.of(METHOD)?;
    let bar = stage.progress(FILE_BYTES - begin, "bytes downloaded");
    let mut count = 0;
    while let Some(chunk) = chunks.next().await.of(METHOD)? {
        let length = chunk.content.len() as u64;
        must(
            chunk.content == content(offset, length),
            METHOD,
            format!("the bytes from {offset} on are others"),
        )?;
        must(count > 0 || chunk.filename == NAME, METHOD, "the first chunk has the name")?;
        offset += length;
        count += 1;
        bar.inc(length);
    }
    bar.finish_and_clear();
    stage.received(format!("{} bytes in {count} chunks, the same as were sent", offset - begin));
    must(offset == FILE_BYTES, METHOD, "the end is missing")
}

async fn refuse_name(stage: &Stage, files: &FileServiceClient) -> Result<(), DemoError> {
    const METHOD: &str = "UploadFile";
    stage.call(METHOD, "a name that would leave the data folder");
    let filename = "../../etc/passwd";
    stage.sent(format!("{filename:?}"));
    let mut upload = files.upload_file();
    let chunk = FileChunk { filename: filename.into(), content: "x".into(), ..Default::default() };
    upload.send(chunk).await.of(METHOD)?;
    stage.refused(&must_fail(upload.finish().await, Code::InvalidArgument, METHOD)?);
    Ok(())
}
