//! Files in a store that belong to no commit: read-only copies made for `cashet:REV`, and the user's own files that were set
//! aside.
//!
//! A process that runs a command with a copy holds a lock on it. The user's files are deleted only on request.

use super::clock::DAY;
use super::exclusive::ExclusiveStore;
use super::layout::Layout;
use super::walking::listed;
use crate::error::Result;
use crate::record::Timestamp;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A number of files and their total size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Number of files.
    pub count: u64,
    /// Total size in bytes.
    pub bytes: u64,
}

/// The leftovers that a collection deletes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Paths of read-only copies that no process used for a day.
    pub(super) views: Vec<PathBuf>,
    /// Paths of the user's files that were set aside.
    pub(super) replaced: Vec<PathBuf>,
    /// Amount of those copies.
    pub views_amount: Amount,
    /// Amount of those files.
    pub replaced_amount: Amount,
    /// Amount of the user's files that stay.
    pub staying: Amount,
}

/// The leftovers to delete, with ages computed from `reference`: files of the user that were set aside more than
/// `older_than` nanoseconds ago, and at least a day ago. `None` deletes no files of the user.
pub(super) fn plan(layout: &Layout, older_than: Option<i64>, reference: Timestamp) -> Result<Leftovers> {
    let mut found = Leftovers::default();
    for path in listed(&layout.views())? {
        if unused(&path, reference).is_some() {
            found.views_amount.add(size_below(&path));
            found.views.push(path);
        }
    }
    for path in listed(&layout.replaced())? {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        // The time of the move: the modification time is the user's.
        let since = Timestamp::from_parts(metadata.ctime(), metadata.ctime_nsec());
        let limit = older_than.map(|age| reference.0.saturating_sub(age.max(DAY)));
        // A directory belongs to a run that is active or died: its content may still be restored.
        if !metadata.is_dir() && limit.is_some_and(|limit| since.0 < limit) {
            found.replaced_amount.add(metadata.len());
            found.replaced.push(path);
        } else {
            found.staying.add(size_below(&path));
        }
    }
    found.views.sort();
    found.replaced.sort();
    Ok(found)
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// A leftover that no command uses.
enum Unused {
    /// A copy, locked so that no command begins to use it.
    Copy(#[expect(dead_code, reason = "it holds the lock")] File),
    /// Anything else, which no command can use.
    Other,
}

/// Whether a leftover was made more than a day before `reference` and is in no use.
fn unused(path: &Path, reference: Timestamp) -> Option<Unused> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let made = Timestamp::from_parts(metadata.mtime(), metadata.mtime_nsec());
    if made.0 >= reference.0.saturating_sub(DAY) {
        return None;
    }
    if !metadata.is_file() {
        return Some(Unused::Other);
    }
    let file = match File::open(path) {
        // Copies are created readable, so this is not one.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Some(Unused::Other),
        other => other.ok().filter(|file| file.try_lock().is_ok())?,
    };
    // No process can replace it while it is locked.
    let is_it =
        file.metadata().is_ok_and(|open| (open.dev(), open.ino()) == (metadata.dev(), metadata.ino()));
    is_it.then_some(Unused::Copy(file))
}

fn size_below(path: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(path).into_iter().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok()).filter(|metadata| !metadata.is_dir());
    files.map(|metadata| metadata.len()).sum()
}

impl ExclusiveStore<'_> {
    /// Deletes the planned leftovers, except copies that came into use meanwhile.
    pub(super) fn drop_leftovers(&self, leftovers: &Leftovers, reference: Timestamp) -> Result<()> {
        for path in &leftovers.views {
            let _proof = self.store.blobs.lock.exclusive()?;
            if let Some(_locked) = unused(path, reference) {
                self.clean(path);
            }
        }
        let _proof = self.store.blobs.lock.exclusive()?;
        leftovers.replaced.iter().for_each(|path| self.clean(path));
        Ok(())
    }
}
