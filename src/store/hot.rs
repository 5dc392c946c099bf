//! Hot entries: built from the database, and updated by hits and runs.

use super::candidate::{MOST_CANDIDATES, fitted};
use super::index::{Brief, Index};
use super::local::LocalStore;
use super::lock;
use super::recall::{INLINE, LARGEST_TREE, read_hot};
use super::{Candidate, Draft, Entry};
use crate::digest::{BlobId, CommitId, Key};
use crate::encode::Decode;
use crate::error::{Error, Result};
use crate::record::{Commit, OutputTree};
use std::fs::File;

impl LocalStore {
    /// Builds the entry of a key from the database. Also writes the hot entry, unless another process is recording under the key.
    pub(super) fn rebuild(&self, key: &Key) -> Result<Entry> {
        // A cheap query first: in most cases there is no result.
        if !self.read_index(|index| index.has_replayable(key))? {
            return Ok(Entry { is_whole: true, ..Entry::default() });
        }
        let read = || {
            let mut entry = self.read_index(|index| entry_rows(index, key)).map(|rows| self.entry(rows))?;
            self.fill_strict(&mut entry.results)?;
            Ok(entry)
        };
        let Ok(Some(claim)) = lock::try_claim(&self.layout().lock(&key.0.to_hex())) else {
            return read();
        };
        let Ok(_shared) = self.blobs.lock.shared() else {
            return read();
        };
        // Read with the locks held, so that the written entry is not older than the database.
        let mut entry = self.with_index(|index| entry_rows(index, key)).map(|rows| self.entry(rows))?;
        self.fill_strict(&mut entry.results)?;
        // A store that cannot be written has no hot entry. The result is returned all the same.
        let _ = self.write_hot_as_known(key, &mut entry, Some(&claim));
        Ok(entry)
    }

    pub(super) fn entry(&self, rows: Rows) -> Entry {
        let candidates =
            rows.newest.into_iter().filter_map(|(brief, commit)| self.candidate(brief.id, commit));
        let candidates: Vec<Candidate> = candidates.collect();
        let is_whole = candidates.len() == rows.count;
        let mut entry = Entry::of(candidates, is_whole);
        for (_, commit) in rows.sets {
            entry.add_questions(commit);
        }
        entry
    }

    /// A candidate without evidence; `None` where the tree of its outputs is missing or damaged.
    pub(super) fn candidate(&self, id: CommitId, commit: Commit) -> Option<Candidate> {
        let outputs = match commit.outputs {
            None => None,
            Some(content) => {
                let bytes = self.blobs.read_small(&content.blob, content.size.min(LARGEST_TREE)).ok()??;
                Some(OutputTree::from_bytes(&bytes).ok()?)
            }
        };
        let inline = self.inline_of(&commit);
        let evidence = fitted(Vec::new(), commit.observations.len());
        let entries = outputs.as_ref().map_or(0, |tree| tree.entries().len());
        let output_evidence = fitted(Vec::new(), entries);
        let (irrelevant_env, strict) = Default::default();
        Some(Candidate { id, commit, evidence, outputs, output_evidence, irrelevant_env, inline, strict })
    }

    /// The streams that are small enough to be stored in the hot entry.
    fn inline_of(&self, commit: &Commit) -> Vec<(BlobId, Vec<u8>)> {
        let mut blobs: Vec<BlobId> = Vec::new();
        for content in [commit.stdout, commit.stderr] {
            if content.size <= INLINE && !blobs.contains(&content.blob) {
                blobs.push(content.blob);
            }
        }
        let read = |blob| Some((blob, self.blobs.read_small(&blob, INLINE).ok()??));
        blobs.into_iter().filter_map(read).collect()
    }

    pub(super) fn write_hot_after(
        &self,
        key: &Key,
        (commit, id): (Commit, CommitId),
        draft: &Draft,
        mut entry: Entry,
        lock: Option<&File>,
    ) -> Result<()> {
        let entries = draft.outputs.as_ref().map_or(0, |tree| tree.entries().len());
        let new = Candidate {
            id,
            inline: self.inline_of(&commit),
            evidence: fitted(draft.evidence.clone(), commit.observations.len()),
            outputs: draft.outputs.clone(),
            output_evidence: fitted(draft.output_evidence.clone(), entries),
            irrelevant_env: Vec::new(),
            strict: Vec::new(),
            commit,
        };
        entry.add(new, 0);
        self.write_hot_as_known(key, &mut entry, lock)
    }

    /// Changes an existing hot entry. Writes it if `change` returns true and no other process is recording under the key.
    pub(super) fn change_hot(&self, key: &Key, change: impl FnOnce(&mut Entry) -> bool) -> Result<()> {
        self.ready()?;
        let path = self.layout().lock(&key.0.to_hex());
        let claim = lock::try_claim(&path).map_err(|source| Error::io("lock", &path, source))?;
        let Some(claim) = claim else {
            return Ok(());
        };
        let _shared = self.blobs.lock.shared()?;
        let Some(mut entry) = read_hot(self.layout(), key) else {
            return Ok(());
        };
        if change(&mut entry) { self.write_hot_as_known(key, &mut entry, Some(&claim)) } else { Ok(()) }
    }
}

/// The rows of a key in the database.
#[derive(Default)]
pub(super) struct Rows {
    /// The newest results, newest first.
    newest: Vec<(Brief, Commit)>,
    /// The newest result of each question set, where `newest` does not contain all results.
    sets: Vec<(Brief, Commit)>,
    /// The number of results, counted up to a limit.
    count: usize,
}

pub(super) fn entry_rows(index: &Index, key: &Key) -> Result<Rows> {
    let most = MOST_CANDIDATES.saturating_add(1);
    let (newest, count) = (index.replayable(key, MOST_CANDIDATES)?, index.count_replayable(key, most)?);
    let sets = if count == most { index.newest_of_sets(key, MOST_CANDIDATES)? } else { Vec::new() };
    Ok(Rows { newest, sets, count })
}
