//! Turns the trace of a watched run into observations and outputs.
//!
//! If something is uncertain, the result is not cached.

mod above;
mod accumulated;
mod aside;
mod asks;
mod background;
mod beside;
mod bytecode;
mod changed;
mod cmake;
mod code;
mod descriptors;
mod directories;
mod image;
mod importer;
mod imports;
mod index;
mod listed;
mod listing;
mod made;
mod masks;
mod own_source;
mod product;
mod programs;
mod project_code;
mod python_process;
mod reading;
mod rights;
mod scope;
mod session;
mod setting;
mod shown;
mod system;
mod times;
mod unchanged;
mod user;
mod variables;
mod witness;
mod writing;

use witness::LARGEST_TREE;
pub(super) use witness::Watcher;

pub(super) use session::variable;
pub(super) use times::again as times_again;
pub(super) use variables::named_by_values;

use super::policy::Policy;
use super::reason::NotKept;
use super::stdin::{Asks, StdinAtStart};
use crate::error::{cannot_inspect, is_inconclusive_for, means_absent};
use crate::exec::{Hazard, Shows, Trace};
use crate::hash::capture::Captured;
use crate::hash::globs::Patterns;
use crate::hash::memory::FileMemory;
use crate::hash::occurrence::Printed;
use crate::profiles::makefile::Targets;
use crate::record::{Circumstances, Evidence, FileState, Observation, Places, Product, Recall, Timestamp};
use aside::Aside;
use own_source::OwnSources;
use project_code::ProjectCode;
use scope::Scope;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is known of a run besides its trace.
pub(super) struct Run<'a> {
    pub(super) captured: &'a Captured,
    pub(super) policy: &'a Policy,
    pub(super) places: &'a Places,
    pub(super) directory: &'a Path,
    pub(super) words: &'a [OsString],
    pub(super) secret: [u8; 32],
    pub(super) recall: &'a dyn Recall,
    /// The circumstances in which it ran.
    pub(super) circumstances: &'a dyn Circumstances,
    /// When it began, by the clock of file times.
    pub(super) started: Timestamp,
    /// cashet's standard input, unless the child reads something that is in the manifest.
    pub(super) stdin: Option<&'a StdinAtStart>,
    pub(super) declared_inputs: &'a Patterns,
    pub(super) declared_outputs: &'a Patterns,
    pub(super) ignored_writes: &'a Patterns,
    pub(super) ignored_reads: &'a Patterns,
    /// Whether the earlier state of each product counts exactly (`--exact-state`).
    pub(super) exact_state: bool,
    /// What it printed.
    pub(super) printed: Printed,
    /// Whether its status says that it failed.
    pub(super) failed: bool,
}

/// Paths of which the trace has every single access: sources that count in normal form.
pub(super) fn followed(captured: &Captured) -> Vec<PathBuf> {
    let sources = captured.sources.iter().map(|source| &source.absolute);
    sources.flat_map(|path| [Some(path.clone()), own_source::behind_link(path)]).flatten().collect()
}

/// The dependencies and outputs of a run.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) observations: Vec<(Observation, Option<Evidence>)>,
    /// Paths relative to the root that the run wrote and left behind, or removed.
    pub(super) outputs: BTreeSet<Vec<u8>>,
    /// What the run did to each of them before its first change.
    pub(super) products: Vec<Product>,
    /// For products that were only appended to, their earlier size in bytes.
    pub(super) appended: BTreeMap<Vec<u8>, u64>,
    /// Variables that are set and whose names do not occur in anything that the run read.
    pub(super) irrelevant_env: Vec<Vec<u8>>,
    /// Whether the outputs depend on the umask.
    pub(super) umask_counts: bool,
    /// Whether code takes the last name of the root.
    pub(super) root_name_counts: bool,
    /// Whether it counts that the user is, or is not, root.
    pub(super) user_counts: bool,
    /// Whether it depends on which user ran it.
    pub(super) identity_counts: bool,
    /// Whether the run had a terminal and its code asks for one.
    pub(super) code_asks: bool,
}

/// Turns a trace into observations and outputs.
///
/// # Errors
/// The first reason why the result cannot be cached.
pub(super) fn observe(run: &Run<'_>, trace: &Trace, watcher: &Watcher<'_>) -> Result<Observed, NotKept> {
    let mut observer = Observer {
        run,
        trace,
        watcher,
        aside: Aside::of(run, trace, watcher)?,
        settled: BTreeSet::new(),
        scope: Scope::new(&run.places.root),
        observed: Observed::default(),
        contents: Vec::new(),
        refusing: BTreeSet::new(),
        allowing: BTreeSet::new(),
        passing: BTreeSet::new(),
        obeying: BTreeSet::new(),
        tables: system::counted_in_part(run, trace, watcher),
        listed_before: Vec::new(),
        own_sources: OwnSources::new(run.captured, trace),
        code: OnceCell::new(),
        makefiles: OnceCell::new(),
        memory: FileMemory::of_run(run.recall, &run.captured.function_id),
        asked: asks::asked_by(run.captured, user::looks_up(trace)),
        timed: Vec::new(),
        modes_given: rights::ModesGiven::default(),
        compares_times: times::compares(run, trace),
    };
    observer.hazards()?;
    if observer.asked != Shows::Times {
        observer.asked = observer.asked.max(observer.asked_by_scripts());
    }
    observer.modes_given = observer.modes_given();
    for (path, access) in trace.accesses.iter().filter(|(_, access)| access.changed) {
        observer.changed(path, *access)?;
    }
    observer.passing();
    let is_refused = !observer.refusing.is_empty();
    observer.settled();
    observer.existing();
    if run.policy.pure {
        // With --pure the result depends only on the manifest.
        observer.observed.observations.clear();
        all_seen(&observer.observed, run.places)?;
        return Ok(observer.observed);
    }
    observer.reads()?;
    observer.tables()?;
    observer.refusing()?;
    observer.descriptors()?;
    let searches = programs::observe(run, trace);
    programs::pass_over(run, &searches, &mut observer.observed.observations);
    for search in searches {
        observer.observe(search, None);
    }
    observer.exact_times()?;
    observer.order_of_times()?;
    variables::observe(run, trace, (&observer.contents, &watcher.made), &mut observer.observed);
    session::observe(run, trace, &observer.aside, &mut observer.observed);
    observer.user(is_refused);
    observer.observed.code_asks =
        run.printed == Printed::ToTerminal && code::asks_of_stdin(run, &observer.contents, Asks::AnyTerminal);
    observer.above();
    observer.beside();
    observer.memory.keep();
    all_seen(&observer.observed, run.places)?;
    Ok(observer.observed)
}

/// Whether every path that counts could be inspected. A failed look is not a state: the same failure later would not prove that
/// nothing changed.
fn all_seen(observed: &Observed, places: &Places) -> Result<(), NotKept> {
    let seen = |path: &Path, state: &FileState| {
        let FileState::Unreadable { errno } = state else { return Ok(()) };
        let error = io::Error::from_raw_os_error(*errno);
        if is_inconclusive_for(path, &error) { Err(unseen(path, &error)) } else { Ok(()) }
    };
    for (observation, _) in &observed.observations {
        match observation {
            Observation::State { path, state, .. } => seen(&places.resolve(path), state)?,
            Observation::Settled { states } => {
                for both in states {
                    let path = places.resolve(&both.path);
                    seen(&path, &both.before)?;
                    seen(&path, &both.after)?;
                }
            }
            _ => {}
        }
    }
    let mut products = observed.products.iter();
    products
        .try_for_each(|product| seen(&places.root.join(OsStr::from_bytes(&product.path)), &product.before))
}

struct Observer<'a> {
    run: &'a Run<'a>,
    trace: &'a Trace,
    watcher: &'a Watcher<'a>,
    scope: Scope,
    /// Private state of the run's tools.
    aside: Aside,
    /// Results of earlier runs that the run read and wrote.
    settled: BTreeSet<PathBuf>,
    observed: Observed,
    /// Every regular file whose content was used, with its state at that time and whether that can be trusted.
    contents: Vec<(PathBuf, Option<Evidence>)>,
    /// Sources of the function that were only run, and not read as data.
    own_sources: OwnSources,
    /// The project's code that was read, once it is needed.
    code: OnceCell<ProjectCode>,
    /// What makefiles say, once it is needed.
    makefiles: OnceCell<Targets>,
    /// Digests of files that were learned before.
    memory: FileMemory<'a>,
    /// Which attributes of files the function's own code asks for; those that scripts of the project ask for, too.
    asked: Shows,
    /// Tables of the system of which a part counts.
    tables: BTreeSet<PathBuf>,
    /// Directories whose other entries count, as they were when the run began.
    listed_before: Vec<PathBuf>,
    /// Directories inside the root in which the run tried something that left no trace.
    refusing: BTreeSet<PathBuf>,
    /// Directories in which a file was made that is gone: it counts whether the present user may.
    allowing: BTreeSet<PathBuf>,
    /// Directories in which something else was made that is gone.
    passing: BTreeSet<PathBuf>,
    /// Directories in which entries came, went or were replaced.
    obeying: BTreeSet<PathBuf>,
    /// Files inside the root that were looked at and not written.
    timed: Vec<times::Timed>,
    /// Modes that outputs got, possibly from other files.
    modes_given: rights::ModesGiven,
    /// Whether the run itself compares times of files, so that files outside the root count as well.
    compares_times: bool,
}

/// The result of `lstat` now; `None` if nothing exists.
///
/// # Errors
/// The path cannot be inspected. This is not treated as absence.
fn present(path: &Path) -> Result<Option<Evidence>, NotKept> {
    evidence(path, false)
}

/// The result of `stat` or `lstat` now; `None` if nothing exists.
fn evidence(path: &Path, follow: bool) -> Result<Option<Evidence>, NotKept> {
    let looked = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
    match looked {
        Ok(metadata) => Ok(Some(Evidence::of(&metadata))),
        Err(error) if means_absent(&error) || !is_inconclusive_for(path, &error) => Ok(None),
        Err(error) => Err(unseen(path, &error)),
    }
}

/// The reason not to cache, after reading `path` now failed with `error`.
fn unread(path: &Path, error: Option<&io::Error>) -> NotKept {
    match error.filter(|error| !means_absent(error)) {
        Some(error) => unseen(path, error),
        None => NotKept::InputMoved(path.to_path_buf()),
    }
}

/// The reason not to cache: `path` cannot be inspected.
fn unseen(path: &Path, error: &io::Error) -> NotKept {
    NotKept::Hazard(Hazard::Incomplete(cannot_inspect(path, error)))
}

/// Whether the path is another file now, or the same file was written.
fn differs(before: Option<&Evidence>, now: Option<&Evidence>) -> bool {
    match (before, now) {
        (None, None) => false,
        (Some(before), Some(now)) => {
            let directory = |evidence: &Evidence| evidence.mode & libc::S_IFMT == libc::S_IFDIR;
            if directory(before) && directory(now) {
                // The times of a directory change with its entries, which are observed themselves.
                before.mode != now.mode || before.inode != now.inode
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

impl Observer<'_> {
    fn observe(&mut self, observation: Observation, evidence: Option<Evidence>) {
        self.observed.observations.push((observation, evidence));
    }

    fn hazards(&mut self) -> Result<(), NotKept> {
        for hazard in &self.trace.hazards {
            match hazard {
                Hazard::Network(_) | Hazard::TerminalSize if self.run.policy.pure => {}
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
        if let Some((path, error)) = &self.watcher.unseen {
            return Err(unseen(path, error));
        }
        match &self.watcher.too_large {
            Some(path) => Err(NotKept::TreeTooLarge(path.clone(), LARGEST_TREE)),
            None => Ok(()),
        }
    }

    /// Whether `path` is declared as an output and not as an input.
    fn only_output(&self, path: &Path) -> bool {
        self.run.declared_outputs.matches(path) && !self.run.declared_inputs.matches(path)
    }
}
