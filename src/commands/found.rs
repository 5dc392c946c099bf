//! Access to the store for commands that read the history: revisions are resolved to commits.
//!
//! A missing store counts as an empty one.

pub mod measured;
mod naming;

use super::context::Context;
use crate::digest::{BlobId, CommitId};
use crate::encode::Decode;
use crate::error::{Error, Kind, Result};
use crate::hash::manifest::Manifest;
use crate::memo::{self, Event, Observer};
use crate::project::Project;
use crate::record::{Commit, Content, OutputTree, StoredPath, Timestamp};
use crate::store::{BlobStore, Filter, LocalStore, Row, Store, StoreOptions};
use crate::sweep::metrics::Rules;
use crate::ui::commits::Entry;
use crate::ui::{message, pieces, status};
use std::io::Read;

/// A commit with everything that the store knows about it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: Commit,
    /// Its number in the order of recording.
    pub sequence: u64,
    /// Its encoded manifest.
    manifest: Vec<u8>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Number of calls that it answered.
    pub hits: u64,
    /// Time of its last use.
    pub last_used: Timestamp,
    /// Bytes that the run produced.
    pub bytes: u64,
    /// Whether its result was dropped to save space.
    pub evicted: bool,
    /// Whether its result was found damaged.
    pub distrusted: bool,
}

impl Found {
    /// Its manifest; empty where another version wrote it.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        Manifest::from_bytes(&self.manifest).unwrap_or_default()
    }

    /// Its entry in lists.
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

/// Reports leftovers of killed calls that were cleaned up.
struct PutRight;

impl Observer for PutRight {
    fn on(&self, event: &Event) {
        message::warning(&status::put_right(event));
    }
}

/// An open store, if there is one. Dropping it prints notices about repairs.
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
    /// A store that was named does not exist; it belongs to another user, or is newer.
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

    /// Prints no notices about repairs.
    #[must_use]
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Opens the store of the project, and creates it if it does not exist.
    ///
    /// # Errors
    /// It cannot be created; it belongs to another user, or is newer.
    pub fn create(context: &Context) -> Result<Self> {
        let project = context.project.clone();
        Ok(Self { store: Some(open(&project, true)?), project, silent: false })
    }

    /// The store, if there is one.
    #[must_use]
    pub const fn store(&self) -> Option<&LocalStore> {
        self.store.as_ref()
    }

    /// The store, for a command that requires one.
    ///
    /// # Errors
    /// There is none.
    pub fn must(&self) -> Result<&LocalStore> {
        self.store.as_ref().ok_or_else(|| {
            Error::new(Kind::NoSuchRevision, format!("there is no store at {}", self.project.store.display()))
                .with_hint("'cashet exec -- COMMAND' makes one")
        })
    }

    /// Adds the log of hits to the statistics. A failure affects the statistics only.
    pub fn fold(&self) {
        if let Some(store) = &self.store {
            let _ = store.fold();
        }
    }

    /// Writes back long logs, after a change.
    pub fn settle(&self) {
        if let Some(store) = &self.store {
            store.settle();
        }
    }

    /// The commits that `filter` selects, newest first.
    pub fn log(&self, filter: Filter) -> impl Iterator<Item = Result<Found>> {
        self.store.iter().flat_map(move |store| store.log(filter.clone())).map(|row| row.map(Found::from))
    }

    /// The commits of the lineage of `newest`, newest first, starting with it.
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

    /// The commits of a function with this name, newest first: the full name, or the part after a `/`.
    pub fn of_function<'a>(&'a self, name: &[u8]) -> impl Iterator<Item = Result<Found>> + 'a {
        let filter = Filter { function: Some(name.to_vec()), ..Filter::default() };
        let (whole, end) = (name.to_vec(), [b"/", name].concat());
        self.log(filter).filter(move |found| {
            found
                .as_ref()
                .map_or(true, |found| found.commit.function == whole || found.commit.function.ends_with(&end))
        })
    }

    /// The rules for metrics: the given ones, or else those in `[metrics]` of the settings.
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

    /// The outputs of a commit; an empty tree where it has none.
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

    /// Opens a blob after verifying it.
    ///
    /// # Errors
    /// It is damaged or missing.
    pub fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>> {
        self.must()?.read(blob)
    }

    /// All bytes of a blob; `None` where it is damaged or was dropped.
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

/// The error for a commit whose result was dropped.
#[must_use]
pub fn evicted(found: &Found) -> Error {
    Error::new(Kind::NoSuchRevision, format!("the result of {} was dropped to save room", found.id.short()))
        .with_hint("run the command again to have it back")
}
