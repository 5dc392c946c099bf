//! A cache of the working directories of processes. The kernel is asked once for each. The answer is valid as long as no call of
//! the run can have moved the directory or changed that of the process.

use super::process::{as_path, link};
use rustc_hash::FxHashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// What is known is forgotten after this time. The system does not reuse process numbers sooner.
const KNOWN_FOR: Duration = Duration::from_millis(50);
/// Number of calls between checks whether threads whose last call may be unfinished still exist.
const CALLS_BETWEEN_LOOKS: u32 = 64;

/// The working directories of processes.
#[derive(Debug)]
pub(super) struct Working {
    known: FxHashMap<libc::pid_t, Vec<u8>>,
    /// Every known directory, with device and inode.
    places: Vec<(Vec<u8>, (u64, u64))>,
    /// Threads whose last call moves a directory or changes their own. The end of a call is not reported: it is certain when the
    /// thread makes the next one. Until then nothing is remembered.
    unsettled: Vec<libc::pid_t>,
    calls: u32,
    since: Instant,
    moved: bool,
}

impl Working {
    pub(super) fn new() -> Self {
        Self {
            known: FxHashMap::default(),
            places: Vec::new(),
            unsettled: Vec::new(),
            calls: 0,
            since: Instant::now(),
            moved: false,
        }
    }

    /// Thread `tid` makes a call, so its last one is finished. Returns whether other cached paths may be invalid now and until the
    /// next call.
    pub(super) fn called(&mut self, tid: libc::pid_t) -> bool {
        if self.unsettled.is_empty() {
            return false;
        }
        self.unsettled.retain(|other| *other != tid);
        self.calls = self.calls.wrapping_add(1);
        if self.calls.is_multiple_of(CALLS_BETWEEN_LOOKS) {
            self.unsettled.retain(|tid| fs::symlink_metadata(format!("/proc/{tid}")).is_ok());
        }
        true
    }

    /// The present call of thread `tid` may move directories or links, or change its working directory.
    pub(super) fn moves(&mut self, tid: libc::pid_t) {
        self.forget();
        if !self.unsettled.contains(&tid) {
            self.unsettled.push(tid);
        }
    }

    /// The working directory of thread `tid`, as the kernel names it.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn of(&mut self, tid: libc::pid_t) -> io::Result<Vec<u8>> {
        if self.since.elapsed() > KNOWN_FOR {
            self.forget();
            self.since = Instant::now();
        }
        if let Some(known) = self.known.get(&tid) {
            return Ok(known.clone());
        }
        let directory = link(tid, "cwd")?;
        if self.unsettled.is_empty() && self.is_place(&directory) {
            self.known.insert(tid, directory.clone());
        }
        Ok(directory)
    }

    /// Whether a process outside of the run moved a directory while it was cached.
    pub(super) fn was_moved_by_others(&mut self) -> bool {
        self.forget();
        self.moved
    }

    fn is_place(&mut self, directory: &[u8]) -> bool {
        if self.places.iter().any(|(place, _)| place == directory) {
            return true;
        }
        let Some(identity) = identity(directory) else { return false };
        self.places.push((directory.to_vec(), identity));
        true
    }

    /// Forgets everything, after a check whether it was still valid.
    fn forget(&mut self) {
        self.known.clear();
        self.moved |= self.places.drain(..).any(|(place, before)| identity(&place) != Some(before));
    }
}

/// Device and inode of a directory; `None` if there is none.
fn identity(directory: &[u8]) -> Option<(u64, u64)> {
    let metadata = directory.starts_with(b"/").then(|| fs::symlink_metadata(as_path(directory)).ok())??;
    metadata.is_dir().then(|| (metadata.dev(), metadata.ino()))
}
