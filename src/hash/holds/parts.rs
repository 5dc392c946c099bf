//! Observations of a part of a file, of unset variables, and of results of earlier runs.

use super::{Now, is_same};
use crate::digest::Digest;
use crate::hash::environment::Environment;
use crate::hash::files::{read_file, trusted};
use crate::hash::look::state;
use crate::hash::occurrence::leading_parts;
use crate::hash::{accounts, loader};
use crate::profiles::git_index::content_of;
use crate::record::{BothEnds, Evidence, FileState, Observation, Places, Timestamp};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The part of a file's content that `observation` depends on.
pub(super) fn part_now(
    observation: &Observation,
    path: &Path,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Now<Digest> {
    if is_same(path, evidence) {
        return Now::Same;
    }
    let Ok((bytes, _, fresh)) = read_file(path) else { return Now::Unknown };
    let part = match observation {
        Observation::Loader { names, .. } => loader::digest(&bytes, &names.apart()),
        Observation::Accounts { ids, .. } => Some(accounts::digest(&bytes, ids)),
        Observation::Index { .. } => content_of(&bytes).map(|content| Digest::of(&content)),
        _ => None,
    };
    part.map_or(Now::Unknown, |digest| Now::Is(digest, trusted(path, fresh, now)))
}

/// Whether the table of users has a home directory for this one, and nothing there has this name.
pub(super) fn is_not_in_home(name: &[u8]) -> bool {
    let path = accounts::own_home().map(|home| home.join(OsStr::from_bytes(name)));
    path.is_some_and(|path| state(&path, false).0 == FileState::Absent)
}

/// Whether all results of an earlier run are as a run found them, or all as it left them.
pub(super) fn settled_holds(states: &[BothEnds], places: &Places) -> bool {
    let now: Vec<FileState> = states.iter().map(|ends| state(&places.resolve(&ends.path), false).0).collect();
    let all = |of: fn(&BothEnds) -> &FileState| states.iter().zip(&now).all(|(ends, now)| of(ends) == now);
    all(|ends| &ends.before) || all(|ends| &ends.after)
}

/// The first variable that is set and is one of `names` (sorted), or begins with one that ends in an underscore.
pub(super) fn set_of<'e>(names: &[Vec<u8>], environment: &'e Environment) -> Option<&'e OsStr> {
    let is_listed = |name: &[u8]| names.binary_search_by(|known| known.as_slice().cmp(name)).is_ok();
    let set = environment.iter().map(|(name, _)| name.as_os_str());
    set.into_iter().find(|name| is_listed(name.as_bytes()) || leading_parts(name.as_bytes()).any(is_listed))
}
