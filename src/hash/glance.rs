//! What one `stat` settles: most facts hold by it alone, and then nothing else is asked.
//!
//! What it does not settle needs a closer look, which is another module's matter: nothing is ever found wrong here.

use crate::record::{Base, Evidence, FileState, Observation, Places, StoredPath, Timestamp};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat, openat, statat};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// What `stat` said.
pub(super) type Found = Result<Stat, Errno>;

/// Looks at `path`, which counts from `directory` where there is one.
pub(super) fn look(directory: Option<BorrowedFd<'_>>, path: &[u8], follow: bool) -> Found {
    let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
    statat(directory.unwrap_or(CWD), path, flags)
}

/// What `stat` says as evidence.
pub(super) fn evidence_of(stat: &Stat) -> Evidence {
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
    matches!((found, evidence), (Ok(stat), Some(evidence)) if evidence_of(stat) == *evidence)
}

/// Whether `state` is what is there.
pub(super) fn shows(found: &Found, state: &FileState, evidence: Option<&Evidence>) -> bool {
    match (state, found) {
        // With a file in place of a directory above it the answer is another one.
        (FileState::Absent, found) => matches!(found, Err(Errno::NOENT)),
        (FileState::Directory { mode }, Ok(stat)) => {
            stat.st_mode & libc::S_IFMT == libc::S_IFDIR && stat.st_mode & 0o7777 == *mode
        }
        _ => proves(found, evidence),
    }
}

/// Looks for the observations of one commit in their order, one for all that are of the same path.
pub struct Looks<'a> {
    places: &'a Places,
    /// Where the path is written that is looked at.
    room: Vec<u8>,
    near: Near,
    last: Option<(&'a StoredPath, bool, Found)>,
}

impl<'a> Looks<'a> {
    /// No look yet.
    #[must_use]
    pub fn new(places: &'a Places) -> Self {
        Self { places, room: Vec::with_capacity(256), near: Near::default(), last: None }
    }

    /// Whether a look at its path settles that `observation` holds. If not, nothing is known.
    pub fn settle(&mut self, observation: &'a Observation, evidence: Option<&Evidence>) -> bool {
        match observation {
            Observation::Content { path, .. }
            | Observation::Listing { path, .. }
            | Observation::Importable { path, .. } => {
                evidence.is_some() && proves(self.at(path, true), evidence)
            }
            Observation::State { path, follow, state } => {
                let is_seen = matches!(state, FileState::Absent | FileState::Directory { .. });
                (is_seen || evidence.is_some()) && shows(self.at(path, *follow), state, evidence)
            }
            _ => false,
        }
    }

    fn at(&mut self, path: &'a StoredPath, follow: bool) -> &Found {
        let known = self.last.take().filter(|(known, followed, found)| {
            // Where no link is, following changes nothing.
            let is_link = |stat: &Stat| stat.st_mode & libc::S_IFMT == libc::S_IFLNK;
            *known == path
                && (*followed == follow || (follow && found.as_ref().is_ok_and(|stat| !is_link(stat))))
        });
        let found = match known {
            Some((_, _, found)) => found,
            None => self.look(path, follow),
        };
        &self.last.insert((path, follow, found)).2
    }

    fn look(&mut self, path: &StoredPath, follow: bool) -> Found {
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
        self.near.look(&self.room, follow)
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
mod tests {
    use super::Looks;
    use crate::digest::Digest;
    use crate::hash::look;
    use crate::record::{Evidence, FileState, Observation, Places, StoredPath};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A directory with a file, a link to it, a dangling link and a directory; all old enough to be trusted.
    fn places() -> (tempfile::TempDir, Places) {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "x").unwrap();
        fs::create_dir(root.path().join("directory")).unwrap();
        symlink("file", root.path().join("link")).unwrap();
        symlink("nothing", root.path().join("dangling")).unwrap();
        let places = Places { root: root.path().to_path_buf(), home: None };
        std::thread::sleep(std::time::Duration::from_millis(2100));
        (root, places)
    }

    #[test]
    fn what_a_look_settles_holds_and_what_moved_is_not_settled() {
        let (root, places) = places();
        let path = |name: &str| places.store(&root.path().join(name));
        let mut facts = Vec::new();
        for name in ["file", "link", "dangling", "directory", "absent", "file/below"] {
            for follow in [false, true] {
                let (state, evidence) = look::state(&places.resolve(&path(name)), follow);
                facts.push((Observation::State { path: path(name), follow, state }, evidence));
            }
        }
        let (digest, evidence) = look::content(&root.path().join("link")).unwrap();
        facts.push((Observation::Content { path: path("link"), digest }, evidence));
        let (digest, evidence) = look::listing(root.path(), true).unwrap();
        facts.push((Observation::Listing { path: path(""), everything: true, digest }, evidence));

        let settled = |facts: &[(Observation, _)]| -> Vec<bool> {
            let mut looks = Looks::new(&places);
            facts.iter().map(|(fact, evidence)| looks.settle(fact, Option::as_ref(evidence))).collect()
        };
        // All but the two below a file, which take a closer look.
        let expected: Vec<bool> = (0..14).map(|n| n != 10 && n != 11).collect();
        assert_eq!(settled(&facts), expected);

        // The same size and, by `touch -r`, the same time.
        let file = root.path().join("file");
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "y").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
        fs::write(root.path().join("absent"), "").unwrap();
        fs::set_permissions(root.path().join("directory"), fs::Permissions::from_mode(0o700)).unwrap();
        let still = settled(&facts);
        // What lstat says of the two links is as it was, and where the dangling one leads.
        let expected: Vec<bool> = (0..14).map(|n| matches!(n, 2 | 4 | 5)).collect();
        assert_eq!(still, expected);
    }

    #[test]
    fn looks_below_an_open_directory_find_what_whole_paths_find() {
        let (root, places) = places();
        let below = root.path().join("directory");
        for name in ["a", "b", "c", "d"] {
            fs::write(below.join(name), name).unwrap();
        }
        fs::create_dir(below.join("d-below")).unwrap();
        fs::write(below.join("d-below/e"), "").unwrap();
        symlink("../../file", below.join("d-below/f")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        let names = [
            "directory/a",
            "directory/b",
            "directory/c",
            "directory/d",
            "directory/d-below/e",
            "directory/d-below/f",
            "directory/d-below/f/nothing",
            "directory/d-below/../a",
            "directory/nothing",
            "directory",
            "directory/",
            "directory//a",
            "file",
            "absent/a",
            "absent/b",
            "absent/c",
            "absent/d",
            "absent/e",
            "file/a",
            "file/b",
            "file/c",
            "file/d",
            "file/e",
        ];
        let facts = |follow| {
            let fact = |name: &&str| {
                let path = StoredPath::in_root(*name);
                let (state, evidence) = look::state(&places.resolve(&path), follow);
                (Observation::State { path, follow, state }, evidence)
            };
            names.iter().map(fact).collect::<Vec<_>>()
        };
        let facts = [facts(true), facts(false)].concat();
        let settled = |facts: &[(Observation, Option<Evidence>)]| -> Vec<bool> {
            let mut together = Looks::new(&places);
            let one = |(fact, evidence): &(Observation, Option<Evidence>)| {
                Looks::new(&places).settle(fact, evidence.as_ref())
            };
            let alone: Vec<bool> = facts.iter().map(one).collect();
            let all: Vec<bool> =
                facts.iter().map(|(fact, evidence)| together.settle(fact, evidence.as_ref())).collect();
            assert_eq!(all, alone);
            all
        };
        let before = settled(&facts);
        assert!(before.iter().filter(|settled| **settled).count() > 30, "{before:?}");
        fs::remove_file(below.join("d")).unwrap();
        fs::write(below.join("nothing"), "").unwrap();
        fs::create_dir(root.path().join("absent")).unwrap();
        fs::write(root.path().join("absent/e"), "").unwrap();
        let after = settled(&facts);
        assert_ne!(before, after);
    }

    #[test]
    fn a_link_and_what_it_leads_to_are_looked_at_each() {
        let (root, places) = places();
        let path = places.store(&root.path().join("link"));
        let state = |follow| look::state(&root.path().join("link"), follow);
        let ((link, link_evidence), (file, file_evidence)) = (state(false), state(true));
        assert!(matches!((&link, &file), (FileState::Symlink { .. }, FileState::File { .. })));
        let link = Observation::State { path: path.clone(), follow: false, state: link };
        let file = Observation::State { path: path.clone(), follow: true, state: file };
        let other = Observation::Content { path, digest: Digest::of(b"") };
        let mut looks = Looks::new(&places);
        for _ in 0..2 {
            assert!(looks.settle(&link, link_evidence.as_ref()));
            assert!(looks.settle(&file, file_evidence.as_ref()));
            assert!(!looks.settle(&link, file_evidence.as_ref()));
            assert!(!looks.settle(&other, link_evidence.as_ref()));
            assert!(!looks.settle(&other, None));
        }
    }
}
