//! Looking at the world for one observation: taking it, and asking whether it holds now.
//!
//! Where trusted evidence agrees, that is one `stat` and nothing is read. Knows nothing of keys, commits or runs.

mod descriptors;
mod listed;
mod system;

pub use descriptors::{Rest, descriptor_holds, rest_of, rest_of_descriptor, stdin_holds};
pub use listed::{entries_of, index, listed};
pub use system::{distributions, modules};

use super::environment::{environment_digest, lookup, variable_digest_by};
use super::exclude::{Excluded, excluded};
use super::files::{EntryKind, digest_file, entries, listing_digest, trusted};
use super::sights::Sights;
use super::{search, upward};
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::error::{Error, Result};
use crate::record::{Base, Evidence, FileState, Observation, Places, StoredPath, Timestamp};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A file larger than this is told by size and time where it was only looked at.
pub const LARGEST_DIGESTED: u64 = 64 << 20;

/// Permission bits with set-id and sticky.
const PERMISSIONS: u32 = 0o7777;

/// The present, as far as observations ask for it.
#[derive(Clone, Copy)]
pub struct Present<'a> {
    /// Root and HOME.
    pub places: &'a Places,
    /// The environment that the child would get.
    pub environment: &'a [(OsString, OsString)],
    /// Tells the mask of permission bits for new files; asked only where it was observed, since that costs a tenth of a hit.
    pub umask: fn() -> u32,
    /// Whether the user is root.
    pub superuser: bool,
    /// Tells the key for digests of what looks like secrets; asked only where such a thing was observed.
    pub secret: &'a dyn Fn() -> [u8; DIGEST_LENGTH],
    /// A moment that is not after the first look.
    pub now: Timestamp,
    /// What this call has looked at already.
    pub seen: Option<&'a Sights>,
}

/// Whether an observation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It does, as the evidence says.
    Yes,
    /// It does, as a closer look says; this is the evidence from now on, if any can be trusted.
    Renewed(Option<Evidence>),
    /// It does not.
    No,
}

impl Held {
    fn when(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// After a closer look that found `fresh`.
    fn renewed(holds: bool, old: Option<&Evidence>, fresh: Option<Evidence>) -> Self {
        match (holds, fresh) {
            (false, _) => Self::No,
            (true, fresh) if fresh.as_ref() == old => Self::Yes,
            (true, fresh) => Self::Renewed(fresh),
        }
    }
}

/// Whether `observation` holds now. [`Observation::Stdin`] and [`Observation::Descriptor`] are asked for with
/// [`stdin_holds`] and [`descriptor_holds`], and whether the network may decide a result is for the caller to say; here
/// they do not hold.
#[must_use]
pub fn holds(observation: &Observation, evidence: Option<&Evidence>, present: &Present<'_>) -> Held {
    let resolve = |path: &StoredPath| present.places.resolve(path);
    if present.places.home.is_none() && is_below_home(observation) {
        // Without HOME a program looks elsewhere.
        return Held::No;
    }
    match observation {
        Observation::Content { path, digest } => content_holds(&resolve(path), digest, evidence, present.now),
        Observation::State { path, follow, state } => {
            state_holds(&resolve(path), *follow, state, evidence, present.now)
        }
        Observation::Listing { path, everything, digest } => {
            listing_holds(&resolve(path), *everything, digest, evidence, present.now)
        }
        Observation::TimeOrder { groups } => Held::when(order_holds(groups, present.places)),
        Observation::Around { written, older, same, newer } => {
            Held::when(around_holds(written, [older, same, newer], present.places))
        }
        Observation::Importable { path, names, digest } => {
            directory_holds(&resolve(path), digest, evidence, present.now, |entries| {
                importable_of(entries, Some(&names.apart()))
            })
        }
        Observation::Modules { path, digest } => {
            directory_holds(&resolve(path), digest, evidence, present.now, |entries| {
                importable_of(entries, None)
            })
        }
        Observation::Distributions { path, digest } => {
            directory_holds(&resolve(path), digest, evidence, present.now, system::distributions_of)
        }
        Observation::Loader { path, names, digest } => {
            system::loader_holds(&resolve(path), &names.apart(), digest, evidence, present.now)
        }
        Observation::Accounts { path, ids, digest } => {
            system::accounts_hold(&resolve(path), ids, digest, evidence, present.now)
        }
        Observation::Upward { name, found } => {
            Held::when(upward::holds(name, found.as_ref(), present.places))
        }
        Observation::Unset { names } => {
            Held::when(system::set_of(&names.apart(), present.environment).is_none())
        }
        Observation::Entries { path, aside, digest } => {
            directory_holds(&resolve(path), digest, evidence, present.now, |entries| {
                entries_of(entries, &aside.apart())
            })
        }
        Observation::Exists { path } => Held::when(fs::symlink_metadata(resolve(path)).is_ok()),
        Observation::Index { path, digest } => listed::index_holds(&resolve(path), digest, evidence),
        Observation::Settled { states } => Held::when(listed::settled_holds(states, present.places)),
        Observation::Modified { path, follow, time, changed } => {
            let now = stat(&resolve(path), *follow).map(|now| Evidence::of(&now));
            Held::when(now.is_ok_and(|now| (now.modified, now.changed) == (*time, *changed)))
        }
        Observation::Variable { name, value } => {
            let now = lookup(present.environment, OsStr::from_bytes(name))
                .map(|now| variable_digest_by(name, now.as_bytes(), present.secret));
            Held::when(now == *value)
        }
        Observation::Environment { digest } => {
            Held::when(environment_digest(present.environment, &(present.secret)()) == *digest)
        }
        Observation::Umask(mask) => Held::when((present.umask)() == *mask),
        Observation::Search { path, programs, moved } => {
            let found = search::Found { path, programs, moved: *moved };
            Held::when(found.holds(present.environment, present.places))
        }
        Observation::Superuser(is) => Held::when(present.superuser == *is),
        Observation::Root(path) => Held::when(present.places.root.as_os_str().as_bytes() == path.as_slice()),
        Observation::RootName(name) => Held::when(present.places.root_name() == name.as_slice()),
        Observation::Stdin(_)
        | Observation::StdinKind(_)
        | Observation::StdinTerminal(_)
        | Observation::StdinName(_)
        | Observation::Descriptor { .. }
        | Observation::Network => Held::No,
    }
}

/// Whether the observation is of a path that was found through HOME.
fn is_below_home(observation: &Observation) -> bool {
    matches!(observation, Observation::State { path, state: FileState::Absent, .. } if path.base() == Base::Home)
}

/// Whether the content of a file is still `digest`.
pub(super) fn content_holds(
    path: &Path,
    digest: &Digest,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Held {
    if let Some(evidence) = evidence
        && fs::metadata(path).is_ok_and(|metadata| Evidence::of(&metadata) == *evidence)
    {
        return Held::Yes;
    }
    match digest_file(path) {
        Ok((found, fresh)) => Held::renewed(found == *digest, evidence, trusted(path, fresh, now)),
        Err(_) => Held::No,
    }
}

/// Whether what is found at a path is still `state`.
pub(super) fn state_holds(
    path: &Path,
    follow: bool,
    expected: &FileState,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Held {
    let metadata = stat(path, follow);
    if *expected == FileState::Absent {
        // Evidence, if there is any, is that of the directory, and known by whoever took it.
        return Held::when(metadata.is_err_and(|error| unreachable_state(&error) == FileState::Absent));
    }
    if let (Some(evidence), Ok(metadata)) = (evidence, &metadata)
        && Evidence::of(metadata) == *evidence
    {
        return Held::Yes;
    }
    // A file of another mode needs no reading.
    if let (FileState::File { mode, .. }, Ok(metadata)) = (expected, &metadata)
        && (!metadata.is_file() || metadata.mode() & PERMISSIONS != *mode)
    {
        return Held::No;
    }
    // Nor does one where something else was: however large it is.
    let was_file = matches!(expected, FileState::File { .. } | FileState::LargeFile { .. });
    if !was_file && metadata.as_ref().is_ok_and(Metadata::is_file) {
        return Held::No;
    }
    // What was digested once is digested again, however large it is; what was not is not, however small.
    let largest = match expected {
        FileState::File { .. } => u64::MAX,
        FileState::LargeFile { .. } => 0,
        _ => LARGEST_DIGESTED,
    };
    let (found, fresh) = state_of(path, metadata, now, largest);
    Held::renewed(found == *expected, evidence, fresh)
}

/// Whether the entries of a directory are still those.
pub(super) fn listing_holds(
    path: &Path,
    everything: bool,
    digest: &Digest,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Held {
    let all =
        |entries: &Entries| entries.iter().filter(|(name, _)| counts(name, everything)).cloned().collect();
    directory_holds(path, digest, evidence, now, all)
}

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

fn counts(name: &OsStr, everything: bool) -> bool {
    everything || excluded(name) != Some(Excluded::Always)
}

fn directory_holds(
    path: &Path,
    digest: &Digest,
    evidence: Option<&Evidence>,
    now: Timestamp,
    select: impl Fn(&Entries) -> Vec<(OsString, EntryKind)>,
) -> Held {
    if let Some(evidence) = evidence
        && fs::metadata(path).is_ok_and(|metadata| Evidence::of(&metadata) == *evidence)
    {
        return Held::Yes;
    }
    match directory_at(path, now, select) {
        Ok((found, fresh)) => Held::renewed(found == *digest, evidence, fresh),
        Err(_) => Held::No,
    }
}

/// The content of the regular file that `path` leads to: its digest, and evidence if any can be trusted.
///
/// # Errors
/// As [`digest_file`].
pub fn content(path: &Path) -> Result<(Digest, Option<Evidence>)> {
    let now = Timestamp::now();
    let (digest, evidence) = digest_file(path)?;
    Ok((digest, trusted(path, evidence, now)))
}

/// What is found at `path`, its last link followed or not, and evidence if there is any that can be trusted. Files
/// above [`LARGEST_DIGESTED`] and those that we may not read are told by size and time.
#[must_use]
pub fn state(path: &Path, follow: bool) -> (FileState, Option<Evidence>) {
    let now = Timestamp::now();
    state_of(path, stat(path, follow), now, LARGEST_DIGESTED)
}

/// Whether what is at `path` itself, links not followed, is in the state `expected`.
#[must_use]
pub fn is_in_state(path: &Path, expected: &FileState) -> bool {
    state_holds(path, false, expected, None, Timestamp::now()) != Held::No
}

/// The digest of a directory's names and kinds, and evidence if any can be trusted.
///
/// # Errors
/// When it cannot be listed.
pub fn listing(path: &Path, everything: bool) -> Result<(Digest, Option<Evidence>)> {
    let all =
        |entries: &Entries| entries.iter().filter(|(name, _)| counts(name, everything)).cloned().collect();
    directory_at(path, Timestamp::now(), all).map_err(|error| Error::io("list", path, error))
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
fn importable_of(entries: &Entries, names: Option<&[Vec<u8>]>) -> Vec<(OsString, EntryKind)> {
    let is_sought = |stem: &[u8]| {
        names.is_none_or(|names| names.binary_search_by(|known| known.as_slice().cmp(stem)).is_ok())
    };
    let is_one = |name: &OsStr, kind: EntryKind| {
        let bytes = name.as_bytes();
        let stem = bytes.split(|byte| *byte == b'.').next().unwrap_or_default();
        let is_module =
            stem == bytes || [&b".py"[..], b".pyc", b".so"].iter().any(|end| bytes.ends_with(end));
        // A file without an ending is no module; but a link may lead to a directory.
        let is_nameless_file = names.is_none() && stem == bytes && kind == EntryKind::File;
        is_module && !is_nameless_file && counts(name, false) && is_sought(stem)
    };
    entries.iter().filter(|(name, kind)| is_one(name, *kind)).cloned().collect()
}

fn directory_at(
    path: &Path,
    now: Timestamp,
    select: impl Fn(&Entries) -> Vec<(OsString, EntryKind)>,
) -> io::Result<(Digest, Option<Evidence>)> {
    let before = Evidence::of(&fs::metadata(path)?);
    let digest = listing_digest(&select(&entries(path, true)?));
    let still = fs::metadata(path).is_ok_and(|after| Evidence::of(&after) == before);
    Ok((digest, still.then_some(before).and_then(|evidence| trusted(path, evidence, now))))
}

fn stat(path: &Path, follow: bool) -> io::Result<Metadata> {
    if follow { fs::metadata(path) } else { fs::symlink_metadata(path) }
}

fn modified(metadata: &Metadata) -> Timestamp {
    Timestamp::from_parts(metadata.mtime(), metadata.mtime_nsec())
}

fn state_of(
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
    match digest_file(path) {
        Ok((digest, evidence)) => {
            let state = FileState::File { mode: evidence.mode & PERMISSIONS, digest };
            (state, trusted(path, evidence, now))
        }
        Err(_) => (large, None),
    }
}

fn unreachable_state(error: &io::Error) -> FileState {
    match error.raw_os_error() {
        // With a file in place of a directory above it the answer is another one.
        Some(libc::ENOENT) => FileState::Absent,
        errno => FileState::Unreadable { errno: errno.unwrap_or(0) },
    }
}

fn order_holds(groups: &[Vec<StoredPath>], places: &Places) -> bool {
    let mut previous = None;
    for group in groups {
        let mut times =
            group.iter().map(|path| fs::metadata(places.resolve(path)).ok().map(|now| modified(&now)));
        let Some(Some(first)) = times.next() else {
            return false;
        };
        if previous.is_some_and(|previous| previous >= first) || times.any(|time| time != Some(first)) {
            return false;
        }
        previous = Some(first);
    }
    true
}

fn around_holds(written: &[StoredPath], [older, same, newer]: [&[StoredPath]; 3], places: &Places) -> bool {
    // The earliest and the latest; `None` where one of the files is not there.
    let span = |paths: &[StoredPath]| {
        let times =
            paths.iter().map(|path| fs::metadata(places.resolve(path)).ok().map(|now| modified(&now)));
        let times: Option<Vec<Timestamp>> = times.collect();
        times.map(|times| (times.iter().min().copied(), times.iter().max().copied()))
    };
    let spans = [written, older, same, newer].map(span);
    let [Some((Some(first), Some(last))), Some((_, older)), Some(same), Some((newer, _))] = spans else {
        return false;
    };
    older.is_none_or(|older| older < first)
        && newer.is_none_or(|newer| newer > last)
        && (same == (None, None) || (first == last && same == (Some(first), Some(first))))
}

#[cfg(test)]
mod tests;
