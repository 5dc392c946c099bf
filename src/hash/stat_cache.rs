//! `stat`, with a cache, so that one call looks at each path only once.
//!
//! It does not know what the paths are for.

use crate::record::{Evidence, Timestamp, viewer};
use rustc_hash::{FxHashMap, FxHasher};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use std::hash::Hasher;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The result of `stat`, as evidence.
pub(super) type Found = Result<Evidence, Errno>;

/// Looks at `path`, relative to `directory` if there is one.
pub(super) fn stat(directory: Option<BorrowedFd<'_>>, path: &[u8], follow: bool) -> Found {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    statat(directory.unwrap_or(CWD), path, flags).map(|stat| evidence_of(&stat))
}

fn evidence_of(stat: &Stat) -> Evidence {
    Evidence {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        viewer: viewer(stat.st_mode, stat.st_uid),
        modified: Timestamp::from_parts(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        changed: Timestamp::from_parts(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
    }
}

/// Opens a directory for looks below it. `None` on failure: then a look by the whole path gives the error.
pub(super) fn open_directory(path: &[u8]) -> Option<OwnedFd> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Results of looks at absolute paths, with links followed. Only existing paths are stored.
#[derive(Clone, Debug, Default)]
pub struct StatCache {
    /// All paths, one after the other.
    paths: Vec<u8>,
    /// For a hash of the path: its range in `paths`, and the result.
    looks: FxHashMap<u64, (u32, u32, Evidence)>,
}

/// Initial capacity: enough for a hit of a script.
const USUAL: usize = 56;

impl StatCache {
    /// Stores what was found at `path`, links followed.
    pub(super) fn note(&mut self, path: &[u8], found: &Evidence) {
        if self.looks.is_empty() {
            self.looks.reserve(USUAL);
        }
        let begin = self.paths.len();
        // A path that is not in the cache is looked at again.
        if let (Ok(begin), Ok(end)) = (u32::try_from(begin), u32::try_from(begin + path.len())) {
            self.paths.extend_from_slice(path);
            self.looks.insert(number(path), (begin, end, *found));
        }
    }

    /// The stored result for `path`, if it exists.
    pub(super) fn find(&self, path: &[u8]) -> Option<Evidence> {
        let (begin, end, found) = self.looks.get(&number(path))?;
        (self.paths.get(*begin as usize..*end as usize)? == path).then_some(*found)
    }
}

fn number(path: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(path);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_kept_by_its_whole_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let bytes = path.as_os_str().as_encoded_bytes();
        let mut cache = StatCache::default();
        assert_eq!((stat(None, bytes, true), cache.find(bytes)), (Err(Errno::NOENT), None));
        std::fs::write(&path, "x").unwrap();
        let first = stat(None, bytes, true).unwrap();
        cache.note(bytes, &first);
        std::fs::write(&path, "longer").unwrap();
        assert_eq!(cache.find(bytes), Some(first));
        assert_eq!(cache.find(&bytes[1..]), None);
        assert_ne!(stat(None, bytes, true), Ok(first));
    }
}
