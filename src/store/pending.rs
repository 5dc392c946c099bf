//! Which blobs living processes have put in place and not recorded yet: each lists its own in a file that it holds locked,
//! so that collection leaves them alone.
//!
//! Knows nothing of what the blobs are for.

use super::layout::{Layout, new_temporary_like, remove_any};
use super::lock::{ExclusiveGuard, uninterrupted};
use crate::digest::{BlobId, DIGEST_LENGTH, Digest};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// First characters of the name of a file that lists blobs which no commit names yet.
pub(crate) const PENDING_PREFIX: &str = "pending-";

/// Blobs that this process put in place and that no commit names yet: they are listed in a file which it
/// holds locked, so that collection leaves them alone for as long as the process lives, and no longer.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    blobs: BTreeSet<BlobId>,
    file: Option<(tempfile::TempPath, File)>,
}

impl Pending {
    /// Protects `blob`. To be called with the store's lock held, before looking whether the blob is there.
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
            // At its place, so that half a name that an earlier failure left is written over.
            let place = self.blobs.len().saturating_mul(DIGEST_LENGTH) as u64;
            file.write_all_at(blob.0.as_bytes(), place).map_err(failed)?;
        }
        self.blobs.insert(blob);
        Ok(())
    }

    /// Whether `blob` is protected, and so in place.
    pub(crate) fn contains(&self, blob: &BlobId) -> bool {
        self.blobs.contains(blob)
    }

    /// Ends the protection of blobs that a commit names now.
    pub(crate) fn settle(&mut self, committed: &[BlobId]) {
        for blob in committed {
            self.blobs.remove(blob);
        }
        if self.blobs.is_empty() {
            // Removed at once, so that a process that ends without a word leaves nothing behind.
            self.file = None;
        }
        let Some((_, file)) = &self.file else {
            return;
        };
        let mut list = Vec::with_capacity(self.blobs.len().saturating_mul(DIGEST_LENGTH));
        for blob in &self.blobs {
            list.extend_from_slice(blob.0.as_bytes());
        }
        // What a failure leaves behind protects too much, until this process ends.
        let _ = file.write_all_at(&list, 0).and_then(|()| file.set_len(list.len() as u64));
    }
}

/// What living processes protect.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Protected {
    /// These blobs.
    pub(crate) blobs: Vec<BlobId>,
    /// A list that may not be read, of another user: which blobs it protects is not known.
    pub(crate) unknown: Option<PathBuf>,
}

/// The blobs that living processes protect. Lists of the dead are removed: nobody else can hold them, since
/// the caller has the store to himself. So is what has the name of a list and is none.
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
            // One that cannot be removed protects nothing either.
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
        pending.settle(&blobs[..3]);
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
