//! Searches large data for many names, with vector instructions (Teddy): about ten times as fast as an automaton, which is
//! the fallback on processors without them.

use super::little;
use aho_corasick::packed::{Config, Searcher};
use aho_corasick::{AhoCorasick, AhoCorasickKind, Span};
use memchr::memmem;

/// Patterns shorter than this are searched one by one: in a group they would cause candidates almost everywhere.
const SHORT: usize = 3;

/// Number of patterns per searcher. More patterns cause more false candidates; fewer cause more passes.
const TOGETHER: usize = 64;

/// Finds every occurrence of every pattern.
#[derive(Debug)]
pub(super) enum Finder {
    Vectors(Vec<Group>),
    Automaton(Box<AhoCorasick>),
    /// Position by position, as the last resort.
    Plain,
}

/// Patterns of which none is a prefix of another; each stands for all patterns that begin with it.
#[derive(Debug)]
pub(super) struct Group {
    searcher: Searcher,
    /// For each searched pattern its index, and the index of the first later pattern that does not begin with it.
    roots: Vec<(usize, usize)>,
}

impl Finder {
    /// Prepares a search for `patterns`, which are sorted, distinct and not empty.
    pub(super) fn new(patterns: &[Vec<u8>]) -> Self {
        let roots = roots(patterns);
        let groups = roots.chunks(TOGETHER).map(|roots| Group::new(patterns, roots));
        if let Some(groups) = groups.collect() {
            return Self::Vectors(groups);
        }
        Self::automaton(patterns).unwrap_or(Self::Plain)
    }

    fn automaton(patterns: &[Vec<u8>]) -> Option<Self> {
        let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(patterns);
        automaton.ok().map(|automaton| Self::Automaton(Box::new(automaton)))
    }

    /// Calls `each` with the index, start and end of each occurrence of each of `patterns` in `bytes`, in any order. After it
    /// returns false, other occurrences of the same pattern may be skipped.
    pub(super) fn each_in(
        &self,
        patterns: &[Vec<u8>],
        bytes: &[u8],
        mut each: impl FnMut(usize, usize, usize) -> bool,
    ) {
        let groups = match self {
            Self::Vectors(groups) => groups,
            Self::Automaton(automaton) => {
                for one in automaton.find_overlapping_iter(bytes) {
                    each(one.pattern().as_usize(), one.start(), one.end());
                }
                return;
            }
            Self::Plain => return little::each_in(patterns, bytes, each),
        };
        for (number, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| pattern.len() < SHORT) {
            let finder = memmem::Finder::new(pattern);
            let mut from = 0;
            let mut next = || {
                let start = from + finder.find(bytes.get(from..)?)?;
                // Another one may begin inside this one.
                from = start + 1;
                Some(start)
            };
            while next().is_some_and(|start| each(number, start, start + pattern.len())) {}
        }
        for group in groups {
            group.each_in(patterns, bytes, &mut each);
        }
    }
}

impl Group {
    fn new(patterns: &[Vec<u8>], roots: &[(usize, usize)]) -> Option<Self> {
        let sought = roots.iter().filter_map(|(root, _)| patterns.get(*root));
        // The library's own limit assumes that an automaton is an alternative for few patterns too.
        let searcher = Config::new().heuristic_pattern_limits(false).builder().extend(sought).build()?;
        Some(Self { searcher, roots: roots.to_vec() })
    }

    fn each_in(
        &self,
        patterns: &[Vec<u8>],
        bytes: &[u8],
        each: &mut impl FnMut(usize, usize, usize) -> bool,
    ) {
        let mut from = 0;
        while let Some(found) = self.searcher.find_in(bytes, Span { start: from, end: bytes.len() }) {
            let start = found.start();
            let (first, end) = self.roots.get(found.pattern().as_usize()).copied().unwrap_or_default();
            let rest = bytes.get(start..).unwrap_or_default();
            for (number, pattern) in patterns.iter().enumerate().take(end).skip(first) {
                if rest.starts_with(pattern) {
                    each(number, start, start + pattern.len());
                }
            }
            from = start + 1;
        }
    }
}

/// The patterns that begin with no other pattern, each with the index of the next one; short patterns are kept separate.
fn roots(patterns: &[Vec<u8>]) -> Vec<(usize, usize)> {
    let mut roots: Vec<(usize, usize)> = Vec::new();
    let mut last: Option<&Vec<u8>> = None;
    for (number, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| pattern.len() >= SHORT) {
        if let (true, Some((_, end))) = (last.is_some_and(|root| pattern.starts_with(root)), roots.last_mut())
        {
            *end = number + 1;
        } else {
            roots.push((number, number + 1));
            last = Some(pattern);
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn all(finder: &Finder, patterns: &[Vec<u8>], bytes: &[u8]) -> Vec<(usize, usize, usize)> {
        let mut all = Vec::new();
        finder.each_in(patterns, bytes, |number, start, end| {
            assert_eq!(bytes[start..end], patterns[number]);
            all.push((number, start, end));
            true
        });
        all.sort_unstable();
        all
    }

    proptest::proptest! {
        #[test]
        fn every_way_finds_the_same(
            patterns in proptest::collection::btree_set("[A-E_]{1,2}|[A-E_]{3,6}", 0..300),
            text in "([A-E_]{0,9}|[a-z \\n]{0,40}){0,40}",
        ) {
            let patterns: BTreeSet<Vec<u8>> = patterns.into_iter().map(String::into_bytes).collect();
            let patterns: Vec<Vec<u8>> = patterns.into_iter().collect();
            let expected = all(&Finder::Plain, &patterns, text.as_bytes());
            proptest::prop_assert_eq!(&expected, &all(&Finder::new(&patterns), &patterns, text.as_bytes()));
            let automaton = Finder::automaton(&patterns).unwrap();
            proptest::prop_assert_eq!(&expected, &all(&automaton, &patterns, text.as_bytes()));
        }
    }

    #[test]
    fn vectors_are_used_where_the_processor_has_them_however_many_names_there_are() {
        let names: Vec<Vec<u8>> = (100..999).map(|number| format!("N{number}_X").into_bytes()).collect();
        let finder = Finder::new(&names);
        assert!(
            cfg!(not(target_arch = "x86_64"))
                || matches!(&finder, Finder::Vectors(groups) if groups.len() == 15)
        );
        assert_eq!(all(&finder, &names, b"N100_X N998_X N999_X").len(), 2);
    }

    #[test]
    fn one_occurrence_is_enough_where_no_other_matters() {
        let patterns = [b"_".to_vec()];
        let mut seen = 0;
        Finder::new(&patterns).each_in(&patterns, &[b'_'; 100], |_, _, _| {
            seen += 1;
            false
        });
        assert_eq!(seen, 1);
    }
}
