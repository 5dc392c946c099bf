//! Records paths while a process that is about to access them is stopped: their state when the run began.

mod aliases;
mod later;
mod nature;
mod relinked;

use super::background::Background;
use super::made::Made;
use super::system;
use crate::digest::Digest;
use crate::error::is_inconclusive_for;
use crate::exec::{Executed, Fate, Image, Nature, Seen, Witness};
use crate::hash::capture::Captured;
use crate::hash::{files, look};
use crate::memo::outputs::{ByTime, Owner};
use crate::profiles::git_index::is_index;
use crate::profiles::state::Tables;
use crate::record::{Circumstances, Evidence, FileState, Places, Timestamp};
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Files of up to this size are digested at once, since opening them takes as long.
const WORTH_LATER: u64 = 4 << 10;
/// A directory with more entries than this is not inspected before it is renamed.
pub(super) const LARGEST_TREE: usize = 100_000;

/// The state of a path before its first change.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// During the run, a file that will be digested later is identified by size and time.
    pub(super) state: FileState,
    /// The result of `lstat`; `None` if nothing existed.
    pub(super) evidence: Option<Evidence>,
    /// The content part of git's index, if the path is one.
    pub(super) index: Option<Digest>,
    /// Its owner and group.
    pub(super) owner: Option<Owner>,
    /// When it was created, if the file system knows.
    pub(super) created: Option<Timestamp>,
}

impl Before {
    /// Nothing existed.
    pub(super) const NOTHING: Self =
        Self { state: FileState::Absent, evidence: None, owner: None, index: None, created: None };
}

/// The states of paths before the run accessed them.
pub(in crate::memo) struct Watcher<'a> {
    root: &'a Path,
    captured: &'a Captured,
    /// Where tools keep private state.
    pub(super) tables: Tables,
    /// When the run began, by the clock of file times.
    started: Timestamp,
    /// The circumstances in which it runs.
    circumstances: &'a dyn Circumstances,
    pub(super) before: BTreeMap<PathBuf, Before>,
    /// The target of each path at the first look or open; `None` if nothing existed.
    first: HashMap<Vec<u8>, Option<Evidence>, FxBuildHasher>,
    /// Files that are too new for their times to prove that they are unchanged since the run began: their state at the first
    /// look.
    pub(super) young: BTreeMap<PathBuf, FileState>,
    /// The same for symbolic links themselves.
    young_links: BTreeMap<PathBuf, FileState>,
    /// Directories inside the root and temporary directories, as they were at the first listing.
    pub(super) listings: BTreeMap<PathBuf, Vec<(std::ffi::OsString, files::EntryKind)>>,
    /// Directories inside the root, as they were before they or a parent first changed.
    pub(super) directories: BTreeMap<PathBuf, Vec<(std::ffi::OsString, files::EntryKind)>>,
    /// A directory with too many entries to inspect.
    pub(super) too_large: Option<PathBuf>,
    /// Files that were recorded with a parent directory: they are read after the command has ended, if they changed.
    later: BTreeSet<PathBuf>,
    background: Background,
    /// A path that was about to change and could not be inspected, with the reason.
    pub(super) unseen: Option<(PathBuf, io::Error)>,
    /// Names in code that the run created.
    pub(super) made: Made,
    /// Whether a tool ran that never decides by which of two files is newer.
    pub(super) has_timeless: bool,
    /// Tables of the system, as they were at the first look.
    pub(super) system: BTreeMap<PathBuf, Vec<u8>>,
}

impl<'a> Watcher<'a> {
    pub(in crate::memo) fn new(
        places: &'a Places,
        captured: &'a Captured,
        started: Timestamp,
        circumstances: &'a dyn Circumstances,
    ) -> Self {
        // Changed paths are recorded by their real paths.
        let real = places.home.as_deref().and_then(|home| fs::canonicalize(home).ok());
        let homes: Vec<&Path> = places.home.as_deref().into_iter().chain(real.as_deref()).collect();
        Self {
            root: &places.root,
            captured,
            tables: Tables::new(&places.root, &homes, &captured.environment),
            started,
            circumstances,
            before: BTreeMap::new(),
            first: HashMap::default(),
            young: BTreeMap::new(),
            young_links: BTreeMap::new(),
            listings: BTreeMap::new(),
            directories: BTreeMap::new(),
            too_large: None,
            unseen: None,
            later: BTreeSet::new(),
            background: Background::default(),
            made: Made::default(),
            has_timeless: false,
            system: BTreeMap::new(),
        }
    }

    /// The target of `path`, a path without repeated slashes, at the first look or open; `Some(None)` if nothing existed.
    pub(super) fn known(&self, path: &Path) -> Option<&Option<Evidence>> {
        self.first.get(path.as_os_str().as_bytes())
    }

    /// The target of `path` at the first look or open, if there was one.
    pub(super) fn first(&self, path: &Path) -> Option<Evidence> {
        self.known(path).copied().flatten()
    }

    /// Device and inode of every file that was looked at, opened or changed, at its first access.
    pub(in crate::memo) fn files_touched(&self) -> HashSet<(u64, u64)> {
        let looked = self.first.values().copied();
        let changed = self.before.values().map(|before| before.evidence);
        looked.chain(changed).flatten().map(|found| (found.device, found.inode)).collect()
    }

    /// The owner of `path`, inside the root, before its first change.
    pub(in crate::memo) fn owner_before(&self, path: &[u8]) -> Option<Owner> {
        self.before.get(&self.root.join(OsStr::from_bytes(path))).and_then(|before| before.owner)
    }

    /// Paths that were looked at or changed, with one of these times at first, by that time.
    pub(in crate::memo) fn with_times(&self, times: &BTreeSet<Timestamp>) -> ByTime {
        let looked =
            self.first.iter().map(|(path, evidence)| (Path::new(OsStr::from_bytes(path)), *evidence));
        let changed = self.before.iter().map(|(path, before)| (path.as_path(), before.evidence));
        let mut found = ByTime::new();
        for (path, evidence) in looked.chain(changed) {
            if let Some(evidence) = evidence.filter(|evidence| times.contains(&evidence.modified)) {
                found.entry(evidence.modified).or_default().insert(path.to_path_buf());
            }
        }
        found
    }

    /// Records the state of `path` before its first change. Its content is read at once only if it may be lost.
    fn take_before(&mut self, path: &Path, fate: Fate) {
        match self.before.get(path).and_then(|before| before.evidence) {
            // It was recorded with a parent directory.
            Some(evidence) if self.later.remove(path) => {
                let now = fs::symlink_metadata(path).ok().map(|now| Evidence::of(&now));
                if now == Some(evidence) {
                    let state = self.file_state(path, evidence, fate);
                    self.before.entry(path.to_path_buf()).and_modify(|before| before.state = state);
                } else {
                    // It was moved away with its directory, and is digested where it is then.
                    self.later.insert(path.to_path_buf());
                }
                return;
            }
            Some(_) => return,
            None if self.before.contains_key(path) => return,
            None => {}
        }
        if self.came_with_the_run(path) {
            if fate == Fate::Kept && !self.later.is_empty() {
                // It may have been moved here with its directory.
                let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
                if let Some(metadata) = metadata {
                    self.background.digest(path, Evidence::of(&metadata));
                }
            }
            self.before.insert(path.to_path_buf(), Before::NOTHING);
            return;
        }
        if self.take_one(path, Some(fate)) && path.starts_with(self.root) {
            let mut count = 0;
            self.take_tree(path, &mut count);
        }
    }

    /// Whether `path`, which has no record, cannot have existed before the run: a parent did not exist, or was recorded with all
    /// of its entries.
    pub(super) fn came_with_the_run(&self, path: &Path) -> bool {
        let above = path.ancestors().skip(1).take_while(|above| above.starts_with(self.root));
        let mut above = above.map(|above| (above, self.before.get(above)));
        above.any(|(above, before)| {
            self.directories.contains_key(above) || before.is_some_and(|before| before.evidence.is_none())
        })
    }

    /// The state of a regular file inside the root. If its content stays, it is digested in parallel to the run.
    fn file_state(&mut self, path: &Path, evidence: Evidence, fate: Fate) -> FileState {
        if fate == Fate::Lost || evidence.size > look::LARGEST_DIGESTED || evidence.size < WORTH_LATER {
            return look::state(path, false).0;
        }
        self.background.digest(path, evidence);
        by_size_and_time(&evidence)
    }

    /// Records the state of `path`. Without a `fate`, the content of a file is read later. Returns whether it is a directory.
    fn take_one(&mut self, path: &Path, fate: Option<Fate>) -> bool {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) => {
                if is_inconclusive_for(path, &error) {
                    self.unseen.get_or_insert((path.to_path_buf(), error));
                }
                None
            }
        };
        // Outside of the root only the net change counts.
        let state = match &metadata {
            Some(metadata) if !path.starts_with(self.root) => {
                FileState::Special { mode: Evidence::of(metadata).mode }
            }
            Some(metadata) if metadata.is_file() => {
                let evidence = Evidence::of(metadata);
                if let Some(fate) = fate {
                    self.file_state(path, evidence, fate)
                } else {
                    self.later.insert(path.to_path_buf());
                    by_size_and_time(&evidence)
                }
            }
            _ => look::state(path, false).0,
        };
        let is_directory = metadata.as_ref().is_some_and(fs::Metadata::is_dir);
        let evidence = metadata.as_ref().map(Evidence::of);
        let owner = metadata.as_ref().map(|metadata| (metadata.uid(), metadata.gid()));
        let index = if is_index(path) { look::index(path).map(|(digest, _)| digest) } else { None };
        let created = metadata.as_ref().and_then(|metadata| metadata.created().ok()).map(Timestamp::of);
        self.before.insert(path.to_path_buf(), Before { state, evidence, index, owner, created });
        is_directory
    }

    /// Records all entries of a directory that may be about to move, without reading them. `count` is the number of entries so
    /// far.
    fn take_tree(&mut self, directory: &Path, count: &mut usize) {
        let entries = match files::entries(directory, true) {
            Ok(entries) => entries,
            Err(error) => {
                self.unseen.get_or_insert((directory.to_path_buf(), error));
                return;
            }
        };
        self.directories.insert(directory.to_path_buf(), entries.clone());
        for (name, _) in entries {
            *count += 1;
            if *count > LARGEST_TREE {
                self.too_large.get_or_insert_with(|| directory.to_path_buf());
                return;
            }
            let path = directory.join(name);
            let is_directory = match self.before.get(&path) {
                Some(before) => matches!(before.state, FileState::Directory { .. }),
                None => self.take_one(&path, None),
            };
            if is_directory && !self.directories.contains_key(&path) {
                self.take_tree(&path, count);
            }
        }
    }

    fn is_young(&self, evidence: &Evidence) -> bool {
        evidence.changed >= self.started || evidence.modified >= self.started
    }

    fn is_young_link(&self, path: &Path) -> bool {
        let there = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_symlink);
        there.is_some_and(|there| self.is_young(&Evidence::of(&there)))
    }

    /// The state of a path at the first look, if its times cannot prove that it is unchanged: its target or, with `follow` false,
    /// the path itself.
    pub(super) fn young(&self, path: &Path, follow: bool) -> Option<&FileState> {
        if follow {
            return self.young.get(path);
        }
        self.young_links.get(path).or_else(|| {
            let first = self.first(path)?;
            let there = fs::symlink_metadata(path).ok()?;
            // The record has the target of the path, which is the same if there was no link.
            let is_itself = (there.dev(), there.ino()) == (first.device, first.inode);
            self.young.get(path).filter(|_| is_itself)
        })
    }
}

/// The state of a file that is not read.
const fn by_size_and_time(evidence: &Evidence) -> FileState {
    FileState::LargeFile { mode: evidence.mode & 0o7777, size: evidence.size, modified: evidence.modified }
}

impl Witness for Watcher<'_> {
    fn about_to_look(&mut self, path: &Path, seen: Seen<'_>) {
        if system::is_table(path)
            && let Ok(bytes) = fs::read(path)
        {
            self.system.insert(path.to_path_buf(), bytes);
        }
        let looked;
        let metadata = match seen {
            Seen::Nothing => None,
            Seen::There(metadata) => Some(metadata),
            Seen::Unknown => {
                looked = fs::metadata(path).ok();
                looked.as_ref()
            }
        };
        let evidence = metadata.map(Evidence::of);
        self.first.insert(path.as_os_str().as_bytes().to_vec(), evidence);
        let (Some(metadata), Some(evidence)) = (metadata, evidence) else { return };
        let kind = metadata.file_type();
        if self.is_young(&evidence) && !kind.is_dir() && !kind.is_fifo() && !kind.is_socket() {
            self.young.insert(path.to_path_buf(), look::state(path, true).0);
        }
        if matches!(seen, Seen::Unknown) && self.is_young_link(path) {
            self.young_links.insert(path.to_path_buf(), look::state(path, false).0);
        }
    }

    fn about_to_list(&mut self, path: &Path) {
        if (path.starts_with(self.root) || self.tables.is_temporary(path))
            && let Ok(entries) = files::entries(path, true)
        {
            self.listings.insert(path.to_path_buf(), entries);
        }
    }

    fn about_to_change(&mut self, path: &Path, fate: Fate) {
        self.take_before(path, fate);
    }

    fn about_to_read_own(&mut self, path: &Path, executed: bool) {
        self.made.file(path, executed, &self.captured.environment);
    }

    fn about_to_execute(&mut self, executed: &Executed<'_>) {
        self.made.executes(executed, &self.captured.environment);
    }

    fn nature(&mut self, image: &Image<'_>) -> Nature {
        self.nature_of(image)
    }
}
