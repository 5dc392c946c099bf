//! Python's import system: it lists the directories of its search path and reads bytecode in place of sources.
//!
//! Such a listing counts only for the names in import statements, also failing ones, unless code of the project lists directories
//! itself.

use super::bytecode::{apart, stands_for, stem};
use super::imports::{self, Asked as Import, Imports};
use super::made::Made;
use super::{Observer, Run};
use crate::exec::{Access, Trace};
use crate::hash::entry::{LanguageKind, What};
use crate::hash::look;
use crate::hash::modules::INLINE;
use crate::memo::reason::NotKept;
use crate::record::{Names, Observation};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the Python importers of a run did.
pub(super) struct Importer<'a> {
    /// Whether listings count only for imports.
    active: bool,
    /// Whether the run asked which packages are installed, which a listing shows.
    asks_what_is_installed: bool,
    /// Directories that are searched for modules.
    directories: FxHashSet<OsString>,
    /// Directories of packages that were loaded.
    packages: FxHashSet<OsString>,
    /// Python's sources that were loaded, and inline code by the directory that it runs in.
    sources: BTreeSet<PathBuf>,
    inline: Vec<(PathBuf, Vec<u8>)>,
    searched: OnceCell<Searched>,
    /// The language of the function.
    language: LanguageKind,
    /// Python sources whose bytecode was looked for.
    loaded: FxHashSet<OsString>,
    /// The accesses of each path, by its bytes, since comparing paths is slow.
    accesses: FxHashMap<&'a OsStr, Access>,
    /// The sources of the function, whose accesses are known individually.
    own_sources: BTreeSet<PathBuf>,
    root: PathBuf,
    /// Whether the program may change the search path.
    searches_elsewhere: bool,
    /// The directory of the script.
    begins_in: PathBuf,
}

/// Names that imports ask for.
#[derive(Default)]
struct Searched {
    /// Top-level modules.
    top: BTreeSet<Vec<u8>>,
    /// Modules in directories of packages.
    within: FxHashMap<PathBuf, BTreeSet<Vec<u8>>>,
    /// Whether code of the project computes a module name.
    computed: bool,
}

impl<'a> Importer<'a> {
    /// Finds the modules that the run used, and where it looked for them.
    pub(super) fn new(run: &Run<'_>, trace: &'a Trace, made: &Made) -> Self {
        let captured = run.captured;
        let entry = &captured.command.entry;
        let mut importer = Self {
            active: false,
            asks_what_is_installed: false,
            directories: FxHashSet::default(),
            packages: FxHashSet::default(),
            sources: BTreeSet::new(),
            inline: made.python.clone(),
            searched: OnceCell::new(),
            language: entry.language,
            loaded: FxHashSet::default(),
            accesses: FxHashMap::default(),
            own_sources: captured.sources.iter().map(|source| source.absolute.clone()).collect(),
            root: run.places.root.clone(),
            begins_in: match &entry.what {
                What::Script(script) => script.parent().unwrap_or(Path::new("/")).to_path_buf(),
                _ => entry.directory.clone(),
            },
            searches_elsewhere: captured.computed_imports || entry.language != LanguageKind::Python,
        };
        importer.accesses.reserve(trace.accesses.len());
        let (mut asks, mut finds) = (false, false);
        for (path, access) in &trace.accesses {
            importer.accesses.insert(path.as_os_str(), *access);
            let source = stands_for(path);
            if access.read {
                let module = source.as_deref().unwrap_or(path);
                asks |= lists_installed(module);
                importer.take(module);
            }
            // A file of the metadata may be missing; the directory was found all the same.
            finds |= (access.read || access.absent) && is_of_metadata(path);
            importer.loaded.extend(source.map(PathBuf::into_os_string));
        }
        importer.asks_what_is_installed = asks && finds;
        let is_python = entry.language == LanguageKind::Python;
        if is_python {
            for source in captured.sources.iter().filter(|source| source.absolute != Path::new(INLINE)) {
                importer.take(Path::new(&written(&source.absolute)));
            }
        }
        let is_used = is_python || !importer.sources.is_empty() || !importer.inline.is_empty();
        let lists = (is_python && captured.lists_directories) || (is_used && importer.code_lists());
        importer.active = is_used && !lists;
        if !importer.active {
            return importer;
        }
        let places = importer.inline.iter().map(|(directory, _)| written(directory)).collect::<Vec<_>>();
        importer.directories.extend(places);
        importer.directories.insert(written(&entry.directory));
        for (name, value) in &captured.environment {
            if name == "PYTHONPATH" {
                let entries = std::env::split_paths(value);
                let entries = entries.map(|path| entry.directory.join(path));
                importer.directories.extend(entries.map(|path| written(&path)));
            }
        }
        importer
    }

    /// Adds a module that was loaded.
    fn take(&mut self, path: &Path) {
        let Some((directory, name)) = apart(path) else { return };
        if ![&b".py"[..], b".so", b".pyc"].iter().any(|end| name.ends_with(end)) {
            return;
        }
        self.directories.insert(directory.as_os_str().to_owned());
        if stem(name) == b"__init__" {
            self.packages.insert(directory.as_os_str().to_owned());
            if let Some((above, _)) = apart(directory) {
                self.directories.insert(above.as_os_str().to_owned());
            }
        }
        self.sources.insert(path.to_path_buf());
    }

    /// Whether a source belongs to the project and not to an installed package.
    fn is_of_project(&self, path: &Path) -> bool {
        path.starts_with(&self.root) && !path.iter().any(is_library)
    }

    /// Whether code of the project in processes other than the function's lists directories itself.
    fn code_lists(&self) -> bool {
        let others =
            self.sources.iter().filter(|path| self.is_of_project(path) && !self.own_sources.contains(*path));
        // Code that cannot be read may do so.
        let lists =
            |path: &PathBuf| std::fs::read(path).map_or(true, |bytes| imports::lists_directories(&bytes));
        self.inline.iter().any(|(_, code)| imports::lists_directories(code))
            || others.filter(|path| path.extension() == Some(OsStr::new("py"))).any(lists)
    }

    /// The names in import statements of the sources.
    fn searched(&self) -> &Searched {
        self.searched.get_or_init(|| {
            let mut searched = Searched::default();
            let mut tops: FxHashMap<Vec<u8>, Vec<PathBuf>> = FxHashMap::default();
            for path in &self.sources {
                let Some((directory, name)) = apart(path) else { continue };
                let (mut directory, mut name) = (directory, stem(name));
                if name == b"__init__"
                    && let Some((above, package)) = apart(directory)
                {
                    (directory, name) = (above, package);
                }
                if self.packages.contains(directory.as_os_str()) {
                    searched.within.entry(directory.to_path_buf()).or_default().insert(name.to_vec());
                } else {
                    tops.entry(name.to_vec()).or_default().push(directory.join(OsStr::from_bytes(name)));
                }
                searched.top.insert(name.to_vec());
            }
            for path in self.sources.iter().filter(|path| path.extension() == Some(OsStr::new("py"))) {
                let Ok(source) = std::fs::read(path) else {
                    searched.computed = true;
                    continue;
                };
                let found = imports::imports(&source);
                searched.computed |= found.computed && self.is_of_project(path);
                let directory = path.parent().unwrap_or(Path::new("/"));
                searched.take(found, directory, &tops);
            }
            for (directory, code) in &self.inline {
                let found = imports::imports(code);
                searched.computed |= found.computed;
                searched.take(found, directory, &tops);
            }
            searched
        })
    }

    /// The names for which a listing of `path` counts, sorted; `None` for all that can be imported.
    pub(super) fn names(&self, path: &Path) -> Option<Vec<Vec<u8>>> {
        let searched = self.searched();
        if searched.computed {
            return None;
        }
        let none = BTreeSet::new();
        let within = searched.within.get(path).unwrap_or(&none);
        let is_package = self.packages.contains(path.as_os_str());
        let may_be_searched = !is_package || (self.searches_elsewhere && path.starts_with(&self.root));
        let top = if may_be_searched { &searched.top } else { &none };
        let all = within.union(top).cloned().collect();
        Some(all)
    }

    /// Whether listings show what is installed.
    pub(super) fn lists_installed(&self) -> bool {
        self.asks_what_is_installed
    }

    /// The accesses of `path`.
    pub(super) fn access(&self, path: &Path) -> Access {
        self.accesses.get(path.as_os_str()).copied().unwrap_or_default()
    }

    /// Whether a listing of `path` counts only for imports and installed packages.
    pub(super) fn lists(&self, path: &Path, access: Access) -> bool {
        let by_itself = self.active && !access.listed_by_another;
        // Other listings are by the program (a package or the standard library); packages are listed at each start.
        let by_code = access.listed_by_code || (access.listed_again && !self.asks_what_is_installed);
        let its_own = self.directories.contains(path.as_os_str()) && !by_code;
        by_itself && (its_own || path.file_name().is_some_and(is_library))
    }

    /// Whether `path` is searched for modules, like the directory in which the program starts.
    pub(super) fn searches(&self, path: &Path) -> bool {
        path == self.begins_in || self.directories.contains(path.as_os_str())
    }

    /// Whether a look at `path`, which was also read, is that of the importer that loaded it.
    pub(super) fn loads(&self, path: &Path) -> bool {
        let ends = |ends: &[&str]| path.extension().is_some_and(|own| ends.iter().any(|end| own == *end));
        let is_module = match self.language {
            LanguageKind::Python => self.loaded.contains(path.as_os_str()) || ends(&["so", "pyc"]),
            LanguageKind::JavaScript | LanguageKind::TypeScript => {
                ends(&["js", "mjs", "cjs", "json", "node", "ts", "mts", "cts", "tsx", "jsx"])
            }
            _ => false,
        };
        is_module && !self.own_sources.contains(path)
    }
}

impl Searched {
    /// Adds the imports of a source in `directory`; `tops` are the places of modules that were loaded.
    fn take(&mut self, found: Imports, directory: &Path, tops: &FxHashMap<Vec<u8>, Vec<PathBuf>>) {
        for Import { level, parts, names } in found.asked {
            if level > 0 {
                if let Some(from) = directory.ancestors().nth(level - 1) {
                    self.ask(from.to_path_buf(), &parts, &names);
                }
                continue;
            }
            let Some((first, rest)) = parts.split_first() else { continue };
            for place in tops.get(first).into_iter().flatten() {
                self.ask(place.clone(), rest, &names);
            }
            if !self.top.contains(first) {
                self.top.insert(first.clone());
            }
        }
    }

    fn ask(&mut self, mut directory: PathBuf, parts: &[Vec<u8>], names: &[Vec<u8>]) {
        for part in parts {
            self.within.entry(directory.clone()).or_default().insert(part.clone());
            directory.push(OsStr::from_bytes(part));
        }
        if !names.is_empty() {
            self.within.entry(directory).or_default().extend(names.iter().cloned());
        }
    }
}

impl Observer<'_> {
    /// Observes the names that count in a listing of a directory of the search path.
    pub(super) fn searched(&mut self, path: &Path, importer: &Importer<'_>) -> Result<(), NotKept> {
        let moved = |_| NotKept::InputMoved(path.to_path_buf());
        let stored = self.stored(path);
        if importer.lists_installed() && !importer.packages.contains(path.as_os_str()) {
            let (digest, evidence) = look::distributions(path).map_err(moved)?;
            self.observe(Observation::Distributions { path: stored.clone(), digest }, evidence);
        }
        if let Some(mut names) = importer.names(path) {
            names.retain(|name| !self.is_own_plain_directory(path, name));
            let (digest, evidence) = look::importable(path, &names).map_err(moved)?;
            let names = Names::of(&names);
            self.observe(Observation::Importable { path: stored, names, digest }, evidence);
        } else {
            let (digest, evidence) = look::modules(path).map_err(moved)?;
            self.observe(Observation::Modules { path: stored, digest }, evidence);
        }
        Ok(())
    }
}

/// Whether `path` is metadata of an installed package.
fn is_of_metadata(path: &Path) -> bool {
    let holds = |path: &Path| {
        let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        name.ends_with(b".dist-info") || name.ends_with(b".egg-info")
    };
    holds(path) || path.parent().is_some_and(holds)
}

/// `path` with one slash between its names.
fn written(path: &Path) -> OsString {
    path.components().collect::<PathBuf>().into_os_string()
}

/// Whether `path` is a module that finds packages and plug-ins by their metadata, such as `importlib.metadata`.
fn lists_installed(path: &Path) -> bool {
    let Some((directory, b"__init__.py")) = apart(path) else { return false };
    ["importlib/metadata", "importlib_metadata", "pkg_resources"]
        .iter()
        .any(|module| directory.ends_with(module))
}

/// Whether a directory of this name holds installed modules.
pub(super) fn is_library(name: &OsStr) -> bool {
    ["site-packages", "dist-packages", "lib-dynload"].iter().any(|library| name == OsStr::new(library))
}
