//! The results of a store in a directory.

use crate::digest::{CommitId, Digest, Key, LineageId};
use crate::error::Result;
use crate::record::Commit;
use crate::store::LocalStore;
use crate::store::candidate::{MOST_CANDIDATES, fitted};
use crate::store::index::State;
use crate::store::recall::read_hot;
use crate::store::{Candidate, Claim, Draft, Entry, Event, Facts, Foreign, Next, ResultIndex, events, flat};
use std::fs;

/// Number of commits of a function that are searched for the most similar one.
const NEAR: usize = 64;

impl ResultIndex for LocalStore {
    fn prepare(&self, next: Next) {
        // A missing database is created by the first write. Any other failure occurs again later, and is reported then.
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

    fn facts(&self, commit: &Commit) -> Result<Facts> {
        self.read_index(|index| index.facts(commit))
    }

    fn is_left(&self, function: &Digest, path: &[u8], content: &Digest) -> Result<bool> {
        self.read_index(|index| index.is_left(function, path, content))
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
        // The first of several equally similar ones is the newest.
        let nearest = others.into_iter().min_by_key(|(_, commit, _)| distance(&commit.words, words));
        Ok(nearest.map(|(_, commit, manifest)| (commit, manifest)))
    }

    fn recent(&self, lineage: &LineageId, most: usize) -> Result<Vec<(Commit, Vec<u8>)>> {
        let found = self.read_index(|index| index.of_lineage(lineage, most))?;
        Ok(found.into_iter().map(|(_, commit, manifest)| (commit, manifest)).collect())
    }

    fn commit(&self, claim: Claim, draft: Draft) -> Result<CommitId> {
        self.record(&claim, &draft)
    }

    fn admit(&self, foreign: Foreign) -> Result<()> {
        self.admit_one(foreign)
    }

    fn renew(&self, key: &Key, candidate: &Candidate) {
        // A failure costs time at the next hit.
        let _ = self.change_hot(key, |entry| {
            // A result that came from the database may be gone: this is checked again with the lock held.
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
        // Rows are deleted before their blobs. Where the row cannot be read, the blob counts as damaged.
        let state = self.read_index(|index| index.state_of(commit));
        if state.is_ok_and(|state| state.is_none_or(|state| state.has(State::EVICTED))) {
            return false;
        }
        if self.ready().is_ok() {
            // In a store that cannot be written, the damage will be found again.
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
            // A hit has read an entry in the format of this version.
            Event::Hit { .. } => true,
            Event::Missed { .. } => self.ready().is_ok(),
        };
        if may {
            events::note(self.layout(), event);
        }
    }
}

/// Number of words in which two command lines differ.
fn distance(left: &[Vec<u8>], right: &[Vec<u8>]) -> usize {
    let different = left.iter().zip(right).filter(|(left, right)| left != right).count();
    different.saturating_add(left.len().abs_diff(right.len()))
}
