//! Plans the modification times of outputs: explicit times are restored, written files keep the order of writing.

use super::super::restore::Restore;
use super::{Found, Step};
use crate::memo::file_clock;
use crate::record::{Evidence, OutputEntry, OutputKind, OutputTime, Timestamp};
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Distance between the times of files written one after the other, in nanoseconds: the coarsest unit of a file system with
/// fine times.
const APART: i64 = 1_000;
/// Maximum wait for the clock of file timestamps, in steps of a millisecond.
const MOST_STEPS: u32 = 50;

impl Restore<'_> {
    /// Plans the times of entries whose time the run set explicitly.
    pub(super) fn give_times(&self, found: &mut [Found]) {
        let moves = found.iter().any(|found| matches!(found.step, Step::Write { .. } | Step::Remove { .. }));
        for (entry, found) in self.tree.entries().iter().zip(found) {
            let OutputTime::Given { time, like } = &entry.time else { continue };
            if entry.link_to.is_some() {
                continue;
            }
            let present = |path| fs::metadata(self.places.resolve(path)).ok();
            let wanted = like.iter().filter_map(present).map(|now| Evidence::of(&now).modified).max();
            let wanted = wanted.unwrap_or(*time);
            // Adding or removing an entry changes the time of its directory.
            let may_move = moves && matches!(entry.kind, OutputKind::Directory { .. });
            if may_move || found.modified() != Some(wanted) {
                found.time_is(wanted);
            }
        }
    }

    /// Plans the times of written files: the present time, in the order of writing, starting with the first file that is missing,
    /// is older than an input or is out of order.
    pub(super) fn order_times(&self, found: &mut [Found]) {
        // By rank: the earliest and the latest time; `None` where a file will be written.
        let mut ranks: BTreeMap<u32, Option<(Timestamp, Timestamp)>> = BTreeMap::new();
        let entries = self.tree.entries();
        let written = |entry: &OutputEntry| match &entry.time {
            OutputTime::Written { rank } if entry.kind.stored().is_some() && entry.link_to.is_none() => {
                Some(*rank)
            }
            _ => None,
        };
        for (entry, found) in entries.iter().zip(found.iter()) {
            let Some(rank) = written(entry) else { continue };
            let time = found.modified().filter(|_| found.is_in_place());
            let times = ranks.entry(rank).or_insert_with(|| time.map(|time| (time, time)));
            *times = match (*times, time) {
                (Some((first, last)), Some(time)) => Some((first.min(time), last.max(time))),
                _ => None,
            };
        }
        let mut after = self.newest_input;
        let mut from = None;
        let mut previous = None;
        for (rank, times) in &ranks {
            let in_order = times.is_some_and(|(first, last)| {
                first == last
                    && first >= self.newest_input
                    && previous.is_none_or(|previous| previous < first)
            });
            if !in_order {
                from = Some(*rank);
                break;
            }
            previous = times.map(|(_, last)| last);
        }
        let Some(from) = from else { return };
        if let Some(previous) = previous {
            after = after.max(Timestamp(previous.0.saturating_add(APART)));
        }
        let later: Vec<u32> = ranks.range(from..).map(|(rank, _)| *rank).collect();
        let times = spread(later.len(), after);
        for (entry, found) in entries.iter().zip(found) {
            let place = written(entry).and_then(|rank| later.binary_search(&rank).ok());
            if let Some(time) = place.and_then(|place| times.get(place)) {
                found.time_is(*time);
            }
        }
    }
}

impl Found {
    fn time_is(&mut self, wanted: Timestamp) {
        match &mut self.step {
            Step::Write { time, .. } | Step::Touch { time, .. } | Step::Append { time } => {
                *time = Some(wanted);
            }
            Step::Nothing => self.step = Step::Touch { mode: None, time: Some(wanted) },
            Step::Remove { .. } => {}
        }
    }
}

/// Returns `count` increasing times. The last one is the present by the clock of file timestamps, the first one is not before
/// `after`, unless that is in the future.
fn spread(count: usize, after: Timestamp) -> Vec<Timestamp> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let reach = count.saturating_sub(1).saturating_mul(APART);
    let mut now = file_clock();
    for _ in 0..MOST_STEPS {
        // The user set a time in the future: do not wait for it.
        if now.0.saturating_sub(reach) >= after.0 || after > Timestamp::now() {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
        now = file_clock();
    }
    (0..count).map(|place| Timestamp(now.0 - reach + place * APART)).collect()
}
