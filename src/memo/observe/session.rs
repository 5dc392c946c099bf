//! Variables of the session (HOME, TERM, USER, …) that count because of what the run did; and whether the umask counts.
//!
//! The caller knows which of them (HOME, TMPDIR) the result itself contains.

use super::aside::Aside;
use super::asks;
use super::{Observed, Run, programs};
use crate::exec::Trace;
use crate::hash::entry::What;
use crate::hash::environment;
use crate::hash::manifest::Part;
use crate::hash::occurrence::is_of_project;
use crate::record::{Base, Observation, Places};
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs that take settings from a make that started them.
pub(super) const MAKES: &[&str] = &["make", "gmake", "gnumake", "bmake", "remake"];

/// Programs that colour file names.
const LISTERS: &[&str] = &["ls", "gls", "dir", "vdir", "tree", "fd", "fdfind", "eza", "exa", "lsd"];

/// Words in the function's own source or in arguments that show use of variables without naming them.
const MEANT: &[(&str, &[&str])] = &[
    ("getuser", &["USER", "LOGNAME"]),
    ("getlogin", &["USER", "LOGNAME"]),
    ("userInfo", &["USER", "LOGNAME"]),
    ("get_terminal_size", &["LINES"]),
    ("cd -", &["OLDPWD"]),
    ("~-", &["OLDPWD"]),
    ("homedir()", &["HOME"]),
    ("Path.home()", &["HOME"]),
    ("gettempdir", &["TMPDIR"]),
    ("tmpdir()", &["TMPDIR"]),
    ("GIT_EDITOR", &["EDITOR", "VISUAL", "TERM"]),
    ("GIT_PAGER", &["PAGER"]),
];

/// Adds the variables of the session on which the result depends.
pub(super) fn observe(run: &Run<'_>, trace: &Trace, aside: &Aside, observed: &mut Observed) {
    let says = |part: &str| says(run, part);
    let programs = programs::names(trace);
    let started = |names: &[&str]| names.iter().any(|name| programs.contains(OsStr::new(name)));
    let mut names: BTreeSet<&str> = BTreeSet::new();
    if started(MAKES) {
        names.extend(["MAKEFLAGS", "MAKELEVEL"]);
        let rules: Vec<Vec<u8>> = rules(run, trace).filter_map(|path| fs::read(path).ok()).collect();
        let is_used = |name: &&str| rules.iter().any(|text| uses_itself(text, name));
        names.extend(["HOME", "TMPDIR"].iter().filter(|name| is_used(name)));
        names.extend(Some("HOME").filter(|_| rules.iter().any(|text| uses_home_itself(text))));
    }
    if started(LISTERS) && says("color") {
        names.insert("LS_COLORS");
    }
    let in_terminfo = |path: &Path| path.components().any(|part| part.as_os_str() == "terminfo");
    if trace.accesses.iter().any(|(path, access)| access.read && in_terminfo(path)) {
        names.insert("TERM");
    }
    // The script of tsx names the directory only as the start of paths.
    let means = |part: &str| match &run.captured.command.entry.what {
        What::Script(script) if is_of_tsx(script) => false,
        _ => says(part),
    };
    names.extend(MEANT.iter().filter(|(part, _)| means(part)).flat_map(|(_, names)| *names));
    names.extend(Some("HOME").filter(|_| home_led_somewhere(run, trace) || any_text(run, uses_home_itself)));
    names.extend(Some("TMPDIR").filter(|_| temporary_led_somewhere(run, trace, aside)));
    for name in names {
        add(run, name, observed);
    }
}

/// Adds the variable with its value, or that it is not set, unless it is in the key.
pub(in crate::memo) fn variable(
    environment: &[(OsString, OsString)],
    name: &str,
    places: &Places,
    secret: &[u8; 32],
) -> Observation {
    let value = environment::lookup(environment, OsStr::new(name));
    let value =
        value.map(|value| environment::variable_digest(name.as_bytes(), value.as_bytes(), places, secret));
    Observation::Variable { name: name.as_bytes().to_vec(), value }
}

fn add(run: &Run<'_>, name: &str, observed: &mut Observed) {
    let in_key = run.captured.manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
    if !in_key {
        observed
            .observations
            .push((variable(&run.captured.environment, name, run.places, &run.secret), None));
    }
}

/// The files of the project from which make may have read rules.
fn rules<'t>(run: &Run<'_>, trace: &'t Trace) -> impl Iterator<Item = &'t Path> {
    let root = run.places.root.clone();
    let read = trace.accesses.iter().filter(|(_, access)| access.read).map(|(path, _)| path.as_path());
    read.filter(move |path| {
        let name = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        path.starts_with(&root)
            && (name.ends_with(b"akefile") || name.ends_with(b".mk") || name.ends_with(b".mak"))
    })
}

/// Whether the function's own source or an argument contains `part`.
pub(super) fn says(run: &Run<'_>, part: &str) -> bool {
    any_text(run, |text| memmem::find(text, part.as_bytes()).is_some())
}

/// Whether the function's own source or an argument is like that.
pub(super) fn any_text(run: &Run<'_>, is_so: impl Fn(&[u8]) -> bool) -> bool {
    run.words.iter().any(|word| is_so(word.as_bytes())) || asks::codes(run.captured).any(is_so)
}

/// Whether a script is that of the package tsx.
fn is_of_tsx(script: &Path) -> bool {
    let has = |name: &str| script.iter().any(|part| part == name);
    has("node_modules") && has("tsx")
}

/// Whether a word of the call, or the function's own source, is like that; the script of an installed tool
/// (`node_modules/.bin/webpack`) is not the function's own.
pub(super) fn own_text(run: &Run<'_>, is_so: &dyn Fn(&[u8]) -> bool) -> bool {
    let is_own = |path: &Path| is_of_project(&Path::new("/").join(path), Path::new("/"));
    let mut sources = run.captured.sources.iter().filter(|source| is_own(&source.absolute));
    run.words.iter().any(|word| is_so(word.as_bytes()))
        || sources.any(|source| is_so(asks::code_of(run.captured, source)))
}

/// Whether rules of make use a variable with the path of a directory as a text and not only as the start of a path: `$(HOME)`, not
/// `$(HOME)/x`.
fn uses_itself(rules: &[u8], variable: &str) -> bool {
    memmem::find_iter(rules, variable.as_bytes()).any(|at| {
        let rest = rules.get(at + variable.len()..).unwrap_or_default();
        let rest = rest.strip_prefix(b")").or_else(|| rest.strip_prefix(b"}")).unwrap_or(rest);
        rest.first() != Some(&b'/')
    })
}

/// Whether code uses HOME as a text and not only as the start of a path: `basename ~`, `cd; pwd`, `expanduser("~")`.
fn uses_home_itself(code: &[u8]) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_none_or(|byte| b" \t\n;|&)`'\"}".contains(byte));
    let is_start = |byte: Option<&u8>| byte.is_none_or(|byte| b" \t\n;|&(`'\"{=:".contains(byte));
    let before = |at: usize| at.checked_sub(1).and_then(|at| code.get(at));
    memchr::memchr_iter(b'~', code).any(|at| is_start(before(at)) && is_end(code.get(at + 1)))
        || memmem::find_iter(code, b"cd").any(|at| {
            let rest = code.get(at + 2..).unwrap_or_default();
            let next = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
            is_start(before(at)) && next.is_none_or(|byte| b"\n;|&)`}".contains(byte))
        })
}

/// Whether the run used something below HOME by a path that does not contain HOME itself: paths outside of the root and below
/// HOME do.
fn home_led_somewhere(run: &Run<'_>, trace: &Trace) -> bool {
    let Some(value) = environment::lookup(&run.captured.environment, OsStr::new("HOME")) else { return true };
    let root = run.places.root.as_path();
    let value = Path::new(&*value);
    if !value.is_absolute() {
        return true;
    }
    let clean = programs::cleaned(value);
    let real = fs::canonicalize(value).unwrap_or_else(|_| clean.clone());
    let follows = |path: &Path| run.places.store(path).base() == Base::Home;
    [clean, real].iter().filter(|home| *home != Path::new("/")).any(|home| {
        if let Ok(below) = root.strip_prefix(home)
            && let Some(first) = below.iter().next().and_then(OsStr::to_str)
            && says(run, &format!("~/{first}"))
        {
            return true;
        }
        used_below(trace, home).any(|(path, changed)| {
            // Files written outside of the root are not results.
            if path.starts_with(root) { home.starts_with(root) } else { !changed && !follows(path) }
        })
    })
}

/// Whether the run used an existing file in the directory for temporary files, other than private state of a tool.
fn temporary_led_somewhere(run: &Run<'_>, trace: &Trace, aside: &Aside) -> bool {
    let value = environment::lookup(&run.captured.environment, OsStr::new("TMPDIR"));
    let value = value.as_deref().map_or(Path::new("/tmp"), Path::new);
    if !value.is_absolute() {
        return true;
    }
    let root = run.places.root.as_path();
    let clean = programs::cleaned(value);
    let real = fs::canonicalize(value).unwrap_or_else(|_| clean.clone());
    [clean, real].iter().filter(|place| *place != Path::new("/")).any(|place| {
        let inside = place.starts_with(root) && place != root;
        used_below(trace, place)
            .any(|(path, changed)| !changed && (inside || !path.starts_with(root)) && !aside.has(path))
    })
}

/// The paths strictly below `directory` that were used, and whether they changed.
fn used_below<'t>(trace: &'t Trace, directory: &Path) -> impl Iterator<Item = (&'t Path, bool)> {
    let directory = directory.to_path_buf();
    trace.accesses.iter().filter_map(move |(path, access)| {
        let looked = access.looked || access.looked_at_link || access.absent || access.listed;
        let below = path.starts_with(&directory) && *path != directory;
        (below && (looked || access.read || access.changed)).then_some((path.as_path(), access.changed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_make_is_used_as_a_text_unless_it_starts_a_path() {
        for rules in ["$(notdir $(HOME))", "echo $$HOME", "x := ${HOME}\n", "HOME = /x"] {
            assert!(uses_itself(rules.as_bytes(), "HOME"), "{rules}");
        }
        for rules in ["P ?= $(HOME)/.local", "cp a ${HOME}/b", "ls $$HOME/c", "all:"] {
            assert!(!uses_itself(rules.as_bytes(), "HOME"), "{rules}");
        }
    }

    #[test]
    fn home_is_used_as_a_text_by_a_tilde_alone_and_by_cd_alone() {
        for code in
            ["basename ~", "echo ~", "x=~", "ls -d ~ | cut -c1-", "cd; pwd", "(cd && pwd)", "expanduser('~')"]
        {
            assert!(uses_home_itself(code.as_bytes()), "{code}");
        }
        for code in ["cat ~/x", "cd d; pwd", "cd ~/x", "a = ~mask", "echo a~b", "abcd; x", "ls *~", "cdr"] {
            assert!(!uses_home_itself(code.as_bytes()), "{code}");
        }
    }
}
