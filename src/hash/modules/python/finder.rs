//! Finds the file of a Python module: the importer's search, with every candidate that the importer would try first.

use super::super::super::world::Kind;
use super::super::View;
use super::interpreter::{Holds, Interpreter};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The module that a dotted name, or a part of one, leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A directory with `__init__.py` (or an extension module in its place).
    Package {
        /// The directory.
        directory: PathBuf,
        /// The file that its import runs.
        file: PathBuf,
    },
    /// A single file.
    Module(PathBuf),
    /// Directories without `__init__.py`, all with the same name.
    Namespace(Vec<PathBuf>),
}

/// A top-level module, and the kind of the directory that contains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TopLevel {
    pub(super) found: Found,
    pub(super) holds: Holds,
    /// The directory of the search path; for a namespace the first one.
    pub(super) under: PathBuf,
}

/// Modules that no file can replace: they are built into every interpreter.
const BUILT_IN: &[&str] = &[
    "_abc",
    "_codecs",
    "_collections",
    "_functools",
    "_imp",
    "_io",
    "_locale",
    "_operator",
    "_signal",
    "_sre",
    "_stat",
    "_string",
    "_symtable",
    "_thread",
    "_tracemalloc",
    "_warnings",
    "_weakref",
    "atexit",
    "builtins",
    "errno",
    "faulthandler",
    "gc",
    "itertools",
    "marshal",
    "posix",
    "pwd",
    "sys",
    "time",
];

/// Searches like an interpreter.
pub(super) struct Finder {
    suffixes: Vec<String>,
}

impl Finder {
    pub(super) fn new(interpreter: &Interpreter) -> Self {
        // In the importer's order.
        let mut suffixes = Vec::new();
        if let Some((major, minor)) = interpreter.version {
            suffixes.push(match std::env::consts::OS {
                "macos" => format!(".cpython-{major}{minor}-darwin.so"),
                _ => format!(".cpython-{major}{minor}-{}-linux-gnu.so", std::env::consts::ARCH),
            });
        }
        suffixes.extend([".abi3.so", ".so", ".py", ".pyc"].map(str::to_owned));
        Self { suffixes }
    }

    /// Whether the module is built into the interpreter.
    pub(super) fn is_built_in(name: &str) -> bool {
        BUILT_IN.contains(&name)
    }

    /// The top-level module `name`. Adds candidates to `shadows` that are missing in the user's directories and would take
    /// precedence.
    pub(super) fn top_level(
        &self,
        view: &mut View<'_>,
        path: &[(PathBuf, Holds)],
        name: &str,
        shadows: &mut BTreeSet<PathBuf>,
    ) -> Option<TopLevel> {
        let mut namespace: Option<(Vec<PathBuf>, PathBuf, Holds)> = None;
        for (directory, holds) in path {
            let found = match holds {
                Holds::Standard => self.standard(view, directory, name),
                Holds::Local | Holds::Installed => self.inside(view, directory, name),
            };
            match found {
                Some(Found::Namespace(portions)) => match &mut namespace {
                    Some((all, _, _)) => all.extend(portions),
                    None => namespace = Some((portions, directory.clone(), *holds)),
                },
                Some(found) => {
                    // A package in the same directory takes precedence over a file.
                    if *holds == Holds::Local && matches!(found, Found::Module(_)) {
                        shadows.insert(directory.join(name).join("__init__.py"));
                    }
                    return Some(TopLevel { found, holds: *holds, under: directory.clone() });
                }
                None => {}
            }
            if *holds == Holds::Local {
                shadows.insert(directory.join(name).join("__init__.py"));
                shadows.insert(directory.join(format!("{name}.py")));
            }
        }
        let (portions, under, holds) = namespace?;
        Some(TopLevel { found: Found::Namespace(portions), holds, under })
    }

    /// A module of the standard library: the interpreter stands for it, so only its location counts.
    fn standard(&self, view: &mut View<'_>, directory: &Path, name: &str) -> Option<Found> {
        if !is_name(name) {
            return None;
        }
        let mut candidates =
            vec![directory.join(format!("{name}.py")), directory.join(name).join("__init__.py")];
        if directory.ends_with("lib-dynload") {
            candidates = self
                .suffixes
                .iter()
                .take(1)
                .map(|suffix| directory.join(format!("{name}{suffix}")))
                .collect();
        }
        candidates.into_iter().find(|file| view.world.kind(file) == Kind::File).map(Found::Module)
    }

    /// The module `name` of a package or directory.
    pub(super) fn submodule(&self, view: &mut View<'_>, of: &Found, name: &str) -> Option<Found> {
        match of {
            Found::Package { directory, .. } => self.inside(view, directory, name),
            Found::Module(_) => None,
            Found::Namespace(portions) => {
                let mut namespaces = Vec::new();
                for portion in portions {
                    match self.inside(view, portion, name) {
                        Some(Found::Namespace(more)) => namespaces.extend(more),
                        Some(found) => return Some(found),
                        None => {}
                    }
                }
                (!namespaces.is_empty()).then_some(Found::Namespace(namespaces))
            }
        }
    }

    fn inside(&self, view: &mut View<'_>, directory: &Path, name: &str) -> Option<Found> {
        if !is_name(name) {
            return None;
        }
        let package = directory.join(name);
        let is_directory = view.world.kind(&package) == Kind::Directory;
        if is_directory && let Some(file) = self.with_suffix(view, &package, "__init__") {
            return Some(Found::Package { directory: package, file });
        }
        if let Some(file) = self.with_suffix(view, directory, name) {
            return Some(Found::Module(file));
        }
        is_directory.then(|| Found::Namespace(vec![package]))
    }

    fn with_suffix(&self, view: &mut View<'_>, directory: &Path, stem: &str) -> Option<PathBuf> {
        let mut files = self.suffixes.iter().map(|suffix| directory.join(format!("{stem}{suffix}")));
        files.find(|file| view.world.kind(file) == Kind::File)
    }
}

/// Whether a part of a dotted name is a possible file name: other names are imports that never run.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\0', '.'])
}
