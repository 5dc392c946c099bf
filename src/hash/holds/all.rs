//! Checks all observations of a list with the quick check, on two threads if there are many.

use super::Present;
use super::quick_check::{QuickCheck, Settled};
use crate::record::{Evidence, Observation};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// From this many observations on, a second thread helps. Starting it costs as much as a hundred looks.
pub(super) const WORTH_A_THREAD: usize = 1024;

/// Number of observations that a thread takes at once.
const PIECE: usize = 128;

/// The same, the first time. By the end of it the second thread has usually begun.
const FIRST_PIECE: usize = 32;

/// Checks all observations; `evidence` has an entry for each. Uses two threads for many observations.
#[must_use]
pub fn settle_all(
    observations: &[Observation],
    evidence: &[Option<Evidence>],
    present: &Present<'_>,
) -> Settled {
    let Present { places, seen, now, .. } = *present;
    let (count, taken) = (observations.len(), AtomicUsize::new(0));
    let has_second_begun = AtomicBool::new(false);
    let settle = |is_second: bool| {
        let (mut piece, mut is_alone) =
            (if count < WORTH_A_THREAD { count } else { FIRST_PIECE }, !is_second);
        if is_second {
            has_second_begun.store(true, Ordering::Relaxed);
        }
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
            if is_alone && end < count && !has_second_begun.load(Ordering::Relaxed) {
                leave_processor();
            }
            (piece, is_alone) = (PIECE, false);
        }
        all.learned = settled.learned;
        all
    };
    if count < WORTH_A_THREAD {
        return settle(false);
    }
    thread::scope(|scope| {
        // Without a second thread (`ulimit -u`), this one takes all pieces.
        let other = thread::Builder::new().spawn_scoped(scope, || settle(true));
        let mut all = settle(false);
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

/// Moves this thread to another processor, if it may use one, so that a thread that waits for this processor begins.
///
/// Some kernels of virtual machines start a new thread on the processor of the one that created it, although another is idle, and leave it
/// there for milliseconds: longer than all looks take. Moving costs some 50 µs.
#[cfg(target_os = "linux")]
fn leave_processor() {
    use nix::sched::{sched_getaffinity, sched_getcpu, sched_setaffinity};
    use nix::unistd::Pid;
    let this = Pid::from_raw(0);
    let (Ok(allowed), Ok(here)) = (sched_getaffinity(this), sched_getcpu()) else { return };
    let mut others = allowed;
    // It fails where there is no other.
    if others.unset(here).is_ok() && sched_setaffinity(this, &others).is_ok() {
        // From there it may go anywhere again.
        let _ = sched_setaffinity(this, &allowed);
    }
}

#[cfg(not(target_os = "linux"))]
fn leave_processor() {}
