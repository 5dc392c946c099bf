//! How Python finds modules: it lists the directories of its search path and reads bytecode in place of sources.
//!
//! Such a listing stands only for the absence of files that would shadow a module which the run used, unless
//! a file of the function lists directories itself.

use crate::exec::{Access, Image, Trace};
use crate::hash::capture::Captured;
use crate::hash::entry::{LanguageKind, What};
use memchr::memrchr;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the importer of a run did.
pub(super) struct Importer<'a> {
    /// Whether listings stand for imports alone.
    active: bool,
    /// Whether the run may have asked what is installed, which is told by listing.
    asks_what_is_installed: bool,
    directories: FxHashSet<OsString>,
    /// Sorted.
    names: Vec<Vec<u8>>,
    /// The language whose modules are looked at before they are loaded.
    language: LanguageKind,
    /// Python sources whose bytecode was asked for.
    loaded: FxHashSet<OsString>,
    /// What was done with each path, by its bytes: paths are costly to compare.
    accesses: FxHashMap<&'a OsStr, Access>,
    /// The sources of the function: what was done with them is known one by one.
    sources: BTreeSet<PathBuf>,
}

impl<'a> Importer<'a> {
    /// Finds the modules that the run used and where it looked for them.
    pub(super) fn new(captured: &Captured, trace: &'a Trace) -> Self {
        let entry = &captured.command.entry;
        let active = entry.language == LanguageKind::Python && !captured.lists_directories;
        let mut importer = Self {
            active,
            asks_what_is_installed: false,
            directories: FxHashSet::default(),
            names: Vec::new(),
            language: entry.language,
            loaded: FxHashSet::default(),
            accesses: FxHashMap::default(),
            sources: captured.sources.iter().map(|source| source.absolute.clone()).collect(),
        };
        importer.accesses.reserve(trace.accesses.len());
        let mut modules = Modules::default();
        for (path, access) in &trace.accesses {
            importer.accesses.insert(path.as_os_str(), *access);
            let source = stands_for(path);
            if access.read {
                let module = source.as_deref().unwrap_or(path);
                importer.asks_what_is_installed |= tells_what_is_installed(module);
                if active {
                    modules.take(module);
                }
            }
            importer.loaded.extend(source.map(PathBuf::into_os_string));
        }
        if !active {
            return importer;
        }
        for source in &captured.sources {
            modules.take(Path::new(&written(&source.absolute)));
        }
        importer.directories = modules.directories;
        importer.directories.insert(written(&entry.directory));
        for (name, value) in &captured.environment {
            if name == "PYTHONPATH" {
                let entries = std::env::split_paths(value);
                let entries = entries.map(|path| entry.directory.join(path));
                importer.directories.extend(entries.map(|path| written(&path)));
            }
        }
        importer.names = modules.names.into_iter().collect();
        importer.names.sort_unstable();
        importer
    }

    /// What was done with `path`.
    pub(super) fn access(&self, path: &Path) -> Access {
        self.accesses.get(path.as_os_str()).copied().unwrap_or_default()
    }

    /// Whether the listing of `path` stands for imports alone.
    pub(super) fn lists(&self, path: &Path, access: Access) -> bool {
        let library = |name: &OsStr| {
            ["site-packages", "dist-packages", "lib-dynload"]
                .iter()
                .any(|library| name == OsStr::new(library))
        };
        let by_itself = self.active && !access.listed_by_another;
        // What else the program lists, it lists (a package does, or the standard library); but packages, at each start.
        let its_own = self.directories.contains(path.as_os_str()) && !access.listed_by_code;
        let stands_for_imports = by_itself && (its_own || path.file_name().is_some_and(library));
        stands_for_imports && !(self.asks_what_is_installed && has_packages(path))
    }

    /// Whether a look at `path`, which was read too, is taken for that of the importer that loaded it.
    pub(super) fn loads(&self, path: &Path) -> bool {
        let ends = |ends: &[&str]| path.extension().is_some_and(|own| ends.iter().any(|end| own == *end));
        let is_module = match self.language {
            LanguageKind::Python => self.loaded.contains(path.as_os_str()) || ends(&["so", "pyc"]),
            LanguageKind::JavaScript | LanguageKind::TypeScript => {
                ends(&["js", "mjs", "cjs", "json", "node", "ts", "mts", "cts", "tsx", "jsx"])
            }
            _ => false,
        };
        is_module && !self.sources.contains(path)
    }

    /// Names of all modules used, sorted.
    pub(super) fn names(&self) -> &[Vec<u8>] {
        &self.names
    }
}

/// Where modules are that the run used, and their names.
#[derive(Default)]
struct Modules {
    directories: FxHashSet<OsString>,
    names: FxHashSet<Vec<u8>>,
}

impl Modules {
    fn take(&mut self, path: &Path) {
        let Some((directory, name)) = apart(path) else { return };
        if ![&b".py"[..], b".so", b".pyc"].iter().any(|end| name.ends_with(end)) {
            return;
        }
        self.name(stem(name));
        self.directory(directory);
        if stem(name) == b"__init__"
            && let Some((above, package)) = apart(directory)
        {
            self.name(package);
            self.directory(above);
        }
    }

    fn name(&mut self, name: &[u8]) {
        if !self.names.contains(name) {
            self.names.insert(name.to_vec());
        }
    }

    fn directory(&mut self, directory: &Path) {
        if !self.directories.contains(directory.as_os_str()) {
            self.directories.insert(directory.as_os_str().to_owned());
        }
    }
}

/// The directory and the name of a path as traces hold them: absolute, without `.`, and no slash twice or at the end.
fn apart(path: &Path) -> Option<(&Path, &[u8])> {
    let bytes = path.as_os_str().as_bytes();
    let slash = memrchr(b'/', bytes)?;
    let name = bytes.get(slash + 1..).filter(|name| !name.is_empty() && *name != b"..")?;
    let directory = bytes.get(..slash.max(1))?;
    Some((Path::new(OsStr::from_bytes(directory)), name))
}

/// `path` with one slash between its names.
fn written(path: &Path) -> OsString {
    path.components().collect::<PathBuf>().into_os_string()
}

/// Whether a process runs the function, in Python: it was started with the word that names its script, module or code, or
/// as `multiprocessing` starts it anew.
pub(super) fn runs(captured: &Captured, image: &Image<'_>) -> bool {
    let entry = &captured.command.entry;
    let is_python = image.program.file_name().is_some_and(|name| {
        let name = name.as_bytes();
        name.starts_with(b"python") || name.starts_with(b"pypy")
    });
    if entry.language != LanguageKind::Python || !is_python {
        return false;
    }
    image.words.iter().skip(1).any(|word| {
        let bytes = word.as_bytes();
        let is_function = match &entry.what {
            What::Script(script) => Path::new(word).file_name() == script.file_name(),
            What::Module(module) => word == module || bytes.strip_prefix(b"-m") == Some(module.as_bytes()),
            What::Inline { code, .. } => bytes.ends_with(code),
            What::Program => false,
        };
        is_function || bytes.starts_with(b"from multiprocessing.")
    })
}

/// Whether `path` is a module that finds packages and plug-ins by their metadata.
fn tells_what_is_installed(path: &Path) -> bool {
    let Some((directory, b"__init__.py")) = apart(path) else { return false };
    ["importlib/metadata", "importlib_metadata", "pkg_resources"]
        .iter()
        .any(|module| directory.ends_with(module))
}

/// Whether a directory has metadata of installed packages in it.
fn has_packages(directory: &Path) -> bool {
    let of_package = |name: &OsStr| {
        [&b".dist-info"[..], b".egg-info", b".egg-link"].iter().any(|end| name.as_bytes().ends_with(end))
    };
    // What cannot be listed may have some.
    let Ok(mut entries) = std::fs::read_dir(directory) else { return true };
    entries.any(|entry| entry.map_or(true, |entry| of_package(&entry.file_name())))
}

/// The source that a read of `path` stands for, if that is bytecode of a source that is there.
pub(super) fn source_of(path: &Path) -> Option<PathBuf> {
    stands_for(path).filter(|source| source.is_file())
}

/// Whether Python may have taken `bytecode` for that of `source` although it is not: it never compares them, or it
/// compares nothing but size and second, and the source changed after the bytecode was there.
pub(super) fn may_be_of_another(bytecode: &Path, source: &Path) -> bool {
    let flags = std::fs::File::open(bytecode).and_then(|mut file| {
        let mut start = [0; 8];
        std::io::Read::read_exact(&mut file, &mut start).map(|()| start)
    });
    let changed = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.ctime(), found.ctime_nsec()));
    match flags {
        // PEP 552: with a hash, which is compared if the second bit is set.
        Ok([_, _, _, _, flags, ..]) if flags & 1 != 0 => flags & 2 == 0,
        _ => changed(source).is_none_or(|source| Some(source) >= changed(bytecode)),
    }
}

/// A file's name up to the first dot.
fn stem(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == b'.').next().unwrap_or_default()
}

/// `dir/x.py` for `dir/__pycache__/x.cpython-311.opt-1.pyc` (PEP 3147).
pub(super) fn stands_for(path: &Path) -> Option<PathBuf> {
    let (cache, name) = apart(path)?;
    let directory = cache.as_os_str().as_bytes().strip_suffix(b"__pycache__")?;
    // While it is written it has another name: x.cpython-311.pyc.140234.
    let is_bytecode = name.ends_with(b".pyc") || name.windows(5).any(|window| window == b".pyc.");
    let source = || OsString::from_vec([directory, stem(name), b".py"].concat());
    (is_bytecode && directory.ends_with(b"/")).then(|| PathBuf::from(source()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytecode_stands_for_its_source() {
        for (bytecode, source) in [
            ("/a/__pycache__/x.cpython-311.pyc", Some("/a/x.py")),
            ("/a/__pycache__/x.cpython-311.opt-1.pyc", Some("/a/x.py")),
            ("/a/__pycache__/x.cpython-311.pyc.1400", Some("/a/x.py")),
            ("/__pycache__/x.cpython-311.pyc", Some("/x.py")),
            ("/a/x.pyc", None),
            ("/a/b__pycache__/x.cpython-311.pyc", None),
            ("/a/__pycache__/x.txt", None),
        ] {
            assert_eq!(stands_for(Path::new(bytecode)).as_deref(), source.map(Path::new), "{bytecode}");
        }
    }
}
