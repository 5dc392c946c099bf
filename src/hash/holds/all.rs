//! Checks all observations of a list with the quick check, on two threads if there are many.

use super::Present;
use super::quick_check::{QuickCheck, Settled};
use crate::record::{Evidence, Observation};
use std::ops::Range;
use std::thread;

/// From this many observations on, a second thread looks at one half of them. Starting it costs as much as a hundred looks.
pub(super) const WORTH_A_THREAD: usize = 1024;

/// Checks all observations; `evidence` has an entry for each. Uses two threads for many observations.
#[must_use]
pub fn settle_all(
    observations: &[Observation],
    evidence: &[Option<Evidence>],
    present: &Present<'_>,
) -> Settled {
    let Present { places, seen, now, .. } = *present;
    let settle = |range: Range<usize>| {
        let mut looks = QuickCheck::new(places, seen, now);
        let (mut all, mut settled) = (Settled::default(), Settled::default());
        let (mut next, observations) = (range.start, observations.get(..range.end).unwrap_or_default());
        while next < range.end {
            next = looks.settle(observations, evidence, next, &mut settled);
            all.open.append(&mut settled.open);
        }
        all.learned = settled.learned;
        all
    };
    let count = observations.len();
    if count < WORTH_A_THREAD {
        return settle(0..count);
    }
    let middle = count / 2;
    thread::scope(|scope| {
        // Without a second thread (`ulimit -u`), this one looks at both halves.
        let other = thread::Builder::new().spawn_scoped(scope, || settle(middle..count));
        let mut all = settle(0..middle);
        let rest = other.ok().and_then(|other| other.join().ok()).unwrap_or_else(|| settle(middle..count));
        all.open.extend(rest.open);
        all.learned.extend(rest.learned);
        all
    })
}
