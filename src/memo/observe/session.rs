//! Variables that tell of the session, where what the run did shows that they decided it after all; and whether
//! the umask did.
//!
//! What stands in the result itself (HOME, TMPDIR) is known by whoever passes it on.

use super::{Observed, Run};
use crate::exec::Trace;
use crate::hash::environment;
use crate::hash::manifest::Part;
use crate::record::Observation;
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs whose first settings come from the make above them.
pub(super) const MAKES: &[&str] = &["make", "gmake", "gnumake", "bmake", "remake"];

/// Programs that colour names of files.
const LISTERS: &[&str] = &["ls", "gls", "dir", "vdir", "tree", "fd", "fdfind", "eza", "exa", "lsd"];

/// What a function's own source, or a word, says where it asks for variables without naming them.
const MEANT: &[(&str, &[&str])] = &[
    ("getuser", &["USER", "LOGNAME"]),
    ("getlogin", &["USER", "LOGNAME"]),
    ("userInfo", &["USER", "LOGNAME"]),
    ("get_terminal_size", &["LINES"]),
    ("cd -", &["OLDPWD"]),
    ("~-", &["OLDPWD"]),
    ("GIT_EDITOR", &["EDITOR", "VISUAL", "TERM"]),
    ("GIT_PAGER", &["PAGER"]),
];

/// Adds the variables of the session that decided the result.
pub(super) fn observe(run: &Run<'_>, trace: &Trace, observed: &mut Observed) {
    let says = |part: &str| says(run, part);
    let started = |names: &[&str]| {
        trace.programs.iter().filter_map(|program| program.file_name()).any(|name| {
            let name = name.to_str();
            names.iter().any(|known| name == Some(known))
        })
    };
    let mut names: BTreeSet<&str> = BTreeSet::new();
    if started(MAKES) {
        names.extend(["MAKEFLAGS", "MAKELEVEL"]);
    }
    if started(LISTERS) && says("color") {
        names.insert("LS_COLORS");
    }
    let in_terminfo = |path: &Path| path.components().any(|part| part.as_os_str() == "terminfo");
    if trace.accesses.iter().any(|(path, access)| access.read && in_terminfo(path)) {
        names.insert("TERM");
    }
    names.extend(MEANT.iter().filter(|(part, _)| says(part)).flat_map(|(_, names)| *names));
    names.extend(["HOME", "TMPDIR"].iter().filter(|name| led_somewhere(run, trace, name)));
    for name in names {
        add(run, name, observed);
    }
    observed.created |= says("umask") || trace.accesses.values().any(|access| access.changed);
}

/// Adds the variable with its value, or that it is not set, unless it is in the key.
pub(in crate::memo) fn variable(
    environment: &[(OsString, OsString)],
    name: &str,
    secret: &[u8; 32],
) -> Observation {
    let value = environment::lookup(environment, OsStr::new(name));
    let value = value.map(|value| environment::variable_digest(name.as_bytes(), value.as_bytes(), secret));
    Observation::Variable { name: name.as_bytes().to_vec(), value }
}

fn add(run: &Run<'_>, name: &str, observed: &mut Observed) {
    let in_key = run.captured.manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
    if !in_key {
        observed.observations.push((variable(&run.captured.environment, name, &run.secret), None));
    }
}

/// Whether the function's own source or a word of the call has `part` in it.
pub(super) fn says(run: &Run<'_>, part: &str) -> bool {
    let has = |text: &[u8]| memmem::find(text, part.as_bytes()).is_some();
    run.words.iter().any(|word| has(word.as_bytes()))
        || run.captured.sources.iter().any(|source| has(&source.bytes))
}

/// Whether the run read something below the directory that the variable names, and by a path that does not follow the
/// variable: paths outside of the root and below HOME do.
fn led_somewhere(run: &Run<'_>, trace: &Trace, name: &str) -> bool {
    let Some(value) = environment::lookup(&run.captured.environment, OsStr::new(name)) else { return false };
    let (directory, root) = (Path::new(&*value), run.places.root.as_path());
    let inside = directory.starts_with(root) && directory != root;
    if !directory.is_absolute() || (name == "HOME" && !inside) {
        return false;
    }
    trace.accesses.iter().any(|(path, access)| {
        let strictly_below = path.starts_with(directory) && path != directory;
        let used = (access.read || access.looked || access.absent) && !access.changed;
        strictly_below && used && (inside || !path.starts_with(root))
    })
}
