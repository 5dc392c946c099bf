//! Fair division of space: small items completely, and the same amount of each large one.

/// The limit for each of `sizes` with which all together take at most `room`; it is at most `most`.
pub(super) fn limit(sizes: impl IntoIterator<Item = usize>, room: usize, most: usize) -> usize {
    let mut sizes: Vec<usize> = sizes.into_iter().map(|size| size.min(most)).collect();
    sizes.sort_unstable();
    let mut left = room;
    let mut count = sizes.len();
    for size in sizes {
        let each = left.checked_div(count).unwrap_or(0);
        if size > each {
            return each;
        }
        left -= size;
        count -= 1;
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ones_stay_whole() {
        assert_eq!(limit([10, 10, 10], 100, 50), 50);
        assert_eq!(limit([10, 100, 100], 110, 1000), 50);
        assert_eq!(limit([100; 4], 100, 1000), 25);
        assert_eq!(limit([], 100, 7), 7);
        assert_eq!(limit([1], 0, 7), 0);
    }
}
