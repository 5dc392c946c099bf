//! Facts of which only a part of a directory or of a system's file counts.

use super::{Entries, Held, directory_at, importable_of};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::hash::environment::Environment;
use crate::hash::files::{EntryKind, read_file, trusted};
use crate::hash::occurrence::leading_parts;
use crate::hash::{accounts, loader};
use crate::record::{Evidence, Timestamp};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How what tells of installed packages is named.
const DISTRIBUTIONS: &[&str] = &[".dist-info", ".egg-info", ".egg-link", ".pth", ".egg"];

/// The digest of the entries of a directory that an import of any module would find, and evidence if any can be trusted.
///
/// # Errors
/// When it cannot be listed.
pub fn modules(path: &Path) -> Result<(Digest, Option<Evidence>)> {
    let select = |entries: &Entries| importable_of(entries, None);
    directory_at(path, Timestamp::now(), select).map_err(|error| Error::io("list", path, error))
}

/// The digest of the entries of a directory by which Python knows what is installed, and evidence if any can be trusted.
///
/// # Errors
/// When it cannot be listed.
pub fn distributions(path: &Path) -> Result<(Digest, Option<Evidence>)> {
    directory_at(path, Timestamp::now(), distributions_of).map_err(|error| Error::io("list", path, error))
}

pub(super) fn distributions_of(entries: &Entries) -> Vec<(OsString, EntryKind)> {
    let is_one = |name: &OsStr| DISTRIBUTIONS.iter().any(|end| name.as_bytes().ends_with(end.as_bytes()));
    entries.iter().filter(|(name, _)| is_one(name)).cloned().collect()
}

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

/// The first variable that is set and is one of `names` (sorted), or begins with one that ends in an underscore.
pub(super) fn set_of<'e>(names: &[Vec<u8>], environment: &'e Environment) -> Option<&'e OsStr> {
    let is_listed = |name: &[u8]| names.binary_search_by(|known| known.as_slice().cmp(name)).is_ok();
    let set = environment.iter().map(|(name, _)| name.as_os_str());
    set.into_iter().find(|name| is_listed(name.as_bytes()) || leading_parts(name.as_bytes()).any(is_listed))
}
