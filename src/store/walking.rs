//! Listing the directories of a store, on all cores where that is worth it.

use super::blobs::threads;
use crate::error::{Error, Kind, Result};
use crate::record::Timestamp;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

/// Fewer items than this are not worth a thread.
pub(super) const WORTH_THREADS: usize = 64;

/// The entries of a directory; empty where the directory does not exist.
pub(super) fn listed(directory: &Path) -> Result<Vec<PathBuf>> {
    let list =
        || -> io::Result<Vec<PathBuf>> { fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect() };
    match list() {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        other => other.map_err(|error| Error::io("list", directory, error)),
    }
}

/// When a file was last modified; `None` where it cannot be inspected.
pub(super) fn modified(path: &Path) -> Option<Timestamp> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some(Timestamp::from_parts(metadata.mtime(), metadata.mtime_nsec()))
}

/// Applies a function to each item, on all cores if there are many. Returns the results in order.
pub(super) fn on_all_cores<T: Sync, R: Send>(
    items: &[T],
    one: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = if items.len() < WORTH_THREADS { 1 } else { threads() };
    let all = |part: &[T]| part.iter().map(&one).collect::<Result<Vec<R>>>();
    let mut parts = items.chunks(items.len().div_ceil(threads).max(1));
    let first = parts.next().unwrap_or_default();
    thread::scope(|scope| {
        let all = &all;
        // The part of a thread that cannot be started is done here.
        let others: Vec<_> = parts
            .map(|part| (part, thread::Builder::new().spawn_scoped(scope, move || all(part)).ok()))
            .collect();
        let mut done = all(first)?;
        for (part, other) in others {
            done.extend(match other {
                Some(other) => other.join().unwrap_or_else(|_| Err(died()))?,
                None => all(part)?,
            });
        }
        Ok(done)
    })
}

pub(super) fn died() -> Error {
    Error::new(Kind::Other, "a thread died")
}
