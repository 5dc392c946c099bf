//! What a call is likely to need on a worker: files of the project and variables of the environment.

use super::Execution;
use crate::commands::exec::plan::StdinSource;
use crate::hash::environment::looks_secret;
use crate::hash::manifest::{Manifest, Part};
use crate::memo::foreign::Needs;
use crate::record::Base;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

impl Execution<'_> {
    /// Adds what the call is likely to need.
    pub(super) fn predict(&mut self, needs: &Needs) {
        let (project, request) = (&self.ground.project, self.ground.request());
        let places = &project.places;
        self.inputs.add(&project.directory);
        for mark in crate::project::ROOT_MARKS {
            self.inputs.add(&places.root.join(mark));
        }
        for (part, _) in self.manifest.facts() {
            match part {
                Part::Source(path) | Part::Setting(path) if path.base() == Base::Root => {
                    self.inputs.add(&places.resolve(path));
                }
                Part::Input(path) if path.base() == Base::Root => {
                    self.inputs.add_listed(&places.resolve(path));
                }
                _ => {}
            }
        }
        if let StdinSource::Named(word) = &self.ground.plan.stdin {
            self.inputs.add(&request.directory.join(word));
        }
        for word in &request.words {
            let after_equals = word.as_bytes().split(|byte| *byte == b'=').next_back().unwrap_or_default();
            let after_letter = word.as_bytes().get(2..).filter(|_| word.as_bytes().starts_with(b"-"));
            let words = [Some(word.as_bytes()), Some(after_equals), after_letter];
            for word in words.into_iter().flatten().filter(|word| !word.is_empty()) {
                let path = request.directory.join(OsStr::from_bytes(word));
                if path.is_dir() {
                    self.inputs.add_listed(&path);
                } else {
                    self.inputs.add(&path);
                }
            }
        }
        for path in &needs.paths {
            self.inputs.add(&places.resolve(path));
        }
        for path in &needs.listed {
            self.inputs.add_listed(&places.resolve(path));
        }
    }

    /// Adds a variable that was missed, unless it looks like a secret. Tells whether it was added.
    pub(super) fn add_variable(&mut self, name: &str) -> bool {
        let Some(value) = std::env::var_os(name) else { return false };
        let Some(text) = value.to_str().filter(|_| !looks_secret(name.as_bytes(), value.as_bytes())) else {
            return false;
        };
        self.variables.insert(name.to_owned(), text.to_owned()).is_none()
    }
}

/// The environment that is shipped: all that may count, but what looks like a secret and is not part of the call.
pub(super) fn variables(needs: &Needs, manifest: &Manifest) -> BTreeMap<String, String> {
    let is_known = |name: &OsStr| manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
    let ours = needs.environment.iter().filter(|(name, value)| {
        is_known(name) || !looks_secret(name.as_bytes(), value.as_bytes()) && !is_of_machine(name)
    });
    ours.filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))).collect()
}

/// Whether a variable describes this machine or the session, and means nothing on a worker.
fn is_of_machine(name: &OsStr) -> bool {
    const MEANT: [&str; 8] = ["HOME", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "USER"];
    const PLACES: [&str; 2] = ["LD_PRELOAD", "LD_LIBRARY_PATH"];
    let is = |names: &[&str]| names.iter().any(|known| name == *known);
    is(&PLACES) || crate::hash::environment::is_session(name) && !is(&MEANT)
}
