//! Whether the times of files stand to each other as they did.

use crate::hash::look::modified;
use crate::record::{Places, StoredPath, Timestamp};
use std::fs;

/// Whether groups of files are in the order of their modification times, those of a group with one time.
pub(super) fn order_holds(groups: &[Vec<StoredPath>], places: &Places) -> bool {
    let mut previous = None;
    for group in groups {
        let mut times =
            group.iter().map(|path| fs::metadata(places.resolve(path)).ok().map(|now| modified(&now)));
        let Some(Some(first)) = times.next() else {
            return false;
        };
        if previous.is_some_and(|previous| previous >= first) || times.any(|time| time != Some(first)) {
            return false;
        }
        previous = Some(first);
    }
    true
}

/// Whether files that were written are newer than `older`, as old as `same`, and older than `newer`.
pub(super) fn around_holds(
    written: &[StoredPath],
    [older, same, newer]: [&[StoredPath]; 3],
    places: &Places,
) -> bool {
    // The earliest and the latest; `None` where one of the files is not there.
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
