//! Entries of a directory by which Python finds modules and packages.

use super::{Entries, directory_at, importable_of};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::hash::files::EntryKind;
use crate::record::{Evidence, Timestamp};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Suffixes of the metadata of installed packages.
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

pub(in crate::hash) fn distributions_of(entries: &Entries) -> Vec<(OsString, EntryKind)> {
    let is_one = |name: &OsStr| DISTRIBUTIONS.iter().any(|end| name.as_bytes().ends_with(end.as_bytes()));
    entries.iter().filter(|(name, _)| is_one(name)).cloned().collect()
}
