//! The scale of a suite, seeded random numbers, and work distributed over the cores.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Whether the full scale runs.
pub(crate) fn is_full() -> bool {
    std::env::var_os("CASHET_TEST_SCALE").is_some_and(|scale| scale == "full")
}

/// Selects a number by the scale.
pub(crate) fn scaled(small: usize, full: usize) -> usize {
    if is_full() { full } else { small }
}

/// Chooses the tested points of a scenario, at equal distances from a seeded first one: few, some hundreds, or with
/// `CASHET_TEST_SCALE=every` all of them.
pub(crate) fn chosen(points: usize, few: usize) -> impl Iterator<Item = usize> {
    let every = std::env::var_os("CASHET_TEST_SCALE").is_some_and(|scale| scale == "every");
    let wanted = if every { points } else { scaled(few, 300) };
    let step = (points / wanted).max(1);
    (Random::new(seed()).below(step)..points).step_by(step)
}

/// Whether `scenario` is selected: `CASHET_TEST_SCENARIO` names a single one.
pub(crate) fn is_wanted(scenario: &impl std::fmt::Debug) -> bool {
    std::env::var("CASHET_TEST_SCENARIO").map_or(true, |wanted| wanted == format!("{scenario:?}"))
}

/// The seed of this run: the given one, or a constant.
pub(crate) fn seed() -> u64 {
    std::env::var("CASHET_TEST_SEED").ok().map_or(1, |seed| seed.parse().unwrap())
}

/// `SplitMix64`.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero to `end`, exclusive.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn chance(&mut self, of: usize, all: usize) -> bool {
        self.below(all) < of
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

/// The findings of a suite.
#[derive(Default)]
pub(crate) struct Tally {
    wrong: Mutex<Vec<String>>,
    trials: AtomicUsize,
}

impl Tally {
    pub(crate) fn trial(&self) {
        let trials = self.trials.fetch_add(1, Ordering::Relaxed) + 1;
        if trials.is_multiple_of(500) {
            println!("… {trials} trials, {} wrong", self.wrong.lock().unwrap().len());
        }
    }

    pub(crate) fn trials(&self) -> usize {
        self.trials.load(Ordering::Relaxed)
    }

    pub(crate) fn wrong(&self, what: String) {
        println!("WRONG {what}");
        self.wrong.lock().unwrap().push(what);
    }

    /// Whether so much went wrong that more trials are useless.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.wrong.lock().unwrap().len() >= 40
    }

    /// Fails with all findings.
    #[track_caller]
    pub(crate) fn judge(self, name: &str) {
        let wrong = self.wrong.into_inner().unwrap();
        println!("{name}: {} trials, {} wrong, seed {}", self.trials.into_inner(), wrong.len(), seed());
        let mut text = String::new();
        for what in &wrong {
            writeln!(text, "{what}\n").unwrap();
        }
        assert!(wrong.is_empty(), "{} wrong\n{text}", wrong.len());
    }
}

/// Runs `work` on every core with the numbers from zero to `count`; each worker has its own state.
pub(crate) fn shared<S>(count: usize, state: impl Fn() -> S + Sync, work: impl Fn(&S, usize) + Sync) {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(count);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let state = state();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    work(&state, number);
                }
            });
        }
    });
}
