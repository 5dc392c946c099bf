//! Records a run.
//!
//! Order of writing: blobs in place; then the key's hot entry removed; then, in one transaction, the commit; then
//! its hot entry.

use super::blobs::is_empty;
use super::flat;
use super::hot::entry_rows;
use super::index::{NewCommit, Parent};
use super::local::LocalStore;
use super::recall::read_hot;
use super::{Claim, Draft, Entry};
use crate::digest::{BlobId, CommitId, Digest};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use crate::record::{Commit, OutputKind, OutputTree};
use std::collections::HashSet;
use std::fs::File;

impl LocalStore {
    /// Records a run under its claim. A damaged database is set aside, and the run is recorded in a new one.
    pub(super) fn record(&self, claim: &Claim, draft: &Draft) -> Result<CommitId> {
        self.ready()?;
        check(claim, draft)?;
        let lock = claim.lock.as_ref();
        match self.commit_once(draft, lock) {
            Err(error) if error.kind() == Kind::Damaged => {
                self.set_aside()?;
                self.commit_once(draft, lock)
            }
            other => other,
        }
    }

    pub(super) fn commit_once(&self, draft: &Draft, lock: Option<&File>) -> Result<CommitId> {
        let shared = self.blobs.lock.shared()?;
        let blobs = blobs_of(&draft.commit, draft.outputs.as_ref());
        let stored = self.stored_size_of(&blobs)?;
        let key = draft.commit.key;
        let replayable = draft.commit.is_replayable();
        let before = if replayable { read_hot(self.layout(), &key) } else { None };
        if replayable {
            flat::remove(self.layout(), flat::Area::Keys, &key.0)?;
        }
        self.note_facts(&draft.commit, draft.outputs.as_ref())?;
        let inserted = self.with_index(|index| {
            let new = new_commit(draft, blobs.clone(), stored, self.blobs.added_by(&blobs));
            let is_first = replayable && !index.has_replayable(&key)?;
            let older = match (&before, replayable && !is_first) {
                (None, true) => Some(entry_rows(index, &key)?),
                _ => None,
            };
            Ok((index.insert(vec![new])?, older))
        });
        let (inserted, older) = inserted?;
        let Some((commit, id, _)) = inserted.into_iter().next() else {
            return Err(Error::new(Kind::Other, "the run was not recorded"));
        };
        self.blobs.settle(&blobs, usize::from(lock.is_some()));
        if replayable {
            // The run is recorded. If the hot entry cannot be written, the next look-up builds it.
            let before = before.or_else(|| older.map(|rows| self.entry(rows)));
            let before = before.unwrap_or_else(|| Entry { is_whole: true, ..Entry::default() });
            let _ = self.write_hot_after(&key, (commit, id), draft, before, lock);
        }
        drop(shared);
        Ok(id)
    }

    /// The disk use of blobs, in bytes. Fails where one is not in place.
    pub(super) fn stored_size_of(&self, blobs: &[BlobId]) -> Result<u64> {
        let mut total: u64 = 0;
        for blob in blobs {
            let Some(size) = self.blobs.stored_size(blob) else {
                return Err(Error::new(Kind::Other, format!("blob {} is not in the store", blob.short())));
            };
            total = total.saturating_add(size);
        }
        Ok(total)
    }
}

/// The commit of a draft. Its blobs take `stored` bytes on disk; `added` is the number and size of those that are new.
pub(super) fn new_commit(draft: &Draft, blobs: Vec<BlobId>, stored: u64, added: (u64, u64)) -> NewCommit<'_> {
    NewCommit {
        commit: draft.commit.clone(),
        parent: Parent::Newest,
        manifest: &draft.manifest,
        tags: &draft.tags,
        blobs,
        products: products_of(&draft.commit, draft.outputs.as_ref()),
        consumed: &draft.consumed,
        size: produced_size(&draft.commit, draft.outputs.as_ref()),
        stored,
        added,
    }
}

/// Refuses a draft that contradicts itself or its claim: it would be recorded under a wrong key.
fn check(claim: &Claim, draft: &Draft) -> Result<()> {
    let wrong = |words: &str| Err(Error::new(Kind::Other, format!("the run cannot be recorded: {words}")));
    if claim.key != draft.commit.key {
        return wrong("its key is not the claimed one");
    }
    if claim.lock.is_none() {
        return wrong("the store cannot be written");
    }
    if Digest::of(&draft.manifest) != draft.commit.key.0 {
        return wrong("its manifest is not that of its key");
    }
    let tree = draft.outputs.as_ref().map(|tree| BlobId(Digest::of(&tree.to_bytes())));
    if tree != draft.commit.outputs.map(|content| content.blob) {
        return wrong("its outputs are not those of its tree");
    }
    Ok(())
}

/// Every blob that a commit needs, each once, except for the empty blob, which always exists.
pub(super) fn blobs_of(commit: &Commit, outputs: Option<&OutputTree>) -> Vec<BlobId> {
    let files = outputs.into_iter().flat_map(OutputTree::entries);
    let files = files.filter_map(|entry| entry.kind.stored()).map(|content| content.blob);
    let mut seen = HashSet::new();
    let all = commit.blobs().into_iter().chain(files);
    all.filter(|blob| !is_empty(blob) && seen.insert(*blob)).collect()
}

/// The products of a run by digest: its stdout, under an empty path, and the files that it left. Empty ones are omitted, since any
/// empty input would seem to come from the run.
pub(super) fn products_of(commit: &Commit, outputs: Option<&OutputTree>) -> Vec<(Digest, Vec<u8>)> {
    let mut products = vec![(commit.stdout.blob.0, Vec::new())];
    for entry in outputs.into_iter().flat_map(OutputTree::entries) {
        if let OutputKind::File { content, .. } = &entry.kind {
            products.push((content.blob.0, entry.path.clone()));
        }
    }
    products.retain(|(digest, _)| !is_empty(&BlobId(*digest)));
    products
}

/// Number of bytes that a run produced: both streams and all files.
pub(super) fn produced_size(commit: &Commit, outputs: Option<&OutputTree>) -> u64 {
    let files = outputs.map_or(0, OutputTree::total_bytes);
    commit.stdout.size.saturating_add(commit.stderr.size).saturating_add(files)
}
