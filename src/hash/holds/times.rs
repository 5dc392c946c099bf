//! Whether modification times still have the recorded order.

use crate::hash::look::modified;
use crate::record::{Places, StoredPath, Timestamp};
use std::fs;

/// The files of `groups`, sorted by modification time; files with the same time are in one sorted group. `None` if a file does
/// not exist.
pub(super) fn order(groups: &[Vec<StoredPath>], places: &Places) -> Option<Vec<Vec<StoredPath>>> {
    let time = |path: &StoredPath| fs::metadata(places.resolve(path)).ok().map(|now| modified(&now));
    let timed: Option<Vec<(Timestamp, &StoredPath)>> =
        groups.iter().flatten().map(|path| time(path).map(|time| (time, path))).collect();
    let mut timed = timed?;
    timed.sort();
    let chunks = timed.chunk_by(|(one, _), (other, _)| one == other);
    Some(chunks.map(|group| group.iter().map(|(_, path)| (*path).clone()).collect()).collect())
}

/// Whether files that were written are newer than `older`, as old as `same`, and older than `newer`.
pub(super) fn around_holds(
    written: &[StoredPath],
    [older, same, newer]: [&[StoredPath]; 3],
    places: &Places,
) -> bool {
    // The earliest and the latest time; `None` if a file does not exist.
    let span = |paths: &[StoredPath]| {
        let times =
            paths.iter().map(|path| fs::metadata(places.resolve(path)).ok().map(|now| modified(&now)));
        let times: Option<Vec<Timestamp>> = times.collect();
        times.map(|times| (times.iter().min().copied(), times.iter().max().copied()))
    };
    let spans = [written, older, same, newer].map(span);
    let [Some((Some(first), Some(last))), Some((_, older)), Some(same), Some((newer, _))] = spans else {
        return false;
    };
    older.is_none_or(|older| older < first)
        && newer.is_none_or(|newer| newer > last)
        && (same == (None, None) || (first == last && same == (Some(first), Some(first))))
}
