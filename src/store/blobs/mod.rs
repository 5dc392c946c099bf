//! Content-addressed bytes: `objects/a3/b4c5…` uncompressed ("raw"), `objects/a3/b4c5….z` compressed.
//!
//! A blob's name is the digest of its uncompressed bytes. A raw file holds exactly those bytes, so that it can be spliced,
//! copied in the kernel, and reflinked.

mod copy;
mod packed;
mod read;
mod receive;
mod segments;
mod spill;
#[cfg(test)]
mod tests;
mod walk;
mod write;

pub use copy::copy_file;
#[cfg(any(test, fuzzing))]
pub(crate) use packed::{decompress, read_any};
pub use receive::{Arrival, Bring};
pub(crate) use segments::threads;
pub(crate) use walk::Stored;
pub(crate) use write::{Staged, Writer};

use super::layout::Layout;
use super::lock::{StoreLock, hold};
use super::pending::{Pending, Runs};
use crate::digest::{BlobId, Digest};
use crate::error::Result;
use crate::record::Content;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::{LazyLock, Mutex};

/// Blobs up to this size, in bytes, are kept in memory, compressed immediately if that pays, and read whole.
pub(crate) const SMALL: usize = 8 << 20;

/// Blobs up to this size, in bytes, are never compressed: a file takes a whole disk block anyway.
pub(crate) const TINY: usize = 4 << 10;

/// The empty blob: it always exists and has no file.
static EMPTY: LazyLock<BlobId> = LazyLock::new(|| BlobId(Digest::of(b"")));

/// Whether `blob` is the empty blob.
pub(crate) fn is_empty(blob: &BlobId) -> bool {
    *blob == *EMPTY
}

/// The blob storage of a store; shared with the writers that it creates.
#[derive(Debug)]
pub(crate) struct Blobs {
    pub(crate) layout: Layout,
    pub(crate) lock: StoreLock,
    pub(crate) durable: bool,
    pending: Mutex<Pending>,
    /// The runs of this process that use this value.
    pub(crate) runs: Runs,
    added: Mutex<BTreeMap<BlobId, Added>>,
    /// Second copies of received blobs.
    spares: Mutex<HashMap<BlobId, File>>,
}

/// Disk use of a blob that this process put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Added {
    /// Bytes on disk.
    pub(crate) stored: u64,
    /// Whether the blob is new in the store.
    pub(crate) new: bool,
}

impl Blobs {
    pub(crate) fn new(layout: Layout, durable: bool) -> Self {
        let lock = StoreLock::new(&layout);
        Self {
            layout,
            lock,
            durable,
            pending: Mutex::default(),
            runs: Runs::default(),
            added: Mutex::default(),
            spares: Mutex::default(),
        }
    }

    /// Starts writing a blob.
    pub(crate) fn write(self: &std::sync::Arc<Self>) -> Writer {
        Writer::new(std::sync::Arc::clone(self))
    }

    /// Stores bytes that are in memory.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<Content> {
        self.place_bytes(Digest::of(bytes), bytes)
    }

    /// The blob's size on disk, if its file exists and has a plausible size.
    pub(crate) fn stored_size(&self, blob: &BlobId) -> Option<u64> {
        if is_empty(blob) {
            return Some(0);
        }
        if hold(&self.pending).contains(blob)
            && let Some(added) = hold(&self.added).get(blob)
        {
            return Some(added.stored);
        }
        let file = |path| std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file);
        let found = file(self.layout.raw(blob)).or_else(|| file(self.layout.packed(blob)));
        found.map(|metadata| metadata.len())
    }

    /// Notes that a commit now refers to these blobs; returns how many of them are new and their size on disk. `own` is the number
    /// of runs in progress that this ends.
    pub(crate) fn settle(&self, committed: &[BlobId], own: usize) -> (u64, u64) {
        hold(&self.pending).settle(committed, &self.runs, own);
        let mut added = hold(&self.added);
        let new = committed.iter().filter_map(|blob| added.remove(blob)).filter(|added| added.new);
        new.fold((0, 0), |(count, bytes), added| (count + 1, bytes + added.stored))
    }

    /// What [`Blobs::settle`] would return, without noting anything.
    pub(crate) fn added_by(&self, blobs: &[BlobId]) -> (u64, u64) {
        let added = hold(&self.added);
        let new = blobs.iter().filter_map(|blob| added.get(blob)).filter(|added| added.new);
        new.fold((0, 0), |(count, bytes), added| (count + 1, bytes + added.stored))
    }
}
