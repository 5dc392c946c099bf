//! What one `stat` settles: most facts hold by it alone, and then nothing else is asked.
//!
//! What it does not settle needs a closer look, which is another module's matter: nothing is ever found wrong here.

use super::absence::{WORTH_ASKING, proves_absence};
use super::files::is_local;
use super::sights::Sights;
use crate::record::{Base, Evidence, FileState, Observation, Places, StoredPath, Timestamp};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What `stat` said, as evidence.
pub(super) type Found = Result<Evidence, Errno>;

/// Looks at `path`, which counts from `directory` where there is one.
pub(super) fn look(directory: Option<BorrowedFd<'_>>, path: &[u8], follow: bool) -> Found {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    statat(directory.unwrap_or(CWD), path, flags).map(|stat| evidence_of(&stat))
}

fn evidence_of(stat: &Stat) -> Evidence {
    Evidence {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        modified: Timestamp::from_parts(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        changed: Timestamp::from_parts(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
    }
}

/// Whether what is there has the evidence that was trusted.
pub(super) fn proves(found: &Found, evidence: Option<&Evidence>) -> bool {
    matches!((found, evidence), (Ok(found), Some(evidence)) if found == evidence)
}

/// Whether `state` is what is there.
pub(super) fn shows(found: &Found, state: &FileState, evidence: Option<&Evidence>) -> bool {
    match (state, found) {
        // With a file in place of a directory above it the answer is another one.
        (FileState::Absent, found) => matches!(found, Err(Errno::NOENT)),
        (FileState::Directory { mode }, Ok(found)) => {
            found.mode & libc::S_IFMT == libc::S_IFDIR && found.mode & 0o7777 == *mode
        }
        _ => proves(found, evidence),
    }
}

/// Looks for the observations of one commit in their order, one for all that are of the same path.
pub struct Looks<'a> {
    places: &'a Places,
    /// What was looked at before.
    seen: Option<&'a Sights>,
    /// Where the path is written that is looked at.
    room: Vec<u8>,
    near: Near,
    last: Option<(&'a StoredPath, bool, Found)>,
    /// A moment that is not after the first look.
    now: Timestamp,
    /// How many observations were asked about.
    asked: usize,
    way: Way,
    /// The last path at which nothing was, and so nothing is below it.
    nothing: Vec<u8>,
    absences: Vec<Absence>,
}

/// A path at which nothing was, though there is no evidence for it yet.
struct Absence {
    /// The number of the observation.
    number: usize,
    directory: Vec<u8>,
    /// That of the directory, from before the path was looked at.
    evidence: Evidence,
}

impl<'a> Looks<'a> {
    /// No look yet, beside those that this call has made. `now` is a moment that is not after the first of them.
    #[must_use]
    pub fn new(places: &'a Places, seen: Option<&'a Sights>, now: Timestamp) -> Self {
        Self {
            places,
            seen,
            room: Vec::with_capacity(256),
            near: Near::default(),
            last: None,
            now,
            asked: 0,
            way: Way::default(),
            nothing: Vec::with_capacity(256),
            absences: Vec::new(),
        }
    }

    /// Whether a look at its path settles that `observation` holds. If not, nothing is known. To be asked once for each of a
    /// commit, in order. That nothing is at a path is proven by the evidence of the directory in which it would be.
    pub fn settle(&mut self, observation: &'a Observation, evidence: Option<&Evidence>) -> bool {
        self.asked += 1;
        match observation {
            Observation::Content { path, .. }
            | Observation::Index { path, .. }
            | Observation::Loader { path, .. }
            | Observation::Accounts { path, .. } => {
                evidence.is_some() && proves(self.at(path, true), evidence)
            }
            Observation::Listing { path, .. }
            | Observation::Importable { path, .. }
            | Observation::Entries { path, .. }
            | Observation::Modules { path, .. }
            | Observation::Distributions { path, .. } => {
                evidence.is_some() && proves(&self.at_directory(path), evidence)
            }
            Observation::State { path, follow: true, state: state @ FileState::Directory { .. } } => {
                shows(&self.at_directory(path), state, evidence)
            }
            Observation::State { path, follow, state: FileState::Absent } => {
                self.is_absent(path, *follow, evidence)
            }
            Observation::State { path, follow, state } => {
                let is_seen = matches!(state, FileState::Directory { .. });
                (is_seen || evidence.is_some()) && shows(self.at(path, *follow), state, evidence)
            }
            _ => false,
        }
    }

    /// The observations that nothing is at a path, by number, for which there is evidence from now on: that of directories
    /// which have rested for long enough.
    #[must_use]
    pub fn absences(&self) -> Vec<(usize, Evidence)> {
        if self.absences.len() < WORTH_ASKING {
            return Vec::new();
        }
        let mut steady = Sights::default();
        let mut proven = Vec::new();
        for Absence { number, directory, evidence } in &self.absences {
            let is_known = steady.find(directory) == Some(*evidence);
            let is_steady = || {
                look(None, directory, true) == Ok(*evidence)
                    && is_local(Path::new(OsStr::from_bytes(directory)))
            };
            if is_known || is_steady() {
                steady.note(directory, evidence);
                proven.push((*number, *evidence));
            }
        }
        proven
    }

    fn is_absent(&mut self, path: &StoredPath, follow: bool, evidence: Option<&Evidence>) -> bool {
        if self.write(path).is_err() {
            // Without HOME a program looks elsewhere.
            return false;
        }
        let is_below =
            self.room.strip_prefix(self.nothing.as_slice()).is_some_and(|rest| rest.starts_with(b"/"));
        if is_below && !self.nothing.is_empty() {
            return true;
        }
        let end = self.room.iter().rposition(|byte| *byte == b'/').unwrap_or(0).max(1);
        let parent = self.room.get(..end).unwrap_or_default();
        let known = self.way.find(parent).or_else(|| self.seen.and_then(|seen| seen.find(parent)));
        let directory = match (known, evidence) {
            (None, Some(_)) => look(None, parent, true).inspect(|found| self.way.note(parent, found)).ok(),
            (known, _) => known,
        };
        let is_proven = directory.is_some() && directory.as_ref() == evidence;
        if !is_proven {
            if self.near.look(&self.room, follow) != Err(Errno::NOENT) {
                return false;
            }
            // A link that leads nowhere is an entry of the directory.
            if let Some(evidence) = directory.filter(|found| !follow && proves_absence(found, self.now)) {
                let (number, directory) = (self.asked - 1, parent.to_vec());
                self.absences.push(Absence { number, directory, evidence });
            }
        }
        self.nothing.clone_from(&self.room);
        true
    }

    fn at_directory(&mut self, path: &'a StoredPath) -> Found {
        let found = *self.at(path, true);
        if let Ok(found) = &found
            && self.write(path).is_ok()
        {
            self.way.note(&self.room, found);
        }
        found
    }

    fn at(&mut self, path: &'a StoredPath, follow: bool) -> &Found {
        let known = self.last.take().filter(|(known, followed, found)| {
            // Where no link is, following changes nothing.
            let is_link = |found: &Evidence| found.mode & libc::S_IFMT == libc::S_IFLNK;
            *known == path
                && (*followed == follow || (follow && found.as_ref().is_ok_and(|found| !is_link(found))))
        });
        let found = match known {
            Some((_, _, found)) => found,
            None => self.look(path, follow),
        };
        &self.last.insert((path, follow, found)).2
    }

    fn look(&mut self, path: &StoredPath, follow: bool) -> Found {
        self.write(path)?;
        if let Some(found) = self.seen.filter(|_| follow).and_then(|seen| seen.find(&self.room)) {
            return Ok(found);
        }
        self.near.look(&self.room, follow)
    }

    /// Writes down where `path` is; an error where it is nowhere.
    fn write(&mut self, path: &StoredPath) -> Result<(), Errno> {
        self.room.clear();
        let base = match path.base() {
            Base::Root => Some(self.places.root.as_path()),
            // A path below a HOME that is not there names nothing.
            Base::Home => Some(self.places.home.as_deref().ok_or(Errno::NOENT)?),
            Base::Absolute => None,
        };
        if let Some(base) = base {
            self.room.extend_from_slice(base.as_os_str().as_bytes());
            if !path.rest().is_empty() && self.room.last() != Some(&b'/') {
                self.room.push(b'/');
            }
        }
        self.room.extend_from_slice(path.rest());
        Ok(())
    }
}

/// The last directory that was looked at, and those above it that were: observations are sorted by path.
#[derive(Default)]
struct Way {
    /// The innermost.
    path: Vec<u8>,
    /// How much of its path leads to each, and what was found there.
    directories: Vec<(usize, Evidence)>,
}

impl Way {
    fn note(&mut self, path: &[u8], found: &Evidence) {
        while let Some((end, _)) = self.directories.last() {
            let above = self.path.get(..*end).unwrap_or_default();
            if path.strip_prefix(above).is_some_and(|rest| rest.first() == Some(&b'/')) {
                break;
            }
            self.directories.pop();
        }
        self.path.clear();
        self.path.extend_from_slice(path);
        self.directories.push((path.len(), *found));
    }

    fn find(&self, path: &[u8]) -> Option<Evidence> {
        let is_it = |(end, _): &&(usize, Evidence)| self.path.get(..*end) == Some(path);
        self.directories.iter().rev().find(is_it).map(|(_, found)| *found)
    }
}

/// After so many looks below one directory it is opened, for those that follow: observations are sorted by path.
const WORTH_OPENING: usize = 4;

/// A directory below which the last looks were, so that the way to it is gone once.
#[derive(Default)]
struct Near {
    /// With a slash at its end.
    path: Vec<u8>,
    looks: usize,
    open: Option<OwnedFd>,
}

impl Near {
    /// Looks at an absolute path.
    fn look(&mut self, path: &[u8], follow: bool) -> Found {
        let name = path.strip_prefix(self.path.as_slice()).filter(|name| !name.is_empty());
        let Some(name) = name.filter(|name| name.first() != Some(&b'/') && self.looks > 0) else {
            self.begin(path);
            return look(None, path, follow);
        };
        self.looks += 1;
        if self.looks == WORTH_OPENING {
            // One that cannot be opened is no hindrance: the whole path says why.
            self.open = open_directory(&self.path);
        }
        match &self.open {
            Some(directory) => look(Some(directory.as_fd()), name, follow),
            None => look(None, path, follow),
        }
    }

    fn begin(&mut self, path: &[u8]) {
        self.open = None;
        self.path.clear();
        let end = path.iter().rposition(|byte| *byte == b'/').map_or(0, |place| place + 1);
        self.path.extend_from_slice(path.get(..end).unwrap_or_default());
        // From `/` nothing is saved.
        self.looks = usize::from(end > 1);
    }
}

/// Opens a directory for looks below it.
pub(super) fn open_directory(path: &[u8]) -> Option<OwnedFd> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()
}

#[cfg(test)]
mod tests;
