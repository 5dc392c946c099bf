//! What a check finds, in its own types and in words.

use crate::digest::{BlobId, CommitId};
use std::fmt;
use std::path::PathBuf;

/// Something in a store that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// FORMAT does not say in whole what it should.
    Format,
    /// The key for secret-looking variables is missing or not whole.
    Secret,
    /// SQLite finds this wrong with the database.
    Database(String),
    /// A commit's row or body does not prove itself; by its place in the order of recording.
    Row(u64),
    /// Tags, products or edges that do not prove themselves.
    Links(u64),
    /// A file whose bytes are not those of its name.
    Blob {
        /// Which blob it should be.
        blob: BlobId,
        /// Where it lies.
        path: PathBuf,
    },
    /// A commit needs a blob that is not there or not true.
    Missing {
        /// Which commit.
        commit: CommitId,
        /// Which blob.
        blob: BlobId,
    },
    /// A commit's row does not name the blobs that its outputs need.
    Tree(CommitId),
    /// A hot entry that does not verify, or knows what the database does not.
    HotEntry(PathBuf),
    /// A remembered capture that does not verify.
    Capture(PathBuf),
    /// This many bytes of the log of hits are no record.
    Log(u64),
    /// Something among blobs or hot entries that is neither.
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
                write!(to, "commit {} needs blob {}, which is not there", commit.short(), blob.short())
            }
            Self::Tree(commit) => write!(to, "commit {} does not name all its blobs", commit.short()),
            Self::HotEntry(path) => write!(to, "hot entry {} is damaged or out of date", path.display()),
            Self::Capture(path) => write!(to, "remembered capture {} is damaged", path.display()),
            Self::Log(bytes) => write!(to, "{bytes} bytes of the log of hits are damaged"),
            Self::Stranger(path) => write!(to, "{} does not belong to the store", path.display()),
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is damaged.
    pub damage: Vec<Damage>,
    /// Commits looked at.
    pub commits: u64,
    /// Files of blobs looked at.
    pub blobs: u64,
    /// Bytes on disk that those take.
    pub bytes: u64,
    /// Blobs that no commit needs. Collection drops them; they are no damage.
    pub orphans: u64,
    /// Bytes that those take.
    pub orphan_bytes: u64,
}
