//! Does an observation hold now? Captures, observations of runs, and products are all checked here.
//!
//! One `stat` answers this for most observations (`QuickCheck`). [`holds`] looks more closely, and reads files without trusted
//! evidence. This module does not know keys, commits or runs.

mod absence;
mod all;
mod parts;
pub(super) mod quick_check;
mod times;

pub use all::settle_all;
pub(super) use quick_check::QuickCheck;

use super::environment::{environment_digest, lookup, variable_digest_by};
use super::files::{EntryKind, digest_file};
use super::look::{
    self, Entries, LARGEST_DIGESTED, directory_at, entries_of, every_entry, importable_of, stat, state_of,
};
use super::stat_cache::StatCache;
use super::{rights, search, upward};
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::record::{
    Base, Circumstances, Evidence, FileState, ModeRule, Observation, Places, StoredPath, Timestamp,
};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The present state, as far as observations need it.
#[derive(Clone, Copy)]
pub struct Present<'a> {
    /// Root and HOME.
    pub places: &'a Places,
    /// The environment that the child would get.
    pub environment: &'a [(OsString, OsString)],
    /// The circumstances in which the command would run.
    pub circumstances: &'a dyn Circumstances,
    /// Returns the key for digests of values that look like secrets. It is called only if an observation needs it.
    pub secret: &'a dyn Fn() -> [u8; DIGEST_LENGTH],
    /// A time that is not after the first look.
    pub now: Timestamp,
    /// What this call has already looked at.
    pub seen: Option<&'a StatCache>,
}

/// Whether an observation holds, and what is found instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It holds: the evidence is unchanged.
    Valid,
    /// It holds after a closer look. This is the new evidence, if any can be trusted.
    Renewed(Option<Evidence>),
    /// It does not hold. The same look finds this now, with evidence if any can be trusted.
    Changed(Box<Observation>, Option<Evidence>),
    /// It does not hold, and there is nothing to compare.
    Invalid,
}

impl Validity {
    /// Whether the observation holds.
    #[must_use]
    pub const fn is_valid(&self) -> bool {
        matches!(self, Self::Valid | Self::Renewed(_))
    }

    fn when(holds: bool) -> Self {
        if holds { Self::Valid } else { Self::Invalid }
    }

    /// Valid if `now` equals the observation `then`; otherwise changed to `now`.
    fn compare(then: &Observation, now: Observation) -> Self {
        if now == *then { Self::Valid } else { Self::Changed(Box::new(now), None) }
    }
}

/// What a closer look finds.
enum Now<T> {
    /// The same as before, by evidence.
    Same,
    /// This value, with evidence if any can be trusted.
    Is(T, Option<Evidence>),
    /// The path cannot be read, or not be compared.
    Unknown,
}

impl<T: PartialEq> Now<T> {
    /// Compares with the earlier value `then` and its evidence `old`; `again` makes an observation of another value.
    fn held(self, then: &T, old: Option<&Evidence>, again: impl FnOnce(T) -> Observation) -> Validity {
        match self {
            Self::Same => Validity::Valid,
            Self::Is(found, fresh) if found == *then => {
                if fresh.as_ref() == old {
                    Validity::Valid
                } else {
                    Validity::Renewed(fresh)
                }
            }
            Self::Is(found, fresh) => Validity::Changed(Box::new(again(found)), fresh),
            Self::Unknown => Validity::Invalid,
        }
    }
}

/// Whether `observation` holds now. Observations of standard input and of the network do not hold here; the caller decides these.
#[must_use]
pub fn holds(observation: &Observation, evidence: Option<&Evidence>, present: &Present<'_>) -> Validity {
    let resolve = |path: &StoredPath| present.places.resolve(path);
    if present.places.home.is_none() && is_below_home(observation) {
        // Without HOME a program looks somewhere else.
        return Validity::Invalid;
    }
    let now = present.now;
    match observation {
        Observation::Content { path, digest } => {
            content_now(&resolve(path), evidence, now)
                .held(digest, evidence, |digest| Observation::Content { path: path.clone(), digest })
        }
        Observation::State { path, follow, state } => {
            let again = |state| Observation::State { path: path.clone(), follow: *follow, state };
            state_now(&resolve(path), *follow, state, evidence, now).held(state, evidence, again)
        }
        Observation::Listing { path, digest, .. }
        | Observation::Importable { path, digest, .. }
        | Observation::Modules { path, digest }
        | Observation::Distributions { path, digest }
        | Observation::Entries { path, digest, .. } => {
            let select = |entries: &Entries| selected(observation, entries);
            let again = |digest| with_digest(observation, digest);
            directory_now(&resolve(path), evidence, now, select).held(digest, evidence, again)
        }
        Observation::Loader { path, digest, .. }
        | Observation::Accounts { path, digest, .. }
        | Observation::Index { path, digest } => {
            let again = |digest| with_digest(observation, digest);
            parts::part_now(observation, &resolve(path), evidence, now).held(digest, evidence, again)
        }
        Observation::TimeOrder { groups } => match times::order(groups, present.places) {
            Some(groups) => Validity::compare(observation, Observation::TimeOrder { groups }),
            None => Validity::Invalid,
        },
        Observation::Around { written, older, same, newer } => {
            Validity::when(times::around_holds(written, [older, same, newer], present.places))
        }
        Observation::Upward { name, found } => {
            Validity::when(upward::holds(name, found.as_ref(), present.places))
        }
        Observation::Unset { names } => {
            Validity::when(parts::set_of(&names.apart(), present.environment).is_none())
        }
        Observation::NotInHome { name } => Validity::when(parts::is_not_in_home(name)),
        Observation::Exists { path } => Validity::when(fs::symlink_metadata(resolve(path)).is_ok()),
        Observation::Settled { states } => Validity::when(parts::settled_holds(states, present.places)),
        Observation::UmaskAtLeast(mask) => Validity::when(present.circumstances.umask() & mask == *mask),
        Observation::Search { path, programs, moved } => {
            let found = search::Found { path, programs, moved: *moved };
            Validity::when(found.holds(present.environment, present.places))
        }
        _ => again(observation, present).map_or(Validity::Invalid, |now| Validity::compare(observation, now)),
    }
}

/// The same observation made now, for observations that need only one quick look. `None` for all others, and if nothing is found.
fn again(then: &Observation, present: &Present<'_>) -> Option<Observation> {
    Some(match then {
        Observation::Modified { path, follow, .. } => {
            let now = Evidence::of(&stat(&present.places.resolve(path), *follow).ok()?);
            let (path, follow) = (path.clone(), *follow);
            Observation::Modified { path, follow, time: now.modified, changed: now.changed }
        }
        Observation::Variable { name, .. } => {
            let value = lookup(present.environment, OsStr::from_bytes(name));
            let value =
                value.map(|now| variable_digest_by(name, now.as_bytes(), present.places, present.secret));
            Observation::Variable { name: name.clone(), value }
        }
        Observation::Environment { .. } => Observation::Environment {
            digest: environment_digest(present.environment, present.places, &(present.secret)()),
        },
        Observation::Umask(_) => Observation::Umask(present.circumstances.umask()),
        Observation::Superuser(_) => Observation::Superuser(present.circumstances.is_superuser()),
        Observation::User { .. } => Observation::User { digest: present.circumstances.user() },
        Observation::Root(_) => Observation::Root(present.places.root.as_os_str().as_bytes().to_vec()),
        Observation::RootName(_) => Observation::RootName(present.places.root_name().to_vec()),
        _ => return None,
    })
}

/// The entries of a directory that the observation `listing` includes.
fn selected(listing: &Observation, entries: &Entries) -> Vec<(OsString, EntryKind)> {
    match listing {
        Observation::Importable { names, .. } => importable_of(entries, Some(&names.apart())),
        Observation::Modules { .. } => importable_of(entries, None),
        Observation::Distributions { .. } => look::distributions_of(entries),
        Observation::Entries { aside, .. } => entries_of(entries, &aside.apart()),
        Observation::Listing { everything, .. } => every_entry(entries, *everything),
        _ => Vec::new(),
    }
}

/// The same observation with another digest.
fn with_digest(then: &Observation, found: Digest) -> Observation {
    let mut now = then.clone();
    if let Observation::Listing { digest, .. }
    | Observation::Importable { digest, .. }
    | Observation::Modules { digest, .. }
    | Observation::Distributions { digest, .. }
    | Observation::Entries { digest, .. }
    | Observation::Loader { digest, .. }
    | Observation::Accounts { digest, .. }
    | Observation::Index { digest, .. } = &mut now
    {
        *digest = found;
    }
    now
}

/// Whether the observation is about a path below HOME.
fn is_below_home(observation: &Observation) -> bool {
    matches!(observation, Observation::State { path, state: FileState::Absent, .. } if path.base() == Base::Home)
}

/// Whether the target of `path` still has this evidence.
fn is_same(path: &Path, evidence: Option<&Evidence>) -> bool {
    evidence.is_some_and(|then| fs::metadata(path).is_ok_and(|now| Evidence::of(&now) == *then))
}

/// The digest of the content of a file.
fn content_now(path: &Path, evidence: Option<&Evidence>, now: Timestamp) -> Now<Digest> {
    if is_same(path, evidence) {
        return Now::Same;
    }
    let known = fs::metadata(path).ok().and_then(|metadata| look::remembered(path, &metadata));
    if let Some((found, evidence)) = known {
        return Now::Is(found, Some(evidence));
    }
    match digest_file(path) {
        Ok((found, fresh)) => Now::Is(found, look::learned(path, found, fresh, now)),
        Err(_) => Now::Unknown,
    }
}

/// The state of a path, in the form of `expected`.
fn state_now(
    path: &Path,
    follow: bool,
    expected: &FileState,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Now<FileState> {
    let metadata = stat(path, follow);
    // The evidence of an absent path is that of its directory, and the caller knows it.
    let asks_anew = |metadata: &Metadata| {
        let rule = expected.mode_rule();
        (rule.asked != 0 || rule.fresh) && !rights::mode_matches(expected, metadata, path)
    };
    if let (Some(evidence), Ok(metadata)) = (evidence, &metadata)
        && *expected != FileState::Absent
        && Evidence::of(metadata) == *evidence
        && !asks_anew(metadata)
    {
        return Now::Same;
    }
    // A file that was digested is digested again, whatever its size. A file of which only size and time were recorded is not
    // digested.
    let largest = match expected {
        FileState::File { .. } => u64::MAX,
        FileState::LargeFile { .. } => 0,
        // There was no file before, so the content of this one is not needed.
        _ if metadata.as_ref().is_ok_and(Metadata::is_file) => return Now::Unknown,
        _ => LARGEST_DIGESTED,
    };
    let rule = match expected.mode() {
        None => ModeRule { by_rights: true, ..ModeRule::default() },
        Some(_) => expected.mode_rule(),
    };
    let seen = metadata.as_ref().ok().cloned();
    let (found, fresh) = state_of(path, metadata, now, largest);
    let found = match seen {
        Some(seen) if found.mode().is_some() => rights::apply_to(path, &seen, found, rule),
        _ => found,
    };
    let is_left = found.mode_is_left() && found.mode_rule() == expected.mode_rule();
    let is_as_expected = is_left
        && found.rights() == expected.rights()
        && found.mode().is_some_and(|mode| expected.has_special_bits_of(mode));
    let found = if is_as_expected { found.with_mode_of(expected) } else { found };
    Now::Is(found, fresh)
}

fn directory_now(
    path: &Path,
    evidence: Option<&Evidence>,
    now: Timestamp,
    select: impl Fn(&Entries) -> Vec<(OsString, EntryKind)>,
) -> Now<Digest> {
    if is_same(path, evidence) {
        return Now::Same;
    }
    match directory_at(path, now, select) {
        Ok((found, fresh)) => Now::Is(found, fresh),
        Err(_) => Now::Unknown,
    }
}

/// The state of `path` itself, with the part of its mode that `expected` says counts. `None` if it cannot be read.
#[must_use]
pub fn state_like(path: &Path, expected: &FileState) -> Option<FileState> {
    match state_now(path, false, expected, None, Timestamp::now()) {
        Now::Is(found, _) => Some(found),
        Now::Same | Now::Unknown => None,
    }
}

/// Whether `path` itself, without following a link, is in the state `expected`.
#[must_use]
pub fn is_in_state(path: &Path, expected: &FileState) -> bool {
    // A file with another mode differs, whatever its content.
    if let FileState::File { .. } = expected
        && !stat(path, false).is_ok_and(|now| now.is_file() && rights::mode_matches(expected, &now, path))
    {
        return false;
    }
    matches!(state_now(path, false, expected, None, Timestamp::now()), Now::Is(found, _) if found == *expected)
}

#[cfg(test)]
mod tests;
