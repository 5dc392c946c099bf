//! Commands that undo their own hit: commit after commit of one key differs in nothing but paths that the command
//! itself writes, as with a log that it appends to.

use super::reason::observed_path;
use crate::digest::Key;
use crate::record::{Base, Observation, OutputTree, StoredPath};
use crate::store::{Candidate, Store};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The paths, if any, in which alone the last three commits of `key` differ, and that the first two of them left
/// changed. (What somebody edits between two calls differs too, but not by the command's own doing.)
pub(super) fn never_settles(store: &dyn Store, key: &Key) -> Vec<PathBuf> {
    let Ok(candidates) = store.find(key) else { return Vec::new() };
    let [newest, middle, oldest, ..] = candidates.as_slice() else { return Vec::new() };
    let differing = differing(newest, middle);
    let same = differing.as_ref().is_some_and(|paths| !paths.is_empty())
        && differing == self::differing(middle, oldest);
    let paths = differing.filter(|_| same).unwrap_or_default();
    let made = |candidate: &Candidate, path: &StoredPath| {
        candidate.outputs.as_ref().is_some_and(|outputs| makes(outputs, path))
    };
    if !paths.iter().all(|path| made(middle, path) && made(oldest, path)) {
        return Vec::new();
    }
    paths.iter().map(StoredPath::shown).collect()
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
