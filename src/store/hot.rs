//! Hot entries, made from what the database knows of a key and changed when a hit or a run adds to it.

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
    /// What is known of a key by the database, and its hot entry written again, unless somebody is recording.
    pub(super) fn rebuild(&self, key: &Key) -> Result<Entry> {
        // Asked shortly first: most often there is none.
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
        // Read with the locks held, so that nothing older than what is there gets written.
        let mut entry = self.with_index(|index| entry_rows(index, key)).map(|rows| self.entry(rows))?;
        self.fill_strict(&mut entry.results)?;
        // A store that cannot be written has no hot entry, and the answer none the less.
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

    /// A candidate without evidence; `None` where the tree of its outputs cannot be had.
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

    /// The streams that are small enough to come along.
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

    /// Changes a hot entry that is there, if `change` says that it did and nobody is recording under the key.
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

/// What the database knows of a key.
#[derive(Default)]
pub(super) struct Rows {
    /// Newest first.
    newest: Vec<(Brief, Commit)>,
    /// The newest of each set of questions, where there are more than those.
    sets: Vec<(Brief, Commit)>,
    /// How many there are; more are not counted.
    count: usize,
}

pub(super) fn entry_rows(index: &Index, key: &Key) -> Result<Rows> {
    let most = MOST_CANDIDATES.saturating_add(1);
    let (newest, count) = (index.replayable(key, MOST_CANDIDATES)?, index.count_replayable(key, most)?);
    let sets = if count == most { index.newest_of_sets(key, MOST_CANDIDATES)? } else { Vec::new() };
    Ok(Rows { newest, sets, count })
}
