//! Does an observation hold now? The only engine that answers: for captures, for what a run was seen to depend on, and
//! for products.
//!
//! One `stat` settles most ([`Looks`]); [`holds`] is the closer look that reads what has no trusted evidence. Knows nothing of
//! keys, commits or runs.

mod absence;
pub(super) mod looks;
mod parts;
mod times;

pub use looks::{Looks, Settled};

use super::environment::{environment_digest, lookup, variable_digest_by};
use super::files::{EntryKind, digest_file, trusted};
use super::look::{
    self, Entries, LARGEST_DIGESTED, directory_at, entries_of, every_entry, importable_of, stat, state_of,
    unreachable_state,
};
use super::stat_cache::StatCache;
use super::{rights, search, upward};
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::record::{Base, Evidence, FileState, Observation, Places, StoredPath, Timestamp};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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
    pub seen: Option<&'a StatCache>,
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

/// Whether `observation` holds now. What is said of standard input, and whether the network may decide a result, is for the
/// caller to say; here they do not hold.
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
        Observation::TimeOrder { groups } => Held::when(times::order_holds(groups, present.places)),
        Observation::Around { written, older, same, newer } => {
            Held::when(times::around_holds(written, [older, same, newer], present.places))
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
            directory_holds(&resolve(path), digest, evidence, present.now, look::distributions_of)
        }
        Observation::Loader { path, names, digest } => {
            parts::loader_holds(&resolve(path), &names.apart(), digest, evidence, present.now)
        }
        Observation::Accounts { path, ids, digest } => {
            parts::accounts_hold(&resolve(path), ids, digest, evidence, present.now)
        }
        Observation::Upward { name, found } => {
            Held::when(upward::holds(name, found.as_ref(), present.places))
        }
        Observation::Unset { names } => {
            Held::when(parts::set_of(&names.apart(), present.environment).is_none())
        }
        Observation::Entries { path, aside, digest } => {
            directory_holds(&resolve(path), digest, evidence, present.now, |entries| {
                entries_of(entries, &aside.apart())
            })
        }
        Observation::Exists { path } => Held::when(fs::symlink_metadata(resolve(path)).is_ok()),
        Observation::Index { path, digest } => parts::index_holds(&resolve(path), digest, evidence),
        Observation::Settled { states } => Held::when(parts::settled_holds(states, present.places)),
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
fn content_holds(path: &Path, digest: &Digest, evidence: Option<&Evidence>, now: Timestamp) -> Held {
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
fn state_holds(
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
    if let (FileState::File { .. }, Ok(metadata)) = (expected, &metadata)
        && (!metadata.is_file() || !rights::hold(expected, metadata, path))
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
    let is_allowed = metadata.as_ref().is_ok_and(|metadata| rights::hold(expected, metadata, path));
    let (found, fresh) = state_of(path, metadata, now, largest);
    let found = if expected.rights().is_some() { found.with_mode_of(expected) } else { found };
    let is_it = found == *expected && (is_allowed || expected.rights().is_none());
    Held::renewed(is_it, evidence, fresh)
}

/// Whether the entries of a directory are still those.
fn listing_holds(
    path: &Path,
    everything: bool,
    digest: &Digest,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Held {
    directory_holds(path, digest, evidence, now, |entries| every_entry(entries, everything))
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

/// Whether what is at `path` itself, links not followed, is in the state `expected`.
#[must_use]
pub fn is_in_state(path: &Path, expected: &FileState) -> bool {
    state_holds(path, false, expected, None, Timestamp::now()) != Held::No
}

#[cfg(test)]
mod tests;
