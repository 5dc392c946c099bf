//! Resolution of the words with which users name runs.

use super::measured;
use super::{Found, Opened};
use crate::commands::revision::{self, Base, Revision};
use crate::digest::{CommitId, Prefix};
use crate::error::{Error, Kind, Result};
use crate::record::Commit;
use crate::store::{Active, Filter, LocalStore, Resolved};
use crate::ui::commits;
use crate::ui::{escape, human};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

impl Opened {
    /// The active run that `words` name: the id that `top` shows, a recorded run of the same command line, or the words of
    /// the command, of which the last may be left out; without any, the one that is active. Of several, the newest.
    ///
    /// # Errors
    /// No run is active, or none matches.
    pub fn active(&self, words: &[OsString]) -> Result<Active> {
        let none = |hint: &str| Error::new(Kind::NoSuchRevision, "no such run is active").with_hint(hint);
        let mut runs = self.store.as_ref().map(LocalStore::all_active).unwrap_or_default();
        if runs.is_empty() {
            return Err(Error::new(Kind::NoSuchRevision, "no run is active in this store")
                .with_hint("'cashet get' writes what a run has written"));
        }
        runs.sort_by_key(|run| std::cmp::Reverse(run.commit.started));
        let typed = |words: &[Vec<u8>]| runs.iter().position(|run| begins_with(&run.commit, words));
        let place = match words {
            [] => Some(0),
            [word] => {
                let revision = revision::parse(word)?;
                let by_id = |prefix: &Prefix| runs.iter().position(|run| prefix.matches(&run.commit.id().0));
                match &revision.base {
                    Base::Newest(1) if revision.steps == 0 => Some(0),
                    Base::Command(words) => typed(words),
                    Base::Prefix(prefix) if by_id(prefix).is_some() => by_id(prefix),
                    _ => {
                        let lineage = self.found(&revision)?.commit.lineage;
                        runs.iter().position(|run| run.commit.lineage == lineage)
                    }
                }
            }
            words => typed(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>()),
        };
        let place = place.ok_or_else(|| none("'cashet top' lists those that are"))?;
        Ok(runs.swap_remove(place))
    }

    /// The commit that a revision, as typed, names.
    ///
    /// # Errors
    /// It is not a revision; it names no commit, or several.
    pub fn find(&self, typed: &OsStr) -> Result<Found> {
        self.found(&revision::parse(typed)?)
    }

    /// The commit that a revision names.
    ///
    /// # Errors
    /// It names no commit, or several.
    pub fn found(&self, revision: &Revision) -> Result<Found> {
        let none = || revision::none_such(revision);
        let store = self.store.as_ref().ok_or_else(none)?;
        let id = match &revision.base {
            Base::Newest(place) => store.nth_newest(place.saturating_sub(1))?,
            Base::Command(words) => self.newest_of(store, words)?,
            Base::Tag(name, value) => {
                let filter = Filter { tags: vec![(name.clone(), value.clone())], ..Filter::default() };
                store.log(filter).next().transpose()?.map(|row| row.id)
            }
            Base::Function(name, place) => {
                let skipped = usize::try_from(place.saturating_sub(1)).unwrap_or(usize::MAX);
                self.of_function(name).nth(skipped).transpose()?.map(|found| found.id)
            }
            Base::Best(key) => Some(measured::best_of_all(self, key)?.id),
            Base::Prefix(prefix) => match store.resolve(prefix)? {
                Resolved::None => None,
                Resolved::One(id) => Some(id),
                Resolved::Many(ids) => return Err(ambiguous(store, revision, &ids)),
            },
        };
        let mut row = store.row(&id.ok_or_else(none)?)?.ok_or_else(none)?;
        for step in 0..revision.steps {
            let parent = row.commit.parent.map(|parent| store.row(&parent)).transpose()?.flatten();
            row = parent.ok_or_else(|| {
                let known = human::count(step.saturating_add(1), "run");
                Error::new(
                    Kind::NoSuchRevision,
                    format!("there is no run '{}': its lineage has {known}", revision.typed),
                )
            })?;
        }
        Ok(row.into())
    }

    /// The newest commit with these words; one of the present directory takes precedence.
    fn newest_of(&self, store: &LocalStore, words: &[Vec<u8>]) -> Result<Option<CommitId>> {
        let here = self.project.places.store(&self.project.directory);
        let mut elsewhere = None;
        // The database can search for the function's name, which is among the first words, without reading every commit.
        for name in words.iter().take(4).filter(|name| !name.is_empty()) {
            let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
            let filter = Filter { function: Some(last.to_vec()), ..Filter::default() };
            for row in store.log(filter) {
                let row = row?;
                if !is_of(&row.commit, words) {
                    continue;
                }
                if row.commit.directory == here {
                    return Ok(Some(row.id));
                }
                elsewhere = elsewhere.or(Some(row.id));
            }
        }
        Ok(elsewhere)
    }
}

/// Maximum number of candidates that are listed for an ambiguous prefix.
const MOST_TOLD: usize = 5;

/// The error for an ambiguous prefix.
fn ambiguous(store: &LocalStore, revision: &Revision, ids: &[CommitId]) -> Error {
    let candidates = ids.iter().take(MOST_TOLD).map(|id| {
        let commit = store.row(id).ok().flatten().map(|row| row.commit);
        let about = commit.map(|commit| format!(" ({})", escape::cut(&commits::command(&commit), 30)));
        format!("{}{}", shortest(id, ids), about.unwrap_or_default())
    });
    let mut candidates: Vec<String> = candidates.collect();
    if ids.len() > MOST_TOLD {
        candidates.push("…".to_owned());
    }
    Error::new(Kind::NoSuchRevision, format!("'{}' is ambiguous", revision.typed))
        .with_hint(format!("it begins {}", candidates.join(", ")))
}

/// Whether the command of a commit begins with these words, as typed or from the name of its function on.
fn begins_with(commit: &Commit, words: &[Vec<u8>]) -> bool {
    let Some((name, rest)) = words.split_first() else { return false };
    let names = commit.function == *name || commit.function.ends_with(&[b"/", name.as_slice()].concat());
    commit.words.starts_with(words) || names && commits::arguments(commit).starts_with(rest)
}

/// Whether a commit ran these words: all of them as typed, or from the name of its function on.
fn is_of(commit: &Commit, words: &[Vec<u8>]) -> bool {
    if commit.words == words {
        return true;
    }
    let Some((name, rest)) = words.split_first() else { return false };
    let names = commit.function == *name || commit.function.ends_with(&[b"/", name.as_slice()].concat());
    names && commits::arguments(commit) == rest
}

/// The smallest number of digits, at least twelve, that distinguish an id from the others.
fn shortest(id: &CommitId, ids: &[CommitId]) -> String {
    let hex = id.0.to_hex();
    let told = |length: usize| {
        let own = hex.get(..length);
        ids.iter().filter(|other| other.0.to_hex().get(..length) == own).count() == 1
    };
    let length = (12..64).find(|length| told(*length)).unwrap_or(64);
    hex.get(..length).unwrap_or(&hex).to_owned()
}
