//! Export and import: commits and their blobs as one file, a tar compressed with zstd.
//!
//! Layout: first `cashet-archive`, the table of contents, with its own digest; then `commits/ID`, oldest first; then
//! `blobs/ID`, uncompressed. Every entry is a regular file. The entries have exactly the order, names, sizes and digests
//! of the table: names are compared and never used as paths. An import makes nothing visible before the whole archive is
//! verified.

mod export;
mod import;
mod table;

use self::import::Imported;
use self::table::Record;
use super::blobs::is_empty;
use super::local::LocalStore;
use super::recall::LARGEST_TREE;
use super::recording::blobs_of;
use super::{BlobStore, Foreign};
use crate::digest::{BlobId, CommitId, Digest};
use crate::encode::{Decode, Encode};
use crate::error::{Error, Result};
use crate::record::{Commit, Content, OutputTree};
use std::io::Read;

/// Largest window accepted for decompression, as a power of two.
const WINDOW: u32 = 27;

/// A run with all that belongs to it, for another store.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The run.
    pub commit: Commit,
    /// The encoded manifest.
    pub manifest: Vec<u8>,
    /// Every blob that it needs.
    pub blobs: Vec<Content>,
}

/// Summary of an export or import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Commits written; for an import, those that were not in the store before.
    pub commits: u64,
    /// Commits left out: an export omits those that lost a blob, an import those that the store already has.
    pub skipped: u64,
    /// Commits that an export of everything left out because they are damaged.
    pub damaged: Vec<CommitId>,
    /// Blobs in the archive.
    pub blobs: u64,
    /// Bytes of those blobs, uncompressed.
    pub bytes: u64,
}

impl LocalStore {
    /// Adds one run that another machine recorded, whose blobs are in place. One that is there stays as it is.
    pub(super) fn admit_one(&self, foreign: Foreign) -> Result<()> {
        self.ready()?;
        let Foreign { commit, manifest, tags, consumed, outputs } = foreign;
        let tree = outputs.as_ref().map(|tree| BlobId(Digest::of(&tree.to_bytes())));
        let agrees = Digest::of(&manifest) == commit.key.0
            && commit.is_replayable()
            && tree == commit.outputs.map(|content| content.blob);
        if !agrees {
            return Err(Error::damaged(format!("run {} contradicts itself", commit.id().short())));
        }
        for content in contents_of(&commit, outputs.as_ref()) {
            let size =
                if is_empty(&content.blob) { 0 } else { self.size_of(&content.blob).unwrap_or(u64::MAX) };
            if size != content.size {
                let words = format!("run {} needs blob {}", commit.id().short(), content.blob.short());
                return Err(Error::damaged(words));
            }
        }
        let blobs = blobs_of(&commit, outputs.as_ref());
        let record = Record { commit: Vec::new(), manifest, tags, consumed };
        self.make_visible(&blobs.clone(), &[Imported { commit, record, tree: outputs, blobs }]).map(drop)
    }

    /// Bytes of a blob, uncompressed; `None` where it is missing or damaged.
    pub(super) fn size_of(&self, blob: &BlobId) -> Option<u64> {
        self.blobs.open(blob).ok().map(|form| form.size())
    }

    /// The bytes of small blobs, and the other blobs. Small are those of up to `largest` bytes, the smallest first, as long as
    /// all have at most `room` together.
    ///
    /// # Errors
    /// When a blob is missing or damaged.
    pub fn parted(&self, blobs: &[Content], largest: u64, room: u64) -> Result<(Vec<Vec<u8>>, Vec<Content>)> {
        let mut sorted = blobs.to_vec();
        sorted.sort_by_key(|content| (content.size, content.blob));
        let (mut small, mut others, mut total) = (Vec::new(), Vec::new(), 0_u64);
        for content in sorted {
            total = total.saturating_add(content.size);
            if content.size > largest || total > room {
                others.push(content);
                continue;
            }
            let mut bytes = Vec::new();
            let read = self.read(&content.blob)?.read_to_end(&mut bytes);
            read.map_err(|error| Error::io("read", self.directory(), error))?;
            small.push(bytes);
        }
        Ok((small, others))
    }

    /// A run with all that belongs to it, for another store; `None` where it is not there, was evicted or is not to be replayed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn whole(&self, id: &CommitId) -> Result<Option<Whole>> {
        let Some(listed) = self.read_index(|index| index.commit(id))? else { return Ok(None) };
        if listed.brief.state.has_lost() || !listed.commit.is_replayable() {
            return Ok(None);
        }
        let tree = match listed.commit.outputs {
            None => None,
            Some(content) => {
                let bytes = self.blobs.read_small(&content.blob, content.size.min(LARGEST_TREE))?;
                let Some(bytes) = bytes else { return Ok(None) };
                Some(OutputTree::from_bytes(&bytes).map_err(|error| Error::damaged(error.to_string()))?)
            }
        };
        let mut blobs = Vec::new();
        for blob in blobs_of(&listed.commit, tree.as_ref()) {
            let Some(size) = self.size_of(&blob) else { return Ok(None) };
            blobs.push(Content { blob, size });
        }
        Ok(Some(Whole { commit: listed.commit, manifest: listed.manifest, blobs }))
    }
}

/// The blobs of a commit whose size it states.
fn contents_of(commit: &Commit, tree: Option<&OutputTree>) -> Vec<Content> {
    let files =
        tree.into_iter().flat_map(OutputTree::entries).filter_map(|entry| entry.kind.stored().copied());
    [commit.stdout, commit.stderr].into_iter().chain(commit.outputs).chain(files).collect()
}

/// Fuzzing entry point: reads the bytes as a table and as the entry of a commit.
#[cfg(any(test, fuzzing))]
pub(super) fn read_any(bytes: &[u8]) {
    if let Ok(table) = table::Table::from_bytes(bytes) {
        let _ = table.bytes();
    }
    if let Ok(record) = Record::from_bytes(bytes) {
        assert!(record.to_bytes() == bytes, "two encodings of one record");
    }
}

/// An encoded table without commits or blobs.
#[cfg(test)]
pub(super) fn table_of_nothing() -> Vec<u8> {
    let sealed = table::Table { commits: Vec::new(), blobs: Vec::new() }.sealed();
    sealed.get(1..sealed.len().saturating_sub(32)).unwrap_or_default().to_vec()
}
