//! How Python finds modules: it lists the directories of its search path and reads bytecode in place of sources.
//!
//! Such a listing stands only for the absence of files that would shadow a module which the run used, unless
//! a file of the function lists directories itself.

use crate::exec::{Access, Image, Trace};
use crate::hash::capture::Captured;
use crate::hash::entry::{LanguageKind, What};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the importer of a run did.
pub(super) struct Importer {
    /// Whether listings stand for imports alone.
    active: bool,
    /// Whether the run may have asked what is installed, which is told by listing.
    asks_what_is_installed: bool,
    directories: BTreeSet<PathBuf>,
    names: BTreeSet<Vec<u8>>,
    /// The language whose modules are looked at before they are loaded.
    language: LanguageKind,
    /// Python sources whose bytecode was asked for.
    loaded: BTreeSet<PathBuf>,
    /// The sources of the function: what was done with them is known one by one.
    sources: BTreeSet<PathBuf>,
}

impl Importer {
    /// Finds the modules that the run used and where it looked for them.
    pub(super) fn new(captured: &Captured, trace: &Trace) -> Self {
        let entry = &captured.command.entry;
        let active = entry.language == LanguageKind::Python && !captured.lists_directories;
        let loaded = trace.accesses.keys().filter_map(|path| stands_for(path));
        let mut importer = Self {
            active,
            asks_what_is_installed: trace.accesses.iter().any(|(path, access)| {
                access.read && tells_what_is_installed(&stands_for(path).unwrap_or_else(|| path.clone()))
            }),
            directories: BTreeSet::new(),
            names: BTreeSet::new(),
            language: entry.language,
            loaded: loaded.collect(),
            sources: captured.sources.iter().map(|source| source.absolute.clone()).collect(),
        };
        if !active {
            return importer;
        }
        importer.directories.insert(entry.directory.clone());
        for source in &captured.sources {
            importer.take_module(&source.absolute);
        }
        for (path, _) in trace.accesses.iter().filter(|(_, access)| access.read) {
            let source = stands_for(path);
            importer.take_module(source.as_deref().unwrap_or(path));
        }
        for (name, value) in &captured.environment {
            if name == "PYTHONPATH" {
                let entries = std::env::split_paths(value);
                importer.directories.extend(entries.map(|entry_path| entry.directory.join(entry_path)));
            }
        }
        importer
    }

    fn take_module(&mut self, path: &Path) {
        let (Some(name), Some(directory)) = (path.file_name(), path.parent()) else { return };
        let is_module = [&b".py"[..], b".so", b".pyc"].iter().any(|end| name.as_bytes().ends_with(end));
        if !is_module {
            return;
        }
        self.directories.insert(directory.to_path_buf());
        self.names.insert(stem(name).to_vec());
        if stem(name) == b"__init__" {
            self.names.extend(directory.file_name().map(|package| package.as_bytes().to_vec()));
            self.directories.extend(directory.parent().map(Path::to_path_buf));
        }
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
        let its_own = self.directories.contains(path) && !access.listed_by_code;
        let stands_for_imports = by_itself && (its_own || path.file_name().is_some_and(library));
        stands_for_imports && !(self.asks_what_is_installed && has_packages(path))
    }

    /// Whether a look at `path`, which was read too, is taken for that of the importer that loaded it.
    pub(super) fn loads(&self, path: &Path) -> bool {
        let ends = |ends: &[&str]| path.extension().is_some_and(|own| ends.iter().any(|end| own == *end));
        let is_module = match self.language {
            LanguageKind::Python => self.loaded.contains(path) || ends(&["so", "pyc"]),
            LanguageKind::JavaScript | LanguageKind::TypeScript => {
                ends(&["js", "mjs", "cjs", "json", "node", "ts", "mts", "cts", "tsx", "jsx"])
            }
            _ => false,
        };
        is_module && !self.sources.contains(path)
    }

    /// Names of all modules used, sorted.
    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.names.iter().cloned().collect()
    }
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
    ["importlib/metadata/__init__.py", "importlib_metadata/__init__.py", "pkg_resources/__init__.py"]
        .iter()
        .any(|module| path.ends_with(module))
}

/// Whether a directory has metadata of installed packages in it.
fn has_packages(directory: &Path) -> bool {
    let of_package = |name: &OsStr| {
        [&b".dist-info"[..], b".egg-info", b".egg-link"].iter().any(|end| name.as_bytes().ends_with(end))
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| of_package(&name))
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
        _ => changed(source) >= changed(bytecode),
    }
}

/// A file's name up to the first dot.
fn stem(name: &OsStr) -> &[u8] {
    let name = name.as_bytes();
    let end = name.iter().position(|byte| *byte == b'.').unwrap_or(name.len());
    name.get(..end).unwrap_or_default()
}

/// `dir/x.py` for `dir/__pycache__/x.cpython-311.opt-1.pyc` (PEP 3147).
pub(super) fn stands_for(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?;
    let cache = path.parent().filter(|parent| parent.file_name() == Some(OsStr::new("__pycache__")))?;
    let bytes = name.as_bytes();
    // While it is written it has another name: x.cpython-311.pyc.140234.
    let is_bytecode = bytes.ends_with(b".pyc") || bytes.windows(5).any(|window| window == b".pyc.");
    let mut source = stem(name).to_vec();
    source.extend_from_slice(b".py");
    is_bytecode.then(|| cache.parent().unwrap_or(cache).join(OsStr::from_bytes(&source)))
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
            ("/a/x.pyc", None),
            ("/a/__pycache__/x.txt", None),
        ] {
            assert_eq!(stands_for(Path::new(bytecode)).as_deref(), source.map(Path::new), "{bytecode}");
        }
    }
}
