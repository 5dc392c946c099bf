//! Observes the directories that a run listed: names and kinds, as they were when the run began.

use super::importer::Importer;
use super::{Observer, present, unread};
use crate::exec::Access;
use crate::hash::{files, look};
use crate::memo::reason::NotKept;
use crate::profiles::builders::SOUGHT_ABOVE;
use crate::record::{Evidence, FileState, Names, Observation, Timestamp};
use std::ffi::OsString;
use std::fs;
use std::ops::Bound::{Excluded, Unbounded};
use std::path::Path;

/// The kind of a directory entry, by its mode.
fn kind_of(mode: u32) -> files::EntryKind {
    match mode & libc::S_IFMT {
        libc::S_IFREG => files::EntryKind::File,
        libc::S_IFDIR => files::EntryKind::Directory,
        libc::S_IFLNK => files::EntryKind::Symlink,
        libc::S_IFIFO => files::EntryKind::Pipe,
        libc::S_IFSOCK => files::EntryKind::Socket,
        _ => files::EntryKind::Device,
    }
}

impl Observer<'_> {
    /// Observes the names and kinds in a directory that was listed.
    pub(super) fn listing(
        &mut self,
        path: &Path,
        access: Access,
        importer: &Importer,
    ) -> Result<(), NotKept> {
        let stored = self.stored(path);
        if importer.lists(path, access) {
            return self.searched(path, importer);
        }
        let root = self.run.places.root.as_path();
        if !access.listed_for_more && root.starts_with(path) && path != root && !self.is_used_above(path) {
            return SOUGHT_ABOVE.iter().try_for_each(|name| self.sought_above(&path.join(name)));
        }
        let taken = self.watcher.listings.get(path);
        let aside = self.aside_in(path);
        let digest = match taken {
            Some(entries) => {
                let entries = self.without_passing(path, entries.clone())?;
                files::listing_digest(&look::entries_of(&entries, &aside))
            }
            None => match look::listed(path, &aside) {
                Ok((digest, _)) => digest,
                Err(error) => return Err(unread(path, error.os_error())),
            },
        };
        let aside = Names::of(&aside);
        let Ok(metadata) = fs::metadata(path) else { return Err(NotKept::InputMoved(path.to_path_buf())) };
        let moved = self.is_young(&Evidence::of(&metadata));
        if moved && !taken.is_some_and(|taken| self.is_moved_by_the_run_alone(path, taken)) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        let evidence =
            if moved { None } else { files::trusted(path, Evidence::of(&metadata), Timestamp::now()) };
        self.observe(Observation::Entries { path: stored, aside, digest }, evidence);
        Ok(())
    }

    /// Whether the run used something directly in a directory above the root, other than settings, packages and the way to the root:
    /// code that imports it may find it by several names.
    fn is_used_above(&self, directory: &Path) -> bool {
        let root = self.run.places.root.as_path();
        let below = self.trace.accesses.range::<Path, _>((Excluded(directory), Unbounded));
        let below = below.take_while(|(path, _)| path.starts_with(directory));
        let used = below.filter(|(_, access)| access.read || access.opened || access.listed);
        used.filter(|(path, _)| path.parent() == Some(directory)).any(|(path, _)| {
            !root.starts_with(path)
                && !SOUGHT_ABOVE.iter().any(|name| path.file_name().is_some_and(|own| own == *name))
        })
    }

    /// Observes whether settings or packages are at `path`. A program that found them there has opened them, so they were not there
    /// if they are not, and nothing was opened.
    fn sought_above(&mut self, path: &Path) -> Result<(), NotKept> {
        let (state, evidence) = look::state(path, false);
        let is_seen = self.trace.accesses.contains_key(path);
        if state != FileState::Absent
            && (is_seen || evidence.is_some_and(|evidence| self.is_young(&evidence)))
        {
            return if is_seen { Ok(()) } else { Err(NotKept::InputMoved(path.to_path_buf())) };
        }
        let state = self.by_rights(path, false, state);
        self.observe(Observation::State { path: self.stored(path), follow: false, state }, None);
        Ok(())
    }

    /// Observes the other entries of directories that the run changed, moved or removed, as they were when the run began.
    pub(super) fn listings_before(&mut self) -> Result<(), NotKept> {
        for directory in std::mem::take(&mut self.listed_before) {
            self.original_listing(&directory)?;
        }
        Ok(())
    }

    /// Observes the entries of directories of tools that the run listed, without the state in them. Of a directory that it made, what
    /// is there later is what the next run finds.
    pub(super) fn listings_of_tools(&mut self, importer: &Importer) -> Result<(), NotKept> {
        for directory in self.aside.listed.clone() {
            let access = importer.access(&directory);
            if access.listed {
                self.listing(&directory, access, importer)?;
                continue;
            }
            let mut aside = self.aside.names(&directory);
            let listed = look::listed(&directory, &aside);
            let (digest, _) = listed.map_err(|error| unread(&directory, error.os_error()))?;
            let path = self.stored(&directory);
            // Where it is missing, the tool makes it.
            aside.push(look::MAY_BE_MISSING.to_vec());
            aside.sort();
            self.observe(Observation::Entries { path, aside: Names::of(&aside), digest }, None);
        }
        Ok(())
    }

    /// The names in a directory that do not count in a listing, sorted: excluded names and the run's own products.
    fn aside_in(&self, directory: &Path) -> Vec<Vec<u8>> {
        let mut aside = self.aside.names(directory);
        aside.extend(self.own_names(directory));
        aside.sort();
        aside.dedup();
        aside
    }

    fn original_listing(&mut self, path: &Path) -> Result<(), NotKept> {
        let taken = self.watcher.listings.get(path).or_else(|| self.watcher.directories.get(path));
        let Some(taken) = taken else { return Err(NotKept::InputMoved(path.to_path_buf())) };
        let mut entries = taken.clone();
        let below = self.watcher.before.range(path.to_path_buf()..);
        let below = below.take_while(|(entry, _)| entry.starts_with(path));
        for (entry, before) in below.filter(|(entry, _)| entry.parent() == Some(path)) {
            let Some(name) = entry.file_name() else { continue };
            entries.retain(|(known, _)| known != name);
            entries.extend(before.evidence.map(|evidence| (name.to_owned(), kind_of(evidence.mode))));
        }
        entries.sort();
        let aside = self.aside_in(path);
        let digest = files::listing_digest(&look::entries_of(&entries, &aside));
        let aside = Names::of(&aside);
        self.observe(Observation::Entries { path: self.stored(path), aside, digest }, None);
        Ok(())
    }

    /// Whether the run itself made all changes to the entries of a directory since it was listed.
    fn is_moved_by_the_run_alone(&self, directory: &Path, taken: &[(OsString, files::EntryKind)]) -> bool {
        let Ok(now) = files::entries(directory, true) else { return false };
        // Changed paths are recorded by their real names.
        let Ok(directory) = fs::canonicalize(directory) else { return false };
        let is_of_others = |(name, _): &&(OsString, files::EntryKind)| {
            let path = directory.join(name);
            !self.scope.is_own(&path) && !self.aside.has(&path) && !self.watcher.before.contains_key(&path)
        };
        now.iter().filter(is_of_others).eq(taken.iter().filter(is_of_others))
    }

    /// The entries of a directory without those that the run created and removed again.
    fn without_passing(
        &self,
        directory: &Path,
        mut entries: Vec<(OsString, files::EntryKind)>,
    ) -> Result<Vec<(OsString, files::EntryKind)>, NotKept> {
        let below = self.watcher.before.range(directory.to_path_buf()..);
        let below = below.take_while(|(path, _)| path.starts_with(directory));
        for (path, before) in below.filter(|(path, _)| path.parent() == Some(directory)) {
            if before.evidence.is_none()
                && present(path)?.is_none()
                && let Some(name) = path.file_name()
            {
                entries.retain(|(entry, _)| entry != name);
            }
        }
        Ok(entries)
    }
}
