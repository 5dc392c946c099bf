//! The modules of a Python program: resolves its imports to files and distributions.

mod editable;
mod finder;
mod harmless;
mod interpreter;

use super::super::entry::What;
use super::super::language::{Import, Language, Parsed, Python, Raw};
use super::super::packages::python::Distributions;
use super::{Sources, View};
use finder::{Finder, Found, TopLevel};
use interpreter::{Holds, Interpreter};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Maximum number of local modules; handwritten programs have fewer. The rest is found by watching.
const MOST_MODULES: usize = 4000;

/// Reads the entry's source and every local module that it imports.
pub(super) fn sources(view: &mut View<'_>) -> Sources {
    let interpreter = Interpreter::read(view);
    let (major, minor) = interpreter.version.unwrap_or((3, u8::MAX));
    let mut search = Search {
        finder: Finder::new(&interpreter),
        language: Python::for_version(major, minor),
        interpreter,
        distributions: Distributions::default(),
        sources: Sources::default(),
        top_levels: BTreeMap::new(),
        visited: BTreeSet::new(),
        queue: VecDeque::new(),
    };
    search.begin(view);
    search.at_startup(view);
    while let Some(visit) = search.queue.pop_front() {
        search.visit(view, visit);
    }
    let Search { mut sources, interpreter, distributions, .. } = search;
    sources.computed_imports |= interpreter.computed;
    sources.exact |= !options_are_harmless(view);
    sources.settings.extend(interpreter.settings);
    let installed: Vec<PathBuf> = interpreter
        .path
        .iter()
        .filter(|(_, holds)| *holds == Holds::Installed)
        .map(|(directory, _)| directory.clone())
        .collect();
    let packages = distributions.with_requirements(view.world, &installed);
    sources.packages.extend(packages.into_iter().map(|(name, version)| ("python".to_owned(), name, version)));
    sources
}

/// A file that is still to be read, and the package that its relative imports refer to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Visit {
    file: PathBuf,
    package: Option<String>,
}

struct Search {
    interpreter: Interpreter,
    finder: Finder,
    language: Python,
    distributions: Distributions,
    sources: Sources,
    top_levels: BTreeMap<String, Option<TopLevel>>,
    visited: BTreeSet<Visit>,
    queue: VecDeque<Visit>,
}

impl Search {
    fn begin(&mut self, view: &mut View<'_>) {
        if let Some((path, bytes)) = view.entry_source() {
            self.sources.entry = Some(path.clone());
            self.take(view, path, bytes, None);
        } else if let What::Module(name) = &view.entry.what {
            let name = name.to_string_lossy().into_owned();
            self.run_module(view, &name);
        } else {
            self.sources.computed_imports = true;
        }
    }

    /// `-m name`: the module, or the `__main__` of the package.
    fn run_module(&mut self, view: &mut View<'_>, name: &str) {
        let import = |name: &str| Import::Module { name: name.to_owned(), names: Vec::new() };
        self.import(view, &import(name), None);
        self.import(view, &import(&format!("{name}.__main__")), None);
        let first = name.split('.').next().unwrap_or_default();
        let found = self.top_level(view, first);
        // The arguments of an installed tool determine what it runs.
        self.sources.computed_imports |= found.is_none_or(|found| found.holds != Holds::Local);
    }

    /// The modules that every interpreter imports at startup.
    fn at_startup(&mut self, view: &mut View<'_>) {
        if view.has_flag(b'S') {
            return;
        }
        let skipped = usize::from(self.interpreter.has_script_directory);
        let path: Vec<_> = self.interpreter.path.iter().skip(skipped).cloned().collect();
        for name in ["sitecustomize", "usercustomize"] {
            let found = self.finder.top_level(view, &path, name, &mut self.sources.shadows);
            match found {
                Some(TopLevel { found: Found::Module(file), holds, .. }) if holds != Holds::Standard => {
                    self.queue.push_back(Visit { file, package: None });
                }
                Some(TopLevel { found: Found::Package { file, .. }, holds, .. })
                    if holds != Holds::Standard =>
                {
                    self.queue.push_back(Visit { file, package: Some(name.to_owned()) });
                }
                _ => {}
            }
        }
    }

    fn visit(&mut self, view: &mut View<'_>, visit: Visit) {
        if self.sources.len() >= MOST_MODULES {
            self.sources.computed_imports = true;
            return;
        }
        if !self.visited.insert(visit.clone()) {
            return;
        }
        if let Some(bytes) = view.world.read(&visit.file) {
            self.take(view, visit.file, bytes, visit.package.as_deref());
        }
    }

    /// Adds a source and follows its imports.
    fn take(&mut self, view: &mut View<'_>, path: PathBuf, bytes: Vec<u8>, package: Option<&str>) {
        if is_compiled(&path) {
            if !self.sources.contains(&path) {
                self.sources.add(path, bytes, Parsed { reads_docstrings: true, ..Parsed::default() }, &Raw);
            }
            return;
        }
        let parsed = self.language.parse(&bytes);
        let imports = parsed.imports.clone();
        self.sources.add(path, bytes, parsed, &self.language);
        for import in &imports {
            self.import(view, import, package);
        }
    }

    fn import(&mut self, view: &mut View<'_>, import: &Import, package: Option<&str>) {
        match import {
            Import::Module { name, names } => self.import_absolute(view, name, names),
            Import::Relative { level, name, names } => {
                // A script has no package: its relative imports fail.
                let Some(package) = package else { return };
                let up = usize::try_from(*level).unwrap_or(usize::MAX).saturating_sub(1);
                let parts: Vec<&str> = package.split('.').collect();
                let Some(kept) = parts.len().checked_sub(up).filter(|kept| *kept > 0) else { return };
                let mut absolute = parts.get(..kept).unwrap_or_default().join(".");
                if !name.is_empty() {
                    absolute.push('.');
                    absolute.push_str(name);
                }
                self.import_absolute(view, &absolute, names);
            }
            Import::Specifier(_)
            | Import::FileFromDirectory(_)
            | Import::FileFromSource(_)
            | Import::FileFromEntry(_) => {}
        }
    }

    fn import_absolute(&mut self, view: &mut View<'_>, name: &str, names: &[String]) {
        let first = name.split('.').next().unwrap_or_default();
        if Finder::is_built_in(first) {
            self.sources.reads_docstrings |= harmless::reads_docstrings(first);
            return;
        }
        let Some(top) = self.top_level(view, first) else {
            // An unknown importer may provide it.
            self.sources.reads_docstrings = true;
            return;
        };
        match top.holds {
            Holds::Standard => self.sources.reads_docstrings |= harmless::reads_docstrings(first),
            Holds::Installed => self.import_installed(view, &top, name, names),
            Holds::Local => self.import_local(view, &top.found, name, names),
        }
    }

    fn top_level(&mut self, view: &mut View<'_>, name: &str) -> Option<TopLevel> {
        if let Some(found) = self.top_levels.get(name) {
            return found.clone();
        }
        let shadows = &mut self.sources.shadows;
        let mut found = self.finder.top_level(view, &self.interpreter.path, name, shadows);
        // Finders of editable installs come after the search path.
        if found.is_none()
            && let Some(place) = self.interpreter.mapped.get(name)
        {
            let parent = place.parent().unwrap_or(Path::new("/")).to_path_buf();
            let stem = place.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let path = [(parent, Holds::Local)];
            found = self.finder.top_level(view, &path, &stem, &mut BTreeSet::new());
        }
        self.top_levels.insert(name.to_owned(), found.clone());
        found
    }

    fn import_local(&mut self, view: &mut View<'_>, top: &Found, name: &str, names: &[String]) {
        let mut parts = name.split('.');
        let mut package = parts.next().unwrap_or_default().to_owned();
        let mut found = top.clone();
        self.enqueue(&found, &package);
        for part in parts {
            let Some(next) = self.finder.submodule(view, &found, part) else { return };
            package.push('.');
            package.push_str(part);
            found = next;
            self.enqueue(&found, &package);
        }
        for name in names {
            if name == "*" {
                self.import_all(view, &found, &package);
            } else if let Some(submodule) = self.finder.submodule(view, &found, name) {
                self.enqueue(&submodule, &format!("{package}.{name}"));
            }
        }
    }

    /// `from package import *` imports the submodules in `__all__`, which may be any of them.
    fn import_all(&mut self, view: &mut View<'_>, found: &Found, package: &str) {
        let Found::Package { directory, .. } = found else { return };
        for (name, _) in view.world.entries(directory).unwrap_or_default() {
            let Some(stem) = name.to_str().and_then(|name| name.split('.').next()) else { continue };
            if stem.starts_with("__") {
                continue;
            }
            // A data directory is not a module, though it could be a namespace.
            match self.finder.submodule(view, found, stem) {
                Some(Found::Namespace(_)) | None => {}
                Some(submodule) => self.enqueue(&submodule, &format!("{package}.{stem}")),
            }
        }
    }

    fn enqueue(&mut self, found: &Found, name: &str) {
        let visit = match found {
            Found::Package { file, .. } => Visit { file: file.clone(), package: Some(name.to_owned()) },
            Found::Module(file) => {
                let package = name.rsplit_once('.').map(|(package, _)| package.to_owned());
                Visit { file: file.clone(), package }
            }
            Found::Namespace(_) => return,
        };
        if !self.visited.contains(&visit) {
            self.queue.push_back(visit);
        }
    }

    /// A module of an installed distribution: the distribution counts. A file that no distribution owns counts as a local one.
    fn import_installed(&mut self, view: &mut View<'_>, top: &TopLevel, name: &str, names: &[String]) {
        let first = name.split('.').next().unwrap_or_default();
        self.sources.reads_docstrings |= !harmless::is_harmless(first);
        let mut files = Vec::new();
        self.installed_files(view, top, name, names, &mut files);
        for file in files {
            let directories = self.interpreter.path.iter().filter(|(_, holds)| *holds == Holds::Installed);
            let owner = directories.into_iter().find(|(directory, _)| file.starts_with(directory));
            let directory = owner.map_or(&top.under, |(directory, _)| directory).clone();
            if !self.distributions.note_owner(view.world, &directory, &file) {
                self.import_local(view, &top.found, name, names);
                return;
            }
        }
    }

    /// The first real files along a dotted name: more than one where it passes through a namespace.
    fn installed_files(
        &self,
        view: &mut View<'_>,
        top: &TopLevel,
        name: &str,
        names: &[String],
        files: &mut Vec<PathBuf>,
    ) {
        let mut found = top.found.clone();
        let mut parts = name.split('.').skip(1);
        loop {
            match &found {
                Found::Package { file, .. } | Found::Module(file) => {
                    files.push(file.clone());
                    return;
                }
                Found::Namespace(_) => {}
            }
            let Some(part) = parts.next() else { break };
            let Some(next) = self.finder.submodule(view, &found, part) else { return };
            found = next;
        }
        for name in names {
            if let Some(Found::Package { file, .. } | Found::Module(file)) =
                self.finder.submodule(view, &found, name)
            {
                files.push(file);
            }
        }
    }
}

/// Whether the interpreter's options do not affect how sources are read and shown.
fn options_are_harmless(view: &View<'_>) -> bool {
    let harmless_values = ["dev", "faulthandler", "frozen_modules", "importtime", "no_debug_ranges", "utf8"];
    let valued = ["int_max_str_digits=", "pycache_prefix=", "utf8=", "frozen_modules="];
    let mut words = view.entry.options.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.starts_with('-')) else {
            // `--check-hash-based-pycs`, or a word that is not an option.
            continue;
        };
        for (at, letter) in letters.char_indices() {
            let rest = letters.get(at + 1..).unwrap_or_default();
            match letter {
                'X' | 'W' => {
                    let value = if rest.is_empty() { words.next().unwrap_or_default() } else { rest.into() };
                    let known = harmless_values.contains(&&*value)
                        || valued.iter().any(|name| value.starts_with(name));
                    if letter == 'X' && !known {
                        return false;
                    }
                    break;
                }
                // The module or the code follows.
                'm' | 'c' => break,
                _ if "bBEIOPqRsSuv".contains(letter) => {}
                _ => return false,
            }
        }
    }
    true
}

fn is_compiled(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "so" || extension == "pyc")
}
