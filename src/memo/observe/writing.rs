//! Observes what a run changed: the earlier state, if the result depends on it, and the outputs.

use super::changed::Changed;
use super::scope::Region;
use super::witness::Before;
use super::{Observer, differs, present, unseen};
use crate::exec::{Access, FirstChange, ModeGiven, Prior};
use crate::hash::look;
use crate::memo::reason::NotKept;
use crate::record::{BothEnds, Evidence, FileState, Observation, Product, ProductClass, Timestamp};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

impl Observer<'_> {
    pub(super) fn changed(&mut self, path: &Path, access: Access) -> Result<(), NotKept> {
        let before = self.watcher.before.get(path).unwrap_or(&Before::NOTHING);
        // If the path could not even be inspected at first, the run did nothing to it.
        let hidden = before.evidence.is_none() && matches!(before.state, FileState::Unreadable { .. });
        let now = if hidden { present(path).unwrap_or_default() } else { present(path)? };
        let is_another = Self::is_another(path, access, before, now.as_ref())?;
        let was_directory = matches!(before.state, FileState::Directory { .. });
        let net = differs(before.evidence.as_ref(), now.as_ref()) || (was_directory && is_another);
        if self.run.ignored_writes.matches(path) {
            return self.seen_before_ignored(path, access, before);
        }
        // An entry came or went there, or was replaced.
        let is_entry =
            matches!(access.first_change, FirstChange::Created | FirstChange::Put | FirstChange::Removed)
                || before.evidence.is_some() != now.is_some();
        if net && is_entry {
            self.obeying.extend(path.parent().map(Path::to_path_buf));
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
        if self.aside.is_timing(path) {
            return if net { self.output(path, now.as_ref(), before, is_another) } else { Ok(()) };
        }
        if self.aside.is_result(path) {
            self.settled.insert(path.to_path_buf());
            return if net { self.output(path, now.as_ref(), before, is_another) } else { Ok(()) };
        }
        let state = if net { present_state(path, now.as_ref(), before) } else { before.state.clone() };
        let changed = Changed { path, access, before, now, state };
        // A look before the change counts like any other look: `[ -e out ] || make out`.
        let looked = access.looked || access.looked_at_link || access.absent || access.read || access.opened;
        if looked && self.moved_before_change(path, before) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        if access.read && !self.only_output(path) {
            self.rewritten(path, before)?;
        }
        let same_mode = before.evidence.zip(now).is_some_and(|(before, now)| before.mode == now.mode);
        // A file that got another name or time is a changed output nevertheless.
        let is_rewritten = access.prior == Prior::Consulted && access.first_change != FirstChange::Altered;
        // A program that compares times may find it newer next time.
        let is_newer = self.compares_times && access.looked && !self.aside.describes_products(path);
        let is_still = is_rewritten && same_mode && !is_newer && changed.has_same_bytes();
        let is_only_opened = self.is_only_opened(path, access);
        // That is refused to everyone.
        let is_there = was_directory && access.first_change == FirstChange::Created && !access.given_up;
        if !net && !self.watcher.came_with_the_run(path) && !is_only_opened && !is_there {
            // The change may have been refused.
            let tried = match access.first_change {
                _ if before.evidence.is_some() => &mut self.refusing,
                // The right to change the entries of the directory is enough to make a file. Devices, for example, only root makes.
                FirstChange::Emptied | FirstChange::InPlace | FirstChange::Appended => &mut self.allowing,
                _ => &mut self.passing,
            };
            tried.extend(path.parent().map(Path::to_path_buf));
        }
        if !net || is_still {
            self.unchanged(&changed, looked)?;
            if let FileState::File { digest, .. } = &before.state
                && access.read
                && is_still
            {
                // The store knows from now on that the function reads it.
                self.observe(Observation::Content { path: self.stored(path), digest: *digest }, None);
            }
            if is_still {
                return Ok(());
            }
        } else if !self.only_output(path) {
            self.product(&changed);
            self.behind_link(path, before)?;
        }
        if was_directory {
            if is_another || access.given_up {
                self.everything_below(path)?;
            } else if access.listed {
                self.listed_before.push(path.to_path_buf());
            }
        }
        if net {
            self.output(path, now.as_ref(), before, is_another)?;
        }
        Ok(())
    }

    /// Observes the earlier state of a path that is unchanged in the end, if it counts.
    fn unchanged(&mut self, changed: &Changed<'_>, looked: bool) -> Result<(), NotKept> {
        let Changed { path, access, before, .. } = *changed;
        // It has the same mode again, but only under this umask.
        let given = self.trace.modes.get(path);
        let is_asked =
            matches!(given, Some(ModeGiven::Asked(_) | ModeGiven::Literal(_) | ModeGiven::Fresh(_)));
        self.observed.umask_counts |=
            changed.now.is_some() && is_asked && (access.given_up || self.is_anew(path, access));
        if (access.kept_on_change || looked || changed.now.is_some()) && !self.only_output(path) {
            let state = before.state.clone();
            let state =
                if self.is_only_opened(path, access) { self.by_rights(path, false, state) } else { state };
            self.observe(Observation::State { path: self.stored(path), follow: false, state }, None);
            self.behind_link(path, before)?;
        }
        if let (FileState::Directory { .. }, Some(before), Some(now)) =
            (&before.state, before.evidence, changed.now)
            && looked
            && before.inode == now.inode
            && before.modified != now.modified
            && self.time_counts(path, false)
        {
            // A replay would not change it.
            return Err(NotKept::ReadThenWritten(path.to_path_buf()));
        }
        Ok(())
    }

    /// Observes the earlier target of a link that the run changed.
    fn behind_link(&mut self, path: &Path, before: &Before) -> Result<(), NotKept> {
        if let (FileState::Symlink { text }, Some(directory)) = (&before.state, path.parent()) {
            // Under the name by which the run looked at it, if it did.
            let behind: PathBuf = directory.join(OsStr::from_bytes(text)).components().collect();
            // A path that the run changed counts as it was before, since it may be gone.
            match self.watcher.before.get(&behind).map(|before| before.state.clone()) {
                Some(state) if behind != path => {
                    let path = self.stored(&behind);
                    self.observe(Observation::State { path, follow: false, state }, None);
                }
                _ => self.state(&behind, true)?,
            }
        }
        Ok(())
    }

    /// Results of earlier runs count together, as found or as left: a run that finds what it left gives the same result.
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

    /// Private state of a tool counts as existing, if it existed when the run began.
    pub(super) fn existing(&mut self) {
        for path in std::mem::take(&mut self.aside.existing) {
            self.observe(Observation::Exists { path: self.stored(&path) }, None);
        }
    }

    /// The earlier content of a file that was read and then changed is a dependency. Names of variables are searched in its
    /// present content, since they rarely change.
    fn rewritten(&mut self, path: &Path, before: &Before) -> Result<(), NotKept> {
        match &before.state {
            FileState::File { .. } => {
                self.contents.push((path.to_path_buf(), None));
                Ok(())
            }
            // It was not digested before it changed.
            FileState::LargeFile { .. } => Err(NotKept::ReadThenWritten(path.to_path_buf())),
            _ => Ok(()),
        }
    }

    /// An ignored write does not hide a look at the earlier state.
    fn seen_before_ignored(&mut self, path: &Path, access: Access, before: &Before) -> Result<(), NotKept> {
        let looked = access.looked || access.looked_at_link || access.absent || access.read || access.listed;
        if !looked || self.run.ignored_reads.matches(path) {
            return Ok(());
        }
        if self.moved_before_change(path, before) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        let state = before.state.clone();
        self.observe(Observation::State { path: self.stored(path), follow: false, state }, None);
        Ok(())
    }

    /// Whether another process changed a path between a look and the run's first change.
    fn moved_before_change(&self, path: &Path, before: &Before) -> bool {
        let Some(evidence) = before.evidence.filter(|evidence| self.is_young(evidence)) else { return false };
        let is_directory = evidence.mode & libc::S_IFMT == libc::S_IFDIR;
        !is_directory
            && self.watcher.young.get(path) != Some(&before.state)
            && !self.is_changed_by_another_name(path, &evidence, &before.state)
    }

    /// Whether the run itself moved the change time of the file at `path` under another name of it: rustc links the files of its last
    /// session into the next one. Under that name the file was as it had been at the first look at `path`, and it had the same content.
    fn is_changed_by_another_name(&self, path: &Path, evidence: &Evidence, state: &FileState) -> bool {
        let Some(first) = self.watcher.first(path) else { return false };
        let is_touched_alone = Evidence { changed: first.changed, ..*evidence } == first;
        is_touched_alone
            && !self.is_young(&first)
            && matches!(state, FileState::File { .. })
            && self.watcher.before.iter().any(|(other, before)| {
                other != path && before.evidence == Some(first) && before.state == *state
            })
    }

    /// Settles directories in which the run created an entry that is gone at its end. If the run created or removed another entry there
    /// for good, the directory certainly allows it, unless it is sticky: there users cannot remove each other's files.
    pub(super) fn passing(&mut self) {
        self.allowing.retain(|directory| !self.obeying.contains(directory));
        let is_sticky = |directory: &Path| {
            fs::symlink_metadata(directory).map_or(true, |found| found.mode() & libc::S_ISVTX != 0)
        };
        for directory in std::mem::take(&mut self.passing) {
            if !self.obeying.contains(&directory) || is_sticky(&directory) {
                self.refusing.insert(directory);
            }
        }
    }

    /// Whether the directories in which the run tried something allowed it.
    pub(super) fn refusing(&mut self) -> Result<(), NotKept> {
        // It counts whether the present user may change their entries.
        self.allowing.append(&mut self.refusing);
        for directory in self.allowing.clone() {
            let is_changed = self.trace.accesses.get(&directory).is_some_and(|access| access.changed);
            let is_product = self.scope.relative(&directory).is_some_and(|relative| {
                self.observed.products.iter().any(|product| product.path == relative)
            });
            if !is_changed && !is_product {
                self.state(&directory, true)?;
            }
        }
        Ok(())
    }

    /// Whether the run may leave an output at `path`.
    fn counts(&self, path: &Path) -> bool {
        self.scope.region(path) == Region::Inside && !self.aside.has(path)
    }

    /// Adds a path that was created, changed or removed to the outputs, with everything below it if it `is_another`, so that it
    /// appeared or disappeared as a whole.
    fn output(
        &mut self,
        path: &Path,
        now: Option<&Evidence>,
        before: &Before,
        is_another: bool,
    ) -> Result<(), NotKept> {
        if let Some(relative) = self.scope.relative(path) {
            self.observed.outputs.insert(relative.to_vec());
        }
        let is_directory = now.is_some_and(|now| now.mode & libc::S_IFMT == libc::S_IFDIR);
        let was_directory = matches!(before.state, FileState::Directory { .. });
        if is_directory && is_another {
            for entry in ignore::WalkBuilder::new(path).standard_filters(false).build() {
                let entry = entry.map_err(|error| {
                    let place = place_of(&error).unwrap_or(path).to_path_buf();
                    let error = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
                    unseen(&place, &error)
                })?;
                if entry.depth() > 0 && self.counts(entry.path()) {
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

    /// Observes all entries that a directory had when the run began: they moved with it without being named, and changes below it
    /// were not recorded.
    fn everything_below(&mut self, directory: &Path) -> Result<(), NotKept> {
        self.listed_before.push(directory.to_path_buf());
        let below = self.watcher.before.range(directory.to_path_buf()..);
        let below = below.take_while(|(path, _)| path.starts_with(directory));
        let below: Vec<(PathBuf, FileState)> = below
            .filter(|(path, _)| *path != directory && self.scope.region(path) == Region::Inside)
            .filter(|(path, _)| !self.trace.accesses.get(*path).is_some_and(|access| access.changed))
            .map(|(path, before)| (path.clone(), before.state.clone()))
            .collect();
        for (path, before) in below {
            if matches!(before, FileState::Directory { .. }) {
                self.listed_before.push(path.clone());
            }
            let Some(relative) = self.scope.relative(&path).map(<[u8]>::to_vec) else { continue };
            // Files that moved with their directory determine content elsewhere; after a removal they could have been anything.
            let class = if present(directory)?.is_some() || self.is_moved(directory) {
                ProductClass::Consulted
            } else {
                ProductClass::Blind
            };
            let access = self.trace.accesses.get(directory).copied().unwrap_or_default();
            let removed_after_listing = access.listed || access.listed_own;
            self.observed
                .products
                .push(Product { removed_after_listing, ..Product::new(relative, class, before) });
        }
        Ok(())
    }

    /// Whether the path is another file now, or gone. A directory that the run creates may get the inode number of one that it
    /// removed (ext4 gives the lowest one that is free), so the time of creation decides, too.
    fn is_another(
        path: &Path,
        access: Access,
        before: &Before,
        now: Option<&Evidence>,
    ) -> Result<bool, NotKept> {
        let (Some(evidence), Some(now)) = (&before.evidence, now) else { return Ok(true) };
        let kind = |evidence: &Evidence| evidence.mode & libc::S_IFMT;
        if evidence.inode != now.inode || kind(evidence) != kind(now) {
            return Ok(true);
        }
        // Otherwise it is still there. The run may have failed to remove it.
        if !access.given_up || kind(now) != libc::S_IFDIR {
            return Ok(false);
        }
        let created = fs::symlink_metadata(path).and_then(|found| found.created());
        let created = created.map_err(|error| unseen(path, &error))?;
        Ok(before.created != Some(Timestamp::of(created)))
    }

    fn is_moved(&self, directory: &Path) -> bool {
        self.trace.accesses.get(directory).is_some_and(|access| access.prior == Prior::Consulted)
    }
}

/// Where a walk failed.
fn place_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } => place_of(err),
        _ => None,
    }
}

/// The state of a path now, digested only if the digest shows whether it changed.
fn present_state(path: &Path, now: Option<&Evidence>, before: &Before) -> FileState {
    let is_file = now.is_some_and(|now| now.mode & libc::S_IFMT == libc::S_IFREG);
    let same_size = before.evidence.zip(now.copied()).is_none_or(|(before, now)| before.size == now.size);
    match now {
        None => FileState::Absent,
        Some(_) if is_file && same_size => look::state(path, false).0,
        Some(now) => FileState::Special { mode: now.mode },
    }
}
