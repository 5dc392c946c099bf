//! Private state that the tools of a run keep between runs, distinguished from files that count: bytecode that Python's importer reads
//! and writes, private state of tools, results of earlier runs.
//!
//! The process that touched a path decides, not the name alone: for every other process a file of such a name is ordinary.

use super::bytecode::stands_for;
use super::witness::Watcher;
use super::{Run, evidence, present};
use crate::exec::{Access, FirstChange, Trace};
use crate::hash::entry::What;
use crate::memo::reason::NotKept;
use crate::profiles::state::{BYTECODE, Found, Kind, Tables, asks_earlier_results};
use crate::record::Evidence;
use memchr::memmem;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The directory of Python's bytecode.
const BYTECODE_DIRECTORY: &str = "__pycache__";
/// Files in which pytest reads what to do with results of earlier runs.
const TEST_SETTINGS: &[&str] =
    &["pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "conftest.py", "Makefile"];

/// Accesses of a run that do not count as such.
#[derive(Default)]
pub(super) struct Aside {
    /// Paths whose looks and changes do not count.
    paths: FxHashSet<OsString>,
    /// Names that are left out of listings, by directory.
    names: BTreeMap<PathBuf, BTreeSet<Vec<u8>>>,
    /// Paths whose existence shows that private state existed when the run began.
    pub(super) existing: BTreeSet<PathBuf>,
    /// Results of earlier runs.
    results: FxHashSet<OsString>,
    /// State that says how long earlier work took.
    timings: FxHashSet<OsString>,
    /// State that describes products.
    describing: FxHashSet<OsString>,
    /// Directories of tools of which the run listed the entries: other names in them count.
    pub(super) listed: BTreeSet<PathBuf>,
}

impl Aside {
    /// Finds them in `trace`.
    ///
    /// # Errors
    /// A path cannot be inspected.
    pub(super) fn of(run: &Run<'_>, trace: &Trace, watcher: &Watcher<'_>) -> Result<Self, NotKept> {
        let mut finder = Finder {
            trace,
            watcher,
            tables: &watcher.tables,
            compiles: compiles(trace),
            used: FxHashMap::default(),
            shown: FxHashMap::default(),
            minds_results: None,
            aside: Self::default(),
        };
        let mut directories = Vec::new();
        for (path, access) in &trace.accesses {
            if path.file_name() == Some(OsStr::new(BYTECODE_DIRECTORY)) {
                directories.push((path, *access));
            } else if finder.is_importers(path, *access)? {
                finder.aside.paths.insert(path.clone().into_os_string());
            } else {
                finder.state_of_tool(run, path, *access)?;
            }
        }
        for (path, access) in directories {
            finder.bytecode_directory(run, path, access)?;
        }
        Ok(finder.aside)
    }

    /// Whether neither looks at `path` nor changes of it count.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.paths.contains(path.as_os_str())
    }

    /// Whether `path` has results of earlier runs, which the run reads and writes.
    pub(super) fn is_result(&self, path: &Path) -> bool {
        self.results.contains(path.as_os_str())
    }

    /// Whether `path` says how long earlier work took, and the run wrote it.
    pub(super) fn is_timing(&self, path: &Path) -> bool {
        self.timings.contains(path.as_os_str())
    }

    /// Whether `path` is state that describes products or earlier results, and only its tool used it.
    pub(super) fn describes_products(&self, path: &Path) -> bool {
        self.describing.contains(path.as_os_str())
    }

    /// The names that are left out of a listing of `directory`, sorted.
    pub(super) fn names(&self, directory: &Path) -> Vec<Vec<u8>> {
        self.names.get(directory).into_iter().flatten().cloned().collect()
    }

    fn leave_out(&mut self, path: &Path) {
        if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
            self.names.entry(directory.to_path_buf()).or_default().insert(name.as_bytes().to_vec());
        }
    }
}

struct Finder<'a> {
    trace: &'a Trace,
    watcher: &'a Watcher<'a>,
    tables: &'a Tables,
    /// Whether the run compiles Python's bytecode on purpose.
    compiles: bool,
    /// For each row of the table, as a bit, whether the run started its tool.
    used: FxHashMap<u64, bool>,
    /// The same: whether settings ask the tool to show its state.
    shown: FxHashMap<u64, bool>,
    minds_results: Option<bool>,
    aside: Aside,
}

impl Finder<'_> {
    fn before(&self, path: &Path) -> Option<Evidence> {
        self.watcher.before.get(path).and_then(|before| before.evidence)
    }

    /// Whether the changed `path` did not exist when the run began.
    fn is_new(&self, path: &Path) -> bool {
        self.watcher.before.get(path).is_some_and(|before| before.evidence.is_none())
    }

    /// Whether `path` is bytecode that was only used as the importer does: opened once, or replaced by a new file.
    fn is_importers(&self, path: &Path, access: Access) -> Result<bool, NotKept> {
        let Some(source) = stands_for(path) else { return Ok(false) };
        let other = access.looked || access.looked_at_link || access.opened || access.executed;
        if self.compiles || other || access.strangers & BYTECODE != 0 {
            return Ok(false);
        }
        if !access.changed {
            return Ok(source.is_file());
        }
        let now = present(path)?;
        let is_temporary = !path.as_os_str().as_bytes().ends_with(b".pyc");
        if is_temporary {
            return Ok(self.is_new(path) && now.is_none());
        }
        // Other code that writes such a file opens it; the importer moves a new file there. That file may have the inode number of
        // the earlier one, which another run has replaced meanwhile.
        let is_moved_here = access.first_change == FirstChange::Put && !access.changed_otherwise;
        let is_replaced = now
            .is_some_and(|now| is_moved_here || self.before(path).is_none_or(|was| was.inode != now.inode));
        Ok(is_replaced && access.kept_on_change && source.is_file())
    }

    /// Adds a directory of bytecode, if only the importer used it.
    fn bytecode_directory(&mut self, run: &Run<'_>, path: &Path, access: Access) -> Result<(), NotKept> {
        if self.compiles || access.opened || access.strangers & BYTECODE != 0 {
            return Ok(());
        }
        let now = present(path)?;
        let is_made = access.changed && self.is_new(path);
        if access.changed && (!is_made || now.is_none()) {
            return Ok(());
        }
        let below = self.trace.accesses.range(path.to_path_buf()..);
        let below = below.take_while(|(entry, _)| entry.starts_with(path)).skip(1);
        let mut keeps_bytecode = false;
        for (entry, access) in below {
            if access.changed && !self.aside.has(entry) {
                return Ok(());
            }
            keeps_bytecode |= self.aside.has(entry) && (access.read || access.changed);
        }
        if is_made && !self.holds_bytecode_alone(path) {
            return Ok(());
        }
        // The importer creates it if it is missing.
        let writes = !run.captured.environment.iter().any(|(name, _)| name == "PYTHONDONTWRITEBYTECODE");
        if is_made || (now.is_some() && keeps_bytecode && writes) {
            self.aside.leave_out(path);
        }
        self.aside.paths.insert(path.as_os_str().to_owned());
        Ok(())
    }

    /// Adds a path with state of a tool, if only the tool touched it, or created it in this run.
    fn state_of_tool(&mut self, run: &Run<'_>, path: &Path, access: Access) -> Result<(), NotKept> {
        let is_made = access.changed && self.is_new(path);
        let strangers = if is_made { access.changed_by_strangers } else { access.strangers };
        let Some(found) = self.tables.find(path, !strangers) else {
            let is_new_directory = access.changed
                && self.tables.is_above(path)
                && self.is_new(path)
                && fs::symlink_metadata(path).is_ok_and(|now| now.is_dir());
            if is_new_directory && self.holds_state(run, path) {
                self.aside.paths.insert(path.as_os_str().to_owned());
            }
            return Ok(());
        };
        let is_beside = || !found.row.is_alone_in(installed_script(run));
        if !self.is_used(&found) || self.is_shown(&found) || is_beside() {
            return Ok(());
        }
        match found.kind {
            Kind::Private => {
                self.aside.paths.insert(path.as_os_str().to_owned());
                self.aside.leave_out(&found.base);
                if found.alone && (access.listed || access.listed_own) {
                    self.aside.listed.insert(path.to_path_buf());
                }
                if !self.aside.existing.contains(&found.base) && self.was_there(&found.base)? {
                    self.aside.existing.insert(found.base);
                }
            }
            Kind::Results if !self.minds_results(run) => {
                if access.changed {
                    self.aside.results.insert(path.as_os_str().to_owned());
                    self.aside.leave_out(&found.base);
                }
            }
            Kind::Timings if access.changed && !has_one_timing(path) => {
                self.aside.results.insert(path.as_os_str().to_owned());
                self.aside.leave_out(&found.base);
            }
            Kind::Timings if access.changed => {
                self.aside.timings.insert(path.as_os_str().to_owned());
                self.aside.leave_out(&found.base);
            }
            Kind::Derived | Kind::Timings if !access.changed => {
                if self.was_there(path)? {
                    self.aside.existing.insert(path.to_path_buf());
                }
                self.aside.paths.insert(path.as_os_str().to_owned());
                self.aside.leave_out(path);
            }
            Kind::Results | Kind::Products | Kind::Derived | Kind::Timings => {
                self.aside.describing.insert(path.as_os_str().to_owned());
            }
        }
        Ok(())
    }

    /// Whether the run created a directory only for private state.
    fn holds_state(&mut self, run: &Run<'_>, directory: &Path) -> bool {
        if directory.starts_with(&run.places.root) {
            return false;
        }
        let trace = self.trace;
        let below = trace.accesses.range(directory.to_path_buf()..);
        let below = below.take_while(|(path, _)| path.starts_with(directory)).skip(1);
        let changed: Vec<_> = below.filter(|(_, access)| access.changed).collect();
        !changed.is_empty()
            && changed.into_iter().all(|(path, access)| {
                self.tables.is_above(path)
                    || self
                        .tables
                        .find(path, !access.changed_by_strangers)
                        .is_some_and(|found| self.is_used(&found) && !self.is_shown(&found))
            })
    }

    /// Whether settings, not the arguments of a process, make the tool show what it found in its state.
    fn is_shown(&mut self, found: &Found) -> bool {
        let settings = found.row.settings();
        if settings.is_empty() {
            return false;
        }
        let trace = self.trace;
        *self.shown.entry(found.bit).or_insert_with(|| {
            let read = trace.accesses.iter().filter(|(_, access)| access.read).map(|(path, _)| path);
            let is_setting = |path: &&PathBuf| {
                path.file_name()
                    .is_some_and(|name| settings.iter().any(|setting| name == OsStr::new(setting)))
            };
            // A file that cannot be read may say anything.
            read.filter(is_setting)
                .any(|path| fs::read(path).map_or(true, |text| found.row.is_shown_by(&text)))
        })
    }

    /// Whether `path`, or its real path, existed when the run began.
    fn was_there(&self, path: &Path) -> Result<bool, NotKept> {
        let is_made = |path: &Path| path.ancestors().any(|above| self.is_new(above));
        let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        Ok(!is_made(path)
            && !is_made(&real)
            && (self.before(&real).is_some() || evidence(path, false)?.is_some()))
    }

    /// Whether `directory` contains only bytecode of existing sources, and names that are left out.
    fn holds_bytecode_alone(&self, directory: &Path) -> bool {
        let Ok(entries) = fs::read_dir(directory) else { return false };
        entries.into_iter().all(|entry| {
            entry.is_ok_and(|entry| {
                let path = entry.path();
                self.aside.has(&path) || stands_for(&path).is_some_and(|source| source.is_file())
            })
        })
    }

    fn is_used(&mut self, found: &Found) -> bool {
        let trace = self.trace;
        *self.used.entry(found.bit).or_insert_with(|| {
            let read = || trace.accesses.iter().filter(|(_, access)| access.read).map(|(path, _)| path);
            found.row.is_used(|is_like| {
                let has = |path: &PathBuf| path.iter().any(|name| is_like(name.as_bytes()));
                read().any(has) || trace.programs.iter().any(has)
            })
        })
    }

    fn minds_results(&mut self, run: &Run<'_>) -> bool {
        let trace = self.trace;
        *self.minds_results.get_or_insert_with(|| settings_mind_results(run, trace))
    }
}

/// Whether settings, not the arguments of a process, make the run use results of earlier runs, or put new files first.
pub(super) fn settings_mind_results(run: &Run<'_>, trace: &Trace) -> bool {
    let variables = run.captured.environment.iter();
    let by_variable = variables
        .filter(|(name, _)| name == "PYTEST_ADDOPTS")
        .any(|(_, value)| asks_earlier_results(value.as_bytes()));
    let is_setting = |path: &&PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str);
        name.is_some_and(|name| TEST_SETTINGS.contains(&name)) && path.starts_with(&run.places.root)
    };
    let read = trace.accesses.iter().filter(|(_, access)| access.read).map(|(path, _)| path);
    by_variable
        || read.filter(is_setting).any(|path| {
            // A file that cannot be read may say anything.
            fs::read(path).map_or(true, |text| asks_earlier_results(&text))
        })
}

/// Whether a file of timings has no more than one, so that no order follows from it. A directory has none.
fn has_one_timing(path: &Path) -> bool {
    let is_one = |text: Vec<u8>| memmem::find_iter(&text, b"\"duration\"").count() <= 1;
    path.is_dir() || fs::read(path).is_ok_and(is_one)
}

/// The name of the script that the call runs, if that is one of an installed package.
fn installed_script<'r>(run: &Run<'r>) -> Option<&'r OsStr> {
    let What::Script(script) = &run.captured.command.entry.what else { return None };
    let is_package = |path: &Path| path.iter().any(|part| part == "node_modules");
    let is_installed = is_package(script) || fs::canonicalize(script).is_ok_and(|real| is_package(&real));
    script.file_name().filter(|_| is_installed)
}

/// Whether the run loaded the module by which bytecode is compiled on purpose.
fn compiles(trace: &Trace) -> bool {
    let read = trace.accesses.iter().filter(|(_, access)| access.read);
    let mut names = read.filter_map(|(path, _)| path.file_name());
    names.any(|name| {
        let name = name.as_bytes();
        name.starts_with(b"py_compile.") && (name.ends_with(b".py") || name.ends_with(b".pyc"))
    })
}
