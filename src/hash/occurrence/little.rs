//! Looking for many names in few bytes, place by place: making an automaton of the names takes longer than that.
//!
//! Knows nothing of what an occurrence says.

/// Calls `each` with the number, the start and the end of each occurrence in `bytes` of each of `patterns`, which are sorted and
/// none of them empty.
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
