//! The database: commits, products, tags, statistics. The only place with SQL.
//!
//! A digest verifies every row; a row that does not verify counts as missing. Statistics (hits, last use, totals) are not
//! verified. This module does not know about blobs' files.

mod check;
mod emptying;
mod facts;
mod parts;
mod query;
mod record;
mod schema;
mod statistics;
mod survey;
mod upkeep;
mod write;

pub(crate) use facts::strict_of;
pub(crate) use query::Listed;
pub use query::{Filter, StatusFilter};
pub(crate) use record::{Brief, State};
pub use statistics::Missed;
pub(crate) use survey::{Drift, Named, Pointing};
pub(crate) use write::{NewCommit, Parent};

use crate::error::{Error, Kind, Result};
use rusqlite::{Connection, ErrorCode};
use std::io;
use std::path::{Path, PathBuf};

/// An open database.
pub(crate) struct Index {
    connection: Connection,
    path: PathBuf,
    network: bool,
    durable: bool,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Index").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Index {
    /// Maps an error of this database.
    fn failed(&self, operation: &str, error: &rusqlite::Error) -> Error {
        failed(operation, &self.path, error)
    }

    /// Runs the statements of one operation that only reads.
    fn reading<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        run(&self.connection).map_err(|error| self.failed("read", &error))
    }

    /// Runs statements in one transaction, which may write from its beginning.
    fn writing<T>(
        &mut self,
        run: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let write = || {
            let behavior = rusqlite::TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(behavior)?;
            let value = run(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        match write() {
            Ok(value) => Ok(value),
            Err(error) => Err(failed("write", &self.path, &error)),
        }
    }
}

/// Maps an error of SQLite. [`Kind::Damaged`] means damage of the database, never of a single row.
fn failed(operation: &str, path: &Path, error: &rusqlite::Error) -> Error {
    let io = |kind: io::ErrorKind| Error::io(operation, path, io::Error::from(kind));
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => io(io::ErrorKind::StorageFull),
        Some(ErrorCode::ReadOnly) => io(io::ErrorKind::ReadOnlyFilesystem),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => io(io::ErrorKind::PermissionDenied),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => io(io::ErrorKind::ResourceBusy),
        Some(ErrorCode::OutOfMemory) => io(io::ErrorKind::OutOfMemory),
        Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => {
            let words = format!("cannot {operation} {}: {error}", path.display());
            Error::new(Kind::Io(io::ErrorKind::Other), words)
        }
        // The statements are fixed and tested: one that does not fit the tables means that these are damaged.
        _ => Error::damaged(format!("{} is damaged: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests;
