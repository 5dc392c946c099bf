//! Random commands on random trees, through cashet and bare, after random changes, without declarations: streams,
//! status and the whole tree must be equal after every step.
//!
//! `CASHET_TEST_SEED=N` repeats a scenario; `CASHET_TEST_SCALE=full` runs ten thousand steps.

mod changes;
mod program;
mod random;
mod resuming;
mod world;

use crate::twin::Outcome;
use changes::Change;
use program::Program;
use random::Random;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use world::{Compared, World};

/// The first seed of the small scale.
const FIRST: u64 = 1;
/// Number of calls per scenario, each after one change.
const STEPS: usize = 8;
/// Number of scenarios at the small and the full scale.
const FEW: usize = 60;
const ALL: usize = 1250;
/// Number of steps between two reports.
const TOLD_EVERY: usize = 250;

/// Counts over all steps.
#[derive(Default)]
struct Tally {
    steps: AtomicUsize,
    hits: AtomicUsize,
    /// Hits that differ from the bare command only because of the run's own products.
    on_own: AtomicUsize,
    kept: AtomicUsize,
    not_kept: AtomicUsize,
    /// Seeds of scenarios with a wrong result.
    wrong: Mutex<Vec<u64>>,
}

impl fmt::Display for Tally {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [steps, hits, on_own, kept, not_kept] =
            [&self.steps, &self.hits, &self.on_own, &self.kept, &self.not_kept]
                .map(|count| count.load(Ordering::Relaxed));
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner).len();
        write!(
            to,
            "{steps} steps: {hits} hits ({on_own} on own products), {kept} kept, {not_kept} not kept, {wrong} wrong"
        )
    }
}

#[test]
fn cashet_gives_what_the_bare_command_gives() {
    let given = std::env::var("CASHET_TEST_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let full = std::env::var_os("CASHET_TEST_SCALE").is_some_and(|scale| scale == "full");
    let scenarios = match (given, full) {
        (Some(_), _) => 1,
        (None, true) => ALL,
        (None, false) => FEW,
    };
    // The small scale is the same in every run; the full scale uses new seeds.
    let first = given.unwrap_or_else(|| if full { Random::seed_of_now() } else { FIRST });
    println!("seeds {first} to {}", first.wrapping_add(scenarios as u64 - 1));
    let tally = Tally::default();
    let next = AtomicU64::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from).min(scenarios);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= scenarios as u64 {
                        break;
                    }
                    scenario(first.wrapping_add(number), &tally, given.is_some());
                }
            });
        }
    });
    println!("{tally}");
    let (steps, hits) = (tally.steps.into_inner(), tally.hits.into_inner());
    let wrong = tally.wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(wrong.is_empty(), "wrong results, told above, of these seeds: {wrong:?}");
    // A run without replays would prove nothing.
    assert!(given.is_some() || hits * 10 > steps, "{hits} hits of {steps}");
}

/// One tree, one program, and its calls, each after one change.
fn scenario(seed: u64, tally: &Tally, told: bool) {
    let mut random = Random::new(seed);
    let mut world = World::new(&mut random);
    let mut program =
        if random.chance(1, 2) { Program::resuming(&mut random) } else { Program::new(&mut random) };
    program.exact_state = !program.is_exact && seed.is_multiple_of(3);
    world.write_program(&program);
    let mut story = String::new();
    let mut change = Change::Nothing;
    for step in 0..STEPS {
        if step > 0 {
            change = Change::choose(&mut random, &world);
            change.apply(&world, &mut program);
        }
        // Sometimes a file is younger than the resolution of file timestamps.
        if random.chance(4, 5) {
            thread::sleep(std::time::Duration::from_millis(random.below(3) as u64 * 12 + 8));
        }
        let Compared { outcome, differences, on_own_products } = world.compare(&program);
        tally.on_own.fetch_add(usize::from(on_own_products), Ordering::Relaxed);
        writeln!(story, "  {step}. {change:?} → {outcome:?}").unwrap();
        let counter = match outcome {
            Outcome::Hit => &tally.hits,
            Outcome::Kept => &tally.kept,
            Outcome::NotKept(_) | Outcome::Bypass => &tally.not_kept,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if tally.steps.fetch_add(1, Ordering::Relaxed) % TOLD_EVERY == TOLD_EVERY - 1 {
            println!("… {tally}, seed {seed}");
        }
        if !differences.is_empty() {
            println!("WRONG: seed {seed}, step {step}\n{program}\n{story}  {}", differences.join("\n  "));
            tally.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
            if told {
                world.twin.keep();
            }
            return;
        }
    }
    if told {
        println!("{program}\n{story}");
    }
}
