//! Restores the outputs of a run below the root, for a hit.
//!
//! All of them are verified before the first becomes visible. A file of the user that cashet has never stored is set aside and not
//! lost.

use super::apply::Apply;
use super::beneath::Place;
use super::failure::{RestoreError, failed};
use super::stage::Stage;
use crate::memo::event::{Event, Observer};
use crate::record::{Evidence, OutputEntry, OutputTree, Places, Timestamp};
use crate::store::Store;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, openat, readlinkat, statat};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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
    Observed {
        /// Whether the file keeps its mode.
        keeps_mode: bool,
    },
    /// Making the result again replaces any existing file. A file that is overwritten in place keeps its mode.
    Free {
        /// Whether the file keeps its mode.
        keeps_mode: bool,
    },
    /// State of a tool, which removes it without writing to it: its other names do not matter.
    Removed {
        /// Whether the existing file is one that a recorded run found or left.
        is_known: bool,
    },
    /// The recorded bytes are appended to the existing file.
    Appended,
    /// Only the mode and times of the existing file, which has the recorded bytes, are set.
    Attributes,
    /// The run truncated a file. It would do the same to the existing entry only if that is a file of the same mode, or
    /// missing.
    Emptied,
}

impl Grounds {
    /// Whether the existing file is one that a recorded run found or left.
    pub(super) const fn is_known(self) -> bool {
        matches!(self, Self::Observed { .. } | Self::Removed { is_known: true })
    }

    /// Whether the other names of an existing file matter.
    pub(super) const fn minds_names(self) -> bool {
        !matches!(self, Self::Removed { .. })
    }

    /// Whether an existing file keeps its mode.
    pub(super) const fn keeps_mode(self) -> bool {
        matches!(self, Self::Observed { keeps_mode: true } | Self::Free { keeps_mode: true })
    }
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
        let apply = Apply {
            tree: self.tree,
            blobs: self.store,
            base: Path::new(""),
            replaces: true,
            put_aside: &|place, shown| self.put_aside(place, shown),
        };
        let mut stage = Stage::new(&self.places.root, self.store.workspace());
        apply.run(&mut plan.beneath, &mut stage, &plan.steps, &mut |_| {})?;
        Ok(Some(plan.evidence))
    }

    /// Moves an entry that is in the way to the store's `replaced`, under an unused name.
    fn put_aside(&self, place: &Place<'_>, shown: &Path) -> Result<(), RestoreError> {
        let directory = self.store.workspace().replaced();
        let stamp = Timestamp::now().0;
        let mut name = std::ffi::OsString::from(format!("{stamp}-"));
        name.push(place.name);
        let copy = directory.join(name);
        let refused = |error: std::io::Error| failed("set aside", shown, error);
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

/// The path of an entry, relative to the root.
pub(super) fn shown(entry: &OutputEntry) -> &Path {
    Path::new(OsStr::from_bytes(&entry.path))
}
