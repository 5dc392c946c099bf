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
use super::files::{EntryKind, digest_file};
use super::look::{
    self, Entries, LARGEST_DIGESTED, directory_at, entries_of, every_entry, importable_of, stat, state_of,
};
use super::stat_cache::StatCache;
use super::{rights, search, upward};
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::record::{Base, Evidence, FileState, ModeRule, Observation, Places, StoredPath, Timestamp};
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

/// Whether an observation holds, and what is there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// It does, as the evidence says.
    Yes,
    /// It does, as a closer look says; this is the evidence from now on, if any can be trusted.
    Renewed(Option<Evidence>),
    /// It does not; this is what the same look finds now, with evidence if any can be trusted.
    Other(Box<Observation>, Option<Evidence>),
    /// It does not, and nothing comparable can be told.
    No,
}

impl Held {
    /// Whether it does.
    #[must_use]
    pub const fn is_so(&self) -> bool {
        matches!(self, Self::Yes | Self::Renewed(_))
    }

    fn when(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// It holds if `now` is what was observed; otherwise `now` is observed.
    fn compare(then: &Observation, now: Observation) -> Self {
        if now == *then { Self::Yes } else { Self::Other(Box::new(now), None) }
    }
}

/// What a closer look finds.
enum Now<T> {
    /// What the evidence is of.
    Same,
    /// This, with evidence if any can be trusted.
    Is(T, Option<Evidence>),
    /// Nothing that can be told, or compared.
    Unknown,
}

impl<T: PartialEq> Now<T> {
    /// Whether `then` holds, of which the evidence was `old`; `again` makes an observation of something else.
    fn held(self, then: &T, old: Option<&Evidence>, again: impl FnOnce(T) -> Observation) -> Held {
        match self {
            Self::Same => Held::Yes,
            Self::Is(found, fresh) if found == *then => {
                if fresh.as_ref() == old {
                    Held::Yes
                } else {
                    Held::Renewed(fresh)
                }
            }
            Self::Is(found, fresh) => Held::Other(Box::new(again(found)), fresh),
            Self::Unknown => Held::No,
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
            Some(groups) => Held::compare(observation, Observation::TimeOrder { groups }),
            None => Held::No,
        },
        Observation::Around { written, older, same, newer } => {
            Held::when(times::around_holds(written, [older, same, newer], present.places))
        }
        Observation::Upward { name, found } => {
            Held::when(upward::holds(name, found.as_ref(), present.places))
        }
        Observation::Unset { names } => {
            Held::when(parts::set_of(&names.apart(), present.environment).is_none())
        }
        Observation::Exists { path } => Held::when(fs::symlink_metadata(resolve(path)).is_ok()),
        Observation::Settled { states } => Held::when(parts::settled_holds(states, present.places)),
        Observation::UmaskAtLeast(mask) => Held::when((present.umask)() & mask == *mask),
        Observation::Search { path, programs, moved } => {
            let found = search::Found { path, programs, moved: *moved };
            Held::when(found.holds(present.environment, present.places))
        }
        _ => again(observation, present).map_or(Held::No, |now| Held::compare(observation, now)),
    }
}

/// The same observation made now, for what takes one look that is quick; `None` where that is not so, or nothing is found.
fn again(then: &Observation, present: &Present<'_>) -> Option<Observation> {
    Some(match then {
        Observation::Modified { path, follow, .. } => {
            let now = Evidence::of(&stat(&present.places.resolve(path), *follow).ok()?);
            let (path, follow) = (path.clone(), *follow);
            Observation::Modified { path, follow, time: now.modified, changed: now.changed }
        }
        Observation::Variable { name, .. } => {
            let value = lookup(present.environment, OsStr::from_bytes(name));
            let value = value.map(|now| variable_digest_by(name, now.as_bytes(), present.secret));
            Observation::Variable { name: name.clone(), value }
        }
        Observation::Environment { .. } => {
            Observation::Environment { digest: environment_digest(present.environment, &(present.secret)()) }
        }
        Observation::Umask(_) => Observation::Umask((present.umask)()),
        Observation::Superuser(_) => Observation::Superuser(present.superuser),
        Observation::Root(_) => Observation::Root(present.places.root.as_os_str().as_bytes().to_vec()),
        Observation::RootName(_) => Observation::RootName(present.places.root_name().to_vec()),
        _ => return None,
    })
}

/// The entries of a directory that a listing of it is about.
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

/// Whether the observation is of a path that was found through HOME.
fn is_below_home(observation: &Observation) -> bool {
    matches!(observation, Observation::State { path, state: FileState::Absent, .. } if path.base() == Base::Home)
}

/// Whether what `path` leads to has this evidence.
fn is_same(path: &Path, evidence: Option<&Evidence>) -> bool {
    evidence.is_some_and(|then| fs::metadata(path).is_ok_and(|now| Evidence::of(&now) == *then))
}

/// The content of a file.
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

/// What is found at a path, told in the way of `expected`.
fn state_now(
    path: &Path,
    follow: bool,
    expected: &FileState,
    evidence: Option<&Evidence>,
    now: Timestamp,
) -> Now<FileState> {
    let metadata = stat(path, follow);
    // Of what is absent evidence, if there is any, is that of the directory, and known by whoever took it.
    // What the run may do there is not the same for others; what the umask leaves, not under another one.
    let asks_anew = |metadata: &Metadata| {
        let rule = expected.mode_rule();
        (rule.asked != 0 || rule.fresh) && !rights::hold(expected, metadata, path)
    };
    if let (Some(evidence), Ok(metadata)) = (evidence, &metadata)
        && *expected != FileState::Absent
        && Evidence::of(metadata) == *evidence
        && !asks_anew(metadata)
    {
        return Now::Same;
    }
    // What was digested once is digested again, however large it is; what was not is not, however small.
    let largest = match expected {
        FileState::File { .. } => u64::MAX,
        FileState::LargeFile { .. } => 0,
        // A file needs no reading where something else was.
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
        Some(seen) if found.mode().is_some() => rights::told_of(path, &seen, found, rule),
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

/// Whether what is at `path` itself, links not followed, is in the state `expected`.
#[must_use]
pub fn is_in_state(path: &Path, expected: &FileState) -> bool {
    // A file of another mode needs no reading.
    if let FileState::File { .. } = expected
        && !stat(path, false).is_ok_and(|now| now.is_file() && rights::hold(expected, &now, path))
    {
        return false;
    }
    matches!(state_now(path, false, expected, None, Timestamp::now()), Now::Is(found, _) if found == *expected)
}

#[cfg(test)]
mod tests;
