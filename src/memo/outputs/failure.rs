//! Why outputs are not restored.

use crate::digest::BlobId;
use crate::error::{Error, Kind};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// Why outputs were not restored. Nothing became visible, unless the file system failed in the middle.
#[derive(Debug)]
pub(in crate::memo) enum RestoreError {
    /// A blob did not verify.
    Damaged(BlobId, Error),
    /// Something is in the way, or the file system refused.
    Blocked(Error),
}

impl From<RestoreError> for Error {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Damaged(_, error) | RestoreError::Blocked(error) => error,
        }
    }
}

/// The system refused an operation on a path.
pub(super) fn blocked(operation: &str, path: &Path, errno: Errno) -> RestoreError {
    failed(operation, path, errno.into())
}

/// An operation on a path failed.
pub(super) fn failed(operation: &str, path: &Path, error: io::Error) -> RestoreError {
    RestoreError::Blocked(Error::io(operation, path, error))
}

/// Maps the error of reading a blob: damage, or another failure of the store.
pub(super) fn unreadable(blob: BlobId, error: Error) -> RestoreError {
    match error.kind() {
        Kind::Damaged => RestoreError::Damaged(blob, error),
        _ => RestoreError::Blocked(error),
    }
}
