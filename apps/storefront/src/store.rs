//! The embedded database and the data folder around it.

mod error;
mod secret;

pub use error::StoreError;
pub(crate) use secret::Secret;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The data folder: `storefront.db` and what lies beside it. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
    /// For statements that read; SQLite in WAL mode lets them run beside the writer.
    pub(crate) readers: SqlitePool,
    /// One connection: SQLite has one writer at a time, and waiting in this pool is fair where its lock is not.
    pub(crate) writer: SqlitePool,
    /// What page tokens are signed with.
    pub(crate) secret: Arc<Secret>,
    /// Locked while the store is open. The system unlocks it however the process ends.
    _lock: Arc<File>,
}

impl Store {
    /// Opens the folder, making it where it is missing, and brings the database up to date.
    ///
    /// # Errors
    /// Where the folder can't be written, another process has it open, or the file is no database of this program.
    pub async fn open(directory: &Path) -> Result<Self, StoreError> {
        let folder = |source| StoreError::Folder { path: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(folder)?;
        let lock = lock(directory)?;
        let secret = Secret::load(&directory.join("page-token.key")).map_err(folder)?;
        let path = directory.join("storefront.db");
        let (writer, readers) = open_database(&path).await.map_err(|error| error.of(&path))?;
        let (secret, lock) = (Arc::new(secret), Arc::new(lock));
        Ok(Self { directory: directory.to_owned(), readers, writer, secret, _lock: lock })
    }

    /// The data folder.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Closes the database, once the statements that run have ended.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Two servers on one folder would each remove the other's unfinished files.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let folder = |source| StoreError::Folder { path: directory.to_owned(), source };
    let path = directory.join("storefront.lock");
    let file = File::options().create(true).write(true).truncate(false).open(path).map_err(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(source)) => Err(folder(source)),
    }
}

/// How many statements read at once; more wait their turn.
const READERS: u32 = 8;
/// How many rows a reader fetches ahead of whoever takes them; few, because a row may have megabytes.
const ROWS_AHEAD: usize = 16;
/// A database of at most so many bytes is checked when it is opened, which takes a fraction of a second. A larger one
/// is not: that would take minutes, and SQLite finds what is broken when it reads it.
const CHECKED_BYTES: u64 = 64 << 20;

async fn open_database(path: &Path) -> Result<(SqlitePool, SqlitePool), error::OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // What was answered OK is on the disk.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .row_buffer_size(ROWS_AHEAD);
    let writer = pool(1).connect_with(options.clone()).await?;
    if std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES) {
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&writer).await?;
        if found != "ok" {
            return Err(error::OpenError::Damaged(found));
        }
    }
    sqlx::migrate!().run(&writer).await?;
    let readers = pool(READERS).connect_with(options.read_only(true)).await?;
    Ok((writer, readers))
}

/// Connections to a file do not go stale, so nothing is tested, closed or made anew.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn message(directory: &Path) -> String {
        Store::open(directory).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_folder_has_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let first = Store::open(folder.path()).await.unwrap();
        assert!(message(folder.path()).await.contains("another storefront"));
        first.close().await;
        drop(first);
        Store::open(folder.path()).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_no_folder_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let message = message(&file.join("below")).await;
        assert!(message.contains("file/below") && message.contains("--data"), "{message}");
    }

    #[tokio::test]
    async fn a_broken_database_is_said_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        Store::open(folder.path()).await.unwrap().close().await;
        let path = folder.path().join("storefront.db");
        let whole = std::fs::read(&path).unwrap();
        let middle =
            whole.iter().enumerate().map(|(at, byte)| if at < 4096 { *byte } else { 0x5a }).collect();
        for broken in [
            b"this is no database, and long enough to be looked at".repeat(40),
            whole[..6000].to_vec(),
            middle,
        ] {
            std::fs::write(&path, &broken).unwrap();
            let message = message(folder.path()).await;
            assert!(message.contains("storefront.db") && message.contains("damaged"), "{message}");
            assert_eq!(std::fs::read(&path).unwrap(), broken);
        }
    }

    #[tokio::test]
    async fn a_newer_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (9999, 'later', TRUE, x'00', 0)";
        sqlx::query(newer).execute(&store.writer).await.unwrap();
        store.close().await;
        drop(store);
        assert!(message(folder.path()).await.contains("newer"));
    }

    #[tokio::test]
    async fn the_secret_stays_and_is_for_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let first = Store::open(folder.path()).await.unwrap();
        let signature = first.secret.sign(&[b"page"]);
        first.close().await;
        drop(first);
        let second = Store::open(folder.path()).await.unwrap();
        assert_eq!(second.secret.sign(&[b"page"]), signature);
        let mode = std::fs::metadata(folder.path().join("page-token.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
