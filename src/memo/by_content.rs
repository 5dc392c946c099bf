//! Large files in shared caches: their observations with a digest in place of size and time, which differ on other machines.

use crate::digest::{DIGEST_LENGTH, Digest};
use crate::hash::large::{self, Unavailable};
use crate::record::{Commit, FileState, Observation, Places, StoredPath, Timestamp};
use crate::remote::toolchain::Token;
use std::path::Path;

/// Stands for a digest where only the question counts.
const PLACEHOLDER: Digest = Digest::from_bytes([0; DIGEST_LENGTH]);

/// The observations of a run with the digests of large files. Reads these files, unless their digests are remembered. Files that
/// `token` covers get a placeholder.
///
/// # Errors
/// A message that names the file whose digest is unavailable, and why.
pub(super) fn read(
    commit: &Commit,
    token: Option<&Token>,
    places: &Places,
) -> Result<Vec<Observation>, String> {
    with_digests(commit, token, places, large::content)
}

/// The same observations with placeholders for digests: whether [`read`] is likely to succeed, without reading any file.
///
/// # Errors
/// Those of [`read`], as far as they are known before reading.
pub(super) fn check(
    commit: &Commit,
    token: Option<&Token>,
    places: &Places,
) -> Result<Vec<Observation>, String> {
    with_digests(commit, token, places, |path, follow, state, started| {
        large::check(path, follow, state, started).map(|()| PLACEHOLDER)
    })
}

/// The questions of a set for a shared cache, which ask for the content of large files.
pub(super) fn asked(observations: &[Observation]) -> Vec<Observation> {
    observations.iter().map(|observation| with_digest(observation, |_, _, _| PLACEHOLDER)).collect()
}

fn with_digests(
    commit: &Commit,
    token: Option<&Token>,
    places: &Places,
    content: impl Fn(&Path, bool, &FileState, Timestamp) -> Result<Digest, Unavailable>,
) -> Result<Vec<Observation>, String> {
    let mut failed = None;
    let mut digest = |path: &StoredPath, follow: bool, state: &FileState| {
        // The first failure decides: no further file is read.
        if failed.is_some() || token.is_some_and(|token| token.covers(path)) {
            return PLACEHOLDER;
        }
        content(&places.resolve(path), follow, state, commit.started).unwrap_or_else(|why| {
            failed = Some(format!("of {} only size and time are known: {why}", path.shown().display()));
            PLACEHOLDER
        })
    };
    let observations =
        commit.observations.iter().map(|observation| with_digest(observation, &mut digest)).collect();
    failed.map_or(Ok(observations), Err)
}

/// The observation with the digest that `content` returns, if it is one of the size and time of a file.
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
