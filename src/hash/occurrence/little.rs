//! Searches a few bytes for many names, position by position: building an automaton would take longer.

/// Calls `each` with the index, start and end of each occurrence of each of `patterns` in `bytes`. The patterns are sorted and
/// not empty.
pub(super) fn each_in(patterns: &[Vec<u8>], bytes: &[u8], mut each: impl FnMut(usize, usize, usize) -> bool) {
    let mut begins = [false; 256];
    for first in patterns.iter().filter_map(|pattern| pattern.first()) {
        if let Some(begins) = begins.get_mut(usize::from(*first)) {
            *begins = true;
        }
    }
    for (start, first) in bytes.iter().enumerate() {
        if begins.get(usize::from(*first)) != Some(&true) {
            continue;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let from = patterns.partition_point(|pattern| pattern.first() < Some(first));
        let same = patterns.iter().enumerate().skip(from);
        for (number, pattern) in same.take_while(|(_, pattern)| pattern.first() == Some(first)) {
            if rest.starts_with(pattern) {
                each(number, start, start + pattern.len());
            }
        }
    }
}
