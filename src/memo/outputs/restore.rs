//! Puts recorded outputs back: proven whole first, then visible at once, file by file.
//!
//! Staged files are renamed into place, so that a reader never sees half a file. What the user made and cashet
//! never saw is put aside, not lost.

use super::beneath::{Beneath, Place};
use super::stage::Stage;
use crate::digest::BlobId;
use crate::error::Kind;
use crate::hash::files;
use crate::memo::event::{Event, Observer};
use crate::record::{Evidence, MODE_BITS, OutputEntry, OutputKind, OutputTree, Timestamp};
use crate::store::Store;
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::fs::{accessat, fchmod, mkdirat, openat, readlinkat, renameat, statat, unlinkat, utimensat};
use rustix::io::Errno;
use rustix::process::Uid;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why outputs were not put back. Nothing is visible then, unless the file system failed half-way.
#[derive(Debug)]
pub(in crate::memo) enum RestoreError {
    /// A blob did not verify.
    Damaged(BlobId),
    /// Something is in the way, or the file system refused; in words.
    Blocked(String),
}

/// What putting back needs to know.
pub(in crate::memo) struct Restore<'a> {
    pub(in crate::memo) root: &'a Path,
    pub(in crate::memo) store: &'a dyn Store,
    pub(in crate::memo) tree: &'a OutputTree,
    /// For each entry of the tree, the evidence that it is in place.
    pub(in crate::memo) evidence: &'a [Option<Evidence>],
    /// The newest time of anything that the result was made from: outputs must not look older.
    pub(in crate::memo) newest_input: Timestamp,
    pub(in crate::memo) observer: &'a dyn Observer,
    /// What is known of what was at a path, relative to the root, before the run.
    pub(in crate::memo) grounds: &'a dyn Fn(&[u8]) -> Grounds,
}

/// On what grounds an output may take the place of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memo) enum Grounds {
    /// The call declared it: whatever is there gives way.
    Declared,
    /// What is there now is what was there before the run.
    Observed,
    /// The run opened a file empty. It would do the same to what is there only if that is a file of the same mode, or
    /// nothing.
    Emptied,
}

/// What is to be done for one entry.
enum Step {
    /// It is as it should be.
    Nothing,
    /// It holds the right bytes: these permission bits, if they differ, and the present time, if it looks too old.
    Touch { mode: Option<u32>, time: bool },
    /// Something else, or nothing, is there; `aside` says that the user would lose it.
    Write { aside: bool },
    /// It is to go.
    Remove { aside: bool, directory: bool },
}

/// What is to be done for all of them.
pub(in crate::memo) struct Plan {
    beneath: Beneath,
    steps: Vec<Step>,
    /// The evidence for each, once it is done.
    evidence: Vec<Option<Evidence>>,
    /// Everything is in place, and the evidence for it is known.
    is_nothing: bool,
}

impl Restore<'_> {
    /// Puts everything in place and tells the evidence for it, in the order of the tree; `None` where nothing moved
    /// and the evidence that was given is still the best there is.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub(in crate::memo) fn run(&self) -> Result<Option<Vec<Option<Evidence>>>, RestoreError> {
        let mut plan = self.plan_all()?;
        if plan.is_nothing {
            return Ok(None);
        }
        self.apply(&mut plan.beneath, &plan.steps)?;
        Ok(Some(plan.evidence))
    }

    /// What [`Self::run`] would do, without doing it.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub(in crate::memo) fn plan_all(&self) -> Result<Plan, RestoreError> {
        let mut beneath = Beneath::open(self.root).map_err(|errno| blocked("open", self.root, errno))?;
        let mut steps = Vec::with_capacity(self.tree.entries().len());
        let mut is_nothing = true;
        let user = rustix::process::geteuid();
        let mut renewed = Vec::with_capacity(steps.capacity());
        for (place, entry) in self.tree.entries().iter().enumerate() {
            let known = self.evidence.get(place).copied().flatten();
            let (step, evidence) = self.plan(&mut beneath, entry, known, user)?;
            is_nothing &= matches!(step, Step::Nothing) && evidence == known;
            renewed.push(evidence);
            steps.push(step);
        }
        Ok(Plan { beneath, steps, evidence: renewed, is_nothing })
    }

    fn plan(
        &self,
        beneath: &mut Beneath,
        entry: &OutputEntry,
        known: Option<Evidence>,
        user: Uid,
    ) -> Result<(Step, Option<Evidence>), RestoreError> {
        let shown = Path::new(OsStr::from_bytes(&entry.path));
        let grounds = (self.grounds)(&entry.path);
        let place = match beneath.place(&entry.path, false) {
            Ok(place) => place,
            Err(Errno::NOENT) if grounds == Grounds::Declared || self.makes_parent(entry) => {
                return Ok((absent(entry), None));
            }
            Err(errno) => return Err(blocked("reach", shown, errno)),
        };
        let Some(stat) = place.stat().map_err(|errno| blocked("look at", shown, errno))? else {
            return Ok((absent(entry), None));
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let in_the_way = || RestoreError::Blocked(format!("{} is in the way of an output", shown.display()));
        if let OutputKind::File { mode, .. } = &entry.kind
            && grounds == Grounds::Emptied
            && (kind != FileType::RegularFile || stat.st_mode & 0o7777 != *mode)
        {
            return Err(in_the_way());
        }
        // The run may have written to it under this name before it replaced or removed it: its other names would show.
        if kind == FileType::RegularFile
            && stat.st_nlink > 1
            && (grounds == Grounds::Observed || entry.kind == OutputKind::Removed)
        {
            return Err(in_the_way());
        }
        match &entry.kind {
            OutputKind::File { .. }
                if kind == FileType::RegularFile
                    && grounds != Grounds::Declared
                    && !may_write(&place, &stat, user) =>
            {
                Err(in_the_way())
            }
            OutputKind::File { content, mode, .. } if kind == FileType::RegularFile => {
                if known.is_some_and(|known| same(&known, &stat)) {
                    return Ok((self.touch(&stat, *mode), known));
                }
                let path = self.root.join(shown);
                let (digest, evidence) =
                    files::digest_file(&path).map_err(|error| RestoreError::Blocked(error.to_string()))?;
                if digest == content.blob.0 {
                    let evidence = files::trusted(&path, evidence, Timestamp::now());
                    return Ok((self.touch(&stat, *mode), evidence));
                }
                if stat.st_nlink > 1 {
                    // Written in place, it would change under its other names too.
                    return Err(in_the_way());
                }
                Ok((Step::Write { aside: self.store.read(&BlobId(digest)).is_err() }, None))
            }
            OutputKind::Directory { mode } if kind == FileType::Directory => {
                let mode = Some(*mode).filter(|mode| *mode != stat.st_mode & MODE_BITS);
                Ok((mode.map_or(Step::Nothing, |mode| Step::Touch { mode: Some(mode), time: false }), None))
            }
            OutputKind::Symlink { text } if kind == FileType::Symlink => {
                let present = readlinkat(place.directory(), place.name, Vec::new());
                let present = present.map_err(|errno| blocked("read", shown, errno))?;
                Ok((
                    if present.as_bytes() == text { Step::Nothing } else { Step::Write { aside: true } },
                    None,
                ))
            }
            OutputKind::Removed if kind == FileType::Directory => {
                Ok((Step::Remove { aside: false, directory: true }, None))
            }
            OutputKind::Removed => {
                let digest =
                    (kind == FileType::RegularFile).then(|| files::digest_file(&self.root.join(shown)));
                let seen = digest.is_some_and(|digest| {
                    digest.is_ok_and(|(digest, _)| self.store.read(&BlobId(digest)).is_ok())
                });
                Ok((Step::Remove { aside: !seen, directory: false }, None))
            }
            _ if kind == FileType::Directory => Err(in_the_way()),
            OutputKind::Directory { .. } => Err(in_the_way()),
            _ => Ok((Step::Write { aside: true }, None)),
        }
    }

    /// Whether the directory above an entry is made by the same result, or the entry is not to be there.
    fn makes_parent(&self, entry: &OutputEntry) -> bool {
        let above = entry.path.iter().rposition(|byte| *byte == b'/').and_then(|at| entry.path.get(..at));
        let made = above.and_then(|above| self.tree.find(above)).map(|above| &above.kind);
        entry.kind == OutputKind::Removed || matches!(made, Some(OutputKind::Directory { .. }))
    }

    /// A file with the right bytes: what else it wants.
    fn touch(&self, stat: &Stat, mode: u32) -> Step {
        let mode = Some(mode).filter(|mode| *mode != stat.st_mode & MODE_BITS);
        let modified = Timestamp::from_parts(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0));
        let time = modified < self.newest_input;
        if mode.is_none() && !time { Step::Nothing } else { Step::Touch { mode, time } }
    }

    fn apply(&self, beneath: &mut Beneath, steps: &[Step]) -> Result<(), RestoreError> {
        let work = || self.tree.entries().iter().zip(steps);
        let mut stage = Stage::new(self.root, self.store.directory());
        let mut staged = Vec::new();
        for (entry, step) in work() {
            if let Step::Write { aside } = step {
                match &entry.kind {
                    OutputKind::File { content, mode, sparse } => {
                        let name = stage.file(self.store, content, *mode, *sparse)?;
                        staged.push((entry, name, *aside));
                    }
                    OutputKind::Symlink { text } => staged.push((entry, stage.symlink(text)?, *aside)),
                    OutputKind::Directory { .. } | OutputKind::Removed => {}
                }
            }
        }
        // Everything is proven. From here on it becomes visible: removals from the leaves up, then what is new.
        for (entry, step) in work().rev() {
            if let Step::Remove { aside, directory } = step {
                self.remove(beneath, entry, *aside, *directory)?;
            }
        }
        beneath.forget();
        for (entry, step) in work() {
            if let (Step::Write { .. }, OutputKind::Directory { mode }) = (step, &entry.kind) {
                let place = place(beneath, entry)?;
                let raw = Mode::from_raw_mode(*mode | 0o700);
                match mkdirat(place.directory(), place.name, raw) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(blocked("create", shown(entry), errno)),
                }
            }
        }
        for (entry, name, aside) in staged {
            let place = place(beneath, entry)?;
            if aside {
                self.put_aside(&place, shown(entry))?;
            }
            renameat(stage.directory(), &name, place.directory(), place.name)
                .map_err(|errno| blocked("put in place", shown(entry), errno))?;
        }
        for (entry, step) in work().rev() {
            settle(beneath, entry, step)?;
        }
        Ok(())
    }

    fn remove(
        &self,
        beneath: &mut Beneath,
        entry: &OutputEntry,
        aside: bool,
        directory: bool,
    ) -> Result<(), RestoreError> {
        let place = place(beneath, entry)?;
        if aside {
            self.put_aside(&place, shown(entry))?;
        }
        let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match unlinkat(place.directory(), place.name, flags) {
            // A directory with something in it that the run did not know stays.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
            Err(errno) => Err(blocked("remove", shown(entry), errno)),
        }
    }

    /// Keeps what is in the way in the store's `replaced`, under a name that nothing has yet.
    fn put_aside(&self, place: &Place<'_>, shown: &Path) -> Result<(), RestoreError> {
        let directory = self.store.directory().join("replaced");
        let stamp = Timestamp::now().0;
        let mut name = std::ffi::OsString::from(format!("{stamp}-"));
        name.push(place.name);
        let copy = directory.join(name);
        let refused = |error: std::io::Error| {
            RestoreError::Blocked(format!("cannot put {} aside: {error}", shown.display()))
        };
        std::fs::create_dir_all(&directory).map_err(refused)?;
        let linked =
            rustix::fs::linkat(place.directory(), place.name, rustix::fs::CWD, &copy, AtFlags::empty());
        if linked.is_err() {
            let stat = statat(place.directory(), place.name, AtFlags::SYMLINK_NOFOLLOW);
            if stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink) {
                let text = readlinkat(place.directory(), place.name, Vec::new());
                let text = text.map_err(|errno| refused(errno.into()))?;
                std::os::unix::fs::symlink(OsStr::from_bytes(text.as_bytes()), &copy).map_err(refused)?;
            } else {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let opened = openat(place.directory(), place.name, flags, Mode::empty());
                let mut from = File::from(opened.map_err(|errno| refused(errno.into()))?);
                let mut to = File::create_new(&copy).map_err(refused)?;
                std::io::copy(&mut from, &mut to).map_err(refused)?;
            }
        }
        self.observer.on(&Event::Replaced { path: PathBuf::from(shown), copy });
        Ok(())
    }
}

/// Whether the user might write to what is there, as the run did; mostly that is plain without asking.
fn may_write(place: &Place<'_>, stat: &Stat, user: Uid) -> bool {
    let is_own = stat.st_uid == user.as_raw() && stat.st_mode & 0o200 != 0;
    user.is_root()
        || is_own
        || accessat(place.directory(), place.name, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// Permission bits and times, from the leaves up, since a directory may become closed to us.
fn settle(beneath: &mut Beneath, entry: &OutputEntry, step: &Step) -> Result<(), RestoreError> {
    let (mode, time) = match (step, &entry.kind) {
        (Step::Touch { mode, time }, _) => (*mode, *time),
        (Step::Write { .. }, OutputKind::Directory { mode }) => (Some(*mode), false),
        _ => return Ok(()),
    };
    let place = place(beneath, entry)?;
    let refused = |errno| blocked("change", shown(entry), errno);
    if let Some(mode) = mode {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match openat(place.directory(), place.name, flags, Mode::empty()) {
            Ok(opened) => fchmod(&opened, Mode::from_raw_mode(mode)).map_err(refused)?,
            // Not readable to its owner: by name, which is no link, as we just saw.
            Err(Errno::ACCESS) => {
                rustix::fs::chmodat(
                    place.directory(),
                    place.name,
                    Mode::from_raw_mode(mode),
                    AtFlags::empty(),
                )
                .map_err(refused)?;
            }
            Err(errno) => return Err(refused(errno)),
        }
    }
    if time {
        let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let keep = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
        let times = Timestamps { last_access: keep, last_modification: now };
        utimensat(place.directory(), place.name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(refused)?;
    }
    Ok(())
}

fn place<'p>(beneath: &mut Beneath, entry: &'p OutputEntry) -> Result<Place<'p>, RestoreError> {
    beneath.place(&entry.path, true).map_err(|errno| blocked("reach", shown(entry), errno))
}

fn shown(entry: &OutputEntry) -> &Path {
    Path::new(OsStr::from_bytes(&entry.path))
}

/// The step for an entry where nothing is.
fn absent(entry: &OutputEntry) -> Step {
    if entry.kind == OutputKind::Removed { Step::Nothing } else { Step::Write { aside: false } }
}

fn same(known: &Evidence, stat: &Stat) -> bool {
    let time = |seconds, nanoseconds| Timestamp::from_parts(seconds, i64::try_from(nanoseconds).unwrap_or(0));
    known.inode == stat.st_ino
        && known.device == stat.st_dev
        && i64::try_from(known.size) == Ok(stat.st_size)
        && known.mode == stat.st_mode
        && known.modified == time(stat.st_mtime, stat.st_mtime_nsec)
        && known.changed == time(stat.st_ctime, stat.st_ctime_nsec)
}

pub(super) fn blocked(operation: &str, path: &Path, errno: Errno) -> RestoreError {
    RestoreError::Blocked(format!("cannot {operation} {}: {errno}", path.display()))
}

/// A blob that could not be read: damage, or another trouble of the store.
pub(super) fn unreadable(blob: BlobId, error: &crate::error::Error) -> RestoreError {
    match error.kind() {
        Kind::Damaged => RestoreError::Damaged(blob),
        _ => RestoreError::Blocked(error.to_string()),
    }
}
