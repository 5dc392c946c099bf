//! The findings of a check, and their messages.

use crate::digest::{BlobId, CommitId};
use std::fmt;
use std::path::PathBuf;

/// A damaged part of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The content of FORMAT is not exactly the expected one.
    Format,
    /// The key for secret-looking variables is missing or not whole.
    Secret,
    /// SQLite reports this damage of the database.
    Database(String),
    /// A commit's row or body does not verify; by its sequence number.
    Row(u64),
    /// Number of tags, products or edges that do not verify.
    Links(u64),
    /// A blob's file whose bytes do not match its name.
    Blob {
        /// The blob that it should hold.
        blob: BlobId,
        /// Path of the file.
        path: PathBuf,
    },
    /// A commit needs a blob that is missing or damaged.
    Missing {
        /// The commit.
        commit: CommitId,
        /// The blob.
        blob: BlobId,
    },
    /// A commit's row does not name the blobs that its outputs need.
    Tree(CommitId),
    /// A hot entry that does not verify, or lists what the database does not.
    HotEntry(PathBuf),
    /// A remembered capture that does not verify.
    Capture(PathBuf),
    /// Number of bytes in the log of hits that belong to no record.
    Log(u64),
    /// An unknown file among blobs or hot entries.
    Stranger(PathBuf),
}

impl fmt::Display for Damage {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => write!(to, "FORMAT is damaged"),
            Self::Secret => write!(to, "the secret is missing or damaged"),
            Self::Database(words) => write!(to, "the database is damaged: {words}"),
            Self::Row(sequence) => write!(to, "row {sequence} is damaged"),
            Self::Links(count) => write!(to, "{count} rows of tags, products or edges are damaged"),
            Self::Blob { path, .. } => write!(to, "{} is damaged", path.display()),
            Self::Missing { commit, blob } => {
                write!(to, "run {} needs blob {}, which is missing", commit.short(), blob.short())
            }
            Self::Tree(commit) => write!(to, "run {} does not list all its blobs", commit.short()),
            Self::HotEntry(path) => write!(to, "hot entry {} is damaged or out of date", path.display()),
            Self::Capture(path) => write!(to, "remembered capture {} is damaged", path.display()),
            Self::Log(bytes) => write!(to, "{bytes} bytes of the log of hits are damaged"),
            Self::Stranger(path) => write!(to, "{} does not belong to the store", path.display()),
        }
    }
}

/// Result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// All findings.
    pub damage: Vec<Damage>,
    /// Number of commits checked.
    pub commits: u64,
    /// Number of blob files checked.
    pub blobs: u64,
    /// Bytes on disk that those files take.
    pub bytes: u64,
    /// Blobs that no commit needs. Collection drops them; they are not damage.
    pub orphans: u64,
    /// Bytes on disk that the orphans take.
    pub orphan_bytes: u64,
}
