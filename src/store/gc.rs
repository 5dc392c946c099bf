//! Collection: plan, show, apply. The plan says which commits go; applying it also deletes whatever no commit needs,
//! compresses large blobs, and tidies up.

use super::blobs::{Blobs, Stored};
use super::clock::{Clock, DAY};
use super::exclusive::{Dropped, ExclusiveStore, OnProgress, Progress};
use super::index::State;
use super::leftovers;
use super::local::LocalStore;
use super::plan::{self, DEFAULT_AGE, Held, Plan, Policy, Short};
use crate::digest::CommitId;
use crate::error::{Kind, Result};
use crate::record::Timestamp;
use std::collections::{HashMap, HashSet};

/// The tag that exempts a commit.
pub const KEEP_TAG: &str = "keep";

/// Of the cap, how much is left filled, so that not every run has to collect: nine tenths.
const FILLED: (u64, u64) = (9, 10);

/// Between two attempts to come below the cap pass at least ten minutes, in nanoseconds.
const TRIM_PAUSE: u64 = 600_000_000_000;

impl LocalStore {
    /// What `policy` would drop at the time `now`. Ages are counted to a time that is believed: a clock that jumped
    /// ahead makes nothing old until it has stayed there for a day.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn plan(&self, policy: &Policy, now: Timestamp) -> Result<Plan> {
        let _ = self.fold();
        let reference = self.look_at_time(now)?.reference(now);
        let leftovers = leftovers::plan(self.layout(), policy.replaced, reference)?;
        if !self.layout().database().exists() {
            return Ok(Plan { leftovers, ..Plan::default() });
        }
        let keep: HashSet<i64> = self
            .with_index(|index| index.tagged(KEEP_TAG))?
            .into_iter()
            .map(|(sequence, _)| sequence)
            .collect();
        let mut commits = Vec::new();
        self.with_index(|index| {
            index.each_brief(0, |brief| {
                commits.push(Held {
                    id: brief.id,
                    sequence: brief.sequence,
                    used: brief.used,
                    keep: keep.contains(&brief.sequence),
                    blobs: brief.blobs.iter().map(Short::of).collect(),
                });
            })
        })?;
        let mut sizes: HashMap<Short, u64> = HashMap::new();
        for fan in self.blobs.fans()?.0 {
            for stored in Blobs::fan(&fan)?.blobs {
                *sizes.entry(Short::of(&stored.blob)).or_default() += stored.bytes;
            }
        }
        Ok(Plan { leftovers, ..plan::plan(&commits, &sizes, policy, reference) })
    }

    /// Drops results beyond the store's cap, after a run, if there is a cap and the store is beyond it.
    ///
    /// # Errors
    /// When something cannot be read or deleted.
    pub fn trim(&self, now: Timestamp) -> Result<Option<Dropped>> {
        let Some(cap) = self.max_size.filter(|_| self.over_cap()) else {
            return Ok(None);
        };
        // What was used today stays even beyond the cap: then not every run should look for something else.
        let last = self.with_index(|index| index.trimmed())?;
        if last.is_some_and(|last| now.0.abs_diff(last.0) < TRIM_PAUSE) {
            return Ok(None);
        }
        self.with_index(|index| index.set_trimmed(now))?;
        let policy = Policy { max_size: Some(cap / FILLED.1 * FILLED.0), ..Policy::default() };
        let plan = self.plan(&policy, now)?;
        self.exclusive()?.apply(&plan, now, false, &mut |_| {}).map(Some)
    }

    /// What is believed of the time; in a store that cannot be written, where nothing is dropped, what the clock
    /// says.
    fn look_at_time(&self, now: Timestamp) -> Result<Clock> {
        match self.write_index(|index| index.see(now)) {
            Err(error) if matches!(error.kind(), Kind::Io(_)) => Ok(Clock::default().see(now)),
            other => other,
        }
    }
}

impl ExclusiveStore<'_> {
    /// Carries out a plan, and deletes whatever no commit needs; with `compress`, large blobs that shrink get their
    /// compressed form.
    ///
    /// # Errors
    /// When something cannot be read or deleted; what was deleted by then is whole in itself.
    pub fn apply(
        &self,
        plan: &Plan,
        now: Timestamp,
        compress: bool,
        progress: OnProgress<'_>,
    ) -> Result<Dropped> {
        let store = self.store;
        let mut dropped = Dropped::default();
        if !store.layout().database().exists() {
            // Made, so that an error in reading it is never taken for an empty store.
            store.with_index(|_| Ok(()))?;
        }
        let reference = store.look_at_time(now)?.reference(now);
        self.drop_rows(&plan.remove, None, &mut dropped, progress)?;
        let evict: &[CommitId] = &plan.evict;
        self.drop_rows(evict, Some(State::EVICTED), &mut dropped, progress)?;
        let mut roots = self.roots()?;
        self.drop_hot(&mut roots, Timestamp(reference.0.saturating_sub(DEFAULT_AGE)))?;
        let (mut blobs, mut stored_bytes) = (0, 0);
        let fans = store.blobs.fans()?.0;
        for (done, fan) in fans.iter().enumerate() {
            progress(Progress { step: "sweeping", done: done as u64, total: fans.len() as u64 });
            let files = Blobs::fan(fan)?.blobs;
            let bytes: u64 = files.iter().map(|stored| stored.bytes).sum();
            let (count, before) = (files.len() as u64, dropped);
            let large: Vec<Stored> = if compress {
                files.iter().filter(|stored| !stored.packed).cloned().collect()
            } else {
                Vec::new()
            };
            self.drop_doubles(&files, &mut dropped)?;
            self.drop_blobs(files, &mut roots, &mut dropped)?;
            self.compress(&large, &mut dropped, progress)?;
            blobs += count.saturating_sub(dropped.blobs - before.blobs);
            let gone = dropped.bytes - before.bytes + dropped.compressed - before.compressed;
            stored_bytes += bytes.saturating_sub(gone);
        }
        self.drop_temporary(Timestamp(reference.0.saturating_sub(DAY)))?;
        self.drop_locks()?;
        self.drop_leftovers(&plan.leftovers, reference)?;
        let old = Timestamp(reference.0.saturating_sub(DEFAULT_AGE));
        store.with_index(|index| index.forget_missed(old))?;
        while store.with_index(|index| index.prune(1000))? {}
        store.with_index(|index| index.recount(blobs, stored_bytes))?;
        while store.with_index(|index| index.shrink(1000))? {}
        store.with_index(|index| index.checkpoint())?;
        Ok(dropped)
    }

    /// Of a blob that lies there in both forms, deletes the one that is not needed: the raw one is read first.
    fn drop_doubles(&self, files: &[Stored], dropped: &mut Dropped) -> Result<()> {
        let packed: HashMap<_, _> =
            files.iter().filter(|stored| stored.packed).map(|stored| (stored.blob, stored)).collect();
        for raw in files.iter().filter(|stored| !stored.packed) {
            let Some(packed) = packed.get(&raw.blob) else {
                continue;
            };
            let needless = match self.store.blobs.is_true(raw) {
                Ok(true) => *packed,
                Ok(false) => raw,
                Err(_) => continue,
            };
            if self.drop_file(&self.store.blobs.path_of(needless))? {
                dropped.blobs += 1;
                dropped.bytes += needless.bytes;
            }
        }
        Ok(())
    }

    fn compress(&self, large: &[Stored], dropped: &mut Dropped, progress: OnProgress<'_>) -> Result<()> {
        for (done, stored) in large.iter().enumerate() {
            if let Some((packed, length)) = self.store.blobs.compressed(stored)? {
                progress(Progress { step: "compressing", done: done as u64, total: large.len() as u64 });
                self.replace_raw(stored, packed)?;
                dropped.compressed += stored.bytes.saturating_sub(length);
            }
        }
        Ok(())
    }
}
