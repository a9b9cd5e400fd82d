//! FileService: files come and go in chunks, and what is stored is whole.

mod download;
mod folder;
mod name;
mod upload;

use crate::proto::file::v1::{
    DownloadFileRequest, FileChunk, FileService, FileServiceServer, UploadResponse,
};
use crate::store::{Store, StoreError};
use bytes::Bytes;
use folder::Folder;
use gannet::{Call, Receiver, Result, ResultExt, Sender, Status};
use gannet_types::{BadRequest, ResourceInfo};
use std::io;

/// FileService over the data folder. An upload may have at most `max_upload_bytes`.
///
/// Uploads that an earlier process was killed in are removed, or completed where all of theirs was on the disk.
///
/// # Errors
/// Where the data folder can't be written or the database can't be read.
pub async fn service(store: Store, max_upload_bytes: u64) -> Result<FileServiceServer<Files>, StoreError> {
    let folder = Folder::open(store).await?;
    Ok(FileServiceServer::new(Files { folder, max_upload_bytes }))
}

/// The service's implementation.
#[derive(Debug)]
pub struct Files {
    folder: Folder,
    max_upload_bytes: u64,
}

impl FileService for Files {
    async fn upload_file(&self, _call: &mut Call, mut chunks: Receiver<FileChunk>) -> Result<UploadResponse> {
        let Some(first) = chunks.next().await? else {
            return Err(Status::invalid_argument("an upload needs a first chunk, with the file's name"));
        };
        let name = first.filename.clone();
        name::check(&name)?;
        // Dropped at any point from here on, with the call or by an error, it takes its temporary file along.
        let mut upload = self.folder.begin().await.map_err(not_stored)?;
        let mut next = Some(first);
        while let Some(chunk) = next {
            self.check_chunk(&chunk, &name, upload.size())?;
            upload = upload.write(chunk.content).await.map_err(not_stored)?;
            next = chunks.next().await?;
        }
        let stored = self.folder.clone().keep(upload, name).await.map_err(not_stored)?;
        let (file_id, checksum) = (stored.id, stored.checksum);
        Ok(UploadResponse { file_id, size: signed(stored.size), checksum, ..Default::default() })
    }

    async fn download_file(
        &self,
        _call: &mut Call,
        request: DownloadFileRequest,
        mut chunks: Sender<FileChunk>,
    ) -> Result<()> {
        let mut offset = u64::try_from(request.offset).map_err(|_| {
            let detail = BadRequest::violation("offset", "is negative");
            Status::invalid_argument("offset must not be negative").with_detail(detail)
        })?;
        let id = request.file_id;
        let Some(stored) = self.folder.find(&id).await.internal("looking the file up")? else {
            let detail = ResourceInfo::of("file.v1.File", id.as_str());
            return Err(Status::not_found(format!("File {id} not found")).with_detail(detail));
        };
        if offset > stored.size {
            let text =
                format!("offset {offset} is beyond the end of the file, which has {} bytes", stored.size);
            return Err(Status::out_of_range(text));
        }
        let not_whole = |error| not_read(&id, error);
        let mut download = self.folder.read(&id, offset).await.map_err(not_whole)?;
        let mut filename = stored.name;
        // Even where there is nothing to send, one chunk says the file's name.
        loop {
            let start = offset;
            let content =
                if start < stored.size { download.next().await.map_err(not_whole)? } else { Bytes::new() };
            offset += content.len() as u64;
            let filename = std::mem::take(&mut filename);
            let chunk = FileChunk { content, filename, offset: signed(start), ..Default::default() };
            chunks.send(chunk).await?;
            if offset >= stored.size {
                return Ok(());
            }
        }
    }
}

impl Files {
    /// Whether a chunk may follow after so many bytes of this file.
    fn check_chunk(&self, chunk: &FileChunk, name: &str, bytes_so_far: u64) -> Result<()> {
        if !chunk.filename.is_empty() && chunk.filename != name {
            let detail = BadRequest::violation("filename", "names another file than the first chunk");
            return Err(
                Status::invalid_argument("all chunks of an upload belong to one file").with_detail(detail)
            );
        }
        // 0 is what a sender has who leaves it out.
        if chunk.offset != 0 && u64::try_from(chunk.offset) != Ok(bytes_so_far) {
            return Err(Status::out_of_range(format!(
                "a chunk for offset {} came after {bytes_so_far} bytes; send chunks in order",
                chunk.offset,
            )));
        }
        if bytes_so_far + chunk.content.len() as u64 > self.max_upload_bytes {
            let limit = self.max_upload_bytes;
            return Err(Status::resource_exhausted(format!("a file may have at most {limit} bytes")));
        }
        Ok(())
    }
}

/// Sizes are `int64` in the contract.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn not_stored(error: io::Error) -> Status {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Status::resource_exhausted("the server has no room for this file; try a smaller one or later")
                .with_source(error)
        }
        _ => Status::internal("the file could not be stored").with_source(error),
    }
}

/// The table has the file, the folder has it not, or not all of it: somebody else was there.
fn not_read(id: &str, error: io::Error) -> Status {
    Status::data_loss(format!("File {id} can't be read any more; upload it again")).with_source(error)
}
