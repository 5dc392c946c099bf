//! The set of commits, keys and blobs that must not be deleted: what the rows need, and what was added after they were read.
//!
//! Everything reachable is needed, starting from all rows and from the blobs that living processes have put in place and not
//! recorded yet.

use super::brief::{Held, Short};
use super::exclusive::ExclusiveStore;
use super::index::{Drift, Index};
use super::local::LocalStore;
use super::lock::ExclusiveGuard;
use super::pending::pending_of_all;
use crate::digest::{BlobId, CommitId, Key};
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// What must not be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Roots {
    /// Sorted, like the two fields after it.
    blobs: Vec<Short>,
    keys: Vec<Short>,
    sequences: Vec<i64>,
    /// What was added after the rows were read.
    late: HashSet<Short>,
    late_keys: HashSet<Short>,
    /// Sequence number of the last row that was read.
    after: i64,
    /// The counter of revived commits (commits that got their blobs back) when the rows were read.
    revived: i64,
    /// Device and inode of the database that was read.
    database: Option<(u64, u64)>,
    /// Correction of the database's totals.
    drift: Drift,
    /// Keep all blobs: which ones living processes need is unknown.
    all_blobs: bool,
}

impl Roots {
    pub(super) fn has(&self, blob: &BlobId) -> bool {
        let short = Short::of(blob);
        self.all_blobs || self.blobs.binary_search(&short).is_ok() || self.late.contains(&short)
    }

    pub(super) fn has_key(&self, key: &Key) -> bool {
        let short = Short::of_key(key);
        self.keys.binary_search(&short).is_ok() || self.late_keys.contains(&short)
    }

    /// Whether the commit with this number was already gone when the rows were read.
    pub(super) fn is_gone(&self, sequence: i64) -> bool {
        sequence <= self.after && self.sequences.binary_search(&sequence).is_err()
    }

    /// Whether they were read from this store's database.
    pub(super) fn are_of(&self, store: &LocalStore) -> bool {
        store.database_identity().is_ok_and(|found| found == self.database)
    }

    /// The numbers of the existing commits, and the highest number at the time of reading.
    pub(super) fn present(&self) -> (&[i64], i64) {
        (&self.sequences, self.after)
    }

    /// Notes that the totals were counted again.
    pub(super) fn totals_are_right(&mut self) {
        self.drift = Drift::default();
    }

    pub(super) const fn drift(&self) -> Drift {
        self.drift
    }

    /// Removes what only the commits that are `removed` or lose their blobs (`evicted`) need, given all commits in row order.
    pub(super) fn without(mut self, removed: &[CommitId], evicted: &[CommitId], commits: &[Held]) -> Self {
        let evicted: HashSet<_> = evicted.iter().collect();
        let mut removed = removed.iter().peekable();
        (self.blobs, self.keys, self.sequences) = (Vec::new(), Vec::new(), Vec::new());
        for commit in commits {
            if removed.next_if(|id| **id == commit.id).is_some() {
                continue;
            }
            self.keys.push(commit.key);
            self.sequences.push(commit.sequence);
            if !evicted.contains(&commit.id) {
                self.blobs.extend(&commit.blobs);
            }
        }
        self.sorted()
    }

    fn sorted(mut self) -> Self {
        for list in [&mut self.blobs, &mut self.keys] {
            list.sort_unstable();
            list.dedup();
        }
        // They are sorted already, unless the database is damaged.
        self.sequences.sort_unstable();
        self
    }
}

impl LocalStore {
    /// All commits in the form that planning needs, none of them exempt, and what they need. An error is never taken for an
    /// empty store.
    pub(super) fn survey(&self) -> Result<(Vec<Held>, Roots)> {
        let mut commits = Vec::new();
        let roots = self.survey_each(|commit| commits.push(commit))?;
        Ok((commits, roots))
    }

    fn survey_each(&self, mut each: impl FnMut(Held)) -> Result<Roots> {
        self.with_index(|index| {
            let mut roots = Roots { database: self.database_identity()?, ..Roots::default() };
            // Read first: a commit revived between the two reads is then read twice.
            roots.revived = index.revived()?;
            roots.drift = index.survey(|row| {
                let blobs = row.blobs.as_chunks().0.iter().map(Short::of_bytes).collect();
                roots.after = row.sequence;
                let (id, sequence, used) = (row.id, row.sequence, row.used);
                each(Held { id, key: Short::of_key(&row.key), sequence, used, keep: false, blobs });
            })?;
            Ok(roots)
        })
    }

    fn database_identity(&self) -> Result<Option<(u64, u64)>> {
        let path = self.layout().database();
        let metadata = fs::symlink_metadata(&path).map_err(|source| Error::io("inspect", &path, source))?;
        Ok(Some((metadata.dev(), metadata.ino())))
    }
}

impl ExclusiveStore<'_> {
    /// Everything that the rows need now.
    pub(super) fn roots(&self) -> Result<Roots> {
        let (mut blobs, mut keys, mut sequences) = (Vec::new(), Vec::new(), Vec::new());
        let roots = self.store.survey_each(|commit| {
            blobs.extend(commit.blobs);
            keys.push(commit.key);
            sequences.push(commit.sequence);
        })?;
        Ok(Roots { blobs, keys, sequences, ..roots }.sorted())
    }

    /// Which of `blobs` the rows need now; other blobs and keys are not included.
    pub(super) fn roots_among(&self, blobs: &HashSet<BlobId>) -> Result<Roots> {
        let wanted: HashSet<Short> = blobs.iter().map(Short::of).collect();
        let mut needed = Vec::new();
        let roots = self.store.survey_each(|commit| {
            needed.extend(commit.blobs.into_iter().filter(|blob| wanted.contains(blob)));
        })?;
        Ok(Roots { blobs: needed, ..roots }.sorted())
    }

    /// Adds what was recorded or put in place since; complete as long as the lock is held.
    pub(super) fn refresh(&self, roots: &mut Roots, proof: &ExclusiveGuard) -> Result<()> {
        if self.store.with_index(|index| index.revived())? != roots.revived {
            let (late, late_keys) = (std::mem::take(&mut roots.late), std::mem::take(&mut roots.late_keys));
            let all_blobs = roots.all_blobs;
            *roots = self.roots()?;
            (roots.late, roots.late_keys, roots.all_blobs) = (late, late_keys, all_blobs);
        }
        let after = roots.after;
        self.store.with_index(|index: &mut Index| {
            index.each_brief(after, |brief| {
                roots.late.extend(brief.blobs.iter().map(Short::of));
                roots.late_keys.insert(Short::of_key(&brief.key));
                roots.after = brief.sequence;
                roots.sequences.push(brief.sequence);
            })
        })?;
        let pending = pending_of_all(self.store.layout(), proof)?;
        roots.late.extend(pending.blobs.iter().map(Short::of));
        if let Some(list) = pending.unknown.filter(|_| !roots.all_blobs) {
            roots.all_blobs = true;
            let list = list.display();
            self.store
                .notice(format!("no blobs were dropped: {list} cannot be read and may list blobs in use"));
        }
        Ok(())
    }
}
