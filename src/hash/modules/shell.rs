//! The files that a shell script sources, recursively.

use super::super::entry::LanguageKind;
use super::super::language::{Dash, Import, Language, Shell};
use super::super::world::Kind;
use super::{Sources, View};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Maximum number of files; handwritten scripts source fewer.
const MOST_FILES: usize = 1000;

/// Reads the entry's script and every file that it sources under a literal name.
pub(super) fn sources(view: &mut View<'_>) -> Sources {
    let mut sources = Sources::default();
    let Some((entry, bytes)) = view.entry_source() else {
        sources.computed_imports = true;
        return sources;
    };
    sources.entry = Some(entry.clone());
    let language = dialect(view);
    sources.exact = language.is_none() || !is_set_harmlessly(view);
    let language = language.unwrap_or(&Shell);
    sources.follow(view, (entry.clone(), bytes), MOST_FILES, language, |view, sources, path, import| {
        find(view, sources, &entry, path, import)
    });
    sources
}

/// The file of an import. Missing candidates that would take precedence become shadows.
fn find(
    view: &mut View<'_>,
    sources: &mut Sources,
    entry: &Path,
    from: &Path,
    import: &Import,
) -> Option<PathBuf> {
    let place = |path: &[u8]| Path::new(std::ffi::OsStr::from_bytes(path)).to_path_buf();
    let beside = |file: &Path, path: &[u8]| Some(file.parent()?.join(place(path)));
    let candidates = match import {
        Import::FileFromDirectory(path) => vec![view.entry.directory.join(place(path))],
        Import::FileFromSource(path) => beside(from, path).into_iter().collect(),
        Import::FileFromEntry(path) => beside(entry, path).into_iter().collect(),
        // Without a slash: on PATH, then, in bash, in the working directory.
        Import::Specifier(name) => {
            let path = view.variable("PATH").unwrap_or_default();
            let directories =
                std::env::split_paths(&path).map(|directory| view.entry.directory.join(directory));
            let mut candidates: Vec<PathBuf> = directories.map(|directory| directory.join(name)).collect();
            candidates.push(view.entry.directory.join(name));
            candidates
        }
        Import::Module { .. } | Import::Relative { .. } => Vec::new(),
    };
    for candidate in candidates {
        // Without `.`, as paths are stored; `..` stays, since the shell will ask for it in this form.
        let candidate: PathBuf = candidate.components().collect();
        if view.world.kind(&candidate) == Kind::File {
            return Some(candidate);
        }
        sources.shadows.insert(candidate);
    }
    None
}

/// How the shell reads comments; `None` where it is unknown.
fn dialect(view: &mut View<'_>) -> Option<&'static dyn Language> {
    let interpreter = view.entry.interpreter.clone()?;
    let real = view.follow(&interpreter);
    match real.file_name()?.as_bytes() {
        b"bash" => Some(&Shell),
        b"dash" => Some(&Dash),
        _ => None,
    }
}

/// Whether no option or variable makes the shell print the lines that it reads, or read them differently: a list of harmless
/// ones.
fn is_set_harmlessly(view: &mut View<'_>) -> bool {
    debug_assert_eq!(view.entry.language, LanguageKind::Shell);
    let variables = ["SHELLOPTS", "BASHOPTS", "BASH_ENV"];
    if variables.iter().any(|name| view.variable(name).is_some()) {
        return false;
    }
    let by_name = ["errexit", "nounset", "pipefail", "xtrace", "noglob", "noclobber", "allexport", "posix"];
    let mut words = view.entry.options.iter().map(|word| word.as_bytes());
    while let Some(word) = words.next() {
        match word {
            b"--" | b"-" | b"--norc" | b"--noprofile" | b"--posix" => {}
            [b'-' | b'+', letters @ ..] if !letters.starts_with(b"-") => {
                for letter in letters {
                    let harmless = match letter {
                        b'o' => words
                            .next()
                            .is_some_and(|name| by_name.iter().any(|known| known.as_bytes() == name)),
                        letter => b"abBcCeEfhmpsTux".contains(letter),
                    };
                    if !harmless {
                        return false;
                    }
                }
            }
            _ => return false,
        }
    }
    true
}
