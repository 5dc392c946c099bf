//! Restores recorded outputs: verifies all of them first, then makes them visible, one rename per file.
//!
//! Staged files are renamed into place, so that a reader never sees a partial file. A file of the user that cashet has never
//! stored is set aside and not lost.

use super::beneath::{Beneath, Place};
use super::plan::Step;
use super::stage::Stage;
use crate::digest::BlobId;
use crate::error::Kind;
use crate::memo::attributes::{set_lists, set_own};
use crate::memo::event::{Event, Observer};
use crate::record::{Evidence, OutputEntry, OutputKind, OutputTree, Places, Timestamp};
use crate::store::Store;
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::fs::{
    chownat, fchmod, fstat, mkdirat, openat, readlinkat, renameat, statat, unlinkat, utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why outputs were not restored. Nothing became visible, unless the file system failed in the middle.
#[derive(Debug)]
pub(in crate::memo) enum RestoreError {
    /// A blob did not verify.
    Damaged(BlobId),
    /// Something is in the way, or the file system refused; the message.
    Blocked(String),
}

/// Input of a restore.
pub(in crate::memo) struct Restore<'a> {
    pub(in crate::memo) places: &'a Places,
    pub(in crate::memo) store: &'a dyn Store,
    pub(in crate::memo) tree: &'a OutputTree,
    /// For each entry of the tree: evidence that it is in place.
    pub(in crate::memo) evidence: &'a [Option<Evidence>],
    /// The newest modification time of anything that the result was made from: outputs must not look older.
    pub(in crate::memo) newest_input: Timestamp,
    pub(in crate::memo) observer: &'a dyn Observer,
    /// What is known about the former content of a path relative to the root, before the run.
    pub(in crate::memo) grounds: &'a dyn Fn(&[u8]) -> Grounds,
    /// Whether a recorded run of the function left a symbolic link with this text at a path relative to the root.
    pub(in crate::memo) knows_link: &'a dyn Fn(&[u8], &[u8]) -> bool,
}

/// Why an output may replace an existing file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::memo) enum Grounds {
    /// The call declared the output: it replaces anything.
    Declared,
    /// The existing file is the one that the run found.
    Observed,
    /// Making the result again replaces any existing file. A file that is overwritten in place keeps its mode.
    Free {
        /// Whether the file keeps its mode.
        keeps_mode: bool,
    },
    /// The recorded bytes are appended to the existing file.
    Appended,
    /// Only the mode and times of the existing file, which has the recorded bytes, are set.
    Attributes,
    /// The run truncated a file. It would do the same to the existing entry only if that is a file of the same mode, or
    /// missing.
    Emptied,
}

impl Restore<'_> {
    /// Restores everything and returns the evidence for it, in the order of the tree; `None` where nothing changed and the given
    /// evidence is still valid.
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

    fn apply(&self, beneath: &mut Beneath, steps: &[Step]) -> Result<(), RestoreError> {
        let work = || self.tree.entries().iter().zip(steps);
        let mut stage = Stage::new(&self.places.root, self.store.workspace());
        let mut staged = Vec::new();
        // For files with several names: the name under which each is staged.
        let mut names: HashMap<&[u8], String> = HashMap::new();
        for (entry, step) in work() {
            let Step::Write { aside, time, kept } = step else { continue };
            let name = match (&entry.kind, &entry.link_to) {
                (OutputKind::Directory { .. } | OutputKind::Removed, _) => continue,
                (OutputKind::Symlink { text }, _) => stage.symlink(text, *time)?,
                (_, None) => stage.file(self.store, entry, *time, *kept)?,
                (_, Some(first)) => match names.get(first.as_slice()) {
                    Some(name) => stage.link_to_staged(name)?,
                    None => stage.link(
                        &beneath
                            .place(first, false)
                            .map_err(|errno| blocked("reach", shown(entry), errno))?,
                    )?,
                },
            };
            names.insert(entry.path.as_slice(), name.clone());
            staged.push((entry, name, *aside, kept.is_some()));
        }
        let mut added = Vec::new();
        for (entry, step) in work() {
            let is_added = matches!(step, Step::Append { .. });
            let content = entry.kind.stored().filter(|_| is_added);
            added.push(content.map(|content| self.whole(content.blob)).transpose()?);
        }
        // Everything is verified. Now it becomes visible: first removals, from the leaves up, then new entries.
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
        for (entry, name, aside, is_in_place) in staged {
            let place = place(beneath, entry)?;
            if aside {
                self.put_aside(&place, shown(entry))?;
            }
            if !is_in_place {
                take_group(&stage, &name, &place);
            }
            renameat(stage.directory(), &name, place.directory(), place.name)
                .map_err(|errno| blocked("put in place", shown(entry), errno))?;
        }
        for (entry, step) in work().rev() {
            settle(beneath, entry, step)?;
        }
        for ((entry, step), added) in work().zip(added) {
            if let (Step::Append { time }, Some(added)) = (step, added) {
                append(beneath, entry, &added, *time)?;
            }
        }
        Ok(())
    }

    /// The bytes of a blob, proven.
    fn whole(&self, blob: BlobId) -> Result<Vec<u8>, RestoreError> {
        let mut bytes = Vec::new();
        let mut from = self.store.read(&blob).map_err(|error| unreadable(blob, &error))?;
        from.read_to_end(&mut bytes)
            .map_err(|error| RestoreError::Blocked(format!("cannot read an output: {error}")))?;
        Ok(bytes)
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
            // A directory that contains entries unknown to the run stays.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
            Err(errno) => Err(blocked("remove", shown(entry), errno)),
        }
    }

    /// Moves an entry that is in the way to the store's `replaced`, under an unused name.
    fn put_aside(&self, place: &Place<'_>, shown: &Path) -> Result<(), RestoreError> {
        let directory = self.store.workspace().replaced();
        let stamp = Timestamp::now().0;
        let mut name = std::ffi::OsString::from(format!("{stamp}-"));
        name.push(place.name);
        let copy = directory.join(name);
        let refused = |error: std::io::Error| {
            RestoreError::Blocked(format!("cannot set {} aside: {error}", shown.display()))
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

/// Adds bytes at the end of a file in one call, as far as the system does, and gives it this time.
fn append(
    beneath: &mut Beneath,
    entry: &OutputEntry,
    added: &[u8],
    time: Option<Timestamp>,
) -> Result<(), RestoreError> {
    let place = place(beneath, entry)?;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = openat(place.directory(), place.name, flags, Mode::empty());
    let mut file = File::from(opened.map_err(|errno| blocked("add to", shown(entry), errno))?);
    file.write_all(added).map_err(|error| {
        RestoreError::Blocked(format!("cannot add to {}: {error}", shown(entry).display()))
    })?;
    match time {
        Some(time) => set_modified(&file, time).map_err(|errno| blocked("change", shown(entry), errno)),
        None => Ok(()),
    }
}

/// Sets permission bits, attributes and times, from the leaves up, since a directory may become inaccessible.
fn settle(beneath: &mut Beneath, entry: &OutputEntry, step: &Step) -> Result<(), RestoreError> {
    let is_directory = matches!(entry.kind, OutputKind::Directory { .. });
    let (mode, time) = match (step, &entry.kind) {
        (Step::Touch { mode, time }, _) => (*mode, *time),
        (Step::Write { time, .. }, OutputKind::Directory { mode }) => (Some(*mode), *time),
        _ => return Ok(()),
    };
    let place = place(beneath, entry)?;
    let refused = |errno| blocked("change", shown(entry), errno);
    let set = mode.is_some() || (is_directory && !entry.attributes.is_empty());
    if set {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match (openat(place.directory(), place.name, flags, Mode::empty()), mode) {
            (Ok(opened), mode) => {
                if is_directory {
                    set_own(&opened, &entry.attributes).map_err(refused)?;
                }
                if let Some(mode) = mode {
                    let mode = mode | kept_bits(&opened, is_directory);
                    fchmod(&opened, Mode::from_raw_mode(mode)).map_err(refused)?;
                }
                set_lists(&opened, &entry.attributes).map_err(refused)?;
            }
            // The owner cannot read the file: use its name, which is known to be no link.
            (Err(Errno::ACCESS), Some(mode)) => {
                let mode = Mode::from_raw_mode(mode);
                rustix::fs::chmodat(place.directory(), place.name, mode, AtFlags::empty())
                    .map_err(refused)?;
            }
            (Err(errno), _) => return Err(refused(errno)),
        }
    }
    match time {
        Some(time) => {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            utimensat(place.directory(), place.name, &modified_at(time), flags).map_err(refused)
        }
        None => Ok(()),
    }
}

/// Gives a staged file the group that the system gives to what is created at `place`. Where we may not, it keeps ours.
fn take_group(stage: &Stage, name: &str, place: &Place<'_>) {
    let gives_group = |stat: &Stat| stat.st_mode & libc::S_ISGID != 0;
    if let Some(above) = fstat(place.directory()).ok().filter(gives_group) {
        let group = Some(Gid::from_raw(above.st_gid));
        let _ = chownat(stage.directory(), name, None, group, AtFlags::SYMLINK_NOFOLLOW);
    }
}

/// The set-group-id bit of a directory, which it has from the one above.
fn kept_bits(opened: &OwnedFd, is_directory: bool) -> u32 {
    let stat = if is_directory { fstat(opened).ok() } else { None };
    stat.map_or(0, |stat| stat.st_mode & libc::S_ISGID)
}

/// Sets the modification time of an open file or directory.
///
/// # Errors
/// When the system refuses.
pub(crate) fn set_modified(file: &File, time: Timestamp) -> Result<(), Errno> {
    rustix::fs::futimens(file, &modified_at(time))
}

/// Timestamps with this modification time; the access time stays.
pub(super) fn modified_at(time: Timestamp) -> Timestamps {
    let keep = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let (seconds, nanoseconds) = (time.0.div_euclid(1_000_000_000), time.0.rem_euclid(1_000_000_000));
    Timestamps { last_access: keep, last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds } }
}

fn place<'p>(beneath: &mut Beneath, entry: &'p OutputEntry) -> Result<Place<'p>, RestoreError> {
    beneath.place(&entry.path, true).map_err(|errno| blocked("reach", shown(entry), errno))
}

pub(super) fn shown(entry: &OutputEntry) -> &Path {
    Path::new(OsStr::from_bytes(&entry.path))
}

pub(super) fn blocked(operation: &str, path: &Path, errno: Errno) -> RestoreError {
    RestoreError::Blocked(format!("cannot {operation} {}: {errno}", path.display()))
}

/// Maps the error of reading a blob: damage, or another failure of the store.
pub(super) fn unreadable(blob: BlobId, error: &crate::error::Error) -> RestoreError {
    match error.kind() {
        Kind::Damaged => RestoreError::Damaged(blob),
        _ => RestoreError::Blocked(error.to_string()),
    }
}
