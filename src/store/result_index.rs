//! The index of results: which recorded runs may answer a call, and how a new one is added.

use super::{Candidate, Claim, Draft, Entry, Event, Facts, Foreign};
use crate::digest::{CommitId, Digest, Key, LineageId};
use crate::error::{Error, Kind, Result};
use crate::record::{Commit, questions};

/// The next request to a store, as a hint for [`ResultIndex::prepare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A search for the commits of a key.
    Find,
    /// The recording of a run.
    Commit,
}

/// The results of a store.
pub trait ResultIndex: Sync {
    /// Prepares for the next request. Called on another thread, in parallel with work that does not use the store.
    fn prepare(&self, next: Next) {
        let _ = next;
    }

    /// The commits of `key` that may be replayed, newest first.
    ///
    /// # Errors
    /// When the store cannot be read. A damaged entry counts as missing and is not an error.
    fn find(&self, key: &Key) -> Result<Vec<Candidate>>;

    /// The entry of `key`: question sets and results. The default, for stores with few results per key, returns those of
    /// [`ResultIndex::find`].
    ///
    /// # Errors
    /// As [`ResultIndex::find`].
    fn look_up(&self, key: &Key) -> Result<Entry> {
        self.find(key).map(|candidates| Entry::of(candidates, true))
    }

    /// One of the results that [`ResultIndex::look_up`] found, with its observations; `None` if it is gone.
    ///
    /// # Errors
    /// As [`ResultIndex::find`].
    fn recorded(&self, known: &Candidate) -> Result<Option<Candidate>> {
        let found = self.find(&known.commit.key)?;
        Ok(found.into_iter().find(|candidate| candidate.id == known.id))
    }

    /// Results of `key` with these questions and answers, newest first, where [`ResultIndex::look_up`] did not return all.
    ///
    /// # Errors
    /// As [`ResultIndex::find`].
    fn answering(&self, key: &Key, asked: &Digest, answers: &Digest) -> Result<Vec<Candidate>> {
        let mut found = self.find(key)?;
        found.retain(|candidate| {
            let split = questions::split_all(&candidate.commit.observations, &candidate.commit.products);
            questions::digests(&split) == (*asked, *answers)
        });
        Ok(found)
    }

    /// What recorded runs of the key and of the function of `commit` did with paths. Missing facts make results less often usable.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn facts(&self, commit: &Commit) -> Result<Facts> {
        let _ = commit;
        Ok(Facts::default())
    }

    /// Whether a recorded run of `function` left a file of this content at `path`, relative to the root.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_left(&self, function: &Digest, path: &[u8], content: &Digest) -> Result<bool> {
        let _ = (function, path, content);
        Ok(false)
    }

    /// The newest commit of `lineage` with its manifest, then that of the same function (with the most similar words), for
    /// explaining a miss.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn nearest(
        &self,
        lineage: &LineageId,
        function: &Digest,
        words: &[Vec<u8>],
    ) -> Result<Option<(Commit, Vec<u8>)>>;

    /// The last runs of `lineage`, at most `most`, newest first, each with its manifest. Empty where the store does not know.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn recent(&self, lineage: &LineageId, most: usize) -> Result<Vec<(Commit, Vec<u8>)>> {
        let _ = (lineage, most);
        Ok(Vec::new())
    }

    /// Records a run. The blobs that the draft names must be in place.
    ///
    /// # Errors
    /// When writing to the store fails; then nothing of the draft is visible.
    fn commit(&self, claim: Claim, draft: Draft) -> Result<CommitId>;

    /// Adds a run that another machine recorded and whose blobs are in place. The default does nothing.
    ///
    /// # Errors
    /// When a blob is missing, the run contradicts itself, or the store cannot be written.
    fn admit(&self, foreign: Foreign) -> Result<()> {
        let _ = foreign;
        Err(Error::new(Kind::Other, "this store takes in no runs of other machines"))
    }

    /// Updates the stored evidence of a candidate.
    fn renew(&self, key: &Key, candidate: &Candidate);

    /// Excludes a commit from replay because one of its blobs is damaged. `false` where the commit does not exist any more or
    /// was evicted: then nothing is damaged.
    fn distrust(&self, key: &Key, commit: &CommitId) -> bool;

    /// Notes an event.
    fn note(&self, event: &Event);
}
