//! Checks all observations of a list with the quick check, on two threads if there are many.

use super::Present;
use super::quick_check::{QuickCheck, Settled};
use crate::record::{Evidence, Observation};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// From this many observations on, a second thread helps. Starting it costs as much as a hundred looks.
pub(super) const WORTH_A_THREAD: usize = 1024;

/// Number of observations that a thread takes at once. On a virtual machine the second thread may begin half a millisecond late;
/// with small pieces the first one takes more of them meanwhile.
const PIECE: usize = 128;

/// Checks all observations; `evidence` has an entry for each. Uses two threads for many observations.
#[must_use]
pub fn settle_all(
    observations: &[Observation],
    evidence: &[Option<Evidence>],
    present: &Present<'_>,
) -> Settled {
    let Present { places, seen, now, .. } = *present;
    let (count, taken) = (observations.len(), AtomicUsize::new(0));
    let piece = if count < WORTH_A_THREAD { count } else { PIECE };
    let settle = || {
        let mut looks = QuickCheck::new(places, seen, now);
        let (mut all, mut settled) = (Settled::default(), Settled::default());
        loop {
            let mut next = taken.fetch_add(piece, Ordering::Relaxed);
            if next >= count {
                break;
            }
            let end = next.saturating_add(piece).min(count);
            let observations = observations.get(..end).unwrap_or_default();
            while next < end {
                next = looks.settle(observations, evidence, next, &mut settled);
                all.open.append(&mut settled.open);
            }
        }
        all.learned = settled.learned;
        all
    };
    if count < WORTH_A_THREAD {
        return settle();
    }
    thread::scope(|scope| {
        // Without a second thread (`ulimit -u`), this one takes all pieces.
        let other = thread::Builder::new().spawn_scoped(scope, settle);
        let mut all = settle();
        if let Ok(other) = other {
            match other.join() {
                Ok(rest) => {
                    all.open.extend(rest.open);
                    all.learned.extend(rest.learned);
                }
                // Its pieces are unknown.
                Err(_) => all = Settled { open: (0..count).collect(), learned: Vec::new() },
            }
        }
        all.open.sort_unstable();
        all.learned.sort_unstable_by_key(|(number, _)| *number);
        all
    })
}
