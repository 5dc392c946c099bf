//! What a program lists of a directory, and what git's index says of content.

use super::{Entries, directory_at};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::hash::exclude::is_store;
use crate::hash::files::{EntryKind, read_file, trusted};
use crate::profiles::git_index::content_of;
use crate::record::{Evidence, Names, Timestamp};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The digest of those names and kinds of a directory that a program lists, but for the names in `aside` (sorted), and
/// evidence if any can be trusted.
///
/// # Errors
/// When it cannot be listed.
pub fn listed(path: &Path, aside: &[Vec<u8>]) -> Result<(Digest, Option<Evidence>)> {
    directory_at(path, Timestamp::now(), |entries| entries_of(entries, aside))
        .map_err(|error| Error::io("list", path, error))
}

/// Among the names that are left out of a listing: the directory may be missing, because the tool that lists it makes it. No entry
/// has this name.
pub const MAY_BE_MISSING: &[u8] = b".";

/// Whether a listing that leaves out `aside` is that of a directory that its tool would make.
#[must_use]
pub fn may_be_missing(aside: &Names) -> bool {
    aside.apart().iter().any(|name| name == MAY_BE_MISSING)
}

/// The entries that count where a program lists a directory: not the store's own, and none of `aside`, which is sorted.
#[must_use]
pub fn entries_of(entries: &Entries, aside: &[Vec<u8>]) -> Vec<(OsString, EntryKind)> {
    let counts = |name: &OsStr| {
        !is_store(name) && aside.binary_search_by(|known| known.as_slice().cmp(name.as_bytes())).is_err()
    };
    entries.iter().filter(|(name, _)| counts(name)).cloned().collect()
}

/// What git's index at `path` says of content: the digest of that, and evidence if any can be trusted. `None` where it
/// cannot be read or is not understood.
#[must_use]
pub fn index(path: &Path) -> Option<(Digest, Option<Evidence>)> {
    let now = Timestamp::now();
    let (bytes, _, evidence) = read_file(path).ok()?;
    Some((Digest::of(&content_of(&bytes)?), trusted(path, evidence, now)))
}
