//! The function of a command: its script, the local modules that it imports, and the packages that they use.
//!
//! Found by reading only; watching finds the rest. Everything is read through a [`World`]. The command is already parsed
//! into an [`Entry`].

mod acting;
mod javascript;
mod literal;
mod python;
mod shell;
mod sources;

#[cfg(test)]
mod real_world;

use super::entry::{Entry, LanguageKind, What};
use super::language::{Language, Raw};
use super::request::Request;
use super::world::World;
use crate::digest::Digest;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use sources::Sources;

/// The path of inline code in the list of sources.
pub const INLINE: &str = "-c";

/// One source of the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceDigest {
    /// Absolute; `-c` for inline code.
    pub path: PathBuf,
    /// Name of the normal form; `raw` where it counts byte for byte.
    pub form: String,
    /// Digest of the source in its normal form.
    pub digest: Digest,
    /// Digest of its unchanged bytes.
    pub raw: Digest,
}

/// The code that a command runs, as far as reading finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// The script and its local modules, sorted by path.
    pub sources: Vec<SourceDigest>,
    /// Missing files that would be imported in place of others, sorted.
    pub shadows: Vec<PathBuf>,
    /// Third-party packages: ecosystem, name, version; sorted.
    pub packages: Vec<(String, String, String)>,
    /// Files that determine how the program runs (`pyvenv.cfg`, `tsconfig.json`), sorted. Their content counts.
    pub settings: Vec<PathBuf>,
    /// Literal names of environment variables that the sources read, sorted.
    pub variables: Vec<Vec<u8>>,
    /// Whether a source reads the whole environment.
    pub whole_environment: bool,
    /// Whether a source mentions a call that lists directories.
    pub lists_directories: bool,
    /// Whether reading cannot determine some import.
    pub computed_imports: bool,
}

/// Reads the function that starts at `entry`.
pub fn function(entry: &Entry, request: &Request, world: &mut dyn World) -> Function {
    let mut view = View { entry, world };
    let own = match &entry.what {
        What::Script(path) => request.languages.of(path),
        _ => None,
    };
    if let Some(own) = own {
        return literal::sources(&mut view, own.as_ref(), &[""]).finish(entry, request.exact_source);
    }
    let sources = match entry.language {
        LanguageKind::Python => python::sources(&mut view),
        LanguageKind::JavaScript | LanguageKind::TypeScript => javascript::sources(&mut view),
        LanguageKind::Shell => shell::sources(&mut view),
        LanguageKind::Executable => Sources::default(),
        kind => match literal::language(kind) {
            Some((language, endings)) => literal::sources(&mut view, &language, endings),
            None => raw(&mut view),
        },
    };
    sources.finish(entry, request.exact_source)
}

/// The entry's source only, byte for byte.
fn raw(view: &mut View<'_>) -> Sources {
    let mut sources = Sources::default();
    if let Some((path, bytes)) = view.entry_source() {
        let parsed = Raw.parse(&bytes);
        sources.add(path, bytes, parsed, &Raw);
    }
    sources
}

/// The file system and environment as the interpreter of an entry sees them.
struct View<'a> {
    entry: &'a Entry,
    world: &'a mut dyn World,
}

impl View<'_> {
    /// The value of a variable, after the changes by launchers. An empty value counts as unset, as in interpreters.
    fn variable(&mut self, name: &str) -> Option<OsString> {
        let name = OsStr::new(name);
        let changed = self.entry.overlay.iter().rev().find(|(changed, _)| changed == name);
        let value = match changed {
            Some((_, value)) => value.clone(),
            None if self.entry.clears_environment => None,
            None => self.world.variable(name),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The script or the inline code, with its path.
    fn entry_source(&mut self) -> Option<(PathBuf, Vec<u8>)> {
        match &self.entry.what {
            What::Script(path) => Some((path.clone(), self.world.read(path)?)),
            What::Inline { code, .. } => Some((PathBuf::from(INLINE), code.clone())),
            What::Module(_) | What::Program => None,
        }
    }

    /// `path` with symbolic links in its last component resolved; stops at a loop.
    fn follow(&mut self, path: &Path) -> PathBuf {
        self.follow_within(path, &mut 40)
    }

    /// As [`View::follow`], through at most `left` links.
    fn follow_within(&mut self, path: &Path, left: &mut u32) -> PathBuf {
        let mut path = path.to_path_buf();
        while *left > 0 {
            let Some(target) = self.world.link(&path) else { break };
            *left -= 1;
            let mut place = path.parent().map(Path::to_path_buf).unwrap_or_default();
            // Of one path there is one spelling: what is below the root is known as such, and the same in another tree.
            for part in Path::new(&target).components() {
                match part {
                    Component::ParentDir => {
                        place = self.follow_within(&place, left);
                        place.pop();
                    }
                    Component::CurDir => {}
                    // `push` replaces the path where the target is absolute.
                    part => place.push(part),
                }
            }
            path = place;
        }
        path
    }

    /// Whether an option of single letters (`-I`, `-Es`) holds `letter`.
    fn has_flag(&self, letter: u8) -> bool {
        let mut options = self.entry.options.iter().map(|option| option.as_encoded_bytes());
        options.any(|option| {
            option.starts_with(b"-")
                && !option.starts_with(b"--")
                && !option.get(1).is_some_and(|first| b"XW".contains(first))
                && option.contains(&letter)
        })
    }
}

#[cfg(test)]
mod tests;
