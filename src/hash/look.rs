//! Looking at the world for one observation, with evidence that spares reading it again.
//!
//! Knows nothing of keys, commits or runs, and nothing of what was observed before.

mod descriptors;
mod listed;
mod system;

pub use descriptors::{Rest, rest_of};
pub use listed::{MAY_BE_MISSING, entries_of, index, listed, may_be_missing};
pub(super) use system::distributions_of;
pub use system::{distributions, modules};

use super::exclude::{Excluded, excluded};
pub use super::files::LARGEST_DIGESTED;
use super::files::{EntryKind, digest_file, entries, listing_digest, trusted};
use super::user_digests;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::record::{Evidence, FileState, Timestamp};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Permission bits with set-id and sticky.
const PERMISSIONS: u32 = 0o7777;

/// The digest of the entries of a directory in which nothing is.
#[must_use]
pub fn of_nothing() -> Digest {
    listing_digest(&[])
}

/// Whether nothing is at `path`.
#[must_use]
pub fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| unreachable_state(&error) == FileState::Absent)
}

/// Names and kinds of a directory's entries.
pub type Entries = [(OsString, EntryKind)];

/// Those that are ever inputs, or all.
pub(super) fn every_entry(entries: &Entries, everything: bool) -> Vec<(OsString, EntryKind)> {
    entries.iter().filter(|(name, _)| counts(name, everything)).cloned().collect()
}

fn counts(name: &OsStr, everything: bool) -> bool {
    everything || excluded(name) != Some(Excluded::Always)
}

/// The content of the regular file that `path` leads to: its digest, and evidence if any can be trusted.
///
/// # Errors
/// As [`digest_file`].
pub fn content(path: &Path) -> Result<(Digest, Option<Evidence>)> {
    let known = fs::metadata(path).ok().and_then(|metadata| remembered(path, &metadata));
    if let Some((digest, evidence)) = known {
        return Ok((digest, Some(evidence)));
    }
    let now = Timestamp::now();
    let (digest, evidence) = digest_file(path)?;
    Ok((digest, learned(path, digest, evidence, now)))
}

/// The digest of a regular file that is remembered for the user.
pub(super) fn remembered(path: &Path, metadata: &Metadata) -> Option<(Digest, Evidence)> {
    let evidence = Evidence::of(metadata);
    let digest = metadata.is_file().then(|| user_digests::find(path, &evidence))??;
    Some((digest, evidence))
}

/// What was read, as evidence if it can be trusted; it is remembered then.
pub(super) fn learned(path: &Path, digest: Digest, evidence: Evidence, now: Timestamp) -> Option<Evidence> {
    let evidence = trusted(path, evidence, now)?;
    user_digests::learn(path, &evidence, &digest);
    Some(evidence)
}

/// What is found at `path`, its last link followed or not, and evidence if there is any that can be trusted. Files
/// above [`LARGEST_DIGESTED`] and those that we may not read are compared by size and time.
#[must_use]
pub fn state(path: &Path, follow: bool) -> (FileState, Option<Evidence>) {
    let now = Timestamp::now();
    state_of(path, stat(path, follow), now, LARGEST_DIGESTED)
}

/// The digest of a directory's names and kinds, and evidence if any can be trusted.
///
/// # Errors
/// When it cannot be listed.
pub fn listing(path: &Path, everything: bool) -> Result<(Digest, Option<Evidence>)> {
    directory_at(path, Timestamp::now(), |entries| every_entry(entries, everything))
        .map_err(|error| Error::io("list", path, error))
}

/// The digest of those names and kinds of a directory that an import of `names` (sorted) would find, and evidence if any
/// can be trusted.
///
/// # Errors
/// When it cannot be listed.
pub fn importable(path: &Path, names: &[Vec<u8>]) -> Result<(Digest, Option<Evidence>)> {
    let select = |entries: &Entries| importable_of(entries, Some(names));
    directory_at(path, Timestamp::now(), select).map_err(|error| Error::io("list", path, error))
}

/// Directories of one of `names` (of any name without them), and files named so with an ending of modules (`x.py`,
/// `x.abi3.so`): `x.bak` and `x.csv` beside them are none.
pub(super) fn importable_of(entries: &Entries, names: Option<&[Vec<u8>]>) -> Vec<(OsString, EntryKind)> {
    let is_sought = |stem: &[u8]| {
        names.is_none_or(|names| names.binary_search_by(|known| known.as_slice().cmp(stem)).is_ok())
    };
    let is_one = |name: &OsStr, kind: EntryKind| {
        let bytes = name.as_bytes();
        let stem = bytes.split(|byte| *byte == b'.').next().unwrap_or_default();
        let is_module =
            stem == bytes || [&b".py"[..], b".pyc", b".so"].iter().any(|end| bytes.ends_with(end));
        // A file without an ending is not a module; but a link may lead to a directory.
        let is_nameless_file = names.is_none() && stem == bytes && kind == EntryKind::File;
        // Bytecode beside sources, not in `__pycache__`, is a module of its own.
        let is_bytecode = bytes.ends_with(b".pyc") && kind != EntryKind::Directory;
        is_module && !is_nameless_file && (is_bytecode || counts(name, false)) && is_sought(stem)
    };
    entries.iter().filter(|(name, kind)| is_one(name, *kind)).cloned().collect()
}

pub(super) fn directory_at(
    path: &Path,
    now: Timestamp,
    select: impl Fn(&Entries) -> Vec<(OsString, EntryKind)>,
) -> io::Result<(Digest, Option<Evidence>)> {
    let before = Evidence::of(&fs::metadata(path)?);
    let digest = listing_digest(&select(&entries(path, true)?));
    let still = fs::metadata(path).is_ok_and(|after| Evidence::of(&after) == before);
    Ok((digest, still.then_some(before).and_then(|evidence| trusted(path, evidence, now))))
}

pub(super) fn stat(path: &Path, follow: bool) -> io::Result<Metadata> {
    if follow { fs::metadata(path) } else { fs::symlink_metadata(path) }
}

pub(super) fn modified(metadata: &Metadata) -> Timestamp {
    Timestamp::from_parts(metadata.mtime(), metadata.mtime_nsec())
}

pub(super) fn state_of(
    path: &Path,
    metadata: io::Result<Metadata>,
    now: Timestamp,
    largest: u64,
) -> (FileState, Option<Evidence>) {
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(error) => return (unreachable_state(&error), None),
    };
    let mode = metadata.mode() & PERMISSIONS;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return (FileState::Directory { mode }, None);
    }
    if kind.is_symlink() {
        return match fs::read_link(path) {
            Ok(text) => {
                let text = text.into_os_string().into_vec();
                (FileState::Symlink { text }, trusted(path, Evidence::of(&metadata), now))
            }
            Err(error) => (unreachable_state(&error), None),
        };
    }
    if !kind.is_file() {
        return (FileState::Special { mode: metadata.mode() }, None);
    }
    let large = FileState::LargeFile { mode, size: metadata.len(), modified: modified(&metadata) };
    if metadata.len() > largest {
        return (large, None);
    }
    if let Some((digest, evidence)) = remembered(path, &metadata) {
        return (FileState::File { mode, digest }, Some(evidence));
    }
    match digest_file(path) {
        Ok((digest, evidence)) => {
            let state = FileState::File { mode: evidence.mode & PERMISSIONS, digest };
            (state, learned(path, digest, evidence, now))
        }
        Err(_) => (large, None),
    }
}

pub(super) fn unreachable_state(error: &io::Error) -> FileState {
    match error.raw_os_error() {
        // With a file in place of a directory above it the answer is another one.
        Some(libc::ENOENT) => FileState::Absent,
        errno => FileState::Unreadable { errno: errno.unwrap_or(0) },
    }
}
