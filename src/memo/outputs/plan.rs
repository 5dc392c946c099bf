//! Plans a restore of outputs: looks at every path and decides what to do before anything is changed.

mod times;

use super::beneath::{Beneath, Place};
use super::failure::{RestoreError, blocked, failed};
use super::holes;
use super::restore::{Grounds, Restore, shown};
use crate::digest::BlobId;
use crate::error::{Error, Kind, Result};
use crate::hash::files;
use crate::memo::attributes;
use crate::record::{Evidence, MODE_BITS, OutputEntry, OutputKind, Timestamp};
use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, Stat, accessat, openat, readlinkat};
use rustix::io::Errno;
use rustix::process::Uid;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// The action for one entry.
pub(super) enum Step {
    /// None: it is in place.
    Nothing,
    /// Its bytes are right: set these permission bits and this time, where they differ; for a directory, its attributes.
    Touch { mode: Option<u32>, time: Option<Timestamp> },
    /// Write it, with this time, and with permission bits and owners of the existing file in place of the recorded ones.
    /// `aside`: first move the existing file aside, which the user would otherwise lose.
    Write { aside: bool, time: Option<Timestamp>, kept: Option<Kept> },
    /// Append bytes to it, and set this time.
    Append { time: Option<Timestamp> },
    /// Remove it.
    Remove { aside: bool, directory: bool },
}

/// What an existing file keeps that is written in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// The permission bits.
    pub(super) mode: u32,
    /// The user and the group.
    pub(super) owners: (u32, u32),
}

/// The actions for all entries.
pub(in crate::memo) struct Plan {
    pub(super) beneath: Beneath,
    pub(super) steps: Vec<Step>,
    /// The evidence for each entry after its action.
    pub(super) evidence: Vec<Option<Evidence>>,
    /// Whether everything is in place with known evidence.
    pub(super) is_nothing: bool,
}

/// The present state of one entry, and its action.
struct Found {
    step: Step,
    evidence: Option<Evidence>,
    stat: Option<Stat>,
}

impl Found {
    const fn is_in_place(&self) -> bool {
        matches!(self.step, Step::Nothing | Step::Touch { .. })
    }

    /// Its present modification time.
    fn modified(&self) -> Option<Timestamp> {
        self.stat.as_ref().map(modified)
    }
}

/// Number of recorded names that lead to one existing file, by first recorded name, device and inode; for files with several
/// recorded names.
type Names<'t> = HashMap<(&'t [u8], u64, u64), u32>;

const WRITE: Step = Step::Write { aside: false, time: None, kept: None };

impl Restore<'_> {
    /// Plans what [`Self::run`] would do, without doing it.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub(in crate::memo) fn plan_all(&self) -> Result<Plan, RestoreError> {
        let mut beneath = Beneath::open(self.places.root.as_path())
            .map_err(|errno| blocked("open", &self.places.root, errno))?;
        let user = rustix::process::geteuid();
        let names = self.names(&mut beneath);
        let mut found = Vec::with_capacity(self.tree.entries().len());
        for (place, entry) in self.tree.entries().iter().enumerate() {
            let known = self.evidence.get(place).copied().flatten();
            found.push(self.plan(&mut beneath, entry, known, (user, &names))?);
        }
        self.link(&mut found);
        self.give_times(&mut found);
        self.order_times(&mut found);
        let mut is_nothing = true;
        let (mut steps, mut renewed) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
        for (place, found) in found.into_iter().enumerate() {
            let known = self.evidence.get(place).copied().flatten();
            let untouched = matches!(found.step, Step::Nothing);
            is_nothing &= untouched && found.evidence == known;
            // An action changes the change time.
            renewed.push(found.evidence.filter(|_| untouched));
            steps.push(found.step);
        }
        Ok(Plan { beneath, steps, evidence: renewed, is_nothing })
    }

    fn names(&self, beneath: &mut Beneath) -> Names<'_> {
        let mut names = Names::new();
        let entries = self.tree.entries();
        let several: std::collections::HashSet<&[u8]> =
            entries.iter().filter_map(|entry| entry.link_to.as_deref()).collect();
        let group = |entry: &'_ OutputEntry| several.get(first_name(entry)).copied();
        for (first, entry) in entries.iter().filter_map(|entry| Some((group(entry)?, entry))) {
            if let Ok(Some(stat)) = beneath.place(&entry.path, false).and_then(|place| place.stat()) {
                *names.entry((first, stat.st_dev, stat.st_ino)).or_default() += 1;
            }
        }
        names
    }

    fn plan(
        &self,
        beneath: &mut Beneath,
        entry: &OutputEntry,
        known: Option<Evidence>,
        (user, names): (Uid, &Names<'_>),
    ) -> Result<Found, RestoreError> {
        let shown = shown(entry);
        let grounds = (self.grounds)(&entry.path);
        let absent = || Found {
            step: if entry.kind == OutputKind::Removed { Step::Nothing } else { WRITE },
            evidence: None,
            stat: None,
        };
        let place = match beneath.place(&entry.path, false) {
            Ok(place) => place,
            Err(Errno::NOENT) if grounds == Grounds::Declared || self.makes_parent(entry) => {
                return Ok(absent());
            }
            Err(errno) => return Err(blocked("reach", shown, errno)),
        };
        let Some(stat) = place.stat().map_err(|errno| blocked("inspect", shown, errno))? else {
            return Ok(absent());
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        let in_the_way = || {
            let words = format!("{} is in the way of an output", shown.display());
            RestoreError::Blocked(Error::new(Kind::Other, words))
        };
        if grounds == Grounds::Appended {
            let may = kind == FileType::RegularFile && may_write(&place, &stat, user);
            let step = Step::Append { time: None };
            return if may {
                Ok(Found { step, evidence: None, stat: Some(stat) })
            } else {
                Err(in_the_way())
            };
        }
        let is_file = entry.kind.stored().is_some();
        let is_free = matches!(grounds, Grounds::Free { .. });
        let kept = grounds
            .keeps_mode()
            .then_some(Kept { mode: stat.st_mode & MODE_BITS, owners: (stat.st_uid, stat.st_gid) });
        let other_mode =
            |mode: u32| Some(mode).filter(|mode| kept.is_none() && *mode != stat.st_mode & MODE_BITS);
        if let OutputKind::File { mode, .. } | OutputKind::Sparse { mode, .. } = &entry.kind
            && grounds == Grounds::Emptied
            && (kind != FileType::RegularFile || stat.st_mode & 0o7777 != *mode)
        {
            return Err(in_the_way());
        }
        let own_names = names.get(&(first_name(entry), stat.st_dev, stat.st_ino)).copied().unwrap_or(1);
        let has_other_names = grounds.minds_names() && stat.st_nlink > own_names.into();
        // The run may have written to the file through this name before it replaced or removed it, which would be visible through
        // the other names.
        if kind == FileType::RegularFile
            && has_other_names
            && (grounds.is_known() || (entry.kind == OutputKind::Removed && !is_free))
        {
            return Err(in_the_way());
        }
        let needs_right = !matches!(grounds, Grounds::Declared | Grounds::Attributes);
        let may_not_write = || needs_right && !may_write(&place, &stat, user);
        if is_file && kind == FileType::RegularFile && may_not_write() {
            return Err(in_the_way());
        }
        let mut evidence = None;
        let step = match &entry.kind {
            OutputKind::File { mode, .. } | OutputKind::Sparse { mode, .. }
                if kind == FileType::RegularFile =>
            {
                let known = known.filter(|known| same(known, &stat));
                let standing = if known.is_some() { Standing::AsItWas(known) } else { self.standing(entry)? };
                match standing {
                    Standing::AsItWas(found) => {
                        evidence = found;
                        other_mode(*mode)
                            .map_or(Step::Nothing, |mode| Step::Touch { mode: Some(mode), time: None })
                    }
                    // Writing in place would change the file under its other names too.
                    Standing::Other { .. } if has_other_names || grounds == Grounds::Attributes => {
                        return Err(in_the_way());
                    }
                    Standing::Other { is_lost } => Step::Write { aside: is_lost, time: None, kept },
                }
            }
            OutputKind::Directory { mode } if kind == FileType::Directory => {
                let mode = other_mode(*mode);
                let has_all = entry.attributes.is_empty() || has_attributes(&place, entry);
                if mode.is_none() && has_all { Step::Nothing } else { Step::Touch { mode, time: None } }
            }
            OutputKind::Symlink { text } if kind == FileType::Symlink => {
                self.relink(&place, entry, text, grounds)?
            }
            OutputKind::Removed if kind == FileType::Directory => {
                Step::Remove { aside: false, directory: true }
            }
            OutputKind::Removed => {
                let digest = (kind == FileType::RegularFile)
                    .then(|| files::digest_file(&self.places.root.join(shown)));
                let seen = digest.is_some_and(|digest| {
                    digest.is_ok_and(|(digest, _)| self.store.read(&BlobId(digest)).is_ok())
                });
                Step::Remove { aside: !seen && !grounds.is_known(), directory: false }
            }
            _ if kind == FileType::Directory => return Err(in_the_way()),
            OutputKind::Directory { .. } => return Err(in_the_way()),
            _ => Step::Write { aside: true, time: None, kept: None },
        };
        Ok(Found { step, evidence, stat: Some(stat) })
    }

    /// What to do where a link is in the place of a link with this text.
    fn relink(
        &self,
        place: &Place<'_>,
        entry: &OutputEntry,
        text: &[u8],
        grounds: Grounds,
    ) -> Result<Step, RestoreError> {
        let present = readlinkat(place.directory(), place.name, Vec::new());
        let present = present.map_err(|errno| blocked("read", shown(entry), errno))?;
        if present.as_bytes() == text {
            return Ok(Step::Nothing);
        }
        let is_known = grounds.is_known() || (self.knows_link)(&entry.path, present.as_bytes());
        Ok(Step::Write { aside: !is_known, time: None, kept: None })
    }

    /// Whether the same result creates the parent directory, or the entry is a removal.
    fn makes_parent(&self, entry: &OutputEntry) -> bool {
        let above = entry.path.iter().rposition(|byte| *byte == b'/').and_then(|at| entry.path.get(..at));
        let made = above.and_then(|above| self.tree.find(above)).map(|above| &above.kind);
        entry.kind == OutputKind::Removed || matches!(made, Some(OutputKind::Directory { .. }))
    }

    /// Compares the regular file at the path of an output with the record.
    fn standing(&self, entry: &OutputEntry) -> Result<Standing, RestoreError> {
        let path = self.places.root.join(shown(entry));
        let unreadable = |error: std::io::Error| failed("read", &path, error);
        let digested = |path| files::digest_file(path).map_err(RestoreError::Blocked);
        let (is_it, evidence, digest) = match &entry.kind {
            OutputKind::Sparse { data, size, extents, .. } => {
                let file = File::open(&path).map_err(unreadable)?;
                let evidence = Evidence::of(&file.metadata().map_err(unreadable)?);
                let is_it = holes::holds(&file, data, *size, extents).map_err(unreadable)?;
                (is_it, evidence, None)
            }
            kind => {
                let (digest, evidence) = digested(&path)?;
                (kind.stored().is_some_and(|content| content.blob.0 == digest), evidence, Some(digest))
            }
        };
        // Attributes are set on a new file, since this one may not be writable.
        let has_all = || {
            entry.attributes.is_empty()
                || File::open(&path).is_ok_and(|file| attributes::has(&file, &entry.attributes))
        };
        if is_it && has_all() {
            return Ok(Standing::AsItWas(files::trusted(&path, evidence, Timestamp::now())));
        }
        let digest = match digest {
            Some(digest) => digest,
            None if is_it => return Ok(Standing::Other { is_lost: false }),
            None => digested(&path)?.0,
        };
        Ok(Standing::Other { is_lost: !is_it && self.store.read(&BlobId(digest)).is_err() })
    }

    /// Plans hard links where recorded names of one file are separate files.
    fn link(&self, found: &mut [Found]) {
        let entries = self.tree.entries();
        for (place, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.link_to.is_some()) {
            let first = entries.binary_search_by(|other| other.path.as_slice().cmp(first_name(entry)));
            let Some(first) = first.ok().and_then(|first| found.get(first)) else { continue };
            let file = |found: &Found| found.stat.as_ref().map(|stat| (stat.st_dev, stat.st_ino));
            let (is_kept, file_of_first) = (first.is_in_place(), file(first));
            let Some(found) = found.get_mut(place).filter(|found| found.is_in_place()) else { continue };
            // It shares mode and time with the first name.
            let is_linked = is_kept && file(found) == file_of_first;
            found.step = if is_linked { Step::Nothing } else { WRITE };
        }
    }
}

/// Comparison of a file with the record.
enum Standing {
    /// It has the recorded bytes and attributes; with trusted evidence, if there is any.
    AsItWas(Option<Evidence>),
    /// It differs; `is_lost`: its bytes are not in the store.
    Other { is_lost: bool },
}

/// The first recorded name of a file, which represents all of its names.
fn first_name(entry: &OutputEntry) -> &[u8] {
    entry.link_to.as_deref().unwrap_or(&entry.path)
}

fn has_attributes(place: &Place<'_>, entry: &OutputEntry) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(place.directory(), place.name, flags, Mode::empty())
        .is_ok_and(|opened| attributes::has(&opened, &entry.attributes))
}

/// Whether the user may write to the existing file, as the run did; in most cases this follows from owner and mode.
fn may_write(place: &Place<'_>, stat: &Stat, user: Uid) -> bool {
    let is_own = stat.st_uid == user.as_raw() && stat.st_mode & 0o200 != 0;
    user.is_root()
        || is_own
        || accessat(place.directory(), place.name, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

fn modified(stat: &Stat) -> Timestamp {
    Timestamp::from_parts(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0))
}

fn same(known: &Evidence, stat: &Stat) -> bool {
    let changed = Timestamp::from_parts(stat.st_ctime, i64::try_from(stat.st_ctime_nsec).unwrap_or(0));
    known.inode == stat.st_ino
        && known.device == stat.st_dev
        && i64::try_from(known.size) == Ok(stat.st_size)
        && known.mode == stat.st_mode
        && known.modified == modified(stat)
        && known.changed == changed
}

/// Whether the regular file at `path`, of `size` bytes, has the bytes of an output; not where it cannot be read.
pub(in crate::memo) fn has_bytes(kind: &OutputKind, path: &Path, size: u64) -> bool {
    holds_bytes(kind, path, size).unwrap_or(false)
}

/// Whether the regular file at `path`, of `size` bytes, has the bytes of an output.
///
/// # Errors
/// When it cannot be read.
pub(super) fn holds_bytes(kind: &OutputKind, path: &Path, size: u64) -> Result<bool> {
    if kind.size() != Some(size) {
        return Ok(false);
    }
    let unreadable = |source| Error::io("read", path, source);
    match kind {
        OutputKind::File { content, .. } => Ok(files::digest_file(path)?.0 == content.blob.0),
        OutputKind::Sparse { data, extents, .. } => {
            let file = File::open(path).map_err(unreadable)?;
            holes::holds(&file, data, size, extents).map_err(unreadable)
        }
        _ => Ok(false),
    }
}
