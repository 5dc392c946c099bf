//! Builds a [`Trace`] from what processes do, path by path: reads, looks, absences, listings, changes.
//!
//! Every method is called before the system call continues, and looks itself at what the call will find.
//! Knows nothing about system calls, or about how a process is held.

mod changes;
mod inherited;
mod listing;
mod looks;
mod own;
mod shim;
mod upward;

pub(super) use changes::How;

use super::descriptors::Inherited;
use super::images::Images;
use super::listings::Listings;
use super::modes::Modes;
use super::ordering::Ordering;
use super::paths::{Named, Resolver};
use super::process::{as_path, link, to_path};
use super::touches::Touches;
use super::working::Working;
use crate::error::cannot_inspect;
use crate::exec::watch::Surroundings;
use crate::exec::{Access, Executed, Hazard, Listers, Nature, Prior, Seen, Trace, Upward, Witness};
use own::Own;
use rustc_hash::{FxHashMap, FxHashSet};
use shim::identity;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Maximum number of hazards of one kind that are reported.
const HAZARDS_OF_A_KIND: usize = 8;
/// Maximum lag, in nanoseconds, of the clock that sets the times of files.
const COARSE_CLOCK: i128 = 20_000_000;

#[derive(Debug, Default)]
struct Entry {
    access: Access,
    own: Own,
    told: bool,
    /// The run removed whatever was there, or would have.
    cleared: bool,
    /// The run has read it since it changed it last.
    read_since: bool,
    /// A path went through it and on by `..`.
    crossed: bool,
    /// The thread that looked at it last, or for it.
    looked_by: Option<libc::pid_t>,
    /// Several threads have looked at it before the first change.
    looked_by_several: bool,
    /// Another program than those that may leave what they find has looked at it before the first change.
    looked_otherwise: bool,
    /// Nothing was found there, below a directory that the run had made where nothing was.
    below_new: bool,
}

/// Collects what a run does.
pub(super) struct Observer<'a> {
    witness: &'a mut dyn Witness,
    pub(super) unobserved: &'a [PathBuf],
    /// The program that a version manager's shim starts in the end, with device and inode; `None` once it was started.
    behind_shim: Option<(&'a Path, Option<(u64, u64)>)>,
    entries: FxHashMap<Vec<u8>, Entry>,
    touches: Touches,
    images: Images,
    pub(super) working: Working,
    pub(super) listings: Listings,
    /// Directories and links that the run made or removed. What is below them is the run's own, too.
    own_directories: FxHashSet<Vec<u8>>,
    /// Those of them that are directories which the run made where nothing was when it began.
    new_directories: FxHashSet<Vec<u8>>,
    /// The programs that listed each directory, by its real path.
    listed_by: FxHashMap<Vec<u8>, Listers>,
    /// The file that each thread opened last, if it may do so only to remove it, with what was known of it before: whether it was read,
    /// and its use.
    opened_to_remove: FxHashMap<libc::pid_t, (Vec<u8>, bool, Prior)>,
    /// Files that were opened for appending, by their real paths.
    appended: FxHashSet<Vec<u8>>,
    pub(super) resolver: Resolver,
    hazards: Vec<Hazard>,
    programs: Vec<PathBuf>,
    executed: FxHashSet<Vec<u8>>,
    pub(super) lost_privileges: bool,
    /// The run changed the owner of a file.
    pub(super) owners_set: bool,
    pub(super) modes: Modes,
    pub(super) umask_used: bool,
    pub(super) umask_used_by_python: bool,
    own_shown: bool,
    started: i128,
    blind: bool,
    pub(super) moved: bool,
    /// Processes that read the settings of name services.
    pub(super) name_services: FxHashSet<Vec<u8>>,
    environment_read: bool,
    /// Threads that are nested calls of cashet, their stores, and the variables that their results depend on.
    pub(super) nested: FxHashSet<libc::pid_t>,
    pub(super) nested_stores: Vec<PathBuf>,
    pub(super) nested_variables: BTreeSet<Vec<u8>>,
    /// The device of `/proc`.
    pub(super) process_files: Option<u64>,
    upward: FxHashMap<Vec<u8>, (Vec<u8>, bool)>,
    pub(super) descriptors: Inherited,
    pub(super) ordering: Ordering,
    /// The file that the run read while its own output went there.
    own_output: Option<PathBuf>,
}

impl<'a> Observer<'a> {
    /// Begins to observe a run. With `lost_privileges`, programs that gain rights by being started gain none.
    pub(super) fn new(
        witness: &'a mut dyn Witness,
        surroundings: Surroundings<'a>,
        descriptors: Inherited,
        lost_privileges: bool,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self {
            witness,
            unobserved: surroundings.unobserved,
            behind_shim: surroundings.behind_shim.map(|path| (path, identity(path))),
            entries: FxHashMap::default(),
            touches: Touches::new(surroundings.followed),
            images: Images::new(),
            working: Working::new(),
            listings: Listings::default(),
            own_directories: FxHashSet::default(),
            new_directories: FxHashSet::default(),
            listed_by: FxHashMap::default(),
            opened_to_remove: FxHashMap::default(),
            appended: FxHashSet::default(),
            resolver: Resolver::default(),
            hazards: Vec::new(),
            programs: Vec::new(),
            executed: FxHashSet::default(),
            lost_privileges,
            owners_set: false,
            modes: Modes::default(),
            umask_used: false,
            umask_used_by_python: false,
            own_shown: false,
            started: i128::try_from(now).unwrap_or(i128::MAX) - COARSE_CLOCK,
            blind: false,
            moved: false,
            name_services: FxHashSet::default(),
            environment_read: false,
            nested: FxHashSet::default(),
            nested_stores: Vec::new(),
            nested_variables: BTreeSet::new(),
            process_files: std::fs::metadata("/proc").ok().map(|found| found.dev()),
            upward: FxHashMap::default(),
            ordering: Ordering::new(surroundings.order.cloned(), descriptors.has_stdin()),
            own_output: None,
            descriptors,
        }
    }

    /// From now on paths may have another meaning, or lead to a file system that the run itself serves. Looking at such a path
    /// might wait for a process that waits for us.
    pub(super) fn close_eyes(&mut self) {
        self.blind = true;
        self.ordering.lost();
    }

    /// Whether paths must not be looked at any more.
    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    /// Everything that was observed.
    pub(super) fn into_trace(mut self) -> Trace {
        if self.working.was_moved_by_others() {
            self.hazard(Hazard::Incomplete("a working directory was moved by others".to_owned()));
        }
        if let Some((path, error)) = self.resolver.failed() {
            self.hazard(Hazard::Incomplete(cannot_inspect(as_path(&path), &error)));
        }
        let stdin = self.descriptors.stdin_use();
        let reads_own = stdin.read && self.ordering.reads_own_output();
        let (touches, images) = self.touches.into_parts();
        // What was looked for in a directory that is gone again does not matter.
        let is_gone = |path: &[u8], entry: &Entry| {
            entry.below_new
                && !entry.access.changed
                && as_path(path).parent().is_some_and(|above| above.symlink_metadata().is_err())
        };
        let seen = self
            .entries
            .into_iter()
            .filter(|(path, entry)| entry.access != Access::default() && !is_gone(path, entry));
        let mut seen: Vec<(Vec<u8>, Entry)> = seen.collect();
        // In the order of paths, which are compared name by name: the separator sorts first. Comparing paths is slow.
        let separated = |path: &[u8]| path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect();
        seen.sort_by_cached_key(|(path, _)| -> Vec<u8> { separated(path) });
        let mut hazards = self.hazards;
        hazards.sort();
        Trace {
            accesses: seen.into_iter().map(|(path, entry)| (to_path(path), entry.access)).collect(),
            touches,
            images,
            hazards,
            own_output: self.own_output.or_else(|| reads_own.then(|| PathBuf::from("standard input"))),
            stdin,
            environment_read: self.environment_read,
            nested_variables: self.nested_variables,
            descriptors: self.descriptors.other_uses(),
            programs: self.programs,
            moved: self.moved,
            upward: { self.upward }
                .into_iter()
                .map(|(path, (from, by_dots))| (to_path(path), Upward { from: to_path(from), by_dots }))
                .collect(),
            owners_set: self.owners_set,
            modes: self.modes.into_parts(),
            umask_used: self.umask_used,
            umask_used_by_python: self.umask_used_by_python,
            own_shown: self.own_shown,
        }
    }

    /// Notes something that watching cannot follow.
    pub(super) fn hazard(&mut self, hazard: Hazard) {
        let kind = std::mem::discriminant(&hazard);
        let alike = self.hazards.iter().filter(|known| std::mem::discriminant(*known) == kind).count();
        if alike < HAZARDS_OF_A_KIND && !self.hazards.contains(&hazard) {
            self.hazards.push(hazard);
        }
    }

    /// Cleans an absolute path. The directories before a `..` are looked at.
    pub(super) fn clean(&mut self, asked: &[u8]) -> Named {
        let mut crossed = Vec::new();
        let named = self.resolver.clean(asked, &mut crossed);
        // A directory that is replaced by a link leads elsewhere, even if the link leads to an equal directory.
        for path in crossed {
            self.look(&Named { path: path.clone(), as_directory: false }, false);
            if let Some(entry) = self.entries.get_mut(&path) {
                entry.crossed = true;
            }
        }
        named
    }

    /// The thread `tid` is stopped at a call. What is reported next is done by it.
    pub(super) fn is_called_by(&mut self, tid: libc::pid_t) {
        self.touches.caller = tid;
        if self.working.called(tid) {
            self.resolver.forget();
        }
    }

    /// The thread that is stopped.
    pub(super) fn called_by(&self) -> libc::pid_t {
        self.touches.caller
    }

    /// A program is about to be executed, with these words.
    pub(super) fn about_to_execute(&mut self, program: &[u8], words: &[OsString], directory: &[u8]) {
        let tid = self.touches.caller;
        let descriptors = std::cell::RefCell::new(&mut self.descriptors);
        let is_pipe = |number: i32| {
            let is_one = |target: Vec<u8>| target.starts_with(b"pipe:") || target.starts_with(b"socket:");
            link(tid, &format!("fd/{number}")).is_ok_and(is_one)
                && !descriptors.borrow_mut().is_inherited(tid, number)
        };
        let (program, directory) = (as_path(program), as_path(directory));
        self.witness.about_to_execute(&Executed { program, words, directory, is_pipe: &is_pipe });
    }

    /// What is known of the program that the stopped thread runs.
    pub(super) fn caller(&mut self) -> Nature {
        self.images.nature(self.touches.caller, self.witness)
    }

    /// The stopped thread is about to execute a program.
    pub(super) fn is_to_execute(&mut self) {
        self.nested.remove(&self.touches.caller);
        self.images.executes(self.touches.caller);
    }

    /// Whether the witness wants the command to end.
    pub(super) fn must_end(&self) -> bool {
        self.witness.must_end()
    }

    /// `directory` is the store of a nested call. Nothing below it is an input or output, before and after this.
    pub(super) fn does_not_count(&mut self, directory: &[u8]) {
        let is_below = |path: &[u8]| {
            path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        self.entries.retain(|path, _| !is_below(path));
        self.nested_stores.push(to_path(directory.to_vec()));
    }

    /// `path` is about to be opened. Notes whether it is the environment that a process was started with.
    pub(super) fn reads_environment(&mut self, path: &[u8]) {
        self.environment_read |= path.starts_with(b"/proc/") && path.ends_with(b"/environ");
    }

    /// The file `path` is about to be opened for reading. Notes whether the run's own output goes to it.
    pub(super) fn reads_file(&mut self, path: &[u8], file: &Metadata) {
        if self.ordering.opened(file) && self.own_output.is_none() {
            self.own_output = Some(to_path(path.to_vec()));
        }
    }

    /// What is known of `path`, which may be nothing.
    pub(super) fn access_known(&self, path: &[u8]) -> Access {
        self.entries.get(path).map(|entry| entry.access).unwrap_or_default()
    }

    /// What is known of `path`.
    pub(super) fn access(&mut self, path: &[u8]) -> &mut Access {
        self.access_seen(path, Seen::Unknown)
    }

    /// Like [`Observer::access`], where `path` has just been looked at.
    pub(super) fn access_seen(&mut self, path: &[u8], seen: Seen<'_>) -> &mut Access {
        if !self.entries.contains_key(path) {
            self.witness.about_to_look(as_path(path), seen);
        }
        &mut self.entries.entry(path.to_vec()).or_default().access
    }

    /// A program was started.
    pub(super) fn started(&mut self, path: &[u8]) {
        if self.executed.insert(path.to_vec()) {
            self.programs.push(to_path(path.to_vec()));
        }
    }

    /// Whether `path` was accessed by this name.
    pub(super) fn is_known(&self, path: &[u8]) -> bool {
        self.entries.contains_key(path)
    }

    /// Whether `path` was already opened for reading or found absent, so that another opening adds nothing.
    pub(super) fn is_opened(&self, path: &[u8]) -> bool {
        let known = self.access_known(path);
        known.read || known.opened || known.absent
    }

    /// Whether what is at `path` was executed already.
    pub(super) fn is_executed(&self, path: &[u8]) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.access.executed)
    }
}
