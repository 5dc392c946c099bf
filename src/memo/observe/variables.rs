//! Which variables of the environment a run may have asked for: those whose name occurs in a file that it read or
//! executed.

use super::{Observed, Run};
use crate::digest::Digest;
use crate::exec::Trace;
use crate::hash::environment;
use crate::hash::manifest::Part;
use crate::hash::occurrence::NameSearch;
use crate::record::Observation;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

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
    let files: Vec<PathBuf> = contents.keys().cloned().chain(sources).collect();
    let search = NameSearch::new(open.iter().map(|(name, _)| name.as_bytes()));
    let found = search.search_files_remembered(&files, run.recall);
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
