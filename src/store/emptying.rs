//! Deletes almost all commits: hot entries first, then all rows in one short transaction, whose space is released in steps.
//!
//! The order of deleting is the same everywhere: hot entry, row, blobs.

use super::exclusive::{Dropped, ExclusiveStore, OnProgress, Progress};
use super::flat::{self, Area};
use super::roots::Roots;
use super::sweep::hot_keys;
use super::walking::on_all_cores;
use crate::error::Result;
use std::time::{Duration, Instant};

/// Fewer commits than this are deleted one by one.
const WORTH_IT: usize = 64;

/// At least this many commits must be deleted for each one that stays.
const TO_ONE: usize = 8;

/// Maximum number of commits that are moved to new tables in one transaction.
const MOST_MOVED: usize = 500;

/// Maximum number of hot entries that are removed while the rows are deleted.
const MOST_ENTRIES: usize = 2000;

/// Time limit of one transaction.
const TRANSACTION: Duration = Duration::from_millis(35);

/// Number of detached rows dropped in the first step, and the minimum of every later one.
const FEWEST_ROWS: usize = 512;

/// Number of database pages released in the first step, and the minimum of every later one.
const FEWEST_PAGES: u32 = 64;

/// Whether it is faster to copy what stays than to delete what goes.
pub(super) fn is_almost_all(going: usize, roots: &Roots) -> bool {
    let staying = roots.present().0.len();
    going >= WORTH_IT.max(staying.saturating_mul(TO_ONE)) && staying <= MOST_MOVED
}

impl ExclusiveStore<'_> {
    /// Deletes `going`, which are all commits except those of `roots`. Returns what the rest needs, or `None` where only hot
    /// entries were deleted because more commits would stay than expected.
    pub(super) fn empty(
        &self,
        going: usize,
        mut roots: Roots,
        dropped: &mut Dropped,
        progress: OnProgress<'_>,
    ) -> Result<Option<Roots>> {
        let layout = self.store.layout();
        progress(Progress { step: "dropping hot entries", done: 0, total: 0 });
        self.drop_hot_keys(&mut roots)?;
        let (mut staying, mut attempts) = (None, 0);
        self.in_batches(|proof, _| {
            self.refresh(&mut roots, proof)?;
            if roots.present().0.len() > MOST_MOVED {
                return Ok(false);
            }
            // Includes entries of keys that stay: they may list commits that go. No process recreates one while the lock is held.
            let rest = hot_keys(layout, Some)?;
            let part = rest.get(..MOST_ENTRIES).unwrap_or(&rest);
            on_all_cores(part, |key| flat::remove(layout, Area::Keys, &key.0))?;
            attempts += 1;
            if part.len() < rest.len() {
                return Ok(attempts < 100);
            }
            let (stay, after) = roots.present();
            staying = self.store.with_index(|index| index.detach_tables(stay, after))?;
            Ok(false)
        })?;
        let Some(staying) = staying else { return Ok(None) };
        roots.totals_are_right();
        self.drop_detached(going as u64, dropped, progress)?;
        // The old rows of the commits that stay were dropped too.
        dropped.commits = dropped.commits.saturating_sub(staying);
        Ok(Some(roots))
    }

    /// Drops the tables that `detach_tables` left, if there are any.
    pub(super) fn drop_detached(
        &self,
        total: u64,
        dropped: &mut Dropped,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let mut size = FEWEST_ROWS;
        self.in_batches(|_proof, _| {
            let begun = Instant::now();
            let Some(commits) = self.store.with_index(|index| index.drop_detached(size))? else {
                return Ok(false);
            };
            size = next_size(size, begun.elapsed()).max(FEWEST_ROWS);
            dropped.commits += commits;
            progress(Progress { step: "dropping runs", done: dropped.commits, total });
            Ok(true)
        })
    }

    /// Returns free pages of the database to the file system.
    pub(super) fn shrink(&self) -> Result<()> {
        let mut size = FEWEST_PAGES;
        self.in_batches(|_proof, _| {
            let begun = Instant::now();
            let more = self.store.with_index(|index| index.shrink(size))?;
            let next = next_size(usize::try_from(size).unwrap_or(0), begun.elapsed());
            size = u32::try_from(next).unwrap_or(u32::MAX).max(FEWEST_PAGES);
            Ok(more)
        })
    }
}

/// The size of the next step, after one of `size` took this long.
fn next_size(size: usize, took: Duration) -> usize {
    match took {
        took if took > TRANSACTION => size / 2,
        took if took < TRANSACTION / 3 => size.saturating_mul(2),
        _ => size,
    }
}
