//! Where files lie: `incoming` and `files` in the data folder, and the table of what is stored.

use super::download::Download;
use super::upload::Upload;
use crate::store::{Store, StoreError};
use crate::time;
use sqlx::Row;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The stored files. Clones share them.
///
/// A file is stored in an order that leaves it whole or not at all, wherever a kill cuts it: its bytes and its name in
/// `incoming` are on the disk, then its row is in the table (from here on it exists), then it moves to `files`. The
/// next start removes from `incoming` what has no row and moves what has one.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    store: Store,
    incoming: PathBuf,
    files: PathBuf,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct StoredFile {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) checksum: String,
}

impl Folder {
    /// Makes the folders where they are missing, and ends what an earlier process left in the middle.
    pub(super) async fn open(store: Store) -> Result<Self, StoreError> {
        let path = store.directory().to_owned();
        let folder = Self { store, incoming: path.join("incoming"), files: path.join("files") };
        match folder.recover().await {
            Ok(()) => Ok(folder),
            Err(sqlx::Error::Io(source)) => Err(StoreError::Folder { path, source }),
            Err(source) => Err(StoreError::Database { path, source }),
        }
    }

    async fn recover(&self) -> Result<(), sqlx::Error> {
        std::fs::create_dir_all(&self.incoming)?;
        std::fs::create_dir_all(&self.files)?;
        for entry in std::fs::read_dir(&self.incoming)? {
            let path = entry?.path();
            let id = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if self.find(id).await?.is_some() {
                std::fs::rename(&path, self.files.join(id))?;
            } else {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(sync_folder(&self.files)?)
    }

    /// A new upload.
    pub(super) async fn begin(&self) -> io::Result<Upload> {
        let incoming = self.incoming.clone();
        blocking(move || Upload::create(&incoming)).await
    }

    /// Stores an upload for good. Once begun it comes to its end, whoever waits for it.
    pub(super) async fn keep(self, upload: Upload, name: String) -> io::Result<StoredFile> {
        let storing = tokio::spawn(async move {
            let file = blocking(move || upload.finish(name)).await?;
            if let Err(error) = self.publish(&file).await {
                self.discard(&file.id).await;
                return Err(error);
            }
            Ok(file)
        });
        storing.await.map_err(io::Error::other)?
    }

    /// The file of this id.
    pub(super) async fn find(&self, id: &str) -> Result<Option<StoredFile>, sqlx::Error> {
        let row = sqlx::query("SELECT name, size, checksum FROM files WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.store.readers)
            .await?;
        row.map(|row| {
            let size = u64::try_from(row.try_get::<i64, _>("size")?).unwrap_or(0);
            Ok(StoredFile {
                id: id.to_owned(),
                name: row.try_get("name")?,
                size,
                checksum: row.try_get("checksum")?,
            })
        })
        .transpose()
    }

    /// Reads a file that [`Folder::find`] has found, from this offset.
    pub(super) async fn read(&self, id: &str, offset: u64) -> io::Result<Download> {
        Download::open(self.files.join(id), offset).await
    }

    async fn publish(&self, file: &StoredFile) -> io::Result<()> {
        sqlx::query("INSERT INTO files (id, name, size, checksum, created_at_ns) VALUES (?, ?, ?, ?, ?)")
            .bind(&file.id)
            .bind(&file.name)
            .bind(super::signed(file.size))
            .bind(&file.checksum)
            .bind(time::now_ns())
            .execute(&self.store.writer)
            .await
            .map_err(io::Error::other)?;
        let (from, to, files) = (self.incoming.join(&file.id), self.files.join(&file.id), self.files.clone());
        blocking(move || {
            std::fs::rename(from, to)?;
            sync_folder(&files)
        })
        .await
    }

    /// Undoes what a failed [`Folder::publish`] may have done. Where that fails too, the next start decides.
    async fn discard(&self, id: &str) {
        let row = sqlx::query("DELETE FROM files WHERE id = ?").bind(id).execute(&self.store.writer).await;
        match row {
            // One of the two is there.
            Ok(_) => drop([&self.incoming, &self.files].map(|folder| std::fs::remove_file(folder.join(id)))),
            Err(error) => tracing::error!(%error, id, "an upload that failed was not removed"),
        }
    }
}

/// A name in a folder is on the disk once the folder is.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Work that waits for the disk, in a thread that may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
