//! Why a data folder could not be opened.

use sqlx::migrate::MigrateError;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why a data folder could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder can't be made, read or written.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process serves from it.
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file is no database, or a damaged one.
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A later version of this program wrote it.
    Newer {
        /// The database file.
        path: PathBuf,
    },
    /// The database can't be opened or brought up to date for another reason.
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Folder { path, source } => {
                let path = path.display();
                write!(f, "can't use the data folder {path}: {source}; name another one with --data")
            }
            StoreError::InUse { path } => {
                let path = path.display();
                write!(
                    f,
                    "another storefront serves from {path}; stop it, or name another folder with --data"
                )
            }
            StoreError::Damaged { path, what } => {
                let path = path.display();
                write!(
                    f,
                    "{path} is damaged or no database ({what}); move it away to begin with an empty one"
                )
            }
            StoreError::Newer { path } => {
                let path = path.display();
                write!(
                    f,
                    "{path} was written by a newer storefront; run that one, or name another folder with --data"
                )
            }
            StoreError::Database { path, source } => write!(f, "can't open {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Folder { source, .. } => Some(source),
            StoreError::Database { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A [`StoreError`] that does not know its file yet.
pub(super) enum OpenError {
    Damaged(String),
    Newer,
    Other(sqlx::Error),
}

impl OpenError {
    pub(super) fn of(self, path: &Path) -> StoreError {
        let path = path.to_owned();
        match self {
            OpenError::Damaged(what) => StoreError::Damaged { path, what },
            OpenError::Newer => StoreError::Newer { path },
            OpenError::Other(source) => StoreError::Database { path, source },
        }
    }
}

/// SQLITE_CORRUPT and SQLITE_NOTADB (<https://www.sqlite.org/rescode.html>).
const DAMAGED: [&str; 2] = ["11", "26"];

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        let database = error.as_database_error();
        let damaged = database.filter(|error| error.code().is_some_and(|code| DAMAGED.contains(&&*code)));
        match damaged {
            Some(error) => OpenError::Damaged(error.message().to_owned()),
            None => OpenError::Other(error),
        }
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => OpenError::Newer,
            MigrateError::Execute(error) => error.into(),
            other => OpenError::Other(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}
