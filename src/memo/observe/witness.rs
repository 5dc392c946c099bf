//! Looks at paths while a process that is about to touch them is held: how they were when the run began.

use super::made::{self, Made};
use super::{importer, shown};
use crate::digest::Digest;
use crate::error::tells_nothing;
use crate::exec::{Executed, Image, Nature, Seen, Shows, Witness};
use crate::hash::capture::Captured;
use crate::hash::{files, interpreters, look};
use crate::memo::outputs::{ByTime, Owner};
use crate::profiles::git_index::is_index;
use crate::profiles::state::{Tables, keeps};
use crate::record::{Evidence, FileState, Places, Timestamp};
use rustc_hash::FxBuildHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// More entries than this below one directory are not looked at one by one before it is renamed.
const LARGEST_TREE: usize = 20_000;

/// What a path was before its first change.
#[derive(Clone, Debug)]
pub(super) struct Before {
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
    /// Directories inside the root, and those for temporary files, as they were when they were listed first.
    pub(super) listings: BTreeMap<PathBuf, Vec<(std::ffi::OsString, files::EntryKind)>>,
    /// Directories inside the root, as they were when they, or one above them, changed first.
    pub(super) directories: BTreeMap<PathBuf, Vec<(std::ffi::OsString, files::EntryKind)>>,
    /// A directory that was too large to be looked at whole.
    pub(super) too_large: Option<PathBuf>,
    /// A path that was about to change and of which it could not be told what it was, and why.
    pub(super) unseen: Option<(PathBuf, io::Error)>,
    /// What code of the run's own making names.
    pub(super) made: Made,
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
            listings: BTreeMap::new(),
            directories: BTreeMap::new(),
            too_large: None,
            unseen: None,
            made: Made::default(),
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

    fn take_before(&mut self, path: &Path) {
        if self.before.contains_key(path) {
            return;
        }
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) => {
                if tells_nothing(&error) {
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
            _ => look::state(path, false).0,
        };
        let is_directory = metadata.as_ref().is_some_and(fs::Metadata::is_dir);
        let evidence = metadata.as_ref().map(Evidence::of);
        let owner = metadata.as_ref().map(|metadata| (metadata.uid(), metadata.gid()));
        let index = if is_index(path) { look::index(path).map(|(digest, _)| digest) } else { None };
        self.before.insert(path.to_path_buf(), Before { state, evidence, index, owner });
        if is_directory && path.starts_with(self.root) {
            self.take_tree(path);
        }
    }

    /// A directory may be about to move with everything below it.
    fn take_tree(&mut self, directory: &Path) {
        let Ok(entries) = files::entries(directory, true) else { return };
        self.directories.insert(directory.to_path_buf(), entries.clone());
        for (name, _) in entries {
            if self.before.len() > LARGEST_TREE {
                self.too_large = Some(directory.to_path_buf());
                return;
            }
            self.take_before(&directory.join(name));
        }
    }
}

impl Witness for Watcher<'_> {
    fn about_to_look(&mut self, path: &Path, seen: Seen<'_>) {
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
        let young = evidence.changed >= self.started || evidence.modified >= self.started;
        if young && !kind.is_dir() && !kind.is_fifo() && !kind.is_socket() {
            self.young.insert(path.to_path_buf(), look::state(path, true).0);
        }
    }

    fn about_to_list(&mut self, path: &Path) {
        if (path.starts_with(self.root) || self.tables.is_temporary(path))
            && let Ok(entries) = files::entries(path, true)
        {
            self.listings.insert(path.to_path_buf(), entries);
        }
    }

    fn about_to_change(&mut self, path: &Path) {
        self.take_before(path);
    }

    fn about_to_read_own(&mut self, path: &Path, executed: bool) {
        self.made.file(path, executed, &self.captured.environment);
    }

    fn about_to_execute(&mut self, executed: &Executed<'_>) {
        self.made.executes(executed, &self.captured.environment);
    }

    fn nature(&mut self, image: &Image<'_>) -> Nature {
        let is_function = importer::runs(self.captured, image);
        // What its own code asks for is known from that.
        let shows = if is_function { Shows::Nothing } else { shown::shows(image) };
        let keeps = keeps(image.program, image.words);
        let is_function = is_function || importer::runs_own_code(image, self.root);
        let is_interpreter = image.program.file_name().is_some_and(interpreters::is_one);
        let compares_times = shown::compares_times(image, &self.captured.command.entry.directory);
        Nature {
            shows,
            is_function,
            is_interpreter,
            keeps,
            compares_times,
            reads_code: made::reads_code(image),
            enters_directories: shown::enters_directories(image),
        }
    }
}
