//! Records many runs in one transaction; used to move stores, and to build large ones for measurements.
//!
//! The order of writing is that of a single run: blobs in place, hot entries removed, commits in one transaction, hot
//! entries.

use super::flat::{self, Area};
use super::local::LocalStore;
use super::recording::{blobs_of, new_commit};
use super::{Draft, Entry};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};

impl LocalStore {
    /// Records runs in one transaction, all or none. No other process may use their keys meanwhile, and their blobs must be in
    /// place. Returns how many are new.
    ///
    /// # Errors
    /// When a draft's manifest does not match its key, a blob is missing, or writing to the store fails.
    pub fn record_all(&self, drafts: &[Draft]) -> Result<u64> {
        self.ready()?;
        let _shared = self.blobs.lock.shared()?;
        let mut commits = Vec::with_capacity(drafts.len());
        let mut all = Vec::new();
        for draft in drafts {
            if Digest::of(&draft.manifest) != draft.commit.key.0 {
                return Err(Error::new(Kind::Other, "a manifest is not that of its key"));
            }
            let blobs = blobs_of(&draft.commit, draft.outputs.as_ref());
            let stored = self.stored_size_of(&blobs)?;
            all.extend(blobs.iter().copied());
            flat::remove(self.layout(), Area::Keys, &draft.commit.key.0)?;
            self.note_facts(&draft.commit, draft.outputs.as_ref())?;
            commits.push(new_commit(draft, blobs, stored, (0, 0)));
        }
        all.sort_unstable();
        all.dedup();
        if let Some(last) = commits.last_mut() {
            last.added = self.blobs.added_by(&all);
        }
        let inserted = self.with_index(|index| index.insert(commits))?;
        self.blobs.settle(&all, 0);
        let mut new = 0;
        for (commit, id, is_new) in inserted {
            new += u64::from(is_new);
            let key = commit.key;
            if commit.is_replayable()
                && let Some(candidate) = self.candidate(id, commit)
            {
                // The key may have other results too.
                self.write_hot_as_known(&key, &mut Entry::of(vec![candidate], false), None)?;
            }
        }
        Ok(new)
    }
}
