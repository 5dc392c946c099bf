//! Deleting almost everything: hot entries, then all rows in one short transaction, whose room is given back in steps.
//!
//! The order of deleting is that of everything else: hot entry, row, blobs.

use super::exclusive::{Dropped, ExclusiveStore, OnProgress, Progress};
use super::flat::{self, Area};
use super::roots::Roots;
use super::sweep::{hot_keys, on_all_cores};
use crate::error::Result;
use std::time::{Duration, Instant};

/// Fewer commits than this go one by one.
const WORTH_IT: usize = 64;

/// For each commit that stays so many have to go.
const TO_ONE: usize = 8;

/// More commits than this are not moved to new tables in one transaction.
const MOST_MOVED: usize = 500;

/// Hot entries that are removed, at most, in the moment in which the rows go.
const MOST_ENTRIES: usize = 2000;

/// How long one transaction may take.
const TRANSACTION: Duration = Duration::from_millis(35);

/// Rows that are taken apart in the first step, and in every one at least.
const FEWEST_ROWS: usize = 512;

/// Pages of the database that are given back in the first step, and in every one at least.
const FEWEST_PAGES: u32 = 64;

/// Whether it is quicker to take away what stays than what goes.
pub(super) fn is_almost_all(going: usize, roots: &Roots) -> bool {
    let staying = roots.present().0.len();
    going >= WORTH_IT.max(staying.saturating_mul(TO_ONE)) && staying <= MOST_MOVED
}

impl ExclusiveStore<'_> {
    /// Deletes `going` commits, which are all but those of `roots`; tells what the rest needs, or `None` where nothing was
    /// deleted but hot entries, since the rest is more than was thought.
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
            // Those of what stays too: they may answer with what goes. While the lock is held nobody makes one anew.
            let rest = hot_keys(layout, Some)?;
            let part = rest.get(..MOST_ENTRIES).unwrap_or(&rest);
            on_all_cores(part, |key| flat::remove(layout, Area::Keys, &key.0))?;
            attempts += 1;
            if part.len() < rest.len() {
                return Ok(attempts < 100);
            }
            let (stay, after) = roots.present();
            staying = self.store.with_index(|index| index.put_apart(stay, after))?;
            Ok(false)
        })?;
        let Some(staying) = staying else { return Ok(None) };
        roots.totals_are_right();
        self.take_apart(going as u64, dropped, progress)?;
        // Their old rows went too.
        dropped.commits = dropped.commits.saturating_sub(staying);
        Ok(Some(roots))
    }

    /// Takes apart what was put apart, if anything was.
    pub(super) fn take_apart(
        &self,
        total: u64,
        dropped: &mut Dropped,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let mut size = FEWEST_ROWS;
        self.in_batches(|_proof, _| {
            let begun = Instant::now();
            let Some(commits) = self.store.with_index(|index| index.take_apart(size))? else {
                return Ok(false);
            };
            size = next_size(size, begun.elapsed()).max(FEWEST_ROWS);
            dropped.commits += commits;
            progress(Progress { step: "dropping commits", done: dropped.commits, total });
            Ok(true)
        })
    }

    /// Gives free pages of the database back to the file system.
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

/// How much the next step does, after one of `size` took so long.
fn next_size(size: usize, took: Duration) -> usize {
    match took {
        took if took > TRANSACTION => size / 2,
        took if took < TRANSACTION / 3 => size.saturating_mul(2),
        _ => size,
    }
}
