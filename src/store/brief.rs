//! The part of a commit that planning a collection needs: its key and blobs by short names, and when it was last used.

use crate::digest::{BlobId, CommitId, DIGEST_LENGTH, Key};
use crate::record::Timestamp;

/// A shortened blob name. Two blobs with the same short name are kept or dropped together, which errs on the safe side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Short(pub(super) u64);

impl Short {
    pub(crate) fn of(blob: &BlobId) -> Self {
        Self::of_bytes(blob.0.as_bytes())
    }

    /// Shortens a key's digest. Short keys and short blobs are never compared with each other.
    pub(crate) fn of_key(key: &Key) -> Self {
        Self::of_bytes(key.0.as_bytes())
    }

    pub(crate) fn of_bytes(bytes: &[u8; DIGEST_LENGTH]) -> Self {
        Self(u64::from_be_bytes(bytes.first_chunk().copied().unwrap_or_default()))
    }
}

/// The part of a commit that planning needs.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: CommitId,
    pub(crate) key: Short,
    pub(crate) sequence: i64,
    /// Time of last use.
    pub(crate) used: Timestamp,
    /// Whether it is exempt from collection.
    pub(crate) keep: bool,
    /// Blobs that it needs.
    pub(crate) blobs: Vec<Short>,
}
