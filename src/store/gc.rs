//! Collection: plan, show, apply. The plan lists the commits to drop. Applying it also deletes everything that no commit
//! needs, compresses large blobs, and deletes temporary files.

use super::blobs::{Blobs, SMALL, Stored};
use super::brief::Short;
use super::clock::{Clock, DAY};
use super::emptying::is_almost_all;
use super::exclusive::{Dropped, ExclusiveStore, OnProgress, Progress};
use super::flat::{Area, in_fans};
use super::index::State;
use super::leftovers;
use super::local::LocalStore;
use super::lock;
use super::plan::{self, DEFAULT_AGE, FileSize, Plan, Policy, Sizes};
use super::roots::Roots;
use super::usage::on_disk;
use super::walking::{modified, on_all_cores};
use crate::digest::Key;
use crate::error::{Kind, Result};
use crate::record::Timestamp;
use std::collections::{HashMap, HashSet};
use std::fs;

/// The tag that exempts a commit.
pub const KEEP_TAG: &str = "keep";

/// Share of the cap that stays filled after a collection, so that not every run has to collect.
const FILLED: (u64, u64) = (9, 10);

/// Minimum time between two attempts to get below the cap, in nanoseconds.
const TRIM_PAUSE: u64 = 600_000_000_000;

/// Number of blob directories processed per step.
const FANS_AT_ONCE: usize = 64;

impl LocalStore {
    /// The plan of what `policy` would drop at the time `now`. Ages are computed from a believed time: a clock that jumped ahead
    /// makes nothing old until it has stayed there for a day.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn plan(&self, policy: &Policy, now: Timestamp) -> Result<Plan> {
        let _ = self.fold();
        self.record_killed();
        let reference = self.look_at_time(now)?.reference(now);
        let leftovers = leftovers::plan(self.layout(), policy.replaced, reference)?;
        if !self.layout().database().exists() {
            return Ok(Plan { leftovers, before: self.usage()?.total(), ..Plan::default() });
        }
        let keep: HashSet<i64> = self
            .with_index(|index| index.tagged(KEEP_TAG))?
            .into_iter()
            .map(|(sequence, _)| sequence)
            .collect();
        let (mut commits, roots) = self.survey()?;
        for commit in commits.iter_mut().filter(|commit| keep.contains(&commit.sequence)) {
            commit.keep = true;
        }
        let fans = on_all_cores(&self.blobs.fans()?.0, |fan| {
            let blobs = Blobs::fan(fan)?.blobs;
            let size = |stored: &Stored| FileSize { bytes: stored.bytes, disk: stored.disk };
            Ok(blobs.iter().map(|stored| (Short::of(&stored.blob), size(stored))).collect::<Vec<_>>())
        })?;
        let mut sizes = Sizes::default();
        for (blob, size) in fans.into_iter().flatten() {
            let known = sizes.blobs.entry(blob).or_default();
            *known = FileSize { bytes: known.bytes + size.bytes, disk: known.disk + size.disk };
        }
        for (key, bytes) in self.hot_sizes()? {
            sizes.entries.insert(Short::of_key(&Key(key)), bytes);
        }
        let day = Timestamp(reference.0.saturating_sub(DAY));
        for area in [Area::Captures, Area::Questions] {
            let old = in_fans(self.layout(), area, |_, path| {
                let found = fs::symlink_metadata(path).ok()?;
                modified(path).is_some_and(|time| time < day).then(|| on_disk(&found))
            })?;
            sizes.captures += old.iter().sum::<u64>();
        }
        let counted =
            sizes.blobs.values().map(|size| size.disk).sum::<u64>() + sizes.entries.values().sum::<u64>();
        let usage = self.usage()?;
        sizes.rest = usage.capped().saturating_sub(counted).saturating_sub(sizes.captures);
        let plan = plan::plan(&commits, &sizes, policy, reference);
        Ok(Plan { leftovers, before: usage.total(), ..plan.with(roots, &commits) })
    }

    /// Whether [`LocalStore::trim`] would collect now: the store is beyond its cap, as far as is known, and no collection was
    /// attempted lately.
    pub fn wants_trim(&self, now: Timestamp) -> bool {
        // Results used today stay even beyond the cap. Then not every run should search for something to drop.
        let lately = |last: Timestamp| now.0.abs_diff(last.0) < TRIM_PAUSE;
        self.over_cap() && !self.ask(|index| index.trimmed()).flatten().is_some_and(lately)
    }

    /// Drops results beyond the store's cap, if there is a cap, the store is beyond it, and no other process does so now.
    ///
    /// # Errors
    /// When something cannot be read or deleted.
    pub fn trim(&self, now: Timestamp) -> Result<Option<Dropped>> {
        let (Some(cap), true) = (self.max_size, self.wants_trim(now)) else { return Ok(None) };
        let Ok(Some(_alone)) = lock::try_claim(&self.layout().lock("collect")) else { return Ok(None) };
        self.with_index(|index| index.set_trimmed(now))?;
        let policy = Policy { max_size: Some(cap / FILLED.1 * FILLED.0), ..Policy::default() };
        let plan = self.plan(&policy, now)?;
        self.exclusive()?.apply(&plan, now, false, &mut |_| {}).map(Some)
    }

    /// The believed time. In a store that cannot be written, where nothing is dropped, the system's time.
    fn look_at_time(&self, now: Timestamp) -> Result<Clock> {
        match self.write_index(|index| index.see(now)) {
            Err(error) if matches!(error.kind(), Kind::Io(_)) => Ok(Clock::default().see(now)),
            other => other,
        }
    }
}

impl ExclusiveStore<'_> {
    /// Carries out a plan, and deletes everything that no commit needs. With `compress`, large blobs that compress well are
    /// replaced by their compressed form.
    ///
    /// # Errors
    /// When something cannot be read or deleted. The store is consistent after every partial deletion.
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
            // Ensures that the database exists, so that an error in reading it is never taken for an empty store.
            store.with_index(|_| Ok(()))?;
        }
        let _own_log = store.own_log();
        let reference = store.look_at_time(now)?.reference(now);
        store.with_index(|index| index.widen())?;
        // Finishes an interrupted collection.
        self.drop_detached(0, &mut Dropped::default(), &mut |_| {})?;
        let mut roots = self.carry_out(plan, &mut dropped, progress)?;
        let captures = if plan.captures { DAY } else { DEFAULT_AGE };
        self.drop_hot(&mut roots, Timestamp(reference.0.saturating_sub(captures)))?;
        let (mut blobs, mut stored_bytes) = (0, 0);
        let fans = store.blobs.fans()?.0;
        for (done, some) in fans.chunks(FANS_AT_ONCE).enumerate() {
            let done = (done * FANS_AT_ONCE) as u64;
            progress(Progress { step: "sweeping", done, total: fans.len() as u64 });
            let files = on_all_cores(some, |fan| Ok(Blobs::fan(fan)?.blobs))?;
            let files: Vec<Stored> = files.into_iter().flatten().collect();
            let bytes: u64 = files.iter().map(|stored| stored.bytes).sum();
            let (count, before) = (files.len() as u64, dropped);
            let large: Vec<Stored> = if compress {
                files.iter().filter(|stored| !stored.packed && stored.bytes > SMALL as u64).cloned().collect()
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
        self.prune(&roots)?;
        store.with_index(|index| index.set_right(roots.drift(), blobs, stored_bytes))?;
        self.shrink()?;
        store.with_index(|index| index.checkpoint())?;
        Ok(dropped)
    }

    /// Drops the commits and results of a plan; returns what the remaining ones need.
    fn carry_out(&self, plan: &Plan, dropped: &mut Dropped, progress: OnProgress<'_>) -> Result<Roots> {
        let made = plan.as_made().filter(|(_, roots)| roots.are_of(self.store));
        let mut as_planned = made.is_some();
        if let Some((named, planned)) = made {
            if is_almost_all(named.len(), planned)
                && let Some(roots) = self.empty(named.len(), planned.clone(), dropped, progress)?
            {
                self.mark_rows(&plan.evict, State::EVICTED, dropped, progress)?;
                return Ok(roots);
            }
            as_planned &= self.remove_rows(named, dropped, progress)?;
        } else {
            self.remove_ids(&plan.remove, dropped, progress)?;
        }
        self.mark_rows(&plan.evict, State::EVICTED, dropped, progress)?;
        match made {
            Some((_, roots)) if as_planned => Ok(roots.clone()),
            _ => self.roots(),
        }
    }

    /// Deletes the unneeded form of blobs that exist in both forms: readers prefer the raw one.
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
