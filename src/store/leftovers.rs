//! What lies in a store and is no commit's: read-only copies made for `cashet:REV`, and the user's own files that were
//! put aside.
//!
//! Copies in use are locked by whoever runs a command with them. The user's files go only when that is asked for.

use super::clock::DAY;
use super::exclusive::{ExclusiveStore, listed};
use super::layout::Layout;
use crate::error::Result;
use crate::record::Timestamp;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How many there are of something, and how large they are together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub count: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What of it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Read-only copies that nobody used for a day, by their paths.
    pub(super) views: Vec<PathBuf>,
    /// Files of the user's that were put aside, by their paths.
    pub(super) replaced: Vec<PathBuf>,
    /// Those copies.
    pub views_amount: Amount,
    /// Those files.
    pub replaced_amount: Amount,
    /// Files of the user's that stay.
    pub staying: Amount,
}

/// What goes, if times are counted to `reference`: files of the user's that were put aside longer ago than
/// `older_than`, in nanoseconds, and at least a day; without it none.
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
        // When it came here: the time of its content is the user's.
        let since = Timestamp::from_parts(metadata.ctime(), metadata.ctime_nsec());
        let limit = older_than.map(|age| reference.0.saturating_sub(age.max(DAY)));
        // A directory is of a run that goes on, or of one that died: what is in it may still be wanted back.
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

/// What no command uses.
enum Unused {
    /// A copy, locked so that no command begins to use it.
    Copy(#[expect(dead_code, reason = "it holds the lock")] File),
    /// Anything else: no command can use it.
    Other,
}

/// What was made more than a day before `reference` and no command uses.
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
        // Copies are made readable: this is none.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Some(Unused::Other),
        other => other.ok().filter(|file| file.try_lock().is_ok())?,
    };
    // Nobody puts another in its place while it is locked.
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
    /// Deletes what was planned; a copy that came into use meanwhile stays.
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
