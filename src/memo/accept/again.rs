//! The question of an observation asked again, and its present answer.

use crate::digest::Digest;
use crate::error::Result;
use crate::hash::environment::{self, environment_digest};
use crate::hash::holds::{Present, Validity, holds};
use crate::hash::look;
use crate::hash::{search, upward};
use crate::memo::observe::times_again;
use crate::record::{BothEnds, Evidence, FileState, Names, Observation, StoredPath};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// An observation, and evidence that it holds, if any is trusted.
type Made = (Observation, Option<Evidence>);

/// The present observation in place of `then`; `None` where there cannot be one: standard input and other descriptors, use of the
/// network, and the place of the project where the result contains it.
pub(super) fn again(then: &Observation, present: &Present<'_>) -> Option<Made> {
    let resolve = |path: &StoredPath| present.places.resolve(path);
    let state = |path: &StoredPath, follow| {
        let (state, evidence) = look::state(&resolve(path), follow);
        (Observation::State { path: path.clone(), follow, state }, evidence)
    };
    // A path that can no longer be read or listed in the same way is observed by its present kind.
    let or_state = |path: &StoredPath,
                    made: Result<(Digest, Option<Evidence>)>,
                    with: &dyn Fn(Digest) -> Observation| {
        let read = made.map(|(digest, evidence)| (with(digest), evidence));
        Some(read.unwrap_or_else(|_| state(path, true)))
    };
    let alone = |observation| Some((observation, None));
    match then {
        Observation::Content { path, .. } => or_state(path, look::content(&resolve(path)), &|digest| {
            Observation::Content { path: path.clone(), digest }
        }),
        Observation::State { path, follow, .. } => Some(state(path, *follow)),
        Observation::Exists { path } => Some(state(path, false)),
        Observation::Listing { path, everything, .. } => {
            let everything = *everything;
            or_state(path, look::listing(&resolve(path), everything), &|digest| Observation::Listing {
                path: path.clone(),
                everything,
                digest,
            })
        }
        Observation::Importable { path, names, .. } => {
            or_state(path, look::importable(&resolve(path), &names.apart()), &|digest| {
                Observation::Importable { path: path.clone(), names: names.clone(), digest }
            })
        }
        Observation::Modules { path, .. } => or_state(path, look::modules(&resolve(path)), &|digest| {
            Observation::Modules { path: path.clone(), digest }
        }),
        Observation::Distributions { path, .. } => {
            or_state(path, look::distributions(&resolve(path)), &|digest| Observation::Distributions {
                path: path.clone(),
                digest,
            })
        }
        Observation::Entries { path, aside, .. } => {
            or_state(path, look::listed(&resolve(path), &aside.apart()), &|digest| Observation::Entries {
                path: path.clone(),
                aside: aside.clone(),
                digest,
            })
        }
        Observation::Index { path, .. } => Some(match look::index(&resolve(path)) {
            Some((digest, evidence)) => (Observation::Index { path: path.clone(), digest }, evidence),
            None => state(path, true),
        }),
        Observation::Settled { states } => {
            let begun = |ends: &BothEnds| BothEnds {
                before: look::state(&resolve(&ends.path), false).0,
                ..ends.clone()
            };
            alone(Observation::Settled { states: states.iter().map(begun).collect() })
        }
        Observation::Modified { path, follow, .. } => {
            let at = resolve(path);
            let found = if *follow { fs::metadata(&at) } else { fs::symlink_metadata(&at) };
            match found {
                Ok(found) => {
                    let Evidence { modified, changed, .. } = Evidence::of(&found);
                    let (path, follow) = (path.clone(), *follow);
                    alone(Observation::Modified { path, follow, time: modified, changed })
                }
                Err(_) => Some(state(path, *follow)),
            }
        }
        // Where the file is not there or is none, its state is what counts.
        Observation::Loader { path, .. } | Observation::Accounts { path, .. } => {
            or_state(path, look::content(&resolve(path)), &|digest| Observation::Content {
                path: path.clone(),
                digest,
            })
        }
        _ => of_surroundings(then, present),
    }
}

/// The same for observations that are not about a single path.
fn of_surroundings(then: &Observation, present: &Present<'_>) -> Option<Made> {
    let alone = |observation| Some((observation, None));
    match then {
        Observation::TimeOrder { .. } | Observation::Around { .. } => {
            alone(times_again(then, present.places)?)
        }
        Observation::Upward { name, .. } => {
            let found = upward::first(&present.places.root, name).ok()?;
            let found = found.map(|found| present.places.store(&found));
            alone(Observation::Upward { name: name.clone(), found })
        }
        Observation::Search { programs, moved, .. } => {
            let names: Vec<Vec<u8>> = programs.iter().map(|program| program.name.clone()).collect();
            alone(search::observe(&names, *moved, present.environment, present.places))
        }
        Observation::Variable { name, .. } => alone(variable(name, present)),
        Observation::Environment { .. } => alone(Observation::Environment {
            digest: environment_digest(present.environment, present.places, &(present.secret)()),
        }),
        Observation::Umask(_) => alone(Observation::Umask(present.circumstances.umask())),
        Observation::UmaskAtLeast(_) => alone(Observation::UmaskAtLeast(present.circumstances.umask())),
        Observation::Superuser(_) => alone(Observation::Superuser(present.circumstances.is_superuser())),
        Observation::User { .. } => alone(Observation::User { digest: present.circumstances.user() }),
        Observation::NotInHome { .. } => {
            (holds(then, None, present) == Validity::Valid).then(|| (then.clone(), None))
        }
        Observation::Unset { names } => {
            // Those that are still unset; which of the others are set is for their own observations to say.
            let unset = names.apart().into_iter().filter(|name| {
                let only = Observation::Unset { names: Names::of(std::slice::from_ref(name)) };
                holds(&only, None, present) == Validity::Valid
            });
            let unset: Vec<Vec<u8>> = unset.collect();
            let whole = names.apart().iter().all(|name| !name.ends_with(b"_") || unset.contains(name));
            whole.then(|| (Observation::Unset { names: Names::of(&unset) }, None))
        }
        _ => None,
    }
}

/// The present value of a variable.
pub(super) fn variable(name: &[u8], present: &Present<'_>) -> Observation {
    let value = environment::lookup(present.environment, OsStr::from_bytes(name));
    let value = value.map(|value| {
        environment::variable_digest(name, value.as_bytes(), present.places, &(present.secret)())
    });
    Observation::Variable { name: name.to_vec(), value }
}

/// The names of variables of which `then` says that they are not set, and that are set now.
pub(super) fn set_since(then: &Observation, present: &Present<'_>) -> Vec<Vec<u8>> {
    let Observation::Unset { names } = then else { return Vec::new() };
    let is_set = |name: &Vec<u8>| environment::lookup(present.environment, OsStr::from_bytes(name)).is_some();
    names.apart().into_iter().filter(is_set).collect()
}

/// Whether an observation is of a file that is there: what it holds, or that it is in some state.
pub(super) fn state_of(observation: &Observation) -> Option<(&StoredPath, &FileState)> {
    match observation {
        Observation::State { path, follow: false, state } => Some((path, state)),
        _ => None,
    }
}
