//! A stored file, read piece by piece.

use super::folder::blocking;
use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// What one chunk has at most.
const CHUNK_BYTES: usize = 64 * 1024;
/// What one read takes: several chunks, for each read is a trip to another thread.
const READ_BYTES: usize = 4 * CHUNK_BYTES;

/// A place in a file that is read.
#[derive(Debug)]
pub(super) struct Download {
    /// `None` while a thread reads.
    file: Option<File>,
    /// Read, but not yet given out.
    ready: Bytes,
}

impl Download {
    /// Opens the file and goes to this offset.
    pub(super) async fn open(path: PathBuf, offset: u64) -> io::Result<Self> {
        let file = blocking(move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        })
        .await?;
        Ok(Self { file: Some(file), ready: Bytes::new() })
    }

    /// The next chunk, of 64 KiB but for the last one. At the end of the file it is an error.
    pub(super) async fn next(&mut self) -> io::Result<Bytes> {
        if self.ready.is_empty() {
            self.ready = self.read().await?;
        }
        Ok(self.ready.split_to(CHUNK_BYTES.min(self.ready.len())))
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        let Some(mut file) = self.file.take() else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let (file, bytes) = blocking(move || {
            let mut bytes = BytesMut::zeroed(READ_BYTES);
            let mut len = 0;
            // A short read in the middle would make a short chunk.
            while len < bytes.len() {
                match file.read(&mut bytes[len..]) {
                    Ok(0) => break,
                    Ok(count) => len += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes.truncate(len);
            Ok((file, bytes.freeze()))
        })
        .await?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file = Some(file);
        Ok(bytes)
    }
}
