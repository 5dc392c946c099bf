//! A snapshot of a directory tree, to find the files that a run changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Excluded from the comparison. Reading a database writes the last one.
const LEFT_OUT: &[&str] = &[".git", "__pycache__", "meta.db-shm"];

/// Files above this size are compared by size and time.
const COMPARED_WHOLE: u64 = 1 << 20;

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Directory(u32),
    Link(PathBuf),
    Small(u32, Vec<u8>),
    Large(u32, u64, SystemTime),
    Other,
}

/// All entries below a directory, by path relative to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, Entry>);

impl Snapshot {
    /// Takes a snapshot of `base/project` and `base/home`; includes a store only `with_store`.
    pub(super) fn take(base: &Path, with_store: bool) -> Self {
        let mut found = Self::default();
        for top in ["project", "home"] {
            found.walk(base, Path::new(top), with_store);
        }
        found
    }

    /// Paths that exist in only one snapshot, or differ.
    pub(super) fn changed_since(&self, earlier: &Self) -> BTreeSet<PathBuf> {
        let all = self.0.keys().chain(earlier.0.keys());
        all.filter(|path| self.0.get(*path) != earlier.0.get(*path)).cloned().collect()
    }

    fn walk(&mut self, base: &Path, directory: &Path, with_store: bool) {
        // An unreadable directory is part of some tests.
        let Ok(entries) = fs::read_dir(base.join(directory)) else { return };
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name();
            let left_out = LEFT_OUT.iter().any(|other| name == *other) || (name == ".cashet" && !with_store);
            if left_out {
                continue;
            }
            let path = directory.join(&name);
            // A file may disappear between the listing and the look, like temporary files of a store.
            let Ok(metadata) = entry.metadata() else { continue };
            let mode = metadata.permissions().mode() & 0o7777;
            let kind = if metadata.is_dir() {
                self.walk(base, &path, with_store);
                Entry::Directory(mode)
            } else if metadata.is_symlink() {
                Entry::Link(fs::read_link(base.join(&path)).unwrap())
            } else if !metadata.is_file() {
                Entry::Other
            } else if metadata.len() <= COMPARED_WHOLE {
                Entry::Small(mode, fs::read(base.join(&path)).unwrap_or_default())
            } else {
                Entry::Large(mode, metadata.len(), metadata.modified().unwrap())
            };
            self.0.insert(path, kind);
        }
    }
}
