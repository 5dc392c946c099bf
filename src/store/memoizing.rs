//! What running commands needs of a store in a directory: the `Store` trait.
//!
//! Order of writing: blobs in place; then the key's hot entry removed; then, in one transaction, the commit; then
//! its hot entry.

use super::blobs::is_empty;
use super::candidate::{MOST_CANDIDATES, fitted};
use super::index::{Brief, Index, NewCommit, Parent, State};
use super::local::LocalStore;
use super::lock::{self, Taken};
use super::recall::{INLINE, LARGEST_TREE, read_hot};
use super::{
    Active, BlobWriter, Candidate, Claim, Draft, Entry, Event, Facts, Foreign, Next, Running, Store, Waiting,
    events, flat,
};
use crate::digest::{BlobId, CommitId, Digest, Key, LineageId};
use crate::encode::{Decode, Encode};
use crate::error::{Error, Kind, Result};
use crate::record::{Commit, Content, OutputKind, OutputTree, Timestamp};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// How many commits of a function are looked through for the nearest.
const NEAR: usize = 64;

impl Store for LocalStore {
    fn prepare(&self, next: Next) {
        // One that is not there yet is made when something is written; whatever else fails will fail again, and be told.
        if fs::symlink_metadata(self.layout().database()).is_ok() && self.ready().is_ok() {
            let _ = self.with_index(|index| index.prepare(next));
        }
    }

    fn find(&self, key: &Key) -> Result<Vec<Candidate>> {
        let entry = self.look_up(key)?;
        let mut found = Vec::with_capacity(entry.results.len());
        for (place, known) in entry.results.iter().enumerate() {
            match entry.candidate(place) {
                Some(candidate) => found.push(candidate),
                None => found.extend(self.recorded(known)?),
            }
        }
        Ok(found)
    }

    fn look_up(&self, key: &Key) -> Result<Entry> {
        match read_hot(self.layout(), key) {
            Some(entry) => Ok(entry),
            None => self.rebuild(key),
        }
    }

    fn facts(&self, commit: &Commit) -> Result<Facts> {
        self.read_index(|index| index.facts(commit))
    }

    fn is_left(&self, function: &Digest, path: &[u8], content: &Digest) -> Result<bool> {
        self.read_index(|index| index.is_left(function, path, content))
    }

    fn recorded(&self, known: &Candidate) -> Result<Option<Candidate>> {
        let Some(listed) = self.read_index(|index| index.commit(&known.id))? else { return Ok(None) };
        let mut candidate = known.clone();
        candidate.commit = listed.commit;
        candidate.evidence = fitted(Vec::new(), candidate.commit.observations.len());
        Ok(Some(candidate))
    }

    fn answering(&self, key: &Key, asked: &Digest, answers: &Digest) -> Result<Vec<Candidate>> {
        let rows = self.read_index(|index| index.answering(key, (asked, answers), MOST_CANDIDATES))?;
        let candidates = rows.into_iter().filter_map(|(brief, commit)| self.candidate(brief.id, commit));
        let mut candidates: Vec<Candidate> = candidates.collect();
        self.fill_strict(&mut candidates)?;
        Ok(candidates)
    }

    fn nearest(
        &self,
        lineage: &LineageId,
        function: &Digest,
        words: &[Vec<u8>],
    ) -> Result<Option<(Commit, Vec<u8>)>> {
        let own = self.read_index(|index| index.of_lineage(lineage, 1))?;
        if let Some((_, commit, manifest)) = own.into_iter().next() {
            return Ok(Some((commit, manifest)));
        }
        let others = self.read_index(|index| index.of_function(function, NEAR))?;
        // Of equally near ones the first, which is the newest.
        let nearest = others.into_iter().min_by_key(|(_, commit, _)| distance(&commit.words, words));
        Ok(nearest.map(|(_, commit, manifest)| (commit, manifest)))
    }

    fn recent(&self, lineage: &LineageId, most: usize) -> Result<Vec<(Commit, Vec<u8>)>> {
        let found = self.read_index(|index| index.of_lineage(lineage, most))?;
        Ok(found.into_iter().map(|(_, commit, manifest)| (commit, manifest)).collect())
    }

    fn claim(&self, key: &Key, waiting: &mut dyn FnMut()) -> Result<Claim> {
        let mut is_first = true;
        let claim = self.claim_while(key, &mut |_| {
            if !std::mem::take(&mut is_first) {
                waiting();
            }
            true
        })?;
        Ok(claim.unwrap_or_else(|| Claim::new(*key, None, true)))
    }

    fn claim_while(&self, key: &Key, waits: &mut dyn FnMut(Option<u32>) -> bool) -> Result<Option<Claim>> {
        let claimed = match self.ready() {
            Ok(()) => lock::claim(self.layout(), key, waits)?,
            Err(error) if error.os_error().is_some_and(lock::cannot_write) => lock::Claimed::Unwritable,
            Err(error) => return Err(error),
        };
        Ok(match claimed {
            lock::Claimed::Taken(Taken { file, waited, abandoned }) => {
                Some(Claim { key: *key, lock: Some(file), waited, abandoned })
            }
            lock::Claimed::Unwritable => Some(Claim::new(*key, None, false)),
            lock::Claimed::GivenUp => None,
        })
    }

    fn write(&self) -> Result<Box<dyn BlobWriter>> {
        self.ready()?;
        Ok(Box::new(self.blobs.write()))
    }

    fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>> {
        self.blobs.read(blob)
    }

    fn copy_to(&self, blob: &BlobId, to: &File) -> Result<bool> {
        self.blobs.copy_to(blob, to)
    }

    fn take_file(&self, file: &File, sought: &[u8]) -> Result<(Content, bool)> {
        self.ready()?;
        self.blobs.put_file(file, sought)
    }

    fn begin(&self, draft: &Draft) -> Option<Running> {
        self.mark_running(draft)
    }

    fn active(&self, key: &Key) -> Option<Active> {
        let of_key = self.all_active().into_iter().filter(|run| run.commit.key == *key);
        of_key.max_by_key(|run| run.commit.started)
    }

    fn wait(&self, key: &Key, since: Timestamp) -> Option<Waiting> {
        self.note_waiting(key, since)
    }

    fn commit(&self, claim: Claim, draft: Draft) -> Result<CommitId> {
        self.ready()?;
        check(&claim, &draft)?;
        let lock = claim.lock.as_ref();
        match self.commit_once(&draft, lock) {
            Err(error) if error.kind() == Kind::Damaged => {
                self.set_aside()?;
                self.commit_once(&draft, lock)
            }
            other => other,
        }
    }

    fn admit(&self, foreign: Foreign) -> Result<()> {
        self.admit_one(foreign)
    }

    fn has(&self, content: &Content) -> bool {
        is_empty(&content.blob) || self.size_of(&content.blob) == Some(content.size)
    }

    fn scratch(&self) -> Result<File> {
        self.ready()?;
        let directory = self.layout().temporary();
        tempfile::tempfile_in(&directory).map_err(|source| Error::io("write to", &directory, source))
    }

    fn renew(&self, key: &Key, candidate: &Candidate) {
        // Whatever goes wrong costs time at the next hit.
        let _ = self.change_hot(key, |entry| {
            // Of one that was found in the database it is asked again, with the lock held, whether it is still there.
            let is_there = entry.results.iter().any(|known| known.id == candidate.id)
                || self
                    .read_index(|index| index.state_of(&candidate.id))
                    .is_ok_and(|state| state == Some(State::REPLAYABLE));
            if is_there {
                entry.put_in(candidate.clone());
            }
            is_there
        });
    }

    fn distrust(&self, key: &Key, commit: &CommitId) -> bool {
        // Rows go before their blobs. Where the row cannot be asked, the blob may as well be damaged.
        let state = self.read_index(|index| index.state_of(commit));
        if state.is_ok_and(|state| state.is_none_or(|state| state.has(State::EVICTED))) {
            return false;
        }
        if self.ready().is_ok() {
            // Where the store cannot be written, the damage will be found again.
            let _ = (|| {
                let _shared = self.blobs.lock.shared()?;
                flat::remove(self.layout(), flat::Area::Keys, &key.0)?;
                self.with_index(|index| index.mark(&[*commit], State::DISTRUSTED))
            })();
        }
        true
    }

    fn note(&self, event: &Event) {
        let may = match event {
            // Whoever has a hit has read what an older or newer program could not have written.
            Event::Hit { .. } => true,
            Event::Missed { .. } => self.ready().is_ok(),
        };
        if may {
            events::note(self.layout(), event);
        }
    }

    fn directory(&self) -> &Path {
        self.layout().root()
    }
}

impl LocalStore {
    /// What is known of a key by the database, and its hot entry written anew, unless somebody is recording.
    fn rebuild(&self, key: &Key) -> Result<Entry> {
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

    fn entry(&self, rows: Rows) -> Entry {
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
        let (indifferent, strict) = Default::default();
        Some(Candidate { id, commit, evidence, outputs, output_evidence, indifferent, inline, strict })
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
            let new = NewCommit {
                commit: draft.commit.clone(),
                parent: Parent::Newest,
                manifest: &draft.manifest,
                tags: &draft.tags,
                products: products_of(&draft.commit, draft.outputs.as_ref()),
                consumed: &draft.consumed,
                size: produced_size(&draft.commit, draft.outputs.as_ref()),
                stored,
                added: self.blobs.added_by(&blobs),
                blobs: blobs.clone(),
            };
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
        self.blobs.settle(&blobs);
        if replayable {
            // The commit stands: a hot entry that cannot be written is made when it is next looked for.
            let before = before.or_else(|| older.map(|rows| self.entry(rows)));
            let before = before.unwrap_or_else(|| Entry { is_whole: true, ..Entry::default() });
            let _ = self.write_hot_after(&key, (commit, id), draft, before, lock);
        }
        drop(shared);
        Ok(id)
    }

    fn write_hot_after(
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
            indifferent: Vec::new(),
            strict: Vec::new(),
            commit,
        };
        entry.add(new, 0);
        self.write_hot_as_known(key, &mut entry, lock)
    }

    /// Changes a hot entry that is there, if `change` says that it did and nobody is recording under the key.
    fn change_hot(&self, key: &Key, change: impl FnOnce(&mut Entry) -> bool) -> Result<()> {
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

    /// What blobs take on disk together, each of which must be in place.
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

    /// Runs `run` on the database if it is open already or can be opened; for numbers nobody depends on.
    pub(super) fn ask<T>(&self, run: impl FnOnce(&mut Index) -> Result<T>) -> Option<T> {
        self.ready().ok()?;
        self.with_index(run).ok()
    }
}

/// What the database knows of a key.
#[derive(Default)]
struct Rows {
    /// Newest first.
    newest: Vec<(Brief, Commit)>,
    /// The newest of each set of questions, where there are more than those.
    sets: Vec<(Brief, Commit)>,
    /// How many there are; more are not counted.
    count: usize,
}

fn entry_rows(index: &Index, key: &Key) -> Result<Rows> {
    let most = MOST_CANDIDATES.saturating_add(1);
    let (newest, count) = (index.replayable(key, MOST_CANDIDATES)?, index.count_replayable(key, most)?);
    let sets = if count == most { index.newest_of_sets(key, MOST_CANDIDATES)? } else { Vec::new() };
    Ok(Rows { newest, sets, count })
}

/// Refuses a draft that contradicts itself: it could only be recorded under a wrong name.
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

/// Every blob that a commit needs, each once; the one of no bytes is always there.
pub(super) fn blobs_of(commit: &Commit, outputs: Option<&OutputTree>) -> Vec<BlobId> {
    let files = outputs.into_iter().flat_map(OutputTree::entries);
    let files = files.filter_map(|entry| entry.kind.stored()).map(|content| content.blob);
    let mut seen = HashSet::new();
    let all = commit.blobs().into_iter().chain(files);
    all.filter(|blob| !is_empty(blob) && seen.insert(*blob)).collect()
}

/// What a run produced: its stdout, under an empty path, and the files it left. What has no bytes is not a product:
/// everything empty would seem to come from it.
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

/// Bytes of all that a run produced.
pub(super) fn produced_size(commit: &Commit, outputs: Option<&OutputTree>) -> u64 {
    let files = outputs.map_or(0, OutputTree::total_bytes);
    commit.stdout.size.saturating_add(commit.stderr.size).saturating_add(files)
}

/// In how many places two command lines differ.
fn distance(left: &[Vec<u8>], right: &[Vec<u8>]) -> usize {
    let different = left.iter().zip(right).filter(|(left, right)| left != right).count();
    different.saturating_add(left.len().abs_diff(right.len()))
}
