//! An upload on its way: a temporary file that exists as long as this value does.

use super::folder::{StoredFile, blocking, sync_folder};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// What has come of a file so far. Dropping it removes the temporary file.
#[derive(Debug)]
pub(super) struct Upload {
    id: String,
    file: File,
    path: TemporaryPath,
    hash: Sha256,
    size: u64,
}

impl Upload {
    /// Begins one in this folder, under the id that the file will have. Blocks.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let id = Uuid::now_v7().to_string();
        let path = folder.join(&id);
        let file = File::create_new(&path)?;
        Ok(Self { id, file, path: TemporaryPath(Some(path)), hash: Sha256::new(), size: 0 })
    }

    /// The bytes so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a chunk. The upload goes along into the thread that writes: where the call is dropped meanwhile, the
    /// upload is dropped there, after the write.
    pub(super) async fn write(mut self, content: Bytes) -> io::Result<Self> {
        if content.is_empty() {
            return Ok(self);
        }
        blocking(move || {
            self.file.write_all(&content)?;
            self.hash.update(&content);
            self.size += content.len() as u64;
            Ok(self)
        })
        .await
    }

    /// Waits until all bytes are on the disk. From here on the file is no longer removed by itself. Blocks.
    pub(super) fn finish(self, name: String) -> io::Result<StoredFile> {
        self.file.sync_all()?;
        if let Some(folder) = self.path.0.as_deref().and_then(Path::parent) {
            sync_folder(folder)?;
        }
        self.path.release();
        let checksum = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(StoredFile { id: self.id, name, size: self.size, checksum })
    }
}

/// A path that is removed when this is dropped.
#[derive(Debug)]
struct TemporaryPath(Option<PathBuf>);

impl TemporaryPath {
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for TemporaryPath {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = std::fs::remove_file(path)
        {
            tracing::warn!(%error, path = %path.display(), "a temporary file stays until the next start");
        }
    }
}
