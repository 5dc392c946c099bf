//! Combinations of the values of several parameters: all with all, or the first with the first.

use super::{Parameters, Values};
use crate::digest::Digest;
use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// The parameters of a sweep with their values.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    axes: Vec<(String, Values)>,
    zip: bool,
}

impl Grid {
    /// Combines every value with every other one, or with `zip` those of the same place.
    ///
    /// # Errors
    /// With `zip`, parameters of different numbers of values.
    pub fn new(axes: Vec<(String, Values)>, zip: bool) -> Result<Self> {
        if let (true, Some((first, values))) = (zip, axes.first())
            && let Some((other, others)) = axes.iter().find(|(_, others)| others.len() != values.len())
        {
            let (one, two) = (values.len(), others.len());
            return Err(Error::usage(format!("--zip: {first} has {one} values, {other} has {two}"))
                .with_hint("--zip pairs the first with the first; without it all are combined with all"));
        }
        Ok(Self { axes, zip })
    }

    /// The names of the parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().map(|(name, _)| name.as_str())
    }

    /// How many combinations there are: one of nothing where there are no parameters.
    #[must_use]
    pub fn len(&self) -> u64 {
        if self.zip {
            return self.axes.first().map_or(1, |(_, values)| values.len());
        }
        self.axes.iter().fold(1, |all: u64, (_, values)| all.saturating_mul(values.len()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether values of the same place are paired.
    #[must_use]
    pub const fn is_zipped(&self) -> bool {
        self.zip
    }

    /// Whether there are parameters.
    #[must_use]
    pub fn has_axes(&self) -> bool {
        !self.axes.is_empty()
    }

    /// The combination at `place`, counted from 0; the last parameter changes fastest.
    #[must_use]
    pub fn get(&self, place: u64) -> Option<Parameters> {
        if place >= self.len() {
            return None;
        }
        let mut rest = place;
        let mut parameters: Parameters = Vec::with_capacity(self.axes.len());
        for (name, values) in self.axes.iter().rev() {
            let at = if self.zip { place } else { rest % values.len().max(1) };
            rest /= values.len().max(1);
            parameters.push((name.clone(), values.get(at)?));
        }
        parameters.reverse();
        Some(parameters)
    }
}

/// `wanted` of the places below `all`, in order, chosen at random: the same ones each time for the same `seed`.
#[must_use]
pub fn sample(all: u64, wanted: u64, seed: &Digest) -> BTreeSet<u64> {
    let mut state = seed.as_bytes().iter().fold(0_u64, |state, byte| state.rotate_left(8) ^ u64::from(*byte));
    // SplitMix64.
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    };
    // Floyd's way: as many steps as there are places to choose.
    let mut chosen = BTreeSet::new();
    for last in all.saturating_sub(wanted)..all {
        let place = random() % (last + 1);
        if !chosen.insert(place) {
            chosen.insert(last);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grid(axes: &[(&str, &str)], zip: bool) -> Result<Grid> {
        let read =
            |(name, values): &(&str, &str)| ((*name).to_owned(), Values::parse(values.as_bytes()).unwrap());
        Grid::new(axes.iter().map(read).collect(), zip)
    }

    fn shown(grid: &Grid) -> Vec<String> {
        let all = (0..grid.len()).map(|place| grid.get(place).unwrap());
        let text = |parameters: Parameters| {
            parameters
                .iter()
                .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
                .collect::<String>()
        };
        all.map(text).collect()
    }

    #[test]
    fn all_with_all_or_place_by_place() {
        let axes = [("a", "x,y"), ("b", "1..3")];
        assert_eq!(shown(&grid(&axes, false).unwrap()), ["x1", "x2", "x3", "y1", "y2", "y3"]);
        assert_eq!(shown(&grid(&[("a", "x,y"), ("b", "1..2")], true).unwrap()), ["x1", "y2"]);
        assert_eq!(grid(&axes, true).unwrap_err().to_string(), "--zip: a has 2 values, b has 3");
        assert_eq!(grid(&[], false).unwrap().get(0), Some(Vec::new()));
        let large = grid(&[("a", "1..1000000000"), ("b", "1..1000000000"), ("c", "1..1000000000")], false);
        assert_eq!(large.unwrap().len(), u64::MAX);
    }

    proptest! {
        #[test]
        fn a_sample_is_as_large_as_asked_for(all in 0_u64..2000, wanted in 0_u64..2000, seed: u8) {
            let seed = Digest::of(&[seed]);
            let chosen = sample(all, wanted, &seed);
            prop_assert_eq!(u64::try_from(chosen.len()).unwrap(), wanted.min(all));
            prop_assert!(chosen.iter().all(|place| *place < all));
            prop_assert_eq!(chosen, sample(all, wanted, &seed));
        }
    }

    #[test]
    fn a_sample_is_spread_over_all() {
        let chosen = sample(1_000_000_000_000, 1000, &Digest::of(b"x"));
        let below = chosen.iter().filter(|place| **place < 500_000_000_000).count();
        assert!((400..600).contains(&below), "{below}");
    }
}
