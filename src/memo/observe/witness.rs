//! Looks at paths while a process that is about to touch them is held: how they were when the run began.

use super::background::Background;
use super::made::{self, Made};
use super::{python_process, rights, shown, system};
use crate::digest::Digest;
use crate::error::tells_nothing_of;
use crate::exec::{Executed, Fate, Image, Nature, Seen, Shows, Witness};
use crate::hash::capture::Captured;
use crate::hash::{files, interpreters, look};
use crate::memo::outputs::{ByTime, Owner};
use crate::profiles::git_index::is_index;
use crate::profiles::state::{Tables, keeps};
use crate::record::{Evidence, FileState, Places, Timestamp};
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Smaller files are digested at once: to open them takes as long.
const WORTH_LATER: u64 = 4 << 10;
/// More entries than this below one directory are not looked at one by one before it is renamed.
pub(super) const LARGEST_TREE: usize = 100_000;

/// What a path was before its first change.
#[derive(Clone, Debug)]
pub(super) struct Before {
    /// While the command runs, files that are digested later are identified by size and time.
    pub(super) state: FileState,
    /// What `lstat` said; `None` for nothing.
    pub(super) evidence: Option<Evidence>,
    /// What git's index said of content, where it is one.
    pub(super) index: Option<Digest>,
    /// To whom it belonged.
    owner: Option<Owner>,
}

impl Before {
    /// Nothing was there.
    pub(super) const NOTHING: Self =
        Self { state: FileState::Absent, evidence: None, owner: None, index: None };
}

/// How paths were before the run touched them.
pub(in crate::memo) struct Watcher<'a> {
    root: &'a Path,
    captured: &'a Captured,
    /// Where tools keep their own state.
    pub(super) tables: Tables,
    /// When the run began, by the clock that files are stamped with.
    started: Timestamp,
    pub(super) before: BTreeMap<PathBuf, Before>,
    /// What each path led to when it was looked at or opened first; `None` for nothing.
    first: HashMap<Vec<u8>, Option<Evidence>, FxBuildHasher>,
    /// Files too young for their times to prove that they did not move since the run began: what they were at the
    /// first look.
    pub(super) young: BTreeMap<PathBuf, FileState>,
    /// The same for symbolic links themselves.
    young_links: BTreeMap<PathBuf, FileState>,
    /// Directories inside the root, and those for temporary files, as they were when they were listed first.
    pub(super) listings: BTreeMap<PathBuf, Vec<(std::ffi::OsString, files::EntryKind)>>,
    /// Directories inside the root, as they were when they, or one above them, changed first.
    pub(super) directories: BTreeMap<PathBuf, Vec<(std::ffi::OsString, files::EntryKind)>>,
    /// A directory that was too large to be looked at whole.
    pub(super) too_large: Option<PathBuf>,
    /// Files that were looked at with a directory above them: their bytes are read when the command has ended, if they moved.
    later: BTreeSet<PathBuf>,
    background: Background,
    /// A path that was about to change and could not be looked at, and why.
    pub(super) unseen: Option<(PathBuf, io::Error)>,
    /// What code that the run made names.
    pub(super) made: Made,
    /// Tables of the system, as they were when they were looked at first.
    pub(super) system: BTreeMap<PathBuf, Vec<u8>>,
}

impl<'a> Watcher<'a> {
    pub(in crate::memo) fn new(places: &'a Places, captured: &'a Captured, started: Timestamp) -> Self {
        // What changes is known by its real path.
        let real = places.home.as_deref().and_then(|home| fs::canonicalize(home).ok());
        let homes: Vec<&Path> = places.home.as_deref().into_iter().chain(real.as_deref()).collect();
        Self {
            root: &places.root,
            captured,
            tables: Tables::new(&places.root, &homes, &captured.environment),
            started,
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
            system: BTreeMap::new(),
        }
    }

    /// What `path`, which names no directory twice, led to when it was looked at or opened first; `Some(None)` for
    /// nothing.
    pub(super) fn known(&self, path: &Path) -> Option<&Option<Evidence>> {
        self.first.get(path.as_os_str().as_bytes())
    }

    /// What `path` led to when it was looked at or opened first, if it did.
    pub(super) fn first(&self, path: &Path) -> Option<Evidence> {
        self.known(path).copied().flatten()
    }

    /// Device and number of every file that was looked at, opened or changed, as it was at first.
    pub(in crate::memo) fn files_touched(&self) -> HashSet<(u64, u64)> {
        let looked = self.first.values().copied();
        let changed = self.before.values().map(|before| before.evidence);
        looked.chain(changed).flatten().map(|found| (found.device, found.inode)).collect()
    }

    /// To whom what was at `path`, below the root, belonged before it changed first.
    pub(in crate::memo) fn owner_before(&self, path: &[u8]) -> Option<Owner> {
        self.before.get(&self.root.join(OsStr::from_bytes(path))).and_then(|before| before.owner)
    }

    /// What was looked at, and what changed as it was before, with one of these times, by that time.
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

    /// Records the state of `path` before its first change. Its bytes are read at once only where they may be lost.
    fn take_before(&mut self, path: &Path, fate: Fate) {
        match self.before.get(path).and_then(|before| before.evidence) {
            // It was looked at with a directory above it.
            Some(evidence) if self.later.remove(path) => {
                let now = fs::symlink_metadata(path).ok().map(|now| Evidence::of(&now));
                if now == Some(evidence) {
                    let state = self.file_state(path, evidence, fate);
                    self.before.entry(path.to_path_buf()).and_modify(|before| before.state = state);
                }
                return;
            }
            Some(_) => return,
            None if self.before.contains_key(path) => return,
            None => {}
        }
        if self.came_with_the_run(path) {
            if fate == Fate::Kept && !self.later.is_empty() {
                // It may be one of those that were moved here.
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

    /// Whether `path`, of which nothing was recorded, cannot have existed before the run: a directory above it did not exist, or was
    /// recorded with everything in it.
    pub(super) fn came_with_the_run(&self, path: &Path) -> bool {
        let above = path.ancestors().skip(1).take_while(|above| above.starts_with(self.root));
        let mut above = above.map(|above| (above, self.before.get(above)));
        above.any(|(above, before)| {
            self.directories.contains_key(above) || before.is_some_and(|before| before.evidence.is_none())
        })
    }

    /// The state of a regular file inside the root. Where its bytes stay, they are digested beside the run.
    fn file_state(&mut self, path: &Path, evidence: Evidence, fate: Fate) -> FileState {
        if fate == Fate::Lost || evidence.size > look::LARGEST_DIGESTED || evidence.size < WORTH_LATER {
            return look::state(path, false).0;
        }
        self.background.digest(path, evidence);
        by_size_and_time(&evidence)
    }

    /// Records what is at `path`. Without a `fate`, the bytes of a file are read later. Returns whether it is a directory.
    fn take_one(&mut self, path: &Path, fate: Option<Fate>) -> bool {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) => {
                if tells_nothing_of(path, &error) {
                    self.unseen.get_or_insert((path.to_path_buf(), error));
                }
                None
            }
        };
        // Outside of the root only the net effect counts, not what was there.
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
        self.before.insert(path.to_path_buf(), Before { state, evidence, index, owner });
        is_directory
    }

    /// A directory may be about to move with everything below it: nothing of that is read. `count` is how many entries were
    /// looked at.
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

    /// The command has ended: digests what was left for later, where it is now. What is nowhere any more, or was
    /// written to, stays told by size and time.
    pub(in crate::memo) fn settle(&mut self) {
        let mut known: HashMap<(u64, u64), (Evidence, Digest)> = HashMap::new();
        for (path, evidence, digest) in self.background.finish() {
            known.insert((evidence.device, evidence.inode), (evidence, digest));
            self.is_digested(&path, &evidence, digest);
        }
        let mut moved: HashMap<(u64, u64), PathBuf> = HashMap::new();
        for path in std::mem::take(&mut self.later) {
            let Some(evidence) = self.before.get(&path).and_then(|before| before.evidence) else { continue };
            let is_there =
                fs::symlink_metadata(&path).is_ok_and(|now| Evidence::of(&now).inode == evidence.inode);
            match known.get(&(evidence.device, evidence.inode)) {
                Some((then, digest)) if is_same_content(then, &evidence) => {
                    self.is_digested(&path, &evidence, *digest);
                }
                // Whatever was to become of its directory: it is in its place, and nothing was learned of it.
                _ if is_there => {}
                _ => {
                    moved.insert((evidence.device, evidence.inode), path);
                }
            }
        }
        if moved.is_empty() {
            return;
        }
        let (now, before): (Vec<PathBuf>, Vec<PathBuf>) = self.places_of(moved).into_iter().unzip();
        for (path, digested) in before.iter().zip(files::digest_many(&now)) {
            let then = self.before.get(path).and_then(|before| before.evidence);
            if let (Ok((digest, evidence)), Some(then)) = (digested, then)
                && is_same_content(&then, &evidence)
            {
                self.is_digested(path, &then, digest);
            }
        }
    }

    /// Where files are now that were moved with a directory, and where they were.
    fn places_of(&self, mut moved: HashMap<(u64, u64), PathBuf>) -> Vec<(PathBuf, PathBuf)> {
        let mut found = Vec::new();
        let is_new = |before: &Before| !matches!(before.state, FileState::Directory { .. });
        let came = self.before.iter().filter(|(path, before)| is_new(before) && path.starts_with(self.root));
        for (path, _) in came {
            for entry in walkdir::WalkDir::new(path).into_iter().flatten() {
                let Ok(there) = entry.metadata() else { continue };
                if let Some(before) = moved.remove(&(there.dev(), there.ino())) {
                    found.push((entry.into_path(), before));
                }
            }
        }
        found
    }

    fn is_young(&self, evidence: &Evidence) -> bool {
        evidence.changed >= self.started || evidence.modified >= self.started
    }

    fn is_young_link(&self, path: &Path) -> bool {
        let there = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_symlink);
        there.is_some_and(|there| self.is_young(&Evidence::of(&there)))
    }

    /// What a path was at the first look, if its times cannot prove that it stayed so: what it leads to, or with `follow`
    /// false what is there itself.
    pub(super) fn young(&self, path: &Path, follow: bool) -> Option<&FileState> {
        if follow {
            return self.young.get(path);
        }
        self.young_links.get(path).or_else(|| {
            let first = self.first(path)?;
            let there = fs::symlink_metadata(path).ok()?;
            // What was seen is what the path led to: the same where no link was there.
            let is_itself = (there.dev(), there.ino()) == (first.device, first.inode);
            self.young.get(path).filter(|_| is_itself)
        })
    }

    fn is_digested(&mut self, path: &Path, evidence: &Evidence, digest: Digest) {
        let mode = evidence.mode & 0o7777;
        if let Some(before) = self.before.get_mut(path).filter(|before| before.evidence.is_some()) {
            before.state = FileState::File { mode, digest };
        }
    }
}

/// The state of a file whose bytes are not read.
const fn by_size_and_time(evidence: &Evidence) -> FileState {
    FileState::LargeFile { mode: evidence.mode & 0o7777, size: evidence.size, modified: evidence.modified }
}

/// Whether what was seen of one file says that its bytes stayed the same: a new name or mode is another time of change.
fn is_same_content(then: &Evidence, now: &Evidence) -> bool {
    (then.device, then.inode, then.size, then.modified) == (now.device, now.inode, now.size, now.modified)
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
        let is_function = python_process::runs(self.captured, image);
        // What its own code asks for is known from that.
        let shows = if is_function { Shows::Nothing } else { shown::shows(image) };
        let keeps = keeps(image.program, image.words);
        let is_function = is_function || python_process::runs_own_code(image, self.root);
        let is_interpreter = image.program.file_name().is_some_and(interpreters::is_one);
        let compares_times = shown::compares_times(image, &self.captured.command.entry.directory);
        Nature {
            shows,
            is_function,
            is_interpreter,
            is_shell: image.program.file_name().is_some_and(interpreters::is_shell),
            keeps,
            compares_times,
            reads_code: made::reads_code(image),
            knows_owners: system::knows_owners(image),
            uses_umask: rights::uses_umask(image),
            names_modes: rights::names_modes(image),
            asks_literally: rights::asks_literally(image),
            is_linker: rights::is_linker(image),
            copies_modes: rights::copies_modes(image),
            enters: shown::enters(image),
        }
    }
}
