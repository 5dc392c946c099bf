//! Which variables of the environment a run may have asked for: those whose name occurs in a file that it read or
//! executed.

use super::{Observed, Run};
use crate::digest::Digest;
use crate::exec::Trace;
use crate::hash::environment;
use crate::hash::manifest::Part;
use crate::hash::modules::INLINE;
use crate::hash::occurrence::NameSearch;
use crate::record::Observation;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Programs whose answer is the environment as a whole.
const SHOW_ALL: [&str; 2] = ["env", "printenv"];

/// Adds the variables that count, and names those that do not.
pub(super) fn observe(
    run: &Run<'_>,
    trace: &Trace,
    contents: &BTreeMap<PathBuf, Digest>,
    observed: &mut Observed,
) {
    let shows_all = trace.programs.iter().any(|program| {
        program.file_name().is_some_and(|name| SHOW_ALL.iter().any(|shows| name == OsStr::new(shows)))
    });
    let environment = &run.captured.environment;
    if run.captured.whole_environment || shows_all {
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
    let sources = sources.filter(|path| path != Path::new(INLINE));
    let files: Vec<PathBuf> = contents.keys().cloned().chain(sources).collect();
    let search = NameSearch::new(open.iter().map(|(name, _)| name.as_bytes()));
    let mut found: BTreeSet<Vec<u8>> =
        search.search_files_remembered(&files, run.recall).into_iter().collect();
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
