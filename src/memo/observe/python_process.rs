//! Python processes: which of them run the function or code of the project.

use super::importer::is_library;
use crate::exec::Image;
use crate::hash::capture::Captured;
use crate::hash::entry::{LanguageKind, What};
use crate::hash::grammar::Word;
use crate::hash::interpreters::{Asked, interpreter};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether a Python process runs the function: it was started with the word that names the script, module or code, or by
/// `multiprocessing`.
pub(super) fn runs(captured: &Captured, image: &Image<'_>) -> bool {
    let entry = &captured.command.entry;
    if entry.language != LanguageKind::Python || !is_python(image) {
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

/// Whether the program of a process is Python.
fn is_python(image: &Image<'_>) -> bool {
    image.program.file_name().is_some_and(|name| {
        let name = name.as_bytes();
        name.starts_with(b"python") || name.starts_with(b"pypy")
    })
}

/// Whether a process runs inline code in Python, a module, or a script below `root` that is not installed there.
pub(super) fn runs_own_code(image: &Image<'_>, root: &Path) -> bool {
    if !is_python(image) {
        return false;
    }
    let words = image.words.iter().skip(1).map(|text| Word { text: text.clone(), place: None });
    let words: Vec<Word> = words.collect();
    let python = interpreter(OsStr::new("python"));
    match python.map(|python| python.asked(&words).0) {
        Some(Asked::Code(_) | Asked::Module(_)) => true,
        Some(Asked::Script(script)) => {
            let path = Path::new(&script.text);
            let is_installed = || {
                path.iter().any(is_library)
                    || path
                        .parent()
                        .and_then(Path::parent)
                        .is_some_and(|place| place.join("pyvenv.cfg").exists())
            };
            (path.is_relative() || path.starts_with(root)) && !is_installed()
        }
        _ => false,
    }
}
