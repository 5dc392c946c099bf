//! The files that sources in Ruby, Perl, R, Lua, PHP and Julia, or in a language of the caller, name by literals;
//! recursively.

use super::super::entry::LanguageKind;
use super::super::language::{Import, Language, Literal};
use super::super::world::Kind;
use super::{Sources, View};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Maximum number of files; handwritten programs have fewer.
const MOST_FILES: usize = 4000;

/// The language, and the extensions that it adds to names; `None` where it is unknown.
pub(super) fn language(kind: LanguageKind) -> Option<(Literal, &'static [&'static str])> {
    let (name, endings): (_, &[&str]) = match kind {
        LanguageKind::Ruby => ("ruby", &["", ".rb", ".so"]),
        LanguageKind::Perl => ("perl", &[""]),
        LanguageKind::R => ("r", &[""]),
        LanguageKind::Lua => ("lua", &["", ".lua", "/init.lua"]),
        LanguageKind::Php => ("php", &[""]),
        LanguageKind::Julia => ("julia", &[""]),
        _ => return None,
    };
    Some((Literal::by_name(name)?, endings))
}

/// Reads the entry's source and every file that it names.
pub(super) fn sources(view: &mut View<'_>, language: &dyn Language, endings: &[&str]) -> Sources {
    let mut sources = Sources::default();
    let Some((entry, bytes)) = view.entry_source() else {
        sources.computed_imports = true;
        return sources;
    };
    sources.entry = Some(entry.clone());
    // Options may load more (`-r`, `-M`, `-l`), or change the search path.
    sources.computed_imports = !view.entry.options.is_empty();
    sources.follow(view, (entry, bytes), MOST_FILES, language, |view, sources, path, import| {
        find(view, sources, path, import, endings)
    });
    sources
}

fn find(
    view: &mut View<'_>,
    sources: &mut Sources,
    from: &Path,
    import: &Import,
    endings: &[&str],
) -> Option<PathBuf> {
    let base = match import {
        Import::FileFromDirectory(path) => view.entry.directory.join(OsStr::from_bytes(path)),
        Import::FileFromSource(path) => from.parent()?.join(OsStr::from_bytes(path)),
        _ => return None,
    };
    let base: PathBuf = base.components().collect();
    for ending in endings {
        let mut candidate = base.clone().into_os_string();
        candidate.push(ending);
        let candidate = PathBuf::from(candidate);
        if view.world.kind(&candidate) == Kind::File {
            return Some(candidate);
        }
        sources.shadows.insert(candidate);
    }
    None
}
