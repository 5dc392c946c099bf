//! Lists of blobs that living processes have put in place and not recorded yet. Each process locks the file with its own
//! list, so that collection leaves these blobs alone.

use super::files::{new_temporary_like, remove_any};
use super::layout::Layout;
use super::lock::{ExclusiveGuard, uninterrupted};
use crate::digest::{BlobId, DIGEST_LENGTH, Digest};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Prefix of the name of a file that lists pending blobs.
pub(crate) const PENDING_PREFIX: &str = "pending-";

/// The runs of this process that use a store at the same time. A run keeps its [`InProgress`] until it is recorded or given up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<()>);

/// A run in progress.
#[derive(Debug)]
pub(crate) struct InProgress(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl Runs {
    /// Counts one more run, until the returned value is dropped.
    pub(crate) fn begin(&self) -> InProgress {
        InProgress(Arc::clone(&self.0))
    }

    fn number(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }
}

/// Blobs that this process put in place and that no commit needs yet. They are listed in a file that the process holds
/// locked: collection leaves them alone exactly as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    blobs: BTreeSet<BlobId>,
    /// Those of `blobs` that a commit needs by now. Another run in progress may have written them too, and relies on their
    /// protection: the commit can be removed before that run is recorded.
    committed: BTreeSet<BlobId>,
    file: Option<(tempfile::TempPath, File)>,
}

impl Pending {
    /// Protects `blob`. Call it with the store's lock held, before checking whether the blob exists.
    pub(crate) fn add(&mut self, layout: &Layout, blob: BlobId) -> Result<()> {
        if self.blobs.contains(&blob) {
            return Ok(());
        }
        let directory = layout.temporary();
        let failed = |source| Error::io("write", &directory, source);
        if self.file.is_none() {
            let (file, path) = new_temporary_like(&directory, PENDING_PREFIX).map_err(failed)?.into_parts();
            uninterrupted(|| file.lock()).map_err(failed)?;
            self.file = Some((path, file));
        }
        if let Some((_, file)) = &self.file {
            // Written at its offset, so that a partial name from an earlier failure is overwritten.
            let place = self.blobs.len().saturating_mul(DIGEST_LENGTH) as u64;
            file.write_all_at(blob.0.as_bytes(), place).map_err(failed)?;
        }
        self.blobs.insert(blob);
        Ok(())
    }

    /// Whether `blob` is protected, which implies that it is in place.
    pub(crate) fn contains(&self, blob: &BlobId) -> bool {
        self.blobs.contains(blob)
    }

    /// Ends the protection of blobs that a commit needs now, as soon as no run is in progress except for the `own` ones of the
    /// caller.
    pub(crate) fn settle(&mut self, committed: &[BlobId], runs: &Runs, own: usize) {
        self.committed.extend(committed.iter().filter(|blob| self.blobs.contains(blob)));
        // A run that begins after this was counted does not rely on what is removed here: it has written nothing yet.
        if runs.number() > own {
            return;
        }
        for blob in std::mem::take(&mut self.committed) {
            self.blobs.remove(&blob);
        }
        if self.blobs.is_empty() {
            // Removed immediately, so that a process that exits without cleanup leaves nothing behind.
            self.file = None;
        }
        let Some((_, file)) = &self.file else {
            return;
        };
        let mut list = Vec::with_capacity(self.blobs.len().saturating_mul(DIGEST_LENGTH));
        for blob in &self.blobs {
            list.extend_from_slice(blob.0.as_bytes());
        }
        // After a failure the list protects too much, until this process ends.
        let _ = file.write_all_at(&list, 0).and_then(|()| file.set_len(list.len() as u64));
    }
}

/// Blobs that living processes protect.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Protected {
    /// Their names.
    pub(crate) blobs: Vec<BlobId>,
    /// A list of another user that cannot be read: which blobs it protects is unknown.
    pub(crate) unknown: Option<PathBuf>,
}

/// The blobs that living processes protect. Removes the lists of dead processes: the caller holds the store exclusively, so
/// no other process can hold them. Also removes anything else with the name of a list.
pub(crate) fn pending_of_all(layout: &Layout, _proof: &ExclusiveGuard) -> Result<Protected> {
    let directory = layout.temporary();
    let mut found = Protected::default();
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(Error::io("list", &directory, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|source| Error::io("list", &directory, source))?;
        if !entry.file_name().as_encoded_bytes().starts_with(PENDING_PREFIX.as_bytes()) {
            continue;
        }
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| !kind.is_file()) {
            // A file that cannot be removed protects nothing either.
            let _ = remove_any(&path);
            continue;
        }
        let read = || -> io::Result<Option<Vec<u8>>> {
            let file = File::open(&path)?;
            if file.try_lock().is_ok() {
                fs::remove_file(&path)?;
                return Ok(None);
            }
            fs::read(&path).map(Some)
        };
        match read() {
            Ok(list) => found.blobs.extend(list.iter().flat_map(|list| ids(list))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => found.unknown = Some(path),
            Err(error) => return Err(Error::io("read", &path, error)),
        }
    }
    Ok(found)
}

fn ids(list: &[u8]) -> impl Iterator<Item = BlobId> {
    let (whole, _) = list.as_chunks::<DIGEST_LENGTH>();
    whole.iter().map(|bytes| BlobId(Digest::from_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::empty;
    use super::super::lock::StoreLock;
    use super::*;

    #[test]
    fn pending_blobs_are_known_to_others_until_the_process_ends() {
        let (_directory, layout) = empty();
        let lock = StoreLock::new(&layout);
        let blobs: Vec<BlobId> = (0..5_u8).map(|n| BlobId(Digest::of(&[n]))).collect();
        let mut pending = Pending::default();
        for blob in &blobs {
            pending.add(&layout, *blob).unwrap();
        }
        let all = pending_of_all(&layout, &lock.exclusive().unwrap()).unwrap();
        assert_eq!(all, Protected { blobs: blobs.clone(), unknown: None });
        let runs = Runs::default();
        let (_own, other) = (runs.begin(), runs.begin());
        pending.settle(&blobs[..3], &runs, 1);
        assert_eq!(pending_of_all(&layout, &lock.exclusive().unwrap()).unwrap().blobs.len(), 5);
        drop(other);
        pending.settle(&[], &runs, 1);
        assert_eq!(pending_of_all(&layout, &lock.exclusive().unwrap()).unwrap().blobs.len(), 2);
        drop(pending);
        assert!(pending_of_all(&layout, &lock.exclusive().unwrap()).unwrap().blobs.is_empty());
    }

    #[test]
    fn the_list_of_a_dead_process_is_removed() {
        let (_directory, layout) = empty();
        let path = layout.temporary().join("pending-dead.list");
        fs::write(&path, [7; 64]).unwrap();
        let proof = StoreLock::new(&layout).exclusive().unwrap();
        assert!(pending_of_all(&layout, &proof).unwrap().blobs.is_empty());
        assert!(!path.exists());
    }
}
