//! Deleting from a store: only this type can, in short batches with the store's lock held exclusively.
//!
//! The order of deleting is: hot entry, row, blobs.

use super::blobs::Stored;
use super::files::{remove_any, remove_file};
use super::flat::Area;
use super::layout::digest_of;
use super::local::LocalStore;
use super::lock::ExclusiveGuard;
use super::pending::PENDING_PREFIX;
use super::usage::on_disk;
use super::walking::{listed, modified};
use crate::digest::{BlobId, CommitId};
use crate::error::{Error, Result};
use crate::record::Timestamp;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The lock is released after this time at the latest, plus one small step.
const LONGEST_HOLD: Duration = Duration::from_millis(40);

/// The database's log is written back once it is this long, in bytes.
const LONGEST_LOG: u64 = 128 << 20;

/// Up to this many commits are removed without reading all rows that could point to them.
const FEW: usize = 100;

/// Number of lock files processed between two checks of the time.
const FILES_AT_ONCE: usize = 256;

/// A store that may delete. Between its batches no lock is held.
#[derive(Debug)]
pub struct ExclusiveStore<'a> {
    pub(super) store: &'a LocalStore,
}

/// Counts of what was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Deleted commits.
    pub commits: u64,
    /// Commits that lost their blobs.
    pub evicted: u64,
    /// Deleted blobs.
    pub blobs: u64,
    /// Bytes that those blobs took on disk.
    pub bytes: u64,
    /// Bytes saved by compressing.
    pub compressed: u64,
}

/// Progress of a long operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The current step, as a present participle.
    pub step: &'static str,
    /// Items done.
    pub done: u64,
    /// Total items; 0 where the number is not known.
    pub total: u64,
}

/// Receives the progress of a long operation.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

impl LocalStore {
    /// Opens the store for deleting.
    ///
    /// # Errors
    /// When the store cannot be written or has a newer format.
    pub fn exclusive(&self) -> Result<ExclusiveStore<'_>> {
        self.ready()?;
        drop(self.blobs.lock.exclusive()?);
        Ok(ExclusiveStore { store: self })
    }

    /// Writes the database's log back once it is long: until then it takes disk space beside the deleted data.
    pub(super) fn bound_log(&self) -> Result<()> {
        let log = self.layout().root().join("meta.db-wal");
        if fs::metadata(log).is_ok_and(|metadata| metadata.len() > LONGEST_LOG) {
            self.with_index(|index| index.checkpoint())?;
        }
        Ok(())
    }
}

impl ExclusiveStore<'_> {
    /// Deletes commits, and the blobs that no other commit needs.
    ///
    /// # Errors
    /// When something cannot be read or deleted. The store is consistent after every partial deletion.
    pub fn remove(&self, ids: &[CommitId], progress: OnProgress<'_>) -> Result<Dropped> {
        let (mut blobs, mut products) = (HashSet::new(), Vec::new());
        for id in ids {
            let Some(listed) = self.store.with_index(|index| index.commit(id))? else { continue };
            products.extend(listed.brief.blobs.iter().map(|blob| (blob.0, listed.brief.sequence)));
            blobs.extend(listed.brief.blobs);
        }
        let mut dropped = Dropped::default();
        self.remove_ids(ids, &mut dropped, progress)?;
        let few = ids.len() <= FEW;
        let mut roots = if few { self.roots_among(&blobs)? } else { self.roots()? };
        let files: Vec<Stored> = blobs.iter().flat_map(|blob| self.files_of(blob)).collect();
        self.drop_blobs(files, &mut roots, &mut dropped)?;
        self.store.with_index(|index| index.lose_blobs(dropped.blobs, dropped.bytes))?;
        if few {
            // Other pointers to these commits have no effect. The next collection, which reads all pointers, deletes them.
            self.store.with_index(|index| index.remove_pointers(&products))?;
            self.drop_facts()?;
        } else {
            self.prune(&roots)?;
        }
        Ok(dropped)
    }

    fn files_of(&self, blob: &BlobId) -> Vec<Stored> {
        let layout = self.store.layout();
        let look = |packed: bool| {
            let path = if packed { layout.packed(blob) } else { layout.raw(blob) };
            let found = fs::symlink_metadata(path).ok()?;
            Some(Stored { blob: *blob, packed, bytes: found.len(), disk: on_disk(&found) })
        };
        [false, true].into_iter().filter_map(look).collect()
    }

    /// Runs `step` with the lock held until it returns `false`. Releases the lock regularly, so that other processes wait only
    /// briefly. The argument of `step` is true for the first call after the lock was taken: what earlier calls learned may
    /// have changed since.
    pub(super) fn in_batches(
        &self,
        mut step: impl FnMut(&ExclusiveGuard, bool) -> Result<bool>,
    ) -> Result<()> {
        loop {
            let guard = self.store.blobs.lock.exclusive()?;
            let begun = Instant::now();
            let (mut first, mut last) = (true, Duration::ZERO);
            // The next step is assumed to take as long as the last one.
            while first || begun.elapsed() + last < LONGEST_HOLD {
                let before = begun.elapsed();
                if !step(&guard, first)? {
                    return Ok(());
                }
                first = false;
                last = begun.elapsed().saturating_sub(before);
            }
            drop(guard);
            self.store.bound_log()?;
            // Without a pause the kernel would grant the lock to this process again before it wakes the waiting ones.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Deletes temporary files that no process writes: last changed before `oldest` and not locked. Also deletes the directories
    /// of interrupted hits, and everything else in that directory.
    pub(super) fn drop_temporary(&self, oldest: Timestamp) -> Result<()> {
        self.in_batches(|_proof, _| {
            for path in listed(&self.store.layout().temporary())? {
                let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                let stale = modified(&path).is_some_and(|time| time < oldest);
                // A list of blobs in use is deleted when its process ends, unless it belongs to another user.
                let is_list = || {
                    name.starts_with(PENDING_PREFIX.as_bytes()) && path.is_file() && File::open(&path).is_ok()
                };
                if !stale || is_list() {
                    continue;
                }
                if is_unused(&path) {
                    self.clean(&path);
                }
            }
            Ok(false)
        })
    }

    /// Deletes a leftover of any kind. One that cannot be deleted is reported and stays; it does not block the rest.
    pub(super) fn clean(&self, path: &Path) {
        if let Err(error) = remove_any(path) {
            self.store.notice(error.to_string());
        }
    }

    /// Deletes the lock files of keys that no process holds.
    pub(super) fn drop_locks(&self) -> Result<()> {
        let files = listed(&self.store.layout().locks())?;
        let mut files = files.into_iter();
        self.in_batches(|_proof, _| {
            for path in files.by_ref().take(FILES_AT_ONCE) {
                let of_key = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| crate::digest::Digest::from_hex(name).is_some());
                if of_key && is_unused(&path) {
                    self.clean(&path);
                }
            }
            Ok(files.len() > 0)
        })
    }

    /// Replaces a raw blob by its compressed form.
    pub(super) fn replace_raw(&self, stored: &Stored, packed: tempfile::TempPath) -> Result<()> {
        let path = self.store.layout().packed(&stored.blob);
        let _proof = self.store.blobs.lock.exclusive()?;
        super::files::rename_into_place(packed, &path).map_err(|source| Error::io("write", &path, source))?;
        remove_file(&self.store.blobs.path_of(stored)).map(|_| ())
    }

    /// Deletes one file.
    pub(super) fn drop_file(&self, path: &Path) -> Result<bool> {
        let _proof = self.store.blobs.lock.exclusive()?;
        remove_file(path)
    }
}

/// Whether no process holds a lock on the file at `path`. Anything that is not a file, or that cannot be opened, is unused: files
/// in use are created readable.
fn is_unused(path: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else { return false };
    // Opening a FIFO would block until a process writes to it.
    if !found.is_file() {
        return true;
    }
    File::open(path)
        .map_or_else(|error| error.kind() == io::ErrorKind::PermissionDenied, |file| file.try_lock().is_ok())
}

/// Calls `each` with every flat file of an area that has a valid name.
pub(super) fn each_flat(
    layout: &super::layout::Layout,
    area: Area,
    mut each: impl FnMut(crate::digest::Digest, &Path),
) -> Result<()> {
    for fan in listed(&layout.hot_directory().join(area.directory()))? {
        let Some(name) = fan.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            continue;
        };
        for path in listed(&fan)? {
            let rest = path.file_name().and_then(|rest| rest.to_str());
            if let Some(digest) = rest.and_then(|rest| digest_of(&name, rest)) {
                each(digest, &path);
            }
        }
    }
    Ok(())
}
