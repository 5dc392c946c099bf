//! Runs `oxc_resolver` on a [`World`](super::super::super::world::World), in rounds.
//!
//! The resolver needs a file system that it can own and share, but a world is borrowed and records every look. So the
//! resolver runs on the known answers. What it asks beyond them is noted and looked up, and it starts again.

use super::super::super::entry::LanguageKind;
use super::super::super::world::Kind;
use super::super::View;
use oxc_resolver::{
    FileMetadata, FileSystem, ResolveError, ResolveOptions, ResolverGeneric, TsconfigDiscovery,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of rounds, more than any specifier needs: each round looks at something new.
const MOST_ROUNDS: usize = 400;

/// Result of resolving a specifier.
pub(super) enum Resolved {
    /// A module of the engine.
    BuiltIn,
    /// Files: more than one where `import` and `require` differ. Empty where nothing exists.
    Files(BTreeSet<PathBuf>),
    /// A location that is not read: a network address, the scheme of another registry.
    Elsewhere,
}

/// Everything that the resolver has asked for so far.
#[derive(Default)]
struct Known {
    kinds: BTreeMap<PathBuf, Kind>,
    links: BTreeMap<PathBuf, Option<OsString>>,
    files: BTreeMap<PathBuf, Option<Vec<u8>>>,
    wanted: Vec<Look>,
}

enum Look {
    Kind(PathBuf),
    Link(PathBuf),
    File(PathBuf),
}

#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Known>>);

impl Answers {
    fn known(&self) -> MutexGuard<'_, Known> {
        // A poisoned lock is fine: each change is a single insertion.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves specifiers as the engine of an entry does.
pub(super) struct Resolver {
    answers: Answers,
    /// For `import`, and for `require`.
    resolvers: [ResolverGeneric<Answers>; 2],
    uses_tsconfig: bool,
}

impl Resolver {
    pub(super) fn new(view: &mut View<'_>) -> Self {
        let answers = Answers::default();
        let interpreter =
            view.entry.interpreter.as_deref().and_then(Path::file_name).unwrap_or_default().to_owned();
        let uses_tsconfig = view.entry.language == LanguageKind::TypeScript || interpreter == "bun";
        let engine = match interpreter.as_bytes() {
            b"bun" => vec!["bun", "node"],
            b"deno" => vec!["deno", "node"],
            _ => vec!["node"],
        };
        let mut modules = vec!["node_modules".to_owned()];
        let path = view.variable("NODE_PATH").unwrap_or_default();
        let directories = std::env::split_paths(&path).filter(|directory| directory.is_absolute());
        modules.extend(directories.filter_map(|directory| directory.into_os_string().into_string().ok()));
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let resolvers = ["import", "require"].map(|kind| {
            let mut conditions = words(&engine);
            conditions.extend(words(&[kind, "module-sync"]));
            let options = ResolveOptions {
                condition_names: conditions,
                extensions: if uses_tsconfig {
                    words(&[".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".node"])
                } else {
                    words(&[".js", ".json", ".node"])
                },
                extension_alias: if uses_tsconfig {
                    vec![
                        (".js".to_owned(), words(&[".ts", ".tsx", ".js"])),
                        (".jsx".to_owned(), words(&[".tsx", ".jsx"])),
                        (".mjs".to_owned(), words(&[".mts", ".mjs"])),
                        (".cjs".to_owned(), words(&[".cts", ".cjs"])),
                    ]
                } else {
                    Vec::new()
                },
                tsconfig: uses_tsconfig.then_some(TsconfigDiscovery::Auto),
                modules: modules.clone(),
                builtin_modules: true,
                node_path: false,
                cwd: Some(view.entry.directory.clone()),
                ..ResolveOptions::default()
            };
            ResolverGeneric::new_with_file_system(answers.clone(), options)
        });
        Self { answers, resolvers, uses_tsconfig }
    }

    /// Resolves `specifier` in the file `from`. Adds missing candidates of relative specifiers that would take precedence to
    /// `shadows`.
    pub(super) fn resolve(
        &mut self,
        view: &mut View<'_>,
        from: &Path,
        specifier: &str,
        shadows: &mut BTreeSet<PathBuf>,
    ) -> Resolved {
        let mut files = BTreeSet::new();
        // The query after `?` distinguishes instances, not files.
        let plain = specifier.strip_prefix("file://").unwrap_or(specifier);
        if let Some((scheme, _)) = plain.split_once(':') {
            let is_scheme = scheme.chars().all(|c| c.is_ascii_alphanumeric());
            return match scheme {
                "node" | "bun" => Resolved::BuiltIn,
                "data" => Resolved::Files(files),
                _ if is_scheme => Resolved::Elsewhere,
                _ => Resolved::Files(files),
            };
        }
        for place in 0..self.resolvers.len() {
            match self.settle(view, place, from, plain) {
                Some(Ok(file)) => {
                    files.insert(file);
                }
                Some(Err(ResolveError::Builtin { .. })) => return Resolved::BuiltIn,
                Some(Err(_)) => {}
                None => return Resolved::Elsewhere,
            }
        }
        if plain.starts_with('.') {
            self.note_shadows(from, plain, &files, shadows);
        }
        Resolved::Files(files)
    }

    /// Runs one resolver until it asks for nothing new; `None` where it does not finish.
    fn settle(
        &mut self,
        view: &mut View<'_>,
        place: usize,
        from: &Path,
        specifier: &str,
    ) -> Option<Result<PathBuf, ResolveError>> {
        let resolver = self.resolvers.get(place)?;
        for _ in 0..MOST_ROUNDS {
            resolver.clear_cache();
            let resolution = if self.uses_tsconfig {
                resolver.resolve_file(from, specifier)
            } else {
                resolver.resolve(from.parent()?, specifier)
            };
            let wanted = std::mem::take(&mut self.answers.known().wanted);
            if wanted.is_empty() {
                return Some(resolution.map(|resolution| resolution.path().to_path_buf()));
            }
            for look in wanted {
                self.look(view, look);
            }
        }
        None
    }

    fn look(&self, view: &mut View<'_>, look: Look) {
        match look {
            Look::Kind(path) => {
                let kind = view.world.kind(&path);
                self.answers.known().kinds.insert(path, kind);
            }
            Look::Link(path) => {
                let link = view.world.link(&path);
                self.answers.known().links.insert(path, link);
            }
            Look::File(path) => {
                let bytes = view.world.read(&path);
                self.answers.known().files.insert(path, bytes);
            }
        }
    }

    fn note_shadows(
        &self,
        from: &Path,
        specifier: &str,
        found: &BTreeSet<PathBuf>,
        shadows: &mut BTreeSet<PathBuf>,
    ) {
        let Some(base) = from.parent().map(|directory| tidy(&directory.join(specifier))) else { return };
        let known = self.answers.known();
        let absent = known.kinds.iter().filter(|(_, kind)| **kind == Kind::Absent).map(|(path, _)| path);
        for path in absent {
            let begins = path.as_os_str().as_bytes().starts_with(base.as_os_str().as_bytes());
            if begins && !found.contains(path) && !path.ends_with("package.json") {
                shadows.insert(path.clone());
            }
        }
    }

    /// The compiler settings that were read on the way.
    pub(super) fn settings(&self) -> Vec<PathBuf> {
        let known = self.answers.known();
        let read = known.files.iter().filter(|(_, bytes)| bytes.is_some()).map(|(path, _)| path);
        let outside = |path: &&PathBuf| !path.iter().any(|part| part == "node_modules");
        read.filter(outside).filter(|path| !path.ends_with("package.json")).cloned().collect()
    }
}

/// `path` without `.` and `..`, computed without the file system.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                tidy.pop();
            }
            std::path::Component::CurDir => {}
            other => tidy.push(other),
        }
    }
    tidy
}

fn absent() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl FileSystem for Answers {
    fn new() -> Self {
        Self::default()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut known = self.known();
        if let Some(bytes) = known.files.get(path) {
            bytes.clone().ok_or_else(absent)
        } else {
            known.wanted.push(Look::File(path.to_path_buf()));
            Err(absent())
        }
    }

    fn read_to_string(&self, path: &Path) -> io::Result<String> {
        String::from_utf8(self.read(path)?).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let mut known = self.known();
        match known.kinds.get(path) {
            Some(Kind::File) => Ok(FileMetadata::new(true, false, false)),
            Some(Kind::Directory) => Ok(FileMetadata::new(false, true, false)),
            Some(Kind::Other) => Ok(FileMetadata::new(false, false, false)),
            Some(Kind::Absent) => Err(absent()),
            None => {
                known.wanted.push(Look::Kind(path.to_path_buf()));
                Err(absent())
            }
        }
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        let link = {
            let mut known = self.known();
            let link = known.links.get(path).map(Option::is_some);
            if link.is_none() {
                known.wanted.push(Look::Link(path.to_path_buf()));
            }
            link
        };
        match link {
            Some(true) => Ok(FileMetadata::new(false, false, true)),
            _ => self.metadata(path),
        }
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, ResolveError> {
        let mut known = self.known();
        match known.links.get(path) {
            Some(Some(text)) => Ok(PathBuf::from(text)),
            Some(None) => Err(ResolveError::from(io::Error::from(io::ErrorKind::InvalidInput))),
            None => {
                known.wanted.push(Look::Link(path.to_path_buf()));
                Err(ResolveError::from(absent()))
            }
        }
    }

    fn canonicalize(&self, _path: &Path) -> io::Result<PathBuf> {
        // The resolver follows links itself; it would call this only after that failed.
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
