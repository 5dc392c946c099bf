//! Which variables of the environment a run may have asked for: those whose name occurs in a file that it read or
//! executed.

use super::{Observed, Run, programs};
use crate::error::tells_absence;
use crate::exec::Trace;
use crate::hash::entry::LanguageKind;
use crate::hash::environment;
use crate::hash::manifest::Part;
use crate::hash::modules::INLINE;
use crate::hash::occurrence::NameSearch;
use crate::record::{Evidence, Observation};
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Programs whose answer is the environment as a whole.
const SHOW_ALL: [&str; 2] = ["env", "printenv"];

/// Adds the variables that count, and names those that do not.
pub(super) fn observe(
    run: &Run<'_>,
    trace: &Trace,
    contents: &[(PathBuf, Option<Evidence>)],
    observed: &mut Observed,
) {
    let programs = programs::names(trace);
    let shows_all = SHOW_ALL.iter().any(|shows| programs.contains(OsStr::new(shows)));
    let environment = &run.captured.environment;
    if run.captured.whole_environment || shows_all || code_takes_all(run, &programs, contents) {
        let digest = environment::environment_digest(environment, &run.secret);
        observed.observations.push((Observation::Environment { digest }, None));
        return;
    }
    let open = environment.iter().filter(|(name, _)| {
        let known = run.captured.manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
        !known && !environment::is_session(name)
    });
    let open: Vec<_> = open.collect();
    let sources = run.captured.sources.iter().map(|source| source.absolute.clone());
    // What inline code names is in the key: it is a word.
    let sources = sources.filter(|path| path != Path::new(INLINE)).map(|path| (path, None));
    let files: Vec<(PathBuf, Option<Evidence>)> = contents.iter().cloned().chain(sources).collect();
    let search = NameSearch::new(open.iter().map(|(name, _)| name.as_bytes()));
    let mut found: BTreeSet<Vec<u8>> = search.search_seen_files(&files, run.recall).into_iter().collect();
    if let Some(stdin) = run.stdin.filter(|_| trace.stdin.read) {
        found.extend(stdin.mentions(&search));
    }
    let counts = |name: &[u8]| run.captured.manifest.get(&Part::Variable(name.to_vec())).is_some();
    named_by_values(&search, environment, &counts, &mut found);
    for (name, value) in open {
        let name = name.as_bytes().to_vec();
        if found.contains(&name) {
            let value = environment::variable_digest(&name, value.as_bytes(), &run.secret);
            observed.observations.push((Observation::Variable { name, value: Some(value) }, None));
        } else {
            observed.indifferent.push(name);
        }
    }
}

/// Programs whose code is read here for what takes the environment as a whole.
const CODE: &[&str] = &["awk", "gawk", "mawk", "nawk", "jq", "gojq", "jaq", "tclsh", "wish", "expect"];

/// Of scripts that other scripts start, and of modules: which programs run them, how their names end, and what in them takes the
/// environment as a whole.
const TAKEN_BY: &[(&[&str], &[&str], &[&str])] = &[
    (
        &["sh", "bash", "dash", "ksh", "zsh"],
        &["sh", "bash", "ksh", "zsh"],
        &["${!", "compgen -", "export -p"],
    ),
    (
        &["node", "nodejs", "bun", "deno", "tsx"],
        &["js", "mjs", "cjs", "ts", "mts", "cts"],
        &["...process.env", "(process.env)", "in process.env)", "process.env["],
    ),
    (&["perl"], &["pl", "pm", "PL", "t"], &["%ENV", "$ENV{$"]),
    (&["make", "gmake"], &["Makefile", "makefile", "GNUmakefile", "mk"], &["$(.VARIABLES", "${.VARIABLES"]),
];

/// Directories of packages, which take it for reasons of their own.
const PACKAGES: &[&str] = &["node_modules", "site-packages", "dist-packages"];

/// Larger files are no such code.
const LARGEST_CODE: u64 = 1 << 20;

/// Whether a source of the function, or a file that was read as code of a program which was started, takes the
/// environment as a whole.
fn code_takes_all(
    run: &Run<'_>,
    programs: &BTreeSet<OsString>,
    contents: &[(PathBuf, Option<Evidence>)],
) -> bool {
    let take = |bytes: Vec<u8>, program: &[u8]| environment::takes_all(&[OsString::from_vec(bytes)], program);
    let shell = run.captured.command.entry.language == LanguageKind::Shell;
    if shell && run.captured.sources.iter().any(|source| take(source.bytes.clone(), b"sh")) {
        return true;
    }
    let names: BTreeSet<&[u8]> = programs.iter().map(|name| name.as_bytes()).collect();
    let programs = names.iter().filter(|name| CODE.iter().any(|code| name.starts_with(code.as_bytes())));
    let of_user = |path: &&PathBuf| !path.starts_with("/usr") && !path.starts_with("/lib");
    // What cannot be read may be such code.
    let holds = |path: &Path, sought: &dyn Fn(&[u8]) -> bool| match std::fs::metadata(path) {
        Ok(found) if !found.is_file() || found.len() > LARGEST_CODE => false,
        Ok(_) => std::fs::read(path).map_or(true, |bytes| sought(&bytes)),
        Err(error) => !tells_absence(&error),
    };
    let is_package = |path: &Path| path.iter().any(|part| PACKAGES.iter().any(|name| part == *name));
    let files: Vec<&PathBuf> = contents.iter().map(|(path, _)| path).filter(of_user).collect();
    let by_others = |(runners, ends, parts): &(&[&str], &[&str], &[&str])| {
        let is_code = |path: &Path| {
            let end = path.extension().or(path.file_name());
            end.is_some_and(|end| ends.iter().any(|known| end == *known)) && !is_package(path)
        };
        let has = |bytes: &[u8]| parts.iter().any(|part| memmem::find(bytes, part.as_bytes()).is_some());
        runners.iter().any(|runner| names.contains(runner.as_bytes()))
            && files.iter().any(|path| is_code(path) && holds(path, &has))
    };
    TAKEN_BY.iter().any(by_others)
        || programs
            .into_iter()
            .any(|program| files.iter().any(|path| holds(path, &|bytes| take(bytes.to_vec(), program))))
}

/// Adds the names of `search` that stand in the value of a variable that counts: it may be code (`eval "$COMMAND"`).
pub(in crate::memo) fn named_by_values(
    search: &NameSearch,
    environment: &[(OsString, OsString)],
    counts: &dyn Fn(&[u8]) -> bool,
    found: &mut BTreeSet<Vec<u8>>,
) {
    loop {
        let before = found.len();
        for (name, value) in environment {
            let name = name.as_bytes();
            if (counts(name) || found.contains(name)) && !environment::is_session(OsStr::from_bytes(name)) {
                found.extend(search.search(value.as_bytes(), false));
            }
        }
        if found.len() == before {
            return;
        }
    }
}
