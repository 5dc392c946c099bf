//! Which environment variables a run may have read: those whose names occur in a file that it read or executed.

use super::made::Made;
use super::{Observed, Run, programs, session};
use crate::error::means_absent;
use crate::exec::Trace;
use crate::hash::entry::LanguageKind;
use crate::hash::environment::{self, composed};
use crate::hash::manifest::Part;
use crate::hash::modules::INLINE;
use crate::hash::occurrence::{NameSearch, colors_of, is_of_project};
use crate::hash::shims;
use crate::profiles::attributes::is_of_system;
use crate::record::{Evidence, Names, Observation};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Programs that print the whole environment.
const SHOW_ALL: [&str; 2] = ["env", "printenv"];

/// Adds the variables that count, and returns those that do not.
pub(super) fn observe(
    run: &Run<'_>,
    trace: &Trace,
    (contents, made): (&[(PathBuf, Option<Evidence>)], &Made),
    observed: &mut Observed,
) {
    let programs = programs::names(trace);
    let shows_all = SHOW_ALL.iter().any(|shows| programs.contains(OsStr::new(shows)));
    let environment = &run.captured.environment;
    if run.captured.whole_environment
        || shows_all
        || trace.environment_read
        || made.whole
        || code_takes_all(run, (trace, &programs), contents)
    {
        let digest = environment::environment_digest(environment, run.places, &run.secret);
        observed.observations.push((Observation::Environment { digest }, None));
        return;
    }
    for name in &trace.nested_variables {
        let known = run.captured.manifest.get(&Part::Variable(name.clone())).is_some();
        let value = environment::lookup(environment, OsStr::from_bytes(name));
        let value =
            value.map(|value| environment::variable_digest(name, value.as_bytes(), run.places, &run.secret));
        if !known && !run.captured.ignored.variable(name) {
            observed.observations.push((Observation::Variable { name: name.clone(), value }, None));
        }
    }
    let open = environment.iter().filter(|(name, _)| {
        let known = run.captured.manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
        !known
            && !SET_BY_SHELLS.iter().any(|known| name == OsStr::new(known))
            && !trace.nested_variables.contains(name.as_bytes())
    });
    let open: Vec<_> = open.collect();
    let sources = run.captured.sources.iter().map(|source| source.absolute.clone());
    // Variables named in inline code are in the key, since the code is an argument.
    let sources = sources.filter(|path| path != Path::new(INLINE)).map(|path| (path, None));
    let files: Vec<(PathBuf, Option<Evidence>)> = contents.iter().cloned().chain(sources).collect();
    let root = run.places.root.as_path();
    let words: Vec<&[u8]> = run.words.iter().map(|word| word.as_bytes()).collect();
    let colors = colors_of((run.printed, environment), &words, (&files, root), run.recall);
    let names = open.iter().map(|(name, _)| name.as_bytes());
    let search = NameSearch::new(names).within(root).with_colors(colors);
    let mut found: BTreeSet<Vec<u8>> = search.search_seen_files(&files, run.recall).into_iter().collect();
    if let Some(stdin) = run.stdin.filter(|_| trace.stdin.read) {
        found.extend(stdin.mentions(&search));
    }
    found.extend(made.named.iter().cloned());
    let counts = |name: &[u8]| run.captured.manifest.get(&Part::Variable(name.to_vec())).is_some();
    named_by_values(&search, environment, &counts, &mut found);
    for (name, value) in open {
        let name = name.as_bytes().to_vec();
        if found.contains(&name) {
            let value = environment::variable_digest(&name, value.as_bytes(), run.places, &run.secret);
            observed.observations.push((Observation::Variable { name, value: Some(value) }, None));
        } else if !environment::is_session(OsStr::from_bytes(&name)) {
            observed.irrelevant_env.push(name);
        }
    }
    let mut unset = named_by_project(run, &files, observed);
    for name in programs.iter().flat_map(|program| environment::asked_by_tool(program.as_bytes())) {
        let known = run.captured.manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
        let variable = session::variable(environment, name, run.places, &run.secret);
        match variable {
            Observation::Variable { value: None, name } => unset.extend(Some(name).filter(|_| !known)),
            _ if known || observed.observations.iter().any(|(seen, _)| *seen == variable) => {}
            _ => observed.observations.push((variable, None)),
        }
    }
    referred_to_by_own_code(run, made, &mut unset, observed);
    if !unset.is_empty() {
        let unset: Vec<Vec<u8>> = unset.into_iter().collect();
        observed.observations.push((Observation::Unset { names: Names::of(&unset) }, None));
    }
}

/// Names in text of the project, in addition to variables searched in all files: returns variables of the session and of jobs
/// that are not set, and notes which devices a job may use.
fn named_by_project(
    run: &Run<'_>,
    files: &[(PathBuf, Option<Evidence>)],
    observed: &mut Observed,
) -> BTreeSet<Vec<u8>> {
    let environment = &run.captured.environment;
    let root = run.places.root.as_path();
    let files: Vec<_> = files.iter().filter(|(path, _)| is_of_project(path, root)).cloned().collect();
    let is_set = |name: &[u8]| environment::lookup(environment, OsStr::from_bytes(name)).is_some();
    let counts = |name: &&[u8]| !is_set(name) && !SET_BY_SHELLS.iter().any(|known| known.as_bytes() == *name);
    let unset = environment::telling().filter(counts);
    let devices =
        environment::devices(environment).iter().map(|name| name.as_bytes()).filter(|name| is_set(name));
    let search = NameSearch::new(unset.chain(devices)).within(root);
    let (set, unset): (BTreeSet<_>, BTreeSet<_>) =
        search.search_seen_files(&files, run.recall).into_iter().partition(|name| is_set(name));
    for name in set {
        if let Ok(name) = std::str::from_utf8(&name) {
            observed.observations.push((session::variable(environment, name, run.places, &run.secret), None));
        }
    }
    unset
}

/// Variables that a shell sets itself, or that count by the paths they lead to.
const SET_BY_SHELLS: &[&str] = &["HOME", "OLDPWD", "PATH", "PWD", "SHLVL", "TMPDIR", "_"];

/// Adds the variables that code created by the run may read: variables of the session with their values, and which ones are not
/// set.
fn referred_to_by_own_code(
    run: &Run<'_>,
    made: &Made,
    unset: &mut BTreeSet<Vec<u8>>,
    observed: &mut Observed,
) {
    for name in &made.references {
        let text = OsStr::from_bytes(name);
        if SET_BY_SHELLS.iter().any(|known| text == OsStr::new(known)) {
            continue;
        }
        match environment::lookup(&run.captured.environment, text) {
            None => {
                unset.insert(name.clone());
            }
            Some(value) if environment::is_session(text) => {
                let value = environment::variable_digest(name, value.as_bytes(), run.places, &run.secret);
                let variable = Observation::Variable { name: name.clone(), value: Some(value) };
                observed.observations.push((variable, None));
            }
            // Other variables that are set were searched by name.
            Some(_) => {}
        }
    }
}

/// Programs whose code is searched here for uses of the whole environment.
const CODE: &[&str] = &["awk", "gawk", "mawk", "nawk", "jq", "gojq", "jaq", "tclsh", "wish", "expect"];

/// Larger files are not searched.
const LARGEST_CODE: u64 = 1 << 20;

/// Whether a source of the function, or a file that was read as code of a started program, uses the whole environment.
fn code_takes_all(
    run: &Run<'_>,
    (trace, programs): (&Trace, &BTreeSet<OsString>),
    contents: &[(PathBuf, Option<Evidence>)],
) -> bool {
    let take = |bytes: Vec<u8>, program: &[u8]| environment::takes_all(&[OsString::from_vec(bytes)], program);
    let shell = run.captured.command.entry.language == LanguageKind::Shell;
    if shell && run.captured.sources.iter().any(|source| take(source.bytes.clone(), b"sh")) {
        return true;
    }
    let names: BTreeSet<&[u8]> = programs.iter().map(|name| name.as_bytes()).collect();
    let programs = names.iter().filter(|name| CODE.iter().any(|code| name.starts_with(code.as_bytes())));
    let of_user = |path: &&PathBuf| !is_of_system(path);
    // A file that cannot be read may be such code.
    let holds = |path: &Path, sought: &dyn Fn(&[u8]) -> bool| match std::fs::metadata(path) {
        Ok(found) if !found.is_file() || found.len() > LARGEST_CODE => false,
        Ok(_) => std::fs::read(path).map_or(true, |bytes| sought(&bytes)),
        Err(error) => !means_absent(&error),
    };
    let is_package = |path: &Path| {
        !is_of_project(path, Path::new("/"))
            || (!path.starts_with(&run.places.root) && is_of_python_itself(path))
    };
    // The command itself is in the key, and is no content: a script that begins with its interpreter. Sources are parsed.
    let language = run.captured.command.entry.language;
    let is_parsed = matches!(language, LanguageKind::Shell | LanguageKind::Python | LanguageKind::JavaScript);
    let own = (!is_parsed).then_some(&run.captured.program);
    let files: Vec<&PathBuf> = contents.iter().map(|(path, _)| path).chain(own).filter(of_user).collect();
    let by_others = |path: &Path| {
        !is_package(path)
            && (path.starts_with(&run.places.root) || !shims::is_manager(path))
            && holds(path, &|bytes| {
                let language = composed::of_file(path, bytes);
                let is_executed = || trace.accesses.get(path).is_some_and(|access| access.executed);
                language.is_some_and(|language| {
                    language.takes_any(bytes) && (language.is_run_by(&names) || is_executed())
                })
            })
    };
    files.iter().any(|path| by_others(path))
        || programs
            .into_iter()
            .any(|program| files.iter().any(|path| holds(path, &|bytes| take(bytes.to_vec(), program))))
}

/// Whether a file belongs to the standard library of a Python, wherever that is installed: Python knows it by its `os.py`.
fn is_of_python_itself(path: &Path) -> bool {
    path.ancestors().skip(1).any(|above| {
        let named =
            |name: Option<&OsStr>, start: &[u8]| name.is_some_and(|name| name.as_bytes().starts_with(start));
        named(above.file_name(), b"python3")
            && named(above.parent().and_then(Path::file_name), b"lib")
            && above.join("os.py").is_file()
    })
}

/// Adds the names of `search` that occur in the value of a variable that counts: it may be code (`eval "$COMMAND"`).
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
