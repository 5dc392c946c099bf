//! What a run changed: what was there before, where that decides the result, and what it left behind.

use super::scope::Region;
use super::witness::Before;
use super::{Observer, differs, present, unseen};
use crate::exec::Access;
use crate::hash::look;
use crate::memo::reason::NotKept;
use crate::profiles::state::{self, GIT_INDEX};
use crate::record::{BothEnds, Evidence, FileState, Observation};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Observer<'_> {
    pub(super) fn changed(&mut self, path: &Path, access: Access) -> Result<(), NotKept> {
        let before = self.watcher.before.get(path).unwrap_or(&Before::NOTHING);
        // Where even that could not be told at first, nothing was done.
        let hidden = before.evidence.is_none() && matches!(before.state, FileState::Unreadable { .. });
        let now = if hidden { present(path).unwrap_or_default() } else { present(path)? };
        let net = differs(before.evidence.as_ref(), now.as_ref());
        if self.run.ignored_writes.matches(path) {
            return Ok(());
        }
        match self.scope.region(path) {
            _ if self.aside.has(path) => return Ok(()),
            Region::Inside => {}
            Region::Outside if net => return Err(NotKept::WroteOutside(path.to_path_buf())),
            Region::Repository if net && !self.is_same_index(path, access, before) => {
                return Err(NotKept::WroteRepository(path.to_path_buf()));
            }
            Region::Own | Region::Outside | Region::Repository => return Ok(()),
        }
        if self.aside.is_result(path) {
            self.settled.insert(path.to_path_buf());
            return if net { self.output(path, now.as_ref(), before) } else { Ok(()) };
        }
        let declared_both = self.run.declared_inputs.matches(path) && self.run.declared_outputs.matches(path);
        if access.read_then_changed && net && !declared_both && !self.describes_products(path, access) {
            return Err(NotKept::ReadThenWritten(path.to_path_buf()));
        }
        // A look before the change counts like any other: `[ -e out ] || make out`.
        let looked = access.looked || access.looked_at_link || access.absent || access.read || access.opened;
        if looked && self.moved_before_change(path, before) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        // Where a file was emptied and a file is there in the end, what was there makes no difference. (That it can
        // be written like this again is looked at before it is put back.)
        let is_file = now.is_some_and(|now| now.mode & libc::S_IFMT == libc::S_IFREG);
        let all_the_same = net && is_file && !access.kept_on_change;
        if !net {
            // It may have been refused.
            self.refusing.extend(path.parent().map(Path::to_path_buf));
        }
        if (!all_the_same || looked) && !self.only_output(path) {
            let observation =
                Observation::State { path: self.stored(path), follow: false, state: before.state.clone() };
            self.observe(observation, None);
            if let (FileState::Symlink { text }, Some(directory)) = (&before.state, path.parent()) {
                // Under the name by which it is known if the run looked at it.
                let behind: PathBuf = directory.join(OsStr::from_bytes(text)).components().collect();
                self.state(&behind, true)?;
            }
        }
        if matches!(before.state, FileState::Directory { .. }) {
            if is_another(before, now.as_ref()) || access.given_up {
                self.everything_below(path)?;
            } else if access.listed {
                self.original_listing(path)?;
            }
        }
        if let (FileState::Directory { .. }, Some(before), Some(now)) = (&before.state, before.evidence, now)
            && looked
            && before.inode == now.inode
            && before.modified != now.modified
            && self.time_counts(path, false)
        {
            // No replay would touch it.
            return Err(NotKept::ReadThenWritten(path.to_path_buf()));
        }
        if let (FileState::File { .. } | FileState::LargeFile { .. }, Some(evidence)) =
            (&before.state, before.evidence)
            && (access.looked || access.looked_at_link)
            && !self.only_output(path)
        {
            self.rewritten.push((path.to_path_buf(), evidence.modified));
        }
        if net {
            self.observed.created = true;
            self.output(path, now.as_ref(), before)?;
        }
        Ok(())
    }

    /// Whether `path` is git's index, which git alone touched, and of which nothing but what it says of times has changed. If
    /// so, what it says of content counts.
    fn is_same_index(&mut self, path: &Path, access: Access, before: &Before) -> bool {
        let Some(was) = before.index.filter(|_| access.strangers & GIT_INDEX == 0) else { return false };
        let same = look::index(path).is_some_and(|(now, _)| now == was);
        if same {
            self.observe(Observation::Index { path: self.stored(path), digest: was }, None);
        }
        same
    }

    /// Whether a tool keeps at `path` what it made from what: what it read of it and then wrote is input and output both.
    fn describes_products(&self, path: &Path, access: Access) -> bool {
        state::describes_products(&self.watcher.tables, !access.changed_by_strangers, path)
    }

    /// Results of earlier runs count as a whole, as they were found or as they were left: a run that finds what it left itself
    /// gives the same result.
    pub(super) fn settled(&mut self) {
        let found = std::mem::take(&mut self.settled);
        let mut paths: BTreeSet<PathBuf> = found.clone();
        for output in &self.observed.outputs {
            let path = self.run.places.root.join(OsStr::from_bytes(output));
            if path.ancestors().any(|above| found.contains(above)) {
                paths.insert(path);
            }
        }
        let mut states = Vec::with_capacity(paths.len());
        for path in paths {
            let before =
                self.watcher.before.get(&path).map_or(FileState::Absent, |before| before.state.clone());
            let after = look::state(&path, false).0;
            states.push(BothEnds { path: self.stored(&path), before, after });
        }
        if !states.is_empty() {
            self.observe(Observation::Settled { states }, None);
        }
    }

    /// Private state of tools counts as being there, where it was when the run began.
    pub(super) fn existing(&mut self) {
        for path in std::mem::take(&mut self.aside.existing) {
            self.observe(Observation::Exists { path: self.stored(&path) }, None);
        }
    }

    /// Whether a path that was looked at was changed by somebody else before the run changed it.
    fn moved_before_change(&self, path: &Path, before: &Before) -> bool {
        let Some(evidence) = before.evidence.filter(|evidence| self.is_young(evidence)) else { return false };
        let is_directory = evidence.mode & libc::S_IFMT == libc::S_IFDIR;
        !is_directory && self.watcher.young.get(path) != Some(&before.state)
    }

    /// Whether directories in which something was tried let it be done.
    pub(super) fn refusing(&mut self) -> Result<(), NotKept> {
        for directory in std::mem::take(&mut self.refusing) {
            let is_changed = self.trace.accesses.get(&directory).is_some_and(|access| access.changed);
            if !is_changed {
                self.state(&directory, true)?;
            }
        }
        Ok(())
    }

    /// Whether `path` is one that the run may leave behind.
    fn counts(&self, path: &Path) -> bool {
        self.scope.region(path) == Region::Inside && !self.aside.has(path)
    }

    /// Takes in a path that was left behind or removed, and everything below it if it came or went as a whole.
    fn output(&mut self, path: &Path, now: Option<&Evidence>, before: &Before) -> Result<(), NotKept> {
        if let Some(relative) = self.scope.relative(path) {
            self.observed.outputs.insert(relative.to_vec());
        }
        let is_directory = now.is_some_and(|now| now.mode & libc::S_IFMT == libc::S_IFDIR);
        let was_directory = matches!(before.state, FileState::Directory { .. });
        let is_another = is_another(before, now);
        if is_directory && is_another {
            for entry in walkdir::WalkDir::new(path).min_depth(1) {
                let entry = entry.map_err(|error| {
                    let place = error.path().unwrap_or(path).to_path_buf();
                    unseen(&place, &error.into())
                })?;
                if self.counts(entry.path()) {
                    self.observed.outputs.extend(self.scope.relative(entry.path()).map(<[u8]>::to_vec));
                }
            }
        }
        if was_directory && is_another {
            let gone: Vec<PathBuf> = self
                .watcher
                .before
                .keys()
                .filter(|below| below.starts_with(path) && *below != path)
                .cloned()
                .collect();
            for path in gone {
                if present(&path)?.is_none() && self.counts(&path) {
                    self.observed.outputs.extend(self.scope.relative(&path).map(<[u8]>::to_vec));
                }
            }
        }
        Ok(())
    }

    /// Observes all that was in a directory when the run began: what went along with it was never named by itself, and
    /// what was done below it then was not noted.
    fn everything_below(&mut self, directory: &Path) -> Result<(), NotKept> {
        self.original_listing(directory)?;
        let below = self.watcher.before.range(directory.to_path_buf()..);
        let below = below.take_while(|(path, _)| path.starts_with(directory));
        let below: Vec<(PathBuf, FileState)> = below
            .filter(|(path, _)| *path != directory && self.scope.region(path) == Region::Inside)
            .map(|(path, before)| (path.clone(), before.state.clone()))
            .collect();
        for (path, state) in below {
            let was_directory = matches!(state, FileState::Directory { .. });
            self.observe(Observation::State { path: self.stored(&path), follow: false, state }, None);
            if was_directory {
                self.original_listing(&path)?;
            }
        }
        Ok(())
    }
}

/// Whether something else is there now, or nothing any more.
fn is_another(before: &Before, now: Option<&Evidence>) -> bool {
    match (&before.evidence, now) {
        (Some(before), Some(now)) => before.inode != now.inode,
        _ => true,
    }
}
