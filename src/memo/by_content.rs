//! Observations of large files by content: the store has size and time of those that a run only looked at, and another machine has
//! other times.

use crate::digest::{DIGEST_LENGTH, Digest};
use crate::hash::large::{self, Untold};
use crate::record::{Commit, FileState, Observation, Places, StoredPath};
use crate::remote::toolchain::Token;

/// The observations of a run for a shared cache. Large files are read, unless `token` stands for them or their digests are
/// remembered.
///
/// # Errors
/// Why the content of one of them cannot be told, in words.
pub(super) fn read(
    commit: &Commit,
    token: Option<&Token>,
    places: &Places,
) -> Result<Vec<Observation>, String> {
    told(commit, token, &|path, follow, state| {
        large::content(&places.resolve(path), follow, state, commit.started)
    })
}

/// The same without reading files: digests of large files are made up.
///
/// # Errors
/// Why the content of one of them could not be told, in words.
pub(super) fn expected(
    commit: &Commit,
    token: Option<&Token>,
    places: &Places,
) -> Result<Vec<Observation>, String> {
    told(commit, token, &|path, follow, state| {
        large::may_be_told(&places.resolve(path), follow, state, commit.started).map(|()| made_up())
    })
}

/// Questions of a set for a shared cache: they ask for the content of large files.
pub(super) fn asked(observations: &[Observation]) -> Vec<Observation> {
    observations.iter().map(|observation| with_digest(observation, |_, _, _| made_up())).collect()
}

fn told(
    commit: &Commit,
    token: Option<&Token>,
    content: &dyn Fn(&StoredPath, bool, &FileState) -> Result<Digest, Untold>,
) -> Result<Vec<Observation>, String> {
    let mut why = None;
    let mut tell = |path: &StoredPath, follow: bool, state: &FileState| {
        if why.is_some() || token.is_some_and(|token| token.covers(path)) {
            return made_up();
        }
        content(path, follow, state).unwrap_or_else(|untold| {
            why = Some(format!("of {} only size and time are known: {untold}", path.shown().display()));
            made_up()
        })
    };
    let observations =
        commit.observations.iter().map(|observation| with_digest(observation, &mut tell)).collect();
    why.map_or(Ok(observations), Err)
}

/// The observation with the digest that `content` gives, if it is one of the size and time of a file.
fn with_digest(
    observation: &Observation,
    content: impl FnOnce(&StoredPath, bool, &FileState) -> Digest,
) -> Observation {
    let Observation::State { path, follow, state } = observation else { return observation.clone() };
    if !matches!(state, FileState::LargeFile { .. }) {
        return observation.clone();
    }
    let digest = content(path, *follow, state);
    let state = FileState::File { mode: 0, digest }.with_mode_of(state);
    Observation::State { path: path.clone(), follow: *follow, state }
}

const fn made_up() -> Digest {
    Digest::from_bytes([0; DIGEST_LENGTH])
}
