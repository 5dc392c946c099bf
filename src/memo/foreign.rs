//! Runs on other machines with files shipped from here: which files to ship, whether the run's observations there match this machine,
//! and adding the run to the store.

use super::products::Others;
use super::reason::Difference;
use super::shared::consumed;
use super::stdin::StdinAtStart;
use super::{Context, Policy, compare};
use crate::error::Result;
use crate::hash::capture;
use crate::hash::request::Request;
use crate::record::{Base, Commit, Observation, OutputTree, StoredPath};
use crate::store::{Candidate, Foreign, ResultIndex, Store};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// So many earlier runs of a command line are looked through.
const RECENT: usize = 4;

/// What a call is likely to need.
#[derive(Debug, Default)]
pub struct Needs {
    /// Paths in the project that earlier runs looked at or left changed.
    pub paths: BTreeSet<StoredPath>,
    /// Directories in the project whose entries they listed.
    pub listed: BTreeSet<StoredPath>,
    /// The environment of the command, without what the call ignores.
    pub environment: Vec<(OsString, OsString)>,
}

impl Needs {
    fn seen(&mut self, observation: &Observation) {
        match observation {
            Observation::Listing { path, .. }
            | Observation::Importable { path, .. }
            | Observation::Modules { path, .. }
            | Observation::Distributions { path, .. }
            | Observation::Entries { path, .. } => self.lists(path),
            Observation::Settled { states } => states.iter().for_each(|state| self.needs(&state.path)),
            Observation::TimeOrder { groups } => groups.iter().flatten().for_each(|path| self.needs(path)),
            Observation::Around { written, older, same, newer } => {
                [written, older, same, newer].into_iter().flatten().for_each(|path| self.needs(path));
            }
            other => {
                if let Some(path) = other.path() {
                    self.needs(path);
                }
            }
        }
    }

    fn needs(&mut self, path: &StoredPath) {
        if path.base() == Base::Root {
            self.paths.insert(path.clone());
        }
    }

    fn lists(&mut self, path: &StoredPath) {
        if path.base() == Base::Root {
            self.listed.insert(path.clone());
        }
    }

    fn run(&mut self, commit: &Commit) {
        commit.observations.iter().for_each(|observation| self.seen(observation));
        for product in commit.products.all() {
            self.needs(&StoredPath::in_root(product.path.clone()));
        }
    }
}

/// What earlier runs of the call looked at; of its program, where there are none.
///
/// # Errors
/// When the call makes no sense, or the store cannot be read.
pub fn needs(context: &Context<'_>, request: &Request) -> Result<Needs> {
    let captured = capture::capture(request, context.recall)?;
    let mut needs = Needs { environment: captured.environment, ..Needs::default() };
    let Some(store) = context.store else { return Ok(needs) };
    for set in store.look_up(&captured.key)?.sets {
        set.observations.iter().for_each(|observation| needs.seen(observation));
    }
    for (commit, _) in store.recent(&captured.lineage, RECENT)? {
        needs.run(&commit);
    }
    if needs.paths.is_empty() {
        let words: Vec<Vec<u8>> = request.shown_words().into_iter().map(OsStringExt::into_vec).collect();
        if let Some((commit, _)) = store.nearest(&captured.lineage, &captured.function_id, &words)? {
            needs.run(&commit);
        }
    }
    Ok(needs)
}

/// Reasons against using a run of another machine: the differences between its observations there and the state here.
///
/// # Errors
/// When the call makes no sense.
pub fn disagreements(
    context: &Context<'_>,
    request: &Request,
    policy: &Policy,
    (commit, outputs): (&Commit, Option<&OutputTree>),
) -> Result<Vec<Difference>> {
    let captured = capture::capture(request, context.recall)?;
    let secret = || context.recall.secret();
    let present = super::present(context, request, &captured.environment, &secret, None);
    let stdin = StdinAtStart::look(context.stdin);
    let facts = OnceCell::new();
    let results = context.store.map(|store| store as &dyn ResultIndex);
    let others = Others { candidates: [&[], &[]], results, facts: &facts };
    let mut candidate = Candidate {
        id: commit.id(),
        commit: commit.clone(),
        evidence: Vec::new(),
        outputs: outputs.cloned(),
        output_evidence: Vec::new(),
        irrelevant_env: Vec::new(),
        inline: Vec::new(),
        strict: Vec::new(),
    };
    let compared = compare::differences(&mut candidate, &others, &present, policy, || &stdin, context.recall);
    Ok(compared.differences)
}

/// Takes a run in whose blobs are in the store.
///
/// # Errors
/// When the run contradicts itself, or the store cannot be written.
pub fn take_in(
    store: &dyn Store,
    (commit, outputs): (Commit, Option<OutputTree>),
    manifest: Vec<u8>,
    tags: Vec<(String, String)>,
) -> Result<()> {
    let consumed = consumed(&commit);
    store.admit(Foreign { commit, manifest, tags, consumed, outputs })
}
