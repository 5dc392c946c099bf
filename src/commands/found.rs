//! The store as commands read it: revisions become commits with all that is known of them.
//!
//! A store that is not there yet is an empty one.

pub mod measured;

use super::context::Context;
use super::revision::{self, Base, Revision};
use crate::digest::{BlobId, CommitId, Prefix};
use crate::encode::Decode;
use crate::error::{Error, Kind, Result};
use crate::hash::manifest::Manifest;
use crate::memo::{self, Event, Observer};
use crate::project::Project;
use crate::record::{Commit, Content, OutputTree, StoredPath, Timestamp};
use crate::store::{Active, BlobStore, Filter, LocalStore, Resolved, Row, Store, StoreOptions};
use crate::sweep::metrics::Rules;
use crate::ui::commits::{self, Entry};
use crate::ui::{escape, human, message, pieces, status};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

/// A commit with all that is known of it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: Commit,
    /// Its place in the order of recording.
    pub sequence: u64,
    /// What was known before the run, encoded.
    manifest: Vec<u8>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// How often it answered a call.
    pub hits: u64,
    /// When it was last made or used.
    pub last_used: Timestamp,
    /// Bytes of all that the run produced.
    pub bytes: u64,
    /// Whether its result was dropped to save room.
    pub evicted: bool,
    /// Whether its result was found damaged.
    pub distrusted: bool,
}

impl Found {
    /// What was known before the run; empty where that was written by another version.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        Manifest::from_bytes(&self.manifest).unwrap_or_default()
    }

    /// What lists tell of it.
    #[must_use]
    pub fn entry(&self) -> Entry<'_> {
        Entry {
            id: self.id,
            commit: &self.commit,
            tags: &self.tags,
            hits: self.hits,
            last_used: self.last_used,
            bytes: self.bytes,
            evicted: self.evicted,
            distrusted: self.distrusted,
        }
    }
}

impl From<Row> for Found {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            commit: row.commit,
            sequence: row.sequence,
            manifest: row.manifest,
            tags: row.tags,
            hits: row.hits,
            last_used: row.last_used,
            bytes: row.size,
            evicted: row.evicted,
            distrusted: row.distrusted,
        }
    }
}

/// Tells what was put right of what a killed call left.
struct PutRight;

impl Observer for PutRight {
    fn on(&self, event: &Event) {
        message::warning(&status::put_right(event));
    }
}

/// A store that is open, if there is one. When it is left, what was put right on the way is told.
#[derive(Debug)]
pub struct Opened {
    store: Option<LocalStore>,
    project: Project,
    silent: bool,
}

impl Drop for Opened {
    fn drop(&mut self) {
        for notice in self.store.iter().flat_map(LocalStore::notices).filter(|_| !self.silent) {
            message::warning(&notice);
        }
    }
}

impl Opened {
    /// Opens the store of the project, if there is one.
    ///
    /// # Errors
    /// A store that was named is not there; it belongs to another user, or is newer.
    pub fn open(context: &Context) -> Result<Self> {
        let project = context.project.clone();
        let store = match open(&project, false) {
            Ok(store) => {
                store.record_killed();
                memo::recover(store.workspace(), &PutRight);
                Some(store)
            }
            Err(error) if error.is_not_found() && !project.store_is_named => None,
            Err(error) => return Err(error),
        };
        Ok(Self { store, project, silent: false })
    }

    /// The same, but what was put right is not told.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Opens the store of the project, and makes it if there is none.
    ///
    /// # Errors
    /// It cannot be made; it belongs to another user, or is newer.
    pub fn create(context: &Context) -> Result<Self> {
        let project = context.project.clone();
        Ok(Self { store: Some(open(&project, true)?), project, silent: false })
    }

    /// The store, if there is one.
    #[must_use]
    pub const fn store(&self) -> Option<&LocalStore> {
        self.store.as_ref()
    }

    /// The store, for a command that cannot do without.
    ///
    /// # Errors
    /// There is none.
    pub fn must(&self) -> Result<&LocalStore> {
        self.store.as_ref().ok_or_else(|| {
            Error::new(Kind::NoSuchRevision, format!("there is no store at {}", self.project.store.display()))
                .with_hint("'cashet exec -- COMMAND' makes one")
        })
    }

    /// Takes in what hits have noted, so that numbers are right. A failure costs a number, never an answer.
    pub fn fold(&self) {
        if let Some(store) = &self.store {
            let _ = store.fold();
        }
    }

    /// Writes back what has become long, after a change.
    pub fn settle(&self) {
        if let Some(store) = &self.store {
            store.settle();
        }
    }

    /// The commits that `filter` lets through, newest first.
    pub fn log(&self, filter: Filter) -> impl Iterator<Item = Result<Found>> {
        self.store.iter().flat_map(move |store| store.log(filter.clone())).map(|row| row.map(Found::from))
    }

    /// The commits of the lineage of `newest`, from it back, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn lineage(&self, newest: &Found) -> Result<Vec<Found>> {
        let rows = self.must()?.lineage(&newest.commit.lineage)?;
        Ok(rows.into_iter().filter(|row| row.sequence <= newest.sequence).map(Found::from).collect())
    }

    /// One commit.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn commit(&self, id: &CommitId) -> Result<Option<Found>> {
        Ok(self.must()?.row(id)?.map(Found::from))
    }

    /// The active run that `words` name: the id that `top` shows, a recorded run of the same command line, or the words of
    /// the command, of which the last may be left out; without any, the one that is active. Of several, the newest.
    ///
    /// # Errors
    /// None is active, or none is like that.
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
    /// It is not a revision; no commit, or several, are meant.
    pub fn find(&self, typed: &OsStr) -> Result<Found> {
        self.found(&revision::parse(typed)?)
    }

    /// The commit that a revision names.
    ///
    /// # Errors
    /// No commit, or several, are meant.
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

    /// The commits of a function of this name, newest first: all of it, or what follows a `/` in it.
    pub fn of_function<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = Result<Found>> + 'a {
        let filter = Filter { function: Some(name.to_vec()), ..Filter::default() };
        let (whole, end) = (name.to_vec(), [b"/", name].concat());
        self.log(filter).filter(move |found| {
            found
                .as_ref()
                .map_or(true, |found| found.commit.function == whole || found.commit.function.ends_with(&end))
        })
    }

    /// Which metrics are wanted: what is given, or else what `[metrics]` of the settings says.
    ///
    /// # Errors
    /// Either is malformed.
    pub fn rules(&self, given: &[String]) -> Result<Rules> {
        if !given.is_empty() {
            return Rules::read(given.iter().map(|text| (None, text.as_str())));
        }
        let settings = self.project.settings()?;
        Rules::read(settings.metrics.iter().map(|(name, text)| (Some(name.as_str()), text.as_str())))
    }

    /// The newest commit with these words; of several places the one here counts first.
    fn newest_of(&self, store: &LocalStore, words: &[Vec<u8>]) -> Result<Option<CommitId>> {
        let here = self.project.places.store(&self.project.directory);
        let mut elsewhere = None;
        // A function's name is among the first words; the database can look for that without reading every commit.
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

    /// The outputs of a commit; an empty tree where it left none.
    ///
    /// # Errors
    /// They are damaged, or were dropped.
    pub fn outputs(&self, found: &Found) -> Result<OutputTree> {
        if found.evicted && found.commit.outputs.is_some() {
            return Err(evicted(found));
        }
        match &self.store {
            Some(store) => Ok(store.output_tree(&found.commit)?.unwrap_or_default()),
            None => Ok(OutputTree::default()),
        }
    }

    /// Names the pieces of a source that changed between two commits.
    pub fn pieces<'a>(
        &'a self,
        before: &'a Found,
        after: &'a Found,
    ) -> impl Fn(&StoredPath, &str) -> Vec<String> + 'a {
        let commits = (&before.commit, &after.commit);
        move |path, form| match &self.store {
            Some(store) => pieces::changed(store, commits, path, form),
            None => Vec::new(),
        }
    }

    /// Opens stored bytes after proving them.
    ///
    /// # Errors
    /// They are damaged or not there.
    pub fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>> {
        self.must()?.read(blob)
    }

    /// Stored bytes in memory; `None` where they are damaged or were dropped.
    #[must_use]
    pub fn content(&self, content: &Content) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read(&content.blob).ok()?.read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

fn open(project: &Project, create: bool) -> Result<LocalStore> {
    let options = StoreOptions { create, trust_owner: project.store_is_named, ..StoreOptions::default() };
    LocalStore::open(&project.store, &options)
}

/// How many candidates an ambiguous prefix is told with.
const MOST_TOLD: usize = 5;

/// That several commits are meant.
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

/// That the result of a commit was dropped.
#[must_use]
pub fn evicted(found: &Found) -> Error {
    Error::new(Kind::NoSuchRevision, format!("the result of {} was dropped to save room", found.id.short()))
        .with_hint("run the command again to have it back")
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

/// The fewest digits, at least twelve, that tell an id from the others.
fn shortest(id: &CommitId, ids: &[CommitId]) -> String {
    let hex = id.0.to_hex();
    let told = |length: usize| {
        let own = hex.get(..length);
        ids.iter().filter(|other| other.0.to_hex().get(..length) == own).count() == 1
    };
    let length = (12..64).find(|length| told(*length)).unwrap_or(64);
    hex.get(..length).unwrap_or(&hex).to_owned()
}
