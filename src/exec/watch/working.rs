//! The working directories of processes: each is asked of the kernel once, and known for as long as no call of the run
//! can have moved it, or have led its process elsewhere.

use super::process::{as_path, link};
use rustc_hash::FxHashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// What is known is forgotten as often: in less time no number of a process is used again.
const KNOWN_FOR: Duration = Duration::from_millis(50);
/// Calls between looks whether those are still there whose last call may not be done.
const CALLS_BETWEEN_LOOKS: u32 = 64;

/// Where processes work.
#[derive(Debug)]
pub(super) struct Working {
    known: FxHashMap<libc::pid_t, Vec<u8>>,
    /// Every directory that is known, and which one it was.
    places: Vec<(Vec<u8>, (u64, u64))>,
    /// Threads whose last call moves something, or leads elsewhere: nobody tells when it is done. When they make another
    /// it is; until then nothing is remembered.
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

    /// Thread `tid` makes a call: its last one is done. Whether what was learned since the call before of any thread may
    /// be wrong by now, as what is learned before the next.
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

    /// The call of thread `tid` that is looked at may move directories or links, or lead it to another directory.
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

    /// Whether another than the run was found to have moved a directory while it was known.
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

    /// Forgets all, and looks whether it was right until now.
    fn forget(&mut self) {
        self.known.clear();
        self.moved |= self.places.drain(..).any(|(place, before)| identity(&place) != Some(before));
    }
}

/// Device and number of a directory; `None` if there is none.
fn identity(directory: &[u8]) -> Option<(u64, u64)> {
    let metadata = directory.starts_with(b"/").then(|| fs::symlink_metadata(as_path(directory)).ok())??;
    metadata.is_dir().then(|| (metadata.dev(), metadata.ino()))
}
