//! Observes what a run read, looked at, looked for and listed, as it was when the run began.

use super::bytecode;
use super::importer::Importer;
use super::scope::Region;
use super::times::Timed;
use super::{Observer, differs, present, unread};
use crate::digest::Digest;
use crate::exec::{Access, FirstChange};
use crate::hash::memory::LARGE;
use crate::hash::{files, look};
use crate::memo::reason::NotKept;
use crate::profiles::git_index::is_index;
use crate::profiles::state::GIT_INDEX;
use crate::record::{Base, Evidence, FileState, Observation, Timestamp};
use rustc_hash::FxHashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Permission bits with set-id and sticky.
const PERMISSIONS: u32 = 0o7777;

impl Observer<'_> {
    /// Whether looks at `path` do not count.
    pub(super) fn is_ignored(&self, path: &Path, access: Access) -> bool {
        if self.aside.has(path)
            || self.scope.is_own(path)
            || self.only_output(path)
            || self.run.ignored_reads.matches(path)
        {
            return true;
        }
        self.own_sources.is_run_alone(path)
            || (self.aside.is_result(path) && access.changed)
            || self.aside.is_timing(path)
            || self.introduces_itself(path, access)
    }

    /// Whether a file outside of the root or in a repository that was opened for writing is unchanged (a database that was only
    /// queried).
    fn only_read(&self, path: &Path) -> bool {
        let before = self.watcher.before.get(path).and_then(|before| before.evidence.as_ref());
        // If this cannot be determined, the file is observed with its earlier state.
        let now = present(path).unwrap_or_else(|_| before.copied());
        let same = before.is_some_and(|before| !differs(Some(before), now.as_ref()));
        same && matches!(self.scope.region(path), Region::Outside | Region::Repository)
    }

    /// Whether the run looked for a file outside of the root, did not find it, and created it: the next run will find it.
    fn made_as_mark(&self, path: &Path, access: Access) -> bool {
        let existed = self.watcher.before.get(path).is_none_or(|before| before.evidence.is_some());
        access.absent
            && !existed
            && self.scope.region(path) == Region::Outside
            && !is_semaphore_in_the_making(path, access)
    }

    pub(super) fn reads(&mut self) -> Result<(), NotKept> {
        let importer = Importer::new(self.run, self.trace, &self.watcher.made);
        let mut contents = self.contents();
        contents.retain(|path| !self.content_that_went(path));
        let mut made_again = Vec::new();
        let is_content: FxHashSet<&OsStr> = contents.iter().map(|path| path.as_os_str()).collect();
        for (path, access) in &self.trace.accesses {
            if self.went_along(path).is_some() {
                continue;
            }
            // The earlier state of a changed path is observed with the change.
            if is_content.contains(path.as_os_str()) {
                if access.looked_at_link && !access.changed {
                    self.state(path, false)?;
                }
                continue;
            }
            if self.is_ignored(path, *access) {
                continue;
            }
            if self.is_missing_in_home(path, *access) {
                let name = path.file_name().unwrap_or_default().as_bytes().to_vec();
                self.observe(Observation::NotInHome { name }, None);
                if self.stored(path).base() == Base::Absolute {
                    continue;
                }
            }
            let is_of_git = access.strangers & GIT_INDEX == 0 && access.read;
            if is_index(path) && self.is_walked_past(*access) {
                self.walked_past_index(path)?;
                continue;
            }
            if is_index(path) && is_of_git && (!access.changed || self.only_read(path)) {
                self.index(path)?;
                continue;
            }
            if access.changed && self.made_as_mark(path, *access) {
                if present(path)?.is_some() {
                    // A replay would not create it.
                    return Err(NotKept::WroteOutside(path.clone()));
                }
                let state = FileState::Absent;
                self.observe(Observation::State { path: self.stored(path), follow: false, state }, None);
            }
            if access.changed && !access.listed && self.only_read(path) {
                self.look(path, *access)?;
                continue;
            }
            if access.changed {
                // Inside the root it is observed with the change.
                if access.listed && self.scope.region(path) != Region::Inside {
                    self.listing(path, *access, &importer)?;
                }
                continue;
            }
            if self.is_made_again(path, *access)? || self.is_made_where_missing(path, *access)? {
                made_again.push(path);
                continue;
            }
            if access.listed {
                self.listing(path, *access, &importer)?;
            } else if access.opened {
                // The run learned whether it may read the file, which the mode alone does not say.
                fs::read_dir(path).map_err(|error| unread(path, Some(&error)))?;
                if !access.looked {
                    // The run learned that it is a directory.
                    self.state(path, true)?;
                }
            }
            if !access.listed || access.looked_at_link || !importer.lists(path, *access) {
                self.look(path, *access)?;
            }
        }
        // The entries of a directory that the run created count if it listed them, except its own products.
        for path in made_again {
            let access = importer.access(path);
            if access.listed {
                self.listing(path, access, &importer)?;
            }
        }
        self.listings_before()?;
        self.listings_of_tools(&importer)?;
        self.digest(&contents, &importer)?;
        self.consulted_after_all(&importer);
        Ok(())
    }

    /// The state of a file or link that the run used and then moved away with its directory: of what was there when the run began.
    /// It is a product, so its state counts in any case.
    fn went_along(&self, path: &Path) -> Option<FileState> {
        let before = self.watcher.before.get(path)?;
        // It was not changed before it went.
        let is_old = before.evidence.is_some_and(|evidence| !self.is_young(&evidence));
        let is_changed = self.trace.accesses.get(path).is_none_or(|access| access.changed);
        let is_known = matches!(before.state, FileState::File { .. } | FileState::Symlink { .. });
        let went = is_old
            && is_known
            && !is_changed
            && self.scope.region(path) == Region::Inside
            && self.is_taken_along(path);
        went.then(|| before.state.clone())
    }

    /// Observes the content of a file that went away with its directory. Returns whether it is one.
    fn content_that_went(&mut self, path: &Path) -> bool {
        let Some(FileState::File { digest, .. }) = self.went_along(path) else { return false };
        self.contents.push((path.to_path_buf(), None));
        self.observe(Observation::Content { path: self.stored(path), digest }, None);
        true
    }

    /// The regular files whose content was used, sorted; for bytecode its source.
    fn contents(&self) -> Vec<PathBuf> {
        let mut contents = Vec::new();
        for (path, access) in self.trace.accesses.iter().filter(|(_, access)| access.read) {
            let source = bytecode::source_of(path).filter(|_| self.aside.has(path));
            if (is_index(path) && access.strangers & GIT_INDEX == 0) || self.tables.contains(path) {
                continue;
            }
            if let Some(source) = source.as_deref().filter(|source| self.scope.relative(source).is_some())
                && !access.changed
                && bytecode::may_be_of_another(path, source)
            {
                contents.push(path.clone());
            }
            match source {
                Some(source) if self.own_sources.contains(&source) => {}
                Some(source) => contents.push(source),
                None if (!access.changed || self.only_read(path)) && !self.is_ignored(path, *access) => {
                    contents.push(path.clone());
                }
                None => {}
            }
        }
        contents.retain(|path| !self.run.ignored_reads.matches(path));
        // They are usually sorted already.
        contents.sort();
        contents.dedup();
        contents
    }

    /// Observes the target of a path that was looked at or looked for.
    fn look(&mut self, path: &Path, access: Access) -> Result<(), NotKept> {
        if access.looked_at_link {
            self.state(path, false)?;
        }
        if access.looked {
            self.state(path, true)?;
        }
        if access.absent {
            self.absent(path)?;
        }
        Ok(())
    }

    /// Nothing existed, not even a dangling link.
    fn absent(&mut self, path: &Path) -> Result<(), NotKept> {
        let state = look::state(path, false).0;
        if state != FileState::Absent {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        self.observe(Observation::State { path: self.stored(path), follow: false, state }, None);
        Ok(())
    }

    pub(super) fn state(&mut self, path: &Path, follow: bool) -> Result<(), NotKept> {
        if let Some((digest, first, trusted)) = self.unchanged_content(path, follow) {
            let state = FileState::File { mode: first.mode & PERMISSIONS, digest };
            self.looked_at_file(path, &state, Some(first));
            let state = self.by_rights(path, follow, state);
            self.observe(Observation::State { path: self.stored(path), follow, state }, trusted);
            return Ok(());
        }
        if let Some(young) = self.watcher.young(path, follow) {
            let (now, evidence) = look::state(path, follow);
            if now != *young {
                return Err(NotKept::InputMoved(path.to_path_buf()));
            }
            self.looked_at_file(path, &now, evidence);
            let state = self.by_rights(path, follow, now);
            self.observe(Observation::State { path: self.stored(path), follow, state }, evidence);
            return Ok(());
        }
        let (state, evidence) = look::state(path, follow);
        let may_differ = match (&state, evidence) {
            (FileState::Absent | FileState::Directory { .. } | FileState::Special { .. }, _) => false,
            (_, Some(evidence)) => self.is_young(&evidence),
            (_, None) => {
                let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
                metadata.is_ok_and(|metadata| self.is_young(&Evidence::of(&metadata)))
            }
        };
        let may_differ = may_differ && !self.is_same_state(path, follow, &state);
        if may_differ || self.appeared_or_vanished(path, follow, &state) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        self.looked_at_file(path, &state, evidence);
        let state = self.by_rights(path, follow, state);
        self.observe(Observation::State { path: self.stored(path), follow, state }, evidence);
        Ok(())
    }

    /// The order of the times of regular files inside the root counts if the run looked at them.
    pub(super) fn looked_at_file(&mut self, path: &Path, state: &FileState, evidence: Option<Evidence>) {
        let is_file = matches!(state, FileState::File { .. } | FileState::LargeFile { .. });
        let is_directory = matches!(state, FileState::Directory { .. });
        // The time of a directory changes when the run creates files in it.
        let evidence = if is_directory { self.watcher.first(path) } else { evidence };
        let is_own = is_directory && evidence.is_none_or(|first| self.is_young(&first));
        if (is_file || is_directory) && !is_own && self.time_counts(path, is_file) {
            let access = self.trace.accesses.get(path).copied().unwrap_or_default();
            let modified = evidence.map(|evidence| evidence.modified);
            self.timed.push(Timed {
                path: path.to_path_buf(),
                modified,
                access,
                opened: access.read,
                is_file,
            });
        }
    }

    /// Digests the files that were read and are not known, in parallel if there are many, and observes their contents.
    fn digest(&mut self, paths: &[PathBuf], importer: &Importer) -> Result<(), NotKept> {
        let (small, large): (Vec<PathBuf>, Vec<PathBuf>) = paths
            .iter()
            .cloned()
            .partition(|path| self.watcher.first(path).is_some_and(|first| first.size < LARGE));
        let seen = small.iter().filter_map(|path| Some((path.as_path(), self.watcher.first(path)?)));
        self.memory.prepare_seen(&seen.collect::<Vec<_>>());
        for path in &small {
            let anew = || {
                let now = Timestamp::now();
                let (digest, evidence) = files::digest_file(path).ok()?;
                Some((digest, evidence, files::trusted(path, evidence, now)))
            };
            let read = self.unchanged_content(path, true).or_else(anew);
            self.content(path, read, importer)?;
        }
        let mut unknown = Vec::new();
        for path in large {
            match self.remembered_content(&path) {
                Some(read) => self.content(&path, Some(read), importer)?,
                None => unknown.push(path),
            }
        }
        self.memory.prepare(unknown.iter().cloned());
        for path in &unknown {
            let read = self.memory.digest(path).ok().and_then(|(digest, trusted)| {
                let evidence = trusted.or_else(|| fs::metadata(path).ok().as_ref().map(Evidence::of))?;
                Some((digest, evidence, trusted))
            });
            self.content(path, read, importer)?;
        }
        Ok(())
    }

    /// Observes the content of a file that was read: its digest, its state now, and whether that can be trusted.
    fn content(
        &mut self,
        path: &Path,
        read: Option<(Digest, Evidence, Option<Evidence>)>,
        importer: &Importer,
    ) -> Result<(), NotKept> {
        let Some((digest, now, trusted)) = read else {
            // Not readable now although it was read, or not a regular file.
            return match look::state(path, true).0 {
                FileState::Special { .. } => self.state(path, true),
                _ => Err(unread(path, fs::File::open(path).err().as_ref())),
            };
        };
        // The path, a link or one on the way, leads elsewhere now.
        let is_elsewhere = |first: Evidence| (first.device, first.inode) != (now.device, now.inode);
        if self.watcher.first(path).is_some_and(is_elsewhere) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        let young = self.watcher.young.get(path);
        let is_known = matches!(young, Some(FileState::File { digest: young, .. }) if *young == digest);
        if self.is_young(&now) && !is_known && !self.is_same_content(path, &now, digest) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        self.contents.push((path.to_path_buf(), trusted));
        self.observe(Observation::Content { path: self.stored(path), digest }, trusted);
        if self.mode_counts(path, &now, importer) {
            let state = FileState::File { mode: now.mode & PERMISSIONS, digest };
            let state = self.by_rights(path, true, state);
            self.observe(Observation::State { path: self.stored(path), follow: true, state }, trusted);
        }
        Ok(())
    }

    /// Whether more than the content of a file that was read counts: the run also looked at it by name, or executed it. Then its
    /// times count, too. (Programs of the system stay executable.)
    fn mode_counts(&mut self, path: &Path, now: &Evidence, importer: &Importer) -> bool {
        let Evidence { modified, mode, .. } = *now;
        let access = importer.access(path);
        let is_inside = self.scope.relative(path).is_some();
        let looked = access.looked && !importer.loads(path);
        if looked && self.time_counts(path, true) {
            self.timed.push(Timed {
                path: path.to_path_buf(),
                modified: Some(modified),
                access,
                opened: true,
                is_file: true,
            });
        }
        looked
            || (access.executed
                && (is_inside || !fs::metadata(path).is_ok_and(|metadata| metadata.uid() == 0)))
            || self.opening_shows_mode(path, access, importer)
            || (self.modes_given.contains(mode & PERMISSIONS) && self.opening_counts(path, access, importer))
    }
}

/// Whether `path` is the name under which the C library makes a semaphore, before that gets its own: six characters by chance, and
/// six others where something is there already.
fn is_semaphore_in_the_making(path: &Path, access: Access) -> bool {
    let by_chance = path.as_os_str().as_bytes().strip_prefix(b"/dev/shm/sem.");
    by_chance.is_some_and(|name| name.len() == 6 && name.iter().all(u8::is_ascii_alphanumeric))
        && access.first_change == FirstChange::Created
        && !access.looked
        && !access.read
}
