//! The plan of a collection: a pure function of rows and sizes. `gc` shows the plan and carries it out.

use super::brief::{Held, Short};
use super::clock::DAY;
use super::index::Named;
use super::leftovers::Leftovers;
use super::roots::Roots;
use crate::digest::CommitId;
use crate::record::Timestamp;
use std::collections::HashMap;

/// Default age since last use at which commits are dropped, in nanoseconds: 30 days.
pub const DEFAULT_AGE: i64 = 30 * DAY;

/// Policy of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Drop commits not used for longer than this, in nanoseconds.
    pub older_than: Option<i64>,
    /// Evict the least recently used results until the rest takes at most this many bytes.
    pub max_size: Option<u64>,
    /// Delete files of the user that were set aside longer ago than this, in nanoseconds, and at least a day ago.
    pub replaced: Option<i64>,
}

/// Everything that a collection will drop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Commits to drop because of their age, oldest first.
    pub remove: Vec<CommitId>,
    /// Commits that lose their blobs to save space and stay in the history, least recently used first.
    pub evict: Vec<CommitId>,
    /// Number of blobs that no commit will need, including those unneeded now.
    pub blobs: u64,
    /// Bytes that those take.
    pub bytes: u64,
    /// Bytes on disk that stay: everything below the store except the user's own files.
    pub rest: u64,
    /// Bytes that everything below the store takes on disk now.
    pub before: u64,
    /// Whether to drop remembered captures that were not written for a day, to save space.
    pub captures: bool,
    /// Files to delete that belong to no commit.
    pub leftovers: Leftovers,
    /// Intermediate results that make carrying out the plan faster.
    pub found: Found,
}

/// Intermediate results of making a plan. They are valid for exactly that plan: a plan that was changed is carried out
/// without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The commits to be removed, by sequence number.
    removed: Vec<Named>,
    /// The commits to be evicted.
    evicted: Vec<CommitId>,
    /// What the remaining commits needed at that time.
    roots: Option<Roots>,
}

impl Plan {
    /// Attaches what the remaining commits need.
    pub(super) fn with(mut self, roots: Roots, commits: &[Held]) -> Self {
        self.found.evicted.clone_from(&self.evict);
        self.found.roots = Some(roots.without(&self.remove, &self.evict, commits));
        self
    }

    /// The commits to be removed and what the rest needs, if the plan is unchanged.
    pub(super) fn as_made(&self) -> Option<(&[Named], &Roots)> {
        let roots = self.found.roots.as_ref()?;
        let same = self.found.removed.iter().map(|(_, id)| id).eq(&self.remove);
        (same && self.found.evicted == self.evict).then_some((self.found.removed.as_slice(), roots))
    }
}

/// Size of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileSize {
    /// Its length in bytes.
    pub(crate) bytes: u64,
    /// Bytes on disk.
    pub(crate) disk: u64,
}

/// Sizes of everything below a store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sizes {
    /// Each blob.
    pub(crate) blobs: HashMap<Short, FileSize>,
    /// Each hot entry by its key, in bytes on disk.
    pub(crate) entries: HashMap<Short, u64>,
    /// Remembered captures that were not written for a day: bytes on disk.
    pub(crate) captures: u64,
    /// Everything else that does not belong to the user: bytes on disk.
    pub(crate) rest: u64,
}

/// Plans what `policy` drops of `commits`, with ages computed from `reference`.
pub(crate) fn plan(commits: &[Held], sizes: &Sizes, policy: &Policy, reference: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut kept: Vec<&Held> = Vec::new();
    for commit in commits {
        let age = reference.0.saturating_sub(commit.used.0);
        if !commit.keep && policy.older_than.is_some_and(|limit| age > limit) {
            plan.remove.push(commit.id);
            plan.found.removed.push((commit.sequence, commit.id));
        } else {
            kept.push(commit);
        }
    }
    let mut needed: HashMap<Short, u64> = HashMap::new();
    let mut entries: HashMap<Short, u64> = HashMap::new();
    for commit in &kept {
        for blob in &commit.blobs {
            *needed.entry(*blob).or_default() += 1;
        }
        if !commit.blobs.is_empty() {
            *entries.entry(commit.key).or_default() += 1;
        }
    }
    let size_of = |blob: &Short| sizes.blobs.get(blob).map_or(0, |size| size.disk);
    let entry_of = |key: &Short| sizes.entries.get(key).copied().unwrap_or(0);
    let mut rest: u64 = needed.keys().map(size_of).sum::<u64>() + entries.keys().map(entry_of).sum::<u64>();
    rest = rest.saturating_add(sizes.captures).saturating_add(sizes.rest);
    if let Some(limit) = policy.max_size {
        // Captures only save time, so they are dropped first.
        if rest > limit && sizes.captures > 0 {
            plan.captures = true;
            rest -= sizes.captures;
        }
        // A last use in the future counts as now.
        kept.sort_by_key(|commit| (commit.used.min(reference), commit.sequence));
        for commit in kept {
            if rest <= limit {
                break;
            }
            // A last use days ahead was recorded with a wrong clock.
            let recent = reference.0.abs_diff(commit.used.0) < DAY.unsigned_abs();
            if commit.keep || recent || commit.blobs.is_empty() {
                continue;
            }
            plan.evict.push(commit.id);
            for blob in &commit.blobs {
                let Some(count) = needed.get_mut(blob) else { continue };
                *count -= 1;
                if *count == 0 {
                    needed.remove(blob);
                    rest = rest.saturating_sub(size_of(blob));
                }
            }
            if let Some(count) = entries.get_mut(&commit.key) {
                *count -= 1;
                if *count == 0 {
                    rest = rest.saturating_sub(entry_of(&commit.key));
                }
            }
        }
    }
    let dropped = sizes.blobs.iter().filter(|(blob, _)| !needed.contains_key(blob));
    (plan.blobs, plan.bytes) =
        dropped.fold((0, 0), |(count, bytes), (_, size)| (count + 1, bytes + size.bytes));
    plan.rest = rest;
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1000 * DAY);

    fn held(n: i64, days_ago: i64, blobs: &[u64]) -> Held {
        Held {
            id: CommitId(Digest::of(&n.to_le_bytes())),
            key: Short(n.cast_unsigned()),
            sequence: n,
            used: Timestamp(NOW.0 - days_ago * DAY),
            keep: false,
            blobs: blobs.iter().map(|blob| Short(*blob)).collect(),
        }
    }

    fn sizes(count: u64) -> Sizes {
        let blobs = (0..count).map(|blob| (Short(blob), FileSize { bytes: 100, disk: 100 })).collect();
        Sizes { blobs, ..Sizes::default() }
    }

    fn ids(commits: &[Held], places: &[usize]) -> Vec<CommitId> {
        places.iter().map(|place| commits[*place].id).collect()
    }

    #[test]
    fn what_was_not_used_for_long_goes_and_its_own_blobs_with_it() {
        let commits = [held(0, 31, &[0, 1]), held(1, 30, &[1, 2]), held(2, 0, &[3])];
        let policy = Policy { older_than: Some(30 * DAY), max_size: None, replaced: None };
        let plan = plan(&commits, &sizes(5), &policy, NOW);
        assert_eq!(plan.remove, ids(&commits, &[0]));
        assert_eq!((plan.blobs, plan.bytes, plan.rest), (2, 200, 300));
    }

    #[test]
    fn the_least_recently_used_lose_their_blobs_until_the_rest_fits() {
        let commits = [held(0, 5, &[0]), held(1, 9, &[1]), held(2, 7, &[2, 3]), held(3, 2, &[4])];
        let policy = Policy { older_than: None, max_size: Some(250), replaced: None };
        let plan = plan(&commits, &sizes(5), &policy, NOW);
        assert_eq!(plan.evict, ids(&commits, &[1, 2]));
        assert_eq!((plan.bytes, plan.rest), (300, 200));
    }

    #[test]
    fn all_that_is_below_the_store_counts() {
        let commits = [held(0, 9, &[0]), held(1, 8, &[1]), held(2, 7, &[2])];
        let mut sizes = sizes(3);
        sizes.entries = commits.iter().map(|commit| (commit.key, 1000)).collect();
        (sizes.captures, sizes.rest) = (5000, 50);
        let plan = |limit| {
            let policy = Policy { older_than: None, max_size: Some(limit), replaced: None };
            plan(&commits, &sizes, &policy, NOW)
        };
        // 3 × 100, 3 × 1000, 5000 and 50.
        assert_eq!((plan(8350).evict.len(), plan(8350).captures, plan(8350).rest), (0, false, 8350));
        // Captures are dropped first, then a result with its hot entry.
        assert_eq!((plan(8349).evict.len(), plan(8349).captures, plan(8349).rest), (0, true, 3350));
        assert_eq!((plan(3349).evict, plan(3349).rest), (ids(&commits, &[0]), 2250));
        assert_eq!((plan(0).evict.len(), plan(0).rest), (3, 50));
    }

    #[test]
    fn a_blob_that_another_needs_frees_nothing() {
        let commits = [held(0, 9, &[0]), held(1, 8, &[0]), held(2, 7, &[1])];
        let policy = Policy { older_than: None, max_size: Some(100), replaced: None };
        let plan = plan(&commits, &sizes(2), &policy, NOW);
        assert_eq!(plan.evict, ids(&commits, &[0, 1]));
    }

    #[test]
    fn what_was_used_today_or_is_kept_stays_whatever_its_size() {
        let mut commits = [held(0, 90, &[0]), held(1, 0, &[1]), held(2, -400, &[2]), held(3, 2, &[3])];
        commits[0].keep = true;
        let policy = Policy { older_than: Some(30 * DAY), max_size: Some(0), replaced: None };
        let plan = plan(&commits, &sizes(4), &policy, NOW);
        assert!(plan.remove.is_empty());
        assert_eq!(plan.evict, ids(&commits, &[3, 2]));
        assert_eq!(plan.rest, 200);
    }

    prop_compose! {
        fn any_commits()(rows in prop::collection::vec(
            (-50_i64..100, any::<bool>(), prop::collection::vec(0_u64..30, 0..4)), 0..30,
        )) -> Vec<Held> {
            let rows = rows.into_iter().enumerate();
            rows.map(|(n, (days, keep, blobs))| {
                let mut commit = held(i64::try_from(n).unwrap(), days, &blobs);
                commit.blobs.sort();
                commit.blobs.dedup();
                commit.keep = keep;
                commit
            }).collect()
        }
    }

    proptest! {
        #[test]
        fn plans_keep_their_promises(commits in any_commits(), age in 0_i64..60, cap in 0_u64..3000) {
            let policy = Policy { older_than: Some(age * DAY), max_size: Some(cap), replaced: None };
            let plan = plan(&commits, &sizes(30), &policy, NOW);
            let find = |id: &CommitId| commits.iter().find(|commit| commit.id == *id).unwrap();
            for id in &plan.remove {
                prop_assert!(!find(id).keep && NOW.0 - find(id).used.0 > age * DAY);
            }
            for id in &plan.evict {
                prop_assert!(!find(id).keep && (NOW.0 - find(id).used.0).abs() >= DAY);
                prop_assert!(!plan.remove.contains(id));
            }
            let left = commits.iter().filter(|commit| {
                !plan.remove.contains(&commit.id) && !plan.evict.contains(&commit.id)
            });
            let left: Vec<&Held> = left.collect();
            let needed: std::collections::HashSet<Short> =
                left.iter().flat_map(|commit| commit.blobs.iter().copied()).collect();
            prop_assert_eq!(plan.rest, needed.len() as u64 * 100);
            prop_assert_eq!(plan.bytes + plan.rest, 3000);
            let can_go = |commit: &&&Held| {
                !commit.keep && (NOW.0 - commit.used.0).abs() >= DAY && !commit.blobs.is_empty()
            };
            prop_assert!(plan.rest <= cap || left.iter().filter(can_go).count() == 0);
        }

        #[test]
        fn an_earlier_reference_never_removes_more(commits in any_commits(), back in 0_i64..100) {
            let policy = Policy { older_than: Some(20 * DAY), max_size: None, replaced: None };
            let later = plan(&commits, &sizes(30), &policy, NOW);
            let earlier = plan(&commits, &sizes(30), &policy, Timestamp(NOW.0 - back * DAY));
            prop_assert!(earlier.remove.iter().all(|id| later.remove.contains(id)));
        }
    }
}
