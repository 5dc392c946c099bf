//! The reading side of a store in a directory, for the commands that list, show and compare.
//!
//! Knows nothing of how things are shown.

use super::index::{Brief, Filter, Listed, Missed, State};
use super::local::LocalStore;
use super::recall::LARGEST_TREE;
use crate::digest::{CommitId, Digest, Key, LineageId, Prefix};
use crate::encode::Decode;
use crate::error::Result;
use crate::record::{Commit, OutputTree, Timestamp};
use std::vec;

/// Most commits that an ambiguous prefix is shown with.
const MOST_MATCHES: usize = 16;

/// How many commits are asked for at a time.
const PAGE: usize = 64;

/// How many are asked for first: as many as a screen holds.
const FIRST_PAGE: usize = 20;

/// A commit with what the store knows of it beside.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its place in the order of recording, from 1.
    pub sequence: u64,
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: Commit,
    /// Its encoded manifest.
    pub manifest: Vec<u8>,
    /// Its tags, sorted by name.
    pub tags: Vec<(String, String)>,
    /// How often it answered a call.
    pub hits: u64,
    /// When it last did, or else when it began.
    pub last_used: Timestamp,
    /// Whether its blobs were dropped to save room.
    pub evicted: bool,
    /// Whether a blob of it was found damaged, so that it answers no more calls.
    pub distrusted: bool,
    /// Bytes of all that the run produced.
    pub size: u64,
    /// Bytes that its blobs took on disk when it was recorded, shared ones included.
    pub stored_size: u64,
}

/// What the beginning of a hash stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// Nothing.
    None,
    /// One commit.
    One(CommitId),
    /// Several commits, of which the first sixteen by hash are given.
    Many(Vec<CommitId>),
}

/// Numbers over the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits in the history.
    pub commits: u64,
    /// Commits that may answer a call.
    pub results: u64,
    /// Blobs on disk, as last counted.
    pub blobs: u64,
    /// Bytes that all runs in the history produced.
    pub bytes: u64,
    /// Bytes that is after compression and deduplication, as last counted.
    pub stored_bytes: u64,
    /// Calls that were answered.
    pub hits: u64,
    /// Calls that ran a command: recorded, not kept, or bypassed.
    pub misses: u64,
    /// How long the answered commands had run when they were recorded, together, in nanoseconds.
    pub saved: u64,
}

/// The commits that a filter lets through, newest first, asked for a page at a time.
#[derive(Debug)]
pub struct Log<'a> {
    store: &'a LocalStore,
    filter: Filter,
    before: i64,
    page: vec::IntoIter<Listed>,
    page_size: usize,
    ended: bool,
}

impl LocalStore {
    /// The commits that `filter` lets through, newest first.
    pub fn log(&self, filter: Filter) -> Log<'_> {
        let page = Vec::new().into_iter();
        Log { store: self, filter, before: i64::MAX, page, page_size: FIRST_PAGE, ended: false }
    }

    /// One commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn row(&self, id: &CommitId) -> Result<Option<Row>> {
        Ok(self.read_index(|index| index.commit(id))?.map(row))
    }

    /// What the beginning of a hash stands for.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn resolve(&self, prefix: &Prefix) -> Result<Resolved> {
        let (low, high) = prefix.range();
        let found = self.read_index(|index| index.between(&low, &high, MOST_MATCHES))?;
        Ok(match found.as_slice() {
            [] => Resolved::None,
            [one] => Resolved::One(*one),
            _ => Resolved::Many(found),
        })
    }

    /// The commit that `n` newer ones follow: 0 is the newest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn nth_newest(&self, n: u64) -> Result<Option<CommitId>> {
        self.read_index(|index| index.nth_newest(n))
    }

    /// The newest commit of a lineage.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest_of(&self, lineage: &LineageId) -> Result<Option<CommitId>> {
        let found = self.read_index(|index| index.of_lineage(lineage, 1))?;
        Ok(found.first().map(|(brief, ..)| brief.id))
    }

    /// The newest commit that `wanted` says yes to.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn newest_where(&self, mut wanted: impl FnMut(&Commit) -> bool) -> Result<Option<CommitId>> {
        for row in self.log(Filter::default()) {
            let row = row?;
            if wanted(&row.commit) {
                return Ok(Some(row.id));
            }
        }
        Ok(None)
    }

    /// All commits of a lineage, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn lineage(&self, lineage: &LineageId) -> Result<Vec<Row>> {
        self.log(Filter { lineage: Some(*lineage), ..Filter::default() }).collect()
    }

    /// The encoded manifest of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn manifest(&self, key: &Key) -> Result<Option<Vec<u8>>> {
        self.read_index(|index| index.manifest(key))
    }

    /// What a run left behind; `None` where it left nothing or that was dropped.
    ///
    /// # Errors
    /// [`crate::error::Kind::Damaged`] when the tree is not there or not whole.
    pub fn output_tree(&self, commit: &Commit) -> Result<Option<OutputTree>> {
        let Some(content) = commit.outputs else {
            return Ok(None);
        };
        let bytes = self.blobs.read_small(&content.blob, content.size.min(LARGEST_TREE))?;
        let tree = bytes.and_then(|bytes| OutputTree::from_bytes(&bytes).ok());
        tree.map(Some).ok_or_else(|| {
            let words = format!("blob {} is not the tree of outputs that it should be", content.blob.short());
            crate::error::Error::damaged(words)
        })
    }

    /// The commits that produced bytes of this digest, newest first, and under which path; that of stdout is empty.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn producers(&self, product: &Digest) -> Result<Vec<(CommitId, Vec<u8>)>> {
        self.read_index(|index| index.producers(product))
    }

    /// The commits into which a product of this digest went, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn consumers(&self, product: &Digest) -> Result<Vec<CommitId>> {
        self.read_index(|index| index.consumers(product))
    }

    /// Sets a tag; tells whether there is such a commit.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn tag(&self, id: &CommitId, name: &str, value: &str) -> Result<bool> {
        self.write_index(|index| index.tag(id, name, value))
    }

    /// Takes a tag away; tells whether it was there.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn untag(&self, id: &CommitId, name: &str) -> Result<bool> {
        self.write_index(|index| index.untag(id, name))
    }

    /// Runs of which nothing was kept, together by reason, detail and command; newest first. What was noted since
    /// the last [`LocalStore::fold`] is not among them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn missed(&self) -> Result<Vec<Missed>> {
        self.read_index(|index| index.missed())
    }

    /// Numbers over the whole store, from counters that are kept as things happen. Blobs are counted anew by every
    /// collection. What was noted since the last [`LocalStore::fold`] is not in them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        let totals = self.read_index(|index| index.totals())?;
        Ok(Stats {
            commits: totals.commits,
            results: totals.results,
            blobs: totals.blobs,
            bytes: totals.bytes,
            stored_bytes: totals.stored,
            hits: totals.hits,
            misses: totals.recorded.saturating_add(totals.missed),
            saved: totals.saved,
        })
    }
}

impl Iterator for Log<'_> {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(listed) = self.page.next() {
            return Some(Ok(row(listed)));
        }
        if self.ended {
            return None;
        }
        let (before, size) = (self.before, self.page_size);
        let page = self.store.read_index(|index| index.list(&self.filter, before, size));
        // A first page is small, since many ask for few.
        self.page_size = PAGE;
        match page {
            Ok(page) => {
                self.ended = page.len() < size;
                self.before = page.last().map_or(before, |listed| listed.brief.sequence);
                self.page = page.into_iter();
                self.page.next().map(|listed| Ok(row(listed)))
            }
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

fn row(listed: Listed) -> Row {
    let Listed { brief, commit, manifest, tags } = listed;
    let Brief { sequence, id, state, size, stored, hits, used, .. } = brief;
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    Row {
        sequence: number(sequence),
        id,
        commit,
        manifest,
        tags,
        hits: number(hits),
        last_used: used,
        evicted: state.has(State::EVICTED),
        distrusted: state.has(State::DISTRUSTED),
        size: number(size),
        stored_size: number(stored),
    }
}
