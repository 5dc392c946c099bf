//! Whether something in a run may make packages print colors.

use super::{NameSearch, is_of_project};
use crate::hash::environment::{Environment, lookup};
use crate::profiles::introductions::{ASK_FOR_COLORS, Colors, NAMELESS};
use crate::record::{Evidence, Recall};
use memchr::memmem;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a run printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Printed {
    /// No byte.
    Nothing,
    /// Something, and not to a terminal.
    Something,
    /// It may have had a terminal.
    ToTerminal,
}

impl Printed {
    /// By whether there was a terminal, and the number of bytes.
    pub(crate) fn of(at_terminal: bool, bytes: u64) -> Self {
        match bytes {
            _ if at_terminal => Self::ToTerminal,
            0 => Self::Nothing,
            _ => Self::Something,
        }
    }
}

/// How packages choose colors in a run that read `files`, each with its known state.
pub(crate) fn colors_of(
    (printed, environment): (Printed, &Environment),
    words: &[impl AsRef<[u8]>],
    (files, root): (&[(PathBuf, Option<Evidence>)], &Path),
    recall: &dyn Recall,
) -> Colors {
    let is_set = |name: &str| lookup(environment, OsStr::new(name)).is_some();
    let any = |is: fn(&Path) -> bool| files.iter().any(|(path, _)| is(path));
    let service = lookup(environment, OsStr::new("CI"));
    let is_named = service.is_some_and(|value| NAMELESS.iter().all(|plain| value != OsStr::new(plain)));
    if is_named
        || printed == Printed::ToTerminal
        || is_set("FORCE_COLOR")
        || !any(Colors::concerns)
        || any(makes_terminals)
    {
        return Colors::wanted();
    }
    let asks = |word: &[u8]| ASK_FOR_COLORS.iter().any(|text| memmem::find(word, text).is_some());
    if words.iter().any(|word| asks(word.as_ref())) {
        return Colors::wanted();
    }
    // Scripts of the project may start what prints colors.
    let of_project: Vec<_> = files.iter().filter(|(path, _)| is_of_project(path, root)).cloned().collect();
    let search = NameSearch::new(ASK_FOR_COLORS.iter().copied()).within(root);
    if !search.search_seen_files(&of_project, recall).is_empty() {
        return Colors::wanted();
    }
    let colors = Colors::plain(&is_set);
    match words.first() {
        Some(program) if printed == Printed::Nothing => {
            colors.silent(Path::new(OsStr::from_bytes(program.as_ref())))
        }
        _ => colors,
    }
}

/// Programs and modules that give others a terminal.
const MAKE_TERMINALS: &[&str] =
    &["Pty", "expect", "pexpect", "pty", "screen", "script", "socat", "tmux", "unbuffer"];
/// Packages that do.
const PACKAGES: &[&str] = &["node-pty", "pexpect", "ptyprocess"];

/// Whether the program or module at `path` may give others a terminal.
fn makes_terminals(path: &Path) -> bool {
    let is_one_of = |names: &[&str], name: &[u8]| names.iter().any(|known| known.as_bytes() == name);
    let name = path.file_name().unwrap_or_default().as_bytes();
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    is_one_of(MAKE_TERMINALS, stem) || path.iter().any(|part| is_one_of(PACKAGES, part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_give_others_a_terminal_are_known() {
        for path in [
            "/usr/bin/script",
            "/usr/lib/python3.11/__pycache__/pty.cpython-311.pyc",
            "/p/node_modules/node-pty/lib/index.js",
        ] {
            assert!(makes_terminals(Path::new(path)), "{path}");
        }
        for path in ["/p/src/scripts.js", "/p/script/build.js", "/usr/bin/node"] {
            assert!(!makes_terminals(Path::new(path)), "{path}");
        }
    }
}
