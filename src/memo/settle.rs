//! Commands that are never hits: each commit of the key differs from the others only in the same paths, such as a log that the
//! command itself appends to, or a file that something else writes between the calls.

use super::reason::observed_path;
use crate::digest::Key;
use crate::record::{Base, Observation, OutputTree, Product, ProductClass, StoredPath};
use crate::store::{Candidate, ResultIndex};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The paths, if any, in which alone the last three commits of `key` differ, and whether the command itself writes them.
pub(super) fn never_settles(results: &dyn ResultIndex, key: &Key) -> Option<(Vec<PathBuf>, bool)> {
    let candidates = results.find(key).ok()?;
    let [newest, middle, oldest, ..] = candidates.as_slice() else { return None };
    let paths = differing(newest, middle).filter(|paths| !paths.is_empty())?;
    if differing(middle, oldest).as_ref() != Some(&paths) {
        return None;
    }
    let made = |candidate: &Candidate, path: &StoredPath| {
        candidate.outputs.as_ref().is_some_and(|outputs| makes(outputs, path))
    };
    let own = paths.iter().all(|path| made(middle, path) && made(oldest, path));
    Some((paths.iter().map(StoredPath::shown).collect(), own))
}

/// The paths whose observations differ; `None` if something else does too.
fn differing(one: &Candidate, other: &Candidate) -> Option<BTreeSet<StoredPath>> {
    let (ours, theirs) = (&one.commit.observations, &other.commit.observations);
    let alone = |these: &[Observation], those: &[Observation]| -> Option<BTreeSet<StoredPath>> {
        let different = these.iter().filter(|observation| !those.contains(observation));
        different.map(|observation| observed_path(observation).cloned()).collect()
    };
    let mut paths = alone(ours, theirs)?;
    paths.extend(alone(theirs, ours)?);
    let (ours, theirs) = (&one.commit.products, &other.commit.products);
    let differs = |product: &&Product| {
        product.class == ProductClass::Consulted
            && theirs.find(&product.path).is_none_or(|other| other.before != product.before)
    };
    paths.extend(ours.all().iter().filter(differs).map(|product| StoredPath::in_root(product.path.clone())));
    Some(paths)
}

/// Whether outputs are at `path` or, for a directory that was listed, directly in it.
fn makes(outputs: &OutputTree, path: &StoredPath) -> bool {
    path.base() == Base::Root
        && outputs.entries().iter().any(|entry| {
            let above = entry.path.iter().rposition(|byte| *byte == b'/').and_then(|at| entry.path.get(..at));
            entry.path == path.rest() || above.unwrap_or_default() == path.rest()
        })
}
