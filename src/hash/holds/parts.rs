//! Facts of which only a part of a file counts, variables that are not set, and results of earlier runs.

use super::Held;
use crate::digest::Digest;
use crate::hash::environment::Environment;
use crate::hash::files::{read_file, trusted};
use crate::hash::look::{index, state};
use crate::hash::occurrence::leading_parts;
use crate::hash::{accounts, loader};
use crate::record::{BothEnds, Evidence, FileState, Places, Timestamp};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) fn loader_holds(
    path: &Path,
    names: &[Vec<u8>],
    digest: &Digest,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Held {
    part_holds(path, digest, evidence, now, |bytes| loader::digest(bytes, names))
}

pub(super) fn accounts_hold(
    path: &Path,
    ids: &[u32],
    digest: &Digest,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Held {
    part_holds(path, digest, evidence, now, |bytes| Some(accounts::digest(bytes, ids)))
}

/// Whether `part` of a file's content still has this digest.
fn part_holds(
    path: &Path,
    digest: &Digest,
    evidence: Option<&Evidence>,
    now: Timestamp,
    part: impl Fn(&[u8]) -> Option<Digest>,
) -> Held {
    let is_same =
        |evidence: &Evidence| fs::metadata(path).is_ok_and(|found| Evidence::of(&found) == *evidence);
    if evidence.is_some_and(is_same) {
        return Held::Yes;
    }
    match read_file(path) {
        Ok((bytes, _, fresh)) => {
            Held::renewed(part(&bytes).as_ref() == Some(digest), evidence, trusted(path, fresh, now))
        }
        Err(_) => Held::No,
    }
}

pub(super) fn index_holds(path: &Path, digest: &Digest, evidence: Option<&Evidence>) -> Held {
    match index(path) {
        Some((found, fresh)) => Held::renewed(found == *digest, evidence, fresh),
        None => Held::No,
    }
}

/// Whether all that an earlier run left is as a run found it, or all as it left it.
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
