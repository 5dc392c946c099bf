//! Files that became newer or older than others, in words, for results that depend on the order of modification times.

use super::{escape, human};
use crate::record::StoredPath;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;

/// Maximum number of files that are named.
const NAMED: usize = 3;

/// The smallest set of files whose times must have changed to turn one order (oldest first, equal times together) into the other.
/// `None` where no such set is unique.
pub(super) fn reordered(before: &[Vec<StoredPath>], after: &[Vec<StoredPath>]) -> Option<String> {
    let places: HashMap<&StoredPath, usize> = after
        .iter()
        .zip(0..)
        .flat_map(|(group, place)| group.iter().map(move |path| (path, place)))
        .collect();
    let both = before.iter().zip(0..).flat_map(|(group, was)| {
        let mut both: Vec<(usize, usize, &StoredPath)> =
            group.iter().filter_map(|path| Some((was, *places.get(path)?, path))).collect();
        both.sort();
        both
    });
    let both: Vec<(usize, usize, &StoredPath)> = both.collect();
    let stayed = longest_rise(&both.iter().map(|(_, is, _)| *is).collect::<Vec<_>>());
    let mut stayed = stayed.into_iter().peekable();
    let (mut newer, mut older) = (Vec::new(), Vec::new());
    let mut least = 0;
    for (index, (_, is, path)) in both.into_iter().enumerate() {
        if stayed.next_if_eq(&index).is_some() {
            least = is;
        } else if is > least {
            newer.push(path);
        } else {
            older.push(path);
        }
    }
    said(&[(newer, "became newer"), (older, "became older")])
}

/// The files whose order relative to `moved` files changed. Each list contains those that were older, equal and newer.
pub(super) fn around(before: [&[StoredPath]; 3], after: [&[StoredPath]; 3]) -> Option<String> {
    let sides = |lists: [&'_ [StoredPath]; 3]| {
        let numbered = lists.into_iter().zip(0..);
        let sides = numbered.flat_map(|(list, side)| list.iter().map(move |path| (path.clone(), side)));
        sides.collect::<HashMap<StoredPath, usize>>()
    };
    let was = sides(before);
    let (mut newer, mut older) = (Vec::new(), Vec::new());
    for (path, is) in
        after.into_iter().zip(0..).flat_map(|(list, side)| list.iter().map(move |path| (path, side)))
    {
        match was.get(path) {
            Some(was) if *was < is => newer.push(path),
            Some(was) if *was > is => older.push(path),
            _ => {}
        }
    }
    said(&[(newer, "became newer"), (older, "became older")])
}

fn said(moved: &[(Vec<&StoredPath>, &str)]) -> Option<String> {
    let phrases = moved.iter().filter(|(paths, _)| !paths.is_empty()).map(|(paths, verb)| {
        let names = paths.iter().map(|path| escape::line(path.shown().as_os_str().as_bytes()).into_owned());
        format!("{} {verb}", human::list(&names.collect::<Vec<_>>(), NAMED))
    });
    let phrases: Vec<String> = phrases.collect();
    (!phrases.is_empty()).then(|| phrases.join(", "))
}

/// Indices of a longest subsequence that never falls, by patience sorting.
fn longest_rise(values: &[usize]) -> Vec<usize> {
    // For each length, the index of the smallest last value of a subsequence; and for each index its predecessor.
    let mut tails: Vec<(usize, usize)> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let length = tails.partition_point(|(tail, _)| tail <= value);
        before.push(length.checked_sub(1).and_then(|last| tails.get(last)).map(|(_, index)| *index));
        match tails.get_mut(length) {
            Some(tail) => *tail = (*value, index),
            None => tails.push((*value, index)),
        }
    }
    let last = tails.last().map(|(_, index)| *index);
    let mut rise: Vec<usize> =
        std::iter::successors(last, |index| before.get(*index).copied().flatten()).collect();
    rise.reverse();
    rise
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &str) -> Vec<Vec<StoredPath>> {
        text.split_whitespace().map(|group| group.split('=').map(StoredPath::in_root).collect()).collect()
    }

    #[test]
    fn what_was_touched_is_named() {
        for (before, after, expected) in [
            ("main.c util.h app", "main.c app util.h", Some("util.h became newer")),
            ("a b c d", "d a b c", Some("d became older")),
            ("a b", "b a", Some("a became newer")),
            ("a b c d e f", "e f a b c d", Some("e, f became older")),
            ("a b c d e f", "f e d c b a", Some("a, b, c and 2 others became newer")),
            ("a=b c", "c a=b", Some("c became older")),
            ("a b gone", "b a", Some("a became newer")),
            ("a b", "a=b", None),
            ("a b", "a b", None),
        ] {
            assert_eq!(reordered(&groups(before), &groups(after)).as_deref(), expected, "{before} → {after}");
        }
    }

    #[test]
    fn sides_are_compared() {
        let lists = |text: &str| {
            text.split('|').map(|list| groups(list).into_iter().flatten().collect()).collect::<Vec<Vec<_>>>()
        };
        for (before, after, expected) in [
            ("main.c util.h||", "main.c||util.h", Some("util.h became newer")),
            ("main.c||util.h", "main.c util.h||", Some("util.h became older")),
            ("main.c||util.h", "main.c|util.h|", Some("util.h became older")),
            ("main.c||util.h", "main.c||util.h", None),
        ] {
            let [was, is] =
                [lists(before), lists(after)].map(|lists| -> [Vec<_>; 3] { lists.try_into().unwrap() });
            let found = around(was.each_ref().map(Vec::as_slice), is.each_ref().map(Vec::as_slice));
            assert_eq!(found.as_deref(), expected);
        }
    }
}
