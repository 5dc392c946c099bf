//! Carries out a plan: writes all files beside their places and verifies them, then makes them visible, one rename per file.
//!
//! A file is renamed into place whole, so that a reader never sees a part of it.

use super::beneath::{Beneath, Place};
use super::failure::{RestoreError, blocked, failed, unreadable};
use super::plan::Step;
use super::stage::{Stage, modified_at};
use crate::digest::BlobId;
use crate::memo::attributes::{set_lists, set_own};
use crate::record::{OutputEntry, OutputKind, OutputTree, Timestamp};
use crate::store::BlobStore;
use rustix::fs::{Access, AtFlags, Gid, Mode, OFlags, RenameFlags, Stat};
use rustix::fs::{
    accessat, chownat, fchmod, fstat, futimens, linkat, mkdirat, openat, renameat, renameat_with, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Input of [`Apply::run`].
pub(super) struct Apply<'a> {
    pub(super) tree: &'a OutputTree,
    pub(super) blobs: &'a dyn BlobStore,
    /// Precedes the path of an entry in messages.
    pub(super) base: &'a Path,
    /// Whether a file that appeared after the plan was made is replaced.
    pub(super) replaces: bool,
    /// Moves an existing file aside, where a step asks for it.
    pub(super) put_aside: &'a dyn Fn(&Place<'_>, &Path) -> Result<(), RestoreError>,
}

impl Apply<'_> {
    /// Carries out `steps`, one for each entry of the tree. Calls `advance` with the bytes of all files written so far.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub(super) fn run(
        &self,
        beneath: &mut Beneath,
        stage: &mut Stage<'_>,
        steps: &[Step],
        advance: &mut dyn FnMut(u64),
    ) -> Result<(), RestoreError> {
        let staged = self.stage(beneath, stage, steps, advance)?;
        let mut added = Vec::new();
        for (entry, step) in self.work(steps) {
            let is_added = matches!(step, Step::Append { .. });
            let content = entry.kind.stored().filter(|_| is_added);
            added.push(content.map(|content| self.whole(content.blob)).transpose()?);
        }
        self.may_become_visible(beneath, steps)?;
        let mut made = Vec::new();
        let shown = self.show(beneath, stage, (steps, Prepared { staged, added }), &mut made);
        if shown.is_err() {
            take_back(beneath, &made);
        }
        shown
    }

    /// Everything is verified: makes it visible. Adds what was not there before to `made`.
    fn show<'w>(
        &'w self,
        beneath: &mut Beneath,
        stage: &Stage<'_>,
        (steps, prepared): (&'w [Step], Prepared<'w>),
        made: &mut Vec<&'w OutputEntry>,
    ) -> Result<(), RestoreError> {
        let Prepared { staged, added } = prepared;
        // First removals, from the leaves up, then new entries.
        for (entry, step) in self.work(steps).rev() {
            if let Step::Remove { aside, directory } = step {
                self.remove(beneath, entry, *aside, *directory)?;
            }
        }
        beneath.forget();
        for (entry, step) in self.work(steps) {
            if let (Step::Write { .. }, OutputKind::Directory { mode }) = (step, &entry.kind) {
                let place = self.place(beneath, entry)?;
                let raw = Mode::from_raw_mode(*mode | 0o700);
                match mkdirat(place.directory(), place.name, raw) {
                    Ok(()) => made.push(entry),
                    Err(Errno::EXIST) => {}
                    Err(errno) => return Err(blocked("create", &self.shown(entry), errno)),
                }
            }
        }
        for Staged { entry, name, aside, is_in_place } in staged {
            let place = self.place(beneath, entry)?;
            if aside {
                (self.put_aside)(&place, &self.shown(entry))?;
            }
            if !is_in_place {
                take_group(stage, &name, &place);
            }
            let is_new = !aside && place.stat().is_ok_and(|found| found.is_none());
            let renamed = if self.replaces {
                renameat(stage.directory(), &name, place.directory(), place.name)
            } else {
                rename_to_free_name(stage.directory(), &name, &place)
            };
            renamed.map_err(|errno| blocked("create", &self.shown(entry), errno))?;
            made.extend(is_new.then_some(entry));
        }
        for (entry, step) in self.work(steps).rev() {
            self.settle(beneath, entry, step)?;
        }
        for ((entry, step), added) in self.work(steps).zip(added) {
            if let (Step::Append { time }, Some(added)) = (step, added) {
                self.append(beneath, entry, &added, *time)?;
            }
        }
        Ok(())
    }

    /// Checks that the user may change the entries of every directory in which something will appear or go. Otherwise the command
    /// would run on half of the outputs.
    fn may_become_visible(&self, beneath: &mut Beneath, steps: &[Step]) -> Result<(), RestoreError> {
        for (entry, step) in self.work(steps) {
            let what = match step {
                Step::Write { .. } => "create",
                Step::Remove { .. } => "remove",
                _ => continue,
            };
            // Directories that are missing will be ours.
            let Ok(place) = beneath.place(&entry.path, false) else { continue };
            let rights = Access::WRITE_OK | Access::EXEC_OK;
            accessat(place.directory(), ".", rights, AtFlags::EACCESS)
                .map_err(|errno| blocked(what, &self.shown(entry), errno))?;
        }
        beneath.forget();
        Ok(())
    }

    /// Each entry with its step.
    fn work<'w>(&'w self, steps: &'w [Step]) -> impl DoubleEndedIterator<Item = (&'w OutputEntry, &'w Step)> {
        self.tree.entries().iter().zip(steps)
    }

    /// Writes all files and links into the staging directory.
    fn stage<'w>(
        &'w self,
        beneath: &mut Beneath,
        stage: &mut Stage<'_>,
        steps: &'w [Step],
        advance: &mut dyn FnMut(u64),
    ) -> Result<Vec<Staged<'w>>, RestoreError> {
        let mut staged = Vec::new();
        let mut done: u64 = 0;
        // For files with several names: the name under which each is staged.
        let mut names: HashMap<&[u8], String> = HashMap::new();
        for (entry, step) in self.work(steps) {
            let Step::Write { aside, time, kept } = step else { continue };
            let name = match (&entry.kind, &entry.link_to) {
                (OutputKind::Directory { .. } | OutputKind::Removed, _) => continue,
                (OutputKind::Symlink { text }, _) => stage.symlink(text, *time)?,
                (_, None) => {
                    let before = done;
                    let mut written = |bytes| advance(before.saturating_add(bytes));
                    let name = stage.file(self.blobs, entry, (*time, *kept), &mut written)?;
                    done = done.saturating_add(entry.kind.stored().map_or(0, |content| content.size));
                    advance(done);
                    name
                }
                (_, Some(first)) => match names.get(first.as_slice()) {
                    Some(name) => stage.link_to_staged(name)?,
                    None => stage.link(
                        &beneath
                            .place(first, false)
                            .map_err(|errno| blocked("reach", &self.shown(entry), errno))?,
                    )?,
                },
            };
            names.insert(entry.path.as_slice(), name.clone());
            staged.push(Staged { entry, name, aside: *aside, is_in_place: kept.is_some() });
        }
        Ok(staged)
    }

    /// The bytes of a blob, verified.
    fn whole(&self, blob: BlobId) -> Result<Vec<u8>, RestoreError> {
        let mut bytes = Vec::new();
        let mut from = self.blobs.read(&blob).map_err(|error| unreadable(blob, error))?;
        from.read_to_end(&mut bytes).map_err(|error| failed("read", Path::new("an output"), error))?;
        Ok(bytes)
    }

    fn remove(
        &self,
        beneath: &mut Beneath,
        entry: &OutputEntry,
        aside: bool,
        directory: bool,
    ) -> Result<(), RestoreError> {
        let place = self.place(beneath, entry)?;
        if aside {
            (self.put_aside)(&place, &self.shown(entry))?;
        }
        let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        match unlinkat(place.directory(), place.name, flags) {
            // A directory that contains entries unknown to the run stays.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
            Err(errno) => Err(blocked("remove", &self.shown(entry), errno)),
        }
    }

    /// Adds bytes at the end of a file in one call, as far as the system does, and gives it this time.
    fn append(
        &self,
        beneath: &mut Beneath,
        entry: &OutputEntry,
        added: &[u8],
        time: Option<Timestamp>,
    ) -> Result<(), RestoreError> {
        let place = self.place(beneath, entry)?;
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = openat(place.directory(), place.name, flags, Mode::empty());
        let mut file = File::from(opened.map_err(|errno| blocked("add to", &self.shown(entry), errno))?);
        file.write_all(added).map_err(|error| failed("add to", &self.shown(entry), error))?;
        match time {
            Some(time) => futimens(&file, &modified_at(time))
                .map_err(|errno| blocked("change", &self.shown(entry), errno)),
            None => Ok(()),
        }
    }

    /// Sets permission bits, attributes and times, from the leaves up, since a directory may become inaccessible.
    fn settle(&self, beneath: &mut Beneath, entry: &OutputEntry, step: &Step) -> Result<(), RestoreError> {
        let is_directory = matches!(entry.kind, OutputKind::Directory { .. });
        let (mode, time) = match (step, &entry.kind) {
            (Step::Touch { mode, time }, _) => (*mode, *time),
            (Step::Write { time, .. }, OutputKind::Directory { mode }) => (Some(*mode), *time),
            _ => return Ok(()),
        };
        let place = self.place(beneath, entry)?;
        let refused = |errno| blocked("change", &self.shown(entry), errno);
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

    fn place<'p>(&self, beneath: &mut Beneath, entry: &'p OutputEntry) -> Result<Place<'p>, RestoreError> {
        beneath.place(&entry.path, true).map_err(|errno| blocked("reach", &self.shown(entry), errno))
    }

    /// The path of an entry in messages.
    fn shown(&self, entry: &OutputEntry) -> PathBuf {
        self.base.join(OsStr::from_bytes(&entry.path))
    }
}

/// Removes what this replay made before it failed: the command runs, and must find what was there.
fn take_back(beneath: &mut Beneath, made: &[&OutputEntry]) {
    beneath.forget();
    for entry in made.iter().rev() {
        let is_directory = matches!(entry.kind, OutputKind::Directory { .. });
        let flags = if is_directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        if let Ok(place) = beneath.place(&entry.path, false) {
            // Somebody may have put something into a directory meanwhile: then it stays.
            let _ = unlinkat(place.directory(), place.name, flags);
        }
    }
    beneath.forget();
}

/// What is ready to become visible.
struct Prepared<'a> {
    staged: Vec<Staged<'a>>,
    /// The bytes to be added to a file, for each entry with a step.
    added: Vec<Option<Vec<u8>>>,
}

/// A file or link in the staging directory.
struct Staged<'a> {
    entry: &'a OutputEntry,
    /// Its name in the staging directory.
    name: String,
    /// Whether the existing file is moved aside first.
    aside: bool,
    /// Whether it replaces a file that the run wrote in place.
    is_in_place: bool,
}

/// Renames `name` in `directory` to `place`, unless something exists there.
fn rename_to_free_name(directory: BorrowedFd<'_>, name: &str, place: &Place<'_>) -> Result<(), Errno> {
    match renameat_with(directory, name, place.directory(), place.name, RenameFlags::NOREPLACE) {
        // NFS and others do not support this flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_to_free_name(directory, name, place),
        other => other,
    }
}

/// The same in two steps. A kill between them leaves the staged name, which is removed with its directory.
fn link_to_free_name(directory: BorrowedFd<'_>, name: &str, place: &Place<'_>) -> Result<(), Errno> {
    linkat(directory, name, place.directory(), place.name, AtFlags::empty())?;
    unlinkat(directory, name, AtFlags::empty())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsFd;

    #[test]
    fn a_name_that_is_taken_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let directory = File::open(folder.path()).unwrap();
        let mut beneath = Beneath::open(folder.path()).unwrap();
        for renames in [true, false] {
            let to_free_name = if renames { rename_to_free_name } else { link_to_free_name };
            fs::write(path("staged"), "new").unwrap();
            fs::write(path("taken"), "old").unwrap();
            let taken = beneath.place(b"taken", true).unwrap();
            assert_eq!(to_free_name(directory.as_fd(), "staged", &taken), Err(Errno::EXIST));
            assert_eq!(fs::read(path("taken")).unwrap(), b"old");
            let free = beneath.place(b"free", true).unwrap();
            assert_eq!(to_free_name(directory.as_fd(), "staged", &free), Ok(()));
            assert_eq!(fs::read(path("free")).unwrap(), b"new");
            assert!(!path("staged").exists());
            fs::remove_file(path("free")).unwrap();
            std::os::unix::fs::symlink("nowhere", path("staged")).unwrap();
            assert_eq!(to_free_name(directory.as_fd(), "staged", &taken), Err(Errno::EXIST));
            assert_eq!(to_free_name(directory.as_fd(), "staged", &free), Ok(()));
            assert_eq!(fs::read_link(path("free")).unwrap(), Path::new("nowhere"));
            fs::remove_file(path("free")).unwrap();
        }
    }
}
