//! Read access to the history in a store, for the commands that list, show and compare.

use super::index::{Brief, Filter, Listed, Missed, State};
use super::local::LocalStore;
use super::recall::LARGEST_TREE;
use crate::digest::{CommitId, Digest, LineageId, Prefix};
use crate::encode::Decode;
use crate::error::Result;
use crate::record::{Commit, OutputTree, Timestamp};
use std::vec;

/// Maximum number of commits listed for an ambiguous prefix.
const MOST_MATCHES: usize = 16;

/// Number of commits per page.
const PAGE: usize = 64;

/// Size of the first page: about one screen.
const FIRST_PAGE: usize = 20;

/// A commit with what the store knows about it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its sequence number, from 1.
    pub sequence: u64,
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: Commit,
    /// Its encoded manifest.
    pub manifest: Vec<u8>,
    /// Its tags, sorted by name.
    pub tags: Vec<(String, String)>,
    /// Number of calls that it answered.
    pub hits: u64,
    /// Time of the last hit, or of the start if there was none.
    pub last_used: Timestamp,
    /// Whether its blobs were dropped to save space.
    pub evicted: bool,
    /// Whether one of its blobs was found damaged, so that it answers no more calls.
    pub distrusted: bool,
    /// Bytes that the run produced.
    pub size: u64,
}

/// What a hash prefix resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// No commit.
    None,
    /// One commit.
    One(CommitId),
    /// Several commits; at most sixteen are listed, in the order of their hashes.
    Many(Vec<CommitId>),
}

/// Statistics over the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits in the history.
    pub commits: u64,
    /// Commits that may answer a call.
    pub results: u64,
    /// Blobs on disk, at the last count.
    pub blobs: u64,
    /// Bytes that all runs in the history produced.
    pub bytes: u64,
    /// Bytes that these take after compression and deduplication, at the last count.
    pub stored_bytes: u64,
    /// Calls that were answered.
    pub hits: u64,
    /// Calls that ran a command: recorded, not cached, or bypassed.
    pub misses: u64,
    /// Time saved by hits: the sum of the recorded durations, in nanoseconds.
    pub saved: u64,
}

/// The commits that match a filter, newest first, read a page at a time.
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
    /// The commits that match `filter`, newest first.
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

    /// Resolves a hash prefix.
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

    /// The commit that has `n` newer ones: 0 is the newest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn nth_newest(&self, n: u64) -> Result<Option<CommitId>> {
        self.read_index(|index| index.nth_newest(n))
    }

    /// All commits of a lineage, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn lineage(&self, lineage: &LineageId) -> Result<Vec<Row>> {
        self.log(Filter { lineage: Some(*lineage), ..Filter::default() }).collect()
    }

    /// The outputs of a run; `None` where it has none or they were dropped.
    ///
    /// # Errors
    /// [`crate::error::Kind::Damaged`] when the tree is missing or damaged.
    pub fn output_tree(&self, commit: &Commit) -> Result<Option<OutputTree>> {
        let Some(content) = commit.outputs else {
            return Ok(None);
        };
        let bytes = self.blobs.read_small(&content.blob, content.size.min(LARGEST_TREE))?;
        let tree = bytes.and_then(|bytes| OutputTree::from_bytes(&bytes).ok());
        tree.map(Some).ok_or_else(|| {
            let words = format!("blob {} is not a valid list of outputs", content.blob.short());
            crate::error::Error::damaged(words)
        })
    }

    /// The commits that produced bytes of this digest, newest first, with the path; the path of stdout is empty.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn producers(&self, product: &Digest) -> Result<Vec<(CommitId, Vec<u8>)>> {
        self.read_index(|index| index.producers(product))
    }

    /// The commits that consumed a product of this digest, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn consumers(&self, product: &Digest) -> Result<Vec<CommitId>> {
        self.read_index(|index| index.consumers(product))
    }

    /// Sets a tag; returns whether the commit exists.
    ///
    /// # Errors
    /// When writing to the store fails.
    pub fn tag(&self, id: &CommitId, name: &str, value: &str) -> Result<bool> {
        self.write_index(|index| index.tag(id, name, value))
    }

    /// The tags of a commit, sorted by name; none where there is no such commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn tags(&self, id: &CommitId) -> Result<Vec<(String, String)>> {
        self.read_index(|index| index.tags_of(id))
    }

    /// Sets several tags; returns whether the commit exists.
    ///
    /// # Errors
    /// When writing to the store fails.
    pub fn tag_all(&self, id: &CommitId, tags: &[(String, String)]) -> Result<bool> {
        self.write_index(|index| index.tag_all(id, tags))
    }

    /// Removes a tag; returns whether it was set.
    ///
    /// # Errors
    /// When writing to the store fails.
    pub fn untag(&self, id: &CommitId, name: &str) -> Result<bool> {
        self.write_index(|index| index.untag(id, name))
    }

    /// Runs whose result was not cached, grouped by reason, detail and command; newest first. Events since the last
    /// [`LocalStore::fold`] are not included.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn missed(&self) -> Result<Vec<Missed>> {
        self.read_index(|index| index.missed())
    }

    /// Statistics over the whole store, from counters that are updated with every event. Every collection counts the blobs
    /// again. Events since the last [`LocalStore::fold`] are not included.
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
        // The first page is small, since most callers need few commits.
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
    let Brief { sequence, id, state, size, hits, used, .. } = brief;
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
    }
}
