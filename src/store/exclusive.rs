//! Deleting: the only type that can, with the store's lock held exclusively, in short batches.
//!
//! Order of deleting: hot entry, row, blobs. Whether a blob is needed is found by reachability: from all rows, and
//! from what living processes have put in place and not yet recorded.

use super::blobs::Stored;
use super::flat::{self, Area};
use super::index::State;
use super::layout::{digest_of, remove_file};
use super::local::LocalStore;
use super::lock::ExclusiveGuard;
use super::pending::{PENDING_PREFIX, pending_of_all};
use super::plan::Short;
use crate::digest::{BlobId, CommitId, Key};
use crate::error::{Error, Result};
use crate::record::Timestamp;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The lock is let go after this at the latest, but for one small step.
const LONGEST_HOLD: Duration = Duration::from_millis(40);

/// Rows that are deleted in one transaction.
const ROWS_AT_ONCE: usize = 256;

/// A store whose contents may be deleted. Nothing is locked between its batches.
#[derive(Debug)]
pub struct ExclusiveStore<'a> {
    pub(super) store: &'a LocalStore,
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Commits that are gone.
    pub commits: u64,
    /// Commits that lost their blobs.
    pub evicted: u64,
    /// Blobs that are gone.
    pub blobs: u64,
    /// Bytes that those took.
    pub bytes: u64,
    /// Bytes saved by compressing.
    pub compressed: u64,
}

/// How far a long work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, as a present participle.
    pub step: &'static str,
    /// How much of it is done.
    pub done: u64,
    /// How much there is; 0 where that is not known.
    pub total: u64,
}

/// Is told how far a long work is.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

/// What must not be deleted.
#[derive(Debug, Default)]
pub(super) struct Roots {
    blobs: Vec<Short>,
    keys: Vec<Short>,
    /// What came after the rows were read.
    late: HashSet<Short>,
    late_keys: HashSet<Short>,
    /// The last row that was read.
    after: i64,
    /// How often commits had got back what they had lost when the rows were read.
    revived: i64,
}

impl Roots {
    fn has(&self, blob: &BlobId) -> bool {
        let short = Short::of(blob);
        self.blobs.binary_search(&short).is_ok() || self.late.contains(&short)
    }

    fn has_key(&self, key: &Key) -> bool {
        let short = Short::of(&BlobId(key.0));
        self.keys.binary_search(&short).is_ok() || self.late_keys.contains(&short)
    }
}

impl LocalStore {
    /// The right to delete.
    ///
    /// # Errors
    /// When the store cannot be written or is of a newer format.
    pub fn exclusive(&self) -> Result<ExclusiveStore<'_>> {
        self.ready()?;
        drop(self.blobs.lock.exclusive()?);
        Ok(ExclusiveStore { store: self })
    }
}

impl ExclusiveStore<'_> {
    /// Deletes commits, and the blobs that nothing else needs.
    ///
    /// # Errors
    /// When something cannot be read or deleted; what was deleted by then is whole in itself.
    pub fn remove(&self, ids: &[CommitId], progress: OnProgress<'_>) -> Result<Dropped> {
        let mut blobs = HashSet::new();
        for id in ids {
            let found = self.store.with_index(|index| index.commit(id))?;
            blobs.extend(found.into_iter().flat_map(|listed| listed.brief.blobs));
        }
        let mut dropped = Dropped::default();
        self.drop_rows(ids, None, &mut dropped, progress)?;
        let mut roots = self.roots()?;
        let files: Vec<Stored> = blobs.iter().flat_map(|blob| self.files_of(blob)).collect();
        self.drop_blobs(files, &mut roots, &mut dropped)?;
        self.store.with_index(|index| index.lose_blobs(dropped.blobs, dropped.bytes))?;
        while self.store.with_index(|index| index.prune(1000))? {}
        Ok(dropped)
    }

    fn files_of(&self, blob: &BlobId) -> Vec<Stored> {
        let layout = self.store.layout();
        let look = |packed: bool| {
            let path = if packed { layout.packed(blob) } else { layout.raw(blob) };
            let bytes = fs::symlink_metadata(path).ok()?.len();
            Some(Stored { blob: *blob, packed, bytes })
        };
        [false, true].into_iter().filter_map(look).collect()
    }

    /// Deletes rows, or, with a state, marks them with it; their hot entries first.
    pub(super) fn drop_rows(
        &self,
        ids: &[CommitId],
        state: Option<State>,
        dropped: &mut Dropped,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let mut parts = ids.chunks(ROWS_AT_ONCE);
        let mut done = 0;
        self.in_batches(|proof, _| {
            let Some(part) = parts.next() else {
                return Ok(false);
            };
            self.drop_some_rows(part, state, dropped, proof)?;
            done += part.len() as u64;
            progress(Progress { step: "dropping commits", done, total: ids.len() as u64 });
            Ok(true)
        })
    }

    fn drop_some_rows(
        &self,
        ids: &[CommitId],
        state: Option<State>,
        dropped: &mut Dropped,
        _proof: &ExclusiveGuard,
    ) -> Result<()> {
        for id in ids {
            if let Some(key) = self.store.with_index(|index| index.key_of(id))? {
                flat::remove(self.store.layout(), Area::Keys, &key.0)?;
            }
        }
        let Some(state) = state else {
            dropped.commits += self.store.with_index(|index| index.delete(ids))?;
            return Ok(());
        };
        dropped.evicted += ids.len() as u64;
        self.store.with_index(|index| index.mark(ids, state))
    }

    /// Runs `step` with the lock held until it says that nothing is left; the lock is let go again and again, so
    /// that nobody waits for long. `step` is told whether it is the first since the lock was taken: whatever it
    /// learned before may be otherwise now.
    pub(super) fn in_batches(
        &self,
        mut step: impl FnMut(&ExclusiveGuard, bool) -> Result<bool>,
    ) -> Result<()> {
        loop {
            let guard = self.store.blobs.lock.exclusive()?;
            let begun = Instant::now();
            let mut first = true;
            while first || begun.elapsed() < LONGEST_HOLD {
                if !step(&guard, first)? {
                    return Ok(());
                }
                first = false;
            }
            drop(guard);
            // The kernel would give the lock back to us before it wakes who waits.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Everything that the rows need now. An error is never taken for an empty store.
    pub(super) fn roots(&self) -> Result<Roots> {
        let mut roots = Roots::default();
        self.store.with_index(|index| {
            // Asked first: what is revived between the two is read twice.
            roots.revived = index.revived()?;
            index.each_brief(0, |brief| {
                roots.blobs.extend(brief.blobs.iter().map(Short::of));
                roots.keys.push(Short::of(&BlobId(brief.key.0)));
                roots.after = brief.sequence;
            })
        })?;
        roots.blobs.sort_unstable();
        roots.blobs.dedup();
        roots.keys.sort_unstable();
        roots.keys.dedup();
        Ok(roots)
    }

    /// Adds what was recorded or put in place since; true for as long as the lock is held.
    fn refresh(&self, roots: &mut Roots, proof: &ExclusiveGuard) -> Result<()> {
        if self.store.with_index(|index| index.revived())? != roots.revived {
            let (late, late_keys) = (std::mem::take(&mut roots.late), std::mem::take(&mut roots.late_keys));
            *roots = self.roots()?;
            (roots.late, roots.late_keys) = (late, late_keys);
        }
        let after = roots.after;
        self.store.with_index(|index| {
            index.each_brief(after, |brief| {
                roots.late.extend(brief.blobs.iter().map(Short::of));
                roots.late_keys.insert(Short::of(&BlobId(brief.key.0)));
                roots.after = brief.sequence;
            })
        })?;
        let pending = pending_of_all(self.store.layout(), proof)?;
        roots.late.extend(pending.iter().map(Short::of));
        Ok(())
    }

    /// Deletes those files of blobs that no root needs.
    pub(super) fn drop_blobs(
        &self,
        files: Vec<Stored>,
        roots: &mut Roots,
        dropped: &mut Dropped,
    ) -> Result<()> {
        let mut files: std::collections::VecDeque<Stored> =
            files.into_iter().filter(|stored| !roots.has(&stored.blob)).collect();
        if files.is_empty() {
            return Ok(());
        }
        self.in_batches(|proof, first| {
            if first {
                self.refresh(roots, proof)?;
            }
            for stored in files.drain(..files.len().min(ROWS_AT_ONCE)) {
                if !roots.has(&stored.blob) && remove_file(&self.store.blobs.path_of(&stored))? {
                    dropped.blobs += 1;
                    dropped.bytes += stored.bytes;
                }
            }
            Ok(!files.is_empty())
        })
    }

    /// Deletes hot entries of keys that have no commit any more, and captures that are older than `oldest`.
    pub(super) fn drop_hot(&self, roots: &mut Roots, oldest: Timestamp) -> Result<()> {
        let layout = self.store.layout();
        let mut keys = Vec::new();
        each_flat(layout, Area::Keys, |digest, _| {
            if !roots.has_key(&Key(digest)) {
                keys.push(Key(digest));
            }
        })?;
        let mut captures = Vec::new();
        each_flat(layout, Area::Captures, |digest, path| {
            if modified(path).is_some_and(|time| time < oldest) {
                captures.push(digest);
            }
        })?;
        let mut keys = keys.into_iter();
        self.in_batches(|proof, first| {
            if first {
                self.refresh(roots, proof)?;
            }
            for key in keys.by_ref().take(ROWS_AT_ONCE) {
                if !roots.has_key(&key) {
                    flat::remove(layout, Area::Keys, &key.0)?;
                }
            }
            Ok(keys.len() > 0)
        })?;
        captures.iter().try_for_each(|capture| flat::remove(layout, Area::Captures, capture))
    }

    /// Deletes temporary files that nobody writes any more: last changed before `oldest` and not locked.
    pub(super) fn drop_temporary(&self, oldest: Timestamp) -> Result<()> {
        self.in_batches(|_proof, _| {
            for path in listed(&self.store.layout().temporary())? {
                let name = path.file_name().unwrap_or_default().as_encoded_bytes();
                let stale = modified(&path).is_some_and(|time| time < oldest);
                if !stale || name.starts_with(PENDING_PREFIX.as_bytes()) {
                    continue;
                }
                if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                    remove_file(&path)?;
                }
            }
            Ok(false)
        })
    }

    /// Deletes the lock files of keys that nobody holds.
    pub(super) fn drop_locks(&self) -> Result<()> {
        let files = listed(&self.store.layout().locks())?;
        let mut files = files.into_iter();
        self.in_batches(|_proof, _| {
            for path in files.by_ref().take(ROWS_AT_ONCE) {
                let of_key = path
                    .file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| crate::digest::Digest::from_hex(name).is_some());
                if of_key && File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                    remove_file(&path)?;
                }
            }
            Ok(files.len() > 0)
        })
    }

    /// Puts the compressed form of a blob in place of the raw one.
    pub(super) fn replace_raw(&self, stored: &Stored, packed: tempfile::TempPath) -> Result<()> {
        let path = self.store.layout().packed(&stored.blob);
        let _proof = self.store.blobs.lock.exclusive()?;
        super::layout::rename_into_place(packed, &path)
            .map_err(|source| Error::io("write", &path, source))?;
        remove_file(&self.store.blobs.path_of(stored)).map(|_| ())
    }

    /// Deletes one file, whatever it is.
    pub(super) fn drop_file(&self, path: &Path) -> Result<bool> {
        let _proof = self.store.blobs.lock.exclusive()?;
        remove_file(path)
    }
}

/// Calls `each` with every flat file of an area whose name could be right.
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

/// The entries of a directory; none where there is no directory.
pub(super) fn listed(directory: &Path) -> Result<Vec<std::path::PathBuf>> {
    let list = || -> io::Result<Vec<std::path::PathBuf>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
    };
    match list() {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        other => other.map_err(|error| Error::io("list", directory, error)),
    }
}

fn modified(path: &Path) -> Option<Timestamp> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some(Timestamp::from_parts(metadata.mtime(), metadata.mtime_nsec()))
}
