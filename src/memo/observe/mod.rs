//! What a watched run did becomes its observations and outputs, by the table of the specification.
//!
//! Whatever cannot be told for sure keeps the result from being kept.

mod importer;
mod scope;
mod times;
mod variables;
mod witness;

pub(super) use witness::Watcher;

use super::policy::Policy;
use super::reason::NotKept;
use super::stdin::StdinAtStart;
use crate::exec::{Access, Hazard, Trace};
use crate::hash::capture::Captured;
use crate::hash::entry::{LanguageKind, What};
use crate::hash::globs::Patterns;
use crate::hash::{exclude, files, look};
use crate::record::{Evidence, FileState, Observation, Places, Recall, StoredPath, Timestamp};
use importer::Importer;
use scope::{Region, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use witness::Before;

/// What is known of a run beside its trace.
pub(super) struct Run<'a> {
    pub(super) captured: &'a Captured,
    pub(super) policy: &'a Policy,
    pub(super) places: &'a Places,
    pub(super) directory: &'a Path,
    pub(super) words: &'a [OsString],
    pub(super) secret: [u8; 32],
    pub(super) recall: &'a dyn Recall,
    /// When it began, by the clock that files are stamped with.
    pub(super) started: Timestamp,
    /// Our standard input, unless the child reads something that is in the manifest.
    pub(super) stdin: Option<&'a StdinAtStart>,
    pub(super) declared_inputs: &'a Patterns,
    pub(super) declared_outputs: &'a Patterns,
    pub(super) ignored_writes: &'a Patterns,
}

/// What decided a run's result, and what it left.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) observations: Vec<(Observation, Option<Evidence>)>,
    /// Paths relative to the root that the run wrote and left behind, or removed.
    pub(super) outputs: BTreeSet<Vec<u8>>,
    /// Variables that were set and are named in nothing that the run read.
    pub(super) indifferent: Vec<Vec<u8>>,
    /// Whether the run created anything inside the root.
    pub(super) created: bool,
}

/// Turns a trace into observations and outputs.
///
/// # Errors
/// The first reason why the result cannot be kept.
pub(super) fn observe(run: &Run<'_>, trace: &Trace, watcher: &Watcher<'_>) -> Result<Observed, NotKept> {
    let home = run.places.home.as_deref();
    let scope = Scope::new(&run.places.root, home, &run.captured.environment, run.directory, run.words);
    let mut observer = Observer {
        run,
        trace,
        watcher,
        scratch: scratch(&scope, trace, watcher),
        scope,
        observed: Observed::default(),
        contents: BTreeMap::new(),
        refusing: BTreeSet::new(),
        rewritten: Vec::new(),
        by_bytecode: by_bytecode(trace),
        timed: Vec::new(),
    };
    observer.hazards()?;
    for (path, access) in trace.accesses.iter().filter(|(_, access)| access.changed) {
        observer.changed(path, *access)?;
    }
    if run.policy.pure {
        // The call says that nothing decides the result but what is in the manifest.
        observer.observed.observations.clear();
        return Ok(observer.observed);
    }
    observer.reads()?;
    observer.refusing()?;
    observer.descriptors()?;
    times::observe(&mut observer.observed, &observer.timed, run.places, run.captured.shows_times);
    if !observer.rewritten.is_empty() {
        let others = observer.looked_at();
        times::around(&mut observer.observed, &observer.rewritten, &others, run.places);
    }
    variables::observe(run, trace, &observer.contents, &mut observer.observed);
    Ok(observer.observed)
}

struct Observer<'a> {
    run: &'a Run<'a>,
    trace: &'a Trace,
    watcher: &'a Watcher<'a>,
    scope: Scope,
    /// Directories of temporary files and caches in which the run made or removed something.
    scratch: BTreeSet<PathBuf>,
    observed: Observed,
    /// Every regular file whose content was used, in its present digest.
    contents: BTreeMap<PathBuf, crate::digest::Digest>,
    /// Python sources whose bytecode was read.
    by_bytecode: BTreeSet<PathBuf>,
    /// Files inside the root that were looked at and then written, with their times before.
    rewritten: Vec<(PathBuf, Timestamp)>,
    /// Directories inside the root in which something was tried and left no trace.
    refusing: BTreeSet<PathBuf>,
    /// Files inside the root that were looked at but neither opened nor written.
    timed: Vec<PathBuf>,
}

/// What `lstat` says now.
fn present(path: &Path) -> Option<Evidence> {
    fs::symlink_metadata(path).ok().as_ref().map(Evidence::of)
}

/// Whether what is at a path now is another thing than before, or the same thing written.
fn differs(before: Option<&Evidence>, now: Option<&Evidence>) -> bool {
    match (before, now) {
        (None, None) => false,
        (Some(before), Some(now)) => {
            let directory = |evidence: &Evidence| evidence.mode & libc::S_IFMT == libc::S_IFDIR;
            if directory(before) && directory(now) {
                // A directory's times move with its entries, which have paths of their own.
                before.mode != now.mode
            } else {
                before.size != now.size
                    || before.mode != now.mode
                    || before.modified != now.modified
                    || before.inode != now.inode
                    || before.changed != now.changed
            }
        }
        _ => true,
    }
}

/// Python sources whose bytecode was read in their place.
fn by_bytecode(trace: &Trace) -> BTreeSet<PathBuf> {
    let read = trace.accesses.iter().filter(|(_, access)| access.read && !access.changed);
    read.filter_map(|(path, _)| importer::source_of(path)).collect()
}

/// The directories below temporary and cache places in which the run created, renamed or removed an entry.
fn scratch(scope: &Scope, trace: &Trace, watcher: &Watcher<'_>) -> BTreeSet<PathBuf> {
    let changed = trace.accesses.iter().filter(|(_, access)| access.changed);
    let made = changed.filter(|(path, _)| {
        let existed = watcher.before.get(*path).is_some_and(|before| before.evidence.is_some());
        !existed || fs::symlink_metadata(path).is_err()
    });
    let parents = made.filter_map(|(path, _)| path.parent());
    parents.filter(|parent| scope.may_be_scratch(parent)).map(Path::to_path_buf).collect()
}

/// The entries of a directory that count in its listing.
fn counted(entries: &[(OsString, files::EntryKind)], everything: bool) -> Vec<(OsString, files::EntryKind)> {
    let counts = |name: &OsString| everything || exclude::excluded(name) != Some(exclude::Excluded::Always);
    entries.iter().filter(|(name, _)| counts(name)).cloned().collect()
}

impl Observer<'_> {
    fn observe(&mut self, observation: Observation, evidence: Option<Evidence>) {
        self.observed.observations.push((observation, evidence));
    }

    fn stored(&self, path: &Path) -> StoredPath {
        self.run.places.store(path)
    }

    fn hazards(&mut self) -> Result<(), NotKept> {
        for hazard in &self.trace.hazards {
            match hazard {
                Hazard::Network(_) if self.run.policy.pure => {}
                Hazard::Network(_)
                    if self.run.policy.allow_network || self.run.policy.time_to_live.is_some() =>
                {
                    if !self.observed.observations.iter().any(|(seen, _)| *seen == Observation::Network) {
                        self.observe(Observation::Network, None);
                    }
                }
                _ => return Err(NotKept::Hazard(hazard.clone())),
            }
        }
        match &self.watcher.too_large {
            Some(path) => Err(NotKept::InputMoved(path.clone())),
            None => Ok(()),
        }
    }

    /// Whether `path` is declared as an output and not as an input.
    fn only_output(&self, path: &Path) -> bool {
        self.run.declared_outputs.matches(path) && !self.run.declared_inputs.matches(path)
    }

    fn changed(&mut self, path: &Path, access: Access) -> Result<(), NotKept> {
        let unknown = Before { state: FileState::Absent, evidence: None };
        let before = self.watcher.before.get(path).unwrap_or(&unknown);
        let now = present(path);
        let net = differs(before.evidence.as_ref(), now.as_ref());
        if self.run.ignored_writes.matches(path) {
            return Ok(());
        }
        match self.scope.region(path) {
            Region::Inside => {}
            Region::Outside if net => return Err(NotKept::WroteOutside(path.to_path_buf())),
            Region::Repository if net => return Err(NotKept::WroteRepository(path.to_path_buf())),
            Region::Excluded | Region::Tolerated | Region::Outside | Region::Repository => return Ok(()),
        }
        let declared_both = self.run.declared_inputs.matches(path) && self.run.declared_outputs.matches(path);
        if access.read_then_changed && net && !declared_both {
            return Err(NotKept::ReadThenWritten(path.to_path_buf()));
        }
        // A look before the change counts like any other: `[ -e out ] || make out`.
        let looked = access.looked || access.looked_at_link || access.absent || access.read || access.listed;
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
                let behind = directory.join(std::ffi::OsStr::from_bytes(text));
                self.state(&behind, true)?;
            }
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
            self.output(path, now.as_ref(), before);
        }
        Ok(())
    }

    /// Whether a path that was looked at was changed by somebody else before the run changed it.
    fn moved_before_change(&self, path: &Path, before: &Before) -> bool {
        let Some(evidence) = before.evidence.filter(|evidence| self.is_young(evidence)) else { return false };
        let is_directory = evidence.mode & libc::S_IFMT == libc::S_IFDIR;
        !is_directory && self.watcher.young.get(path) != Some(&before.state)
    }

    /// Whether directories in which something was tried let it be done.
    fn refusing(&mut self) -> Result<(), NotKept> {
        for directory in std::mem::take(&mut self.refusing) {
            let is_changed = self.trace.accesses.get(&directory).is_some_and(|access| access.changed);
            if !is_changed {
                self.state(&directory, true)?;
            }
        }
        Ok(())
    }

    /// Takes in a path that was left behind or removed, and everything below it if it came or went as a whole.
    fn output(&mut self, path: &Path, now: Option<&Evidence>, before: &Before) {
        if let Some(relative) = self.scope.relative(path) {
            self.observed.outputs.insert(relative.to_vec());
        }
        let is_directory = now.is_some_and(|now| now.mode & libc::S_IFMT == libc::S_IFDIR);
        if is_directory && !matches!(before.state, FileState::Directory { .. }) {
            let below = walkdir::WalkDir::new(path).min_depth(1).into_iter().flatten();
            let below: Vec<PathBuf> = below.map(walkdir::DirEntry::into_path).collect();
            for path in below.iter().filter(|path| self.scope.region(path) == Region::Inside) {
                self.observed.outputs.extend(self.scope.relative(path).map(<[u8]>::to_vec));
            }
        }
        if !is_directory && matches!(before.state, FileState::Directory { .. }) {
            let gone: Vec<PathBuf> = self
                .watcher
                .before
                .keys()
                .filter(|below| below.starts_with(path) && *below != path)
                .cloned()
                .collect();
            for path in gone {
                if present(&path).is_none() && self.scope.region(&path) == Region::Inside {
                    self.observed.outputs.extend(self.scope.relative(&path).map(<[u8]>::to_vec));
                    // Files that went along with their directory were never named by themselves.
                    if let Some(before) = self.watcher.before.get(&path) {
                        let state = before.state.clone();
                        self.observe(
                            Observation::State { path: self.stored(&path), follow: false, state },
                            None,
                        );
                    }
                }
            }
        }
    }

    /// Whether looks at `path` say nothing about the result.
    fn is_ignored(&self, path: &Path, access: Access) -> bool {
        if self.scope.ignores(path) || self.only_output(path) || self.run.ignored_writes.matches(path) {
            return true;
        }
        if self.is_source(path) && !self.is_read_as_data(path, access) {
            return true;
        }
        let in_scratch = path.ancestors().any(|above| self.scratch.contains(above));
        let existed = self.watcher.before.get(path).is_none_or(|before| before.evidence.is_some());
        let read_alone = access.read && !access.changed && existed;
        in_scratch && !read_alone
    }

    /// Regular files inside the root that were looked at by name and not written, whether or not they were opened.
    fn looked_at(&self) -> Vec<PathBuf> {
        let counts = |path: &Path, access: &Access| {
            (access.looked || access.looked_at_link)
                && !access.changed
                && self.scope.relative(path).is_some()
                && !self.is_ignored(path, *access)
                && fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
        };
        let looked = self.trace.accesses.iter().filter(|(path, access)| counts(path, access));
        looked.map(|(path, _)| path.clone()).collect()
    }

    /// Whether `path` is in the manifest in normal form.
    fn is_source(&self, path: &Path) -> bool {
        self.run.captured.sources.iter().any(|source| source.absolute == path)
    }

    /// Whether a source was opened more often than its interpreter does for running it: its bytes count then.
    fn is_read_as_data(&self, path: &Path, access: Access) -> bool {
        let entry = &self.run.captured.command.entry;
        let is_main = matches!(&entry.what, What::Script(script) if script == path);
        let expected = match entry.language {
            _ if self.by_bytecode.contains(path) => 0,
            // It looks first whether the script is an archive.
            LanguageKind::Python if is_main => 2,
            _ => 1,
        };
        let opens = self.trace.reopened.get(path).copied().unwrap_or_else(|| u32::from(access.read));
        opens > expected
    }

    fn reads(&mut self) -> Result<(), NotKept> {
        let importer = Importer::new(self.run.captured, self.trace);
        let contents = self.contents();
        for (path, access) in &self.trace.accesses {
            // What was there before a change is observed with the change.
            if access.changed || contents.contains(path) || self.is_ignored(path, *access) {
                if contents.contains(path) && access.looked_at_link {
                    self.state(path, false)?;
                }
                continue;
            }
            if access.listed {
                self.listing(path, &importer)?;
            }
            if !access.listed || access.looked_at_link {
                self.look(path, *access)?;
            }
        }
        let contents: Vec<PathBuf> = contents.into_iter().collect();
        self.digest(&contents)
    }

    /// The regular files whose content was used; a source in place of its bytecode.
    fn contents(&self) -> BTreeSet<PathBuf> {
        let mut contents = BTreeSet::new();
        for (path, access) in self.trace.accesses.iter().filter(|(_, access)| access.read) {
            match importer::source_of(path) {
                Some(source) if self.is_source(&source) => {}
                Some(source) => {
                    contents.insert(source);
                }
                None if !access.changed && !self.is_ignored(path, *access) => {
                    contents.insert(path.clone());
                }
                None => {}
            }
        }
        contents
    }

    /// Observes what a path that was looked at, or looked for, leads to.
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

    /// Nothing was there, not even a link that leads nowhere.
    fn absent(&mut self, path: &Path) -> Result<(), NotKept> {
        let state = look::state(path, false).0;
        if state != FileState::Absent {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        self.observe(Observation::State { path: self.stored(path), follow: false, state }, None);
        Ok(())
    }

    fn state(&mut self, path: &Path, follow: bool) -> Result<(), NotKept> {
        if let Some(young) = self.watcher.young.get(path).filter(|_| follow) {
            let (now, evidence) = look::state(path, true);
            if now != *young {
                return Err(NotKept::InputMoved(path.to_path_buf()));
            }
            self.observe(Observation::State { path: self.stored(path), follow, state: now }, evidence);
            return Ok(());
        }
        let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let moved = metadata.as_ref().is_ok_and(|metadata| self.moved(metadata));
        let (state, evidence) = look::state(path, follow);
        if self.came_or_went(path, follow, &state) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        if moved && !matches!(state, FileState::Directory { .. } | FileState::Special { .. }) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        if matches!(state, FileState::File { .. } | FileState::LargeFile { .. })
            && self.scope.relative(path).is_some()
        {
            self.timed.push(path.to_path_buf());
        }
        self.observe(Observation::State { path: self.stored(path), follow, state }, evidence);
        Ok(())
    }

    /// Whether there is something now where nothing was at the first look, or the other way round.
    fn came_or_went(&self, path: &Path, follow: bool, now: &FileState) -> bool {
        if !follow {
            return *now == FileState::Absent;
        }
        let is_directory = matches!(now, FileState::Directory { .. });
        match self.watcher.first.get(path) {
            Some(Some(first)) => {
                *now == FileState::Absent || is_directory != (first.mode & libc::S_IFMT == libc::S_IFDIR)
            }
            Some(None) => !matches!(now, FileState::Absent | FileState::Unreadable { .. }),
            None => false,
        }
    }

    /// Whether the times of a file do not prove that it stayed as it was when the run began.
    fn moved(&self, metadata: &fs::Metadata) -> bool {
        self.is_young(&Evidence::of(metadata))
    }

    fn is_young(&self, evidence: &Evidence) -> bool {
        evidence.changed >= self.run.started || evidence.modified >= self.run.started
    }

    fn listing(&mut self, path: &Path, importer: &Importer) -> Result<(), NotKept> {
        let stored = self.stored(path);
        if importer.lists(path) {
            let names = importer.names();
            let Ok((digest, evidence)) = look::importable(path, &names) else {
                return Err(NotKept::InputMoved(path.to_path_buf()));
            };
            self.observe(Observation::Importable { path: stored, names, digest }, evidence);
            return Ok(());
        }
        let everything = self.scope.is_named(path);
        let taken = self.watcher.listings.get(path);
        let digest = match taken {
            Some(entries) => files::listing_digest(&counted(entries, everything)),
            None => match files::listing(path, everything) {
                Ok(digest) => digest,
                Err(_) => return Err(NotKept::InputMoved(path.to_path_buf())),
            },
        };
        let Ok(metadata) = fs::metadata(path) else { return Err(NotKept::InputMoved(path.to_path_buf())) };
        let moved = self.moved(&metadata);
        if moved && taken.is_none() {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        let evidence =
            if moved { None } else { files::trusted(path, Evidence::of(&metadata), Timestamp::now()) };
        self.observe(Observation::Listing { path: stored, everything, digest }, evidence);
        Ok(())
    }

    /// Digests the files that were read, in parallel, and observes their contents.
    fn digest(&mut self, paths: &[PathBuf]) -> Result<(), NotKept> {
        let digests = files::digest_many(paths);
        for (path, digest) in paths.iter().zip(digests) {
            let Ok((digest, evidence)) = digest else {
                // Not readable now although it was read then, or no regular file.
                match look::state(path, true).0 {
                    FileState::Special { .. } => {
                        self.state(path, true)?;
                        continue;
                    }
                    _ => return Err(NotKept::InputMoved(path.clone())),
                }
            };
            if self.is_young(&evidence) {
                let same = match self.watcher.young.get(path) {
                    Some(FileState::File { digest: young, .. }) => *young == digest,
                    _ => false,
                };
                if !same {
                    return Err(NotKept::InputMoved(path.clone()));
                }
            }
            let evidence = files::trusted(path, evidence, Timestamp::now());
            self.contents.insert(path.clone(), digest);
            self.observe(Observation::Content { path: self.stored(path), digest }, evidence);
        }
        Ok(())
    }

    fn descriptors(&mut self) -> Result<(), NotKept> {
        if let Some(stdin) = self.run.stdin
            && let Some(used) = stdin.observe(self.trace.stdin)?
        {
            self.observe(Observation::Stdin(used), None);
        }
        for (number, used) in &self.trace.descriptors {
            if used.written || used.read {
                return Err(NotKept::UsedDescriptor(*number));
            }
        }
        Ok(())
    }
}
