//! The program is killed at its n-th system call, for every n: the store is intact, no earlier result is lost, and the
//! next call is right.

use crate::calls::{is_long_write, name};
use crate::project::Project;
use crate::scale::{Tally, chosen, is_wanted, scaled, shared};
use crate::scenarios::{ALL, Scenario, Stage};
use crate::tracer::Deed;
use std::fmt::Debug;

/// A project in which calls are killed.
pub(crate) trait Killing {
    /// What is killed.
    type Scenario: Copy + Debug + Send + Sync;

    fn new() -> Self;
    fn project(&self) -> &Project;
    /// Brings everything to the state before the call.
    fn prepare(&self, scenario: Self::Scenario);
    /// The words of the call.
    fn words(&self, scenario: Self::Scenario) -> Vec<String>;
    /// What is wrong after the call, which was killed unless `done`.
    fn wrong_after(&self, scenario: Self::Scenario, done: bool) -> Option<String>;
}

/// Kills each scenario at some of its system calls: `few` at the small scale. All together are at least `least` trials.
pub(crate) fn kill_everywhere<K: Killing>(all: &[K::Scenario], few: usize, least: usize) {
    let mut plan = Vec::new();
    // Count the calls of each scenario, then choose the points.
    let stage = K::new();
    for scenario in all.iter().filter(is_wanted) {
        stage.prepare(*scenario);
        let whole = stage.project().trace(&stage.words(*scenario), &mut |_| Deed::Go);
        assert!(stage.wrong_after(*scenario, true).is_none(), "{scenario:?}: {}", whole.stderr_text());
        println!("{scenario:?}: {} calls", whole.calls);
        plan.extend(chosen(whole.calls, few).map(|place| (*scenario, place + 1)));
    }
    let tally = Tally::default();
    shared(plan.len(), K::new, |stage, number| {
        let (scenario, nth) = plan[number];
        if !tally.is_hopeless() {
            kill_at(stage, scenario, nth, &tally);
        }
    });
    assert!(std::env::var_os("CASHET_TEST_SCENARIO").is_some() || tally.trials() >= least);
    tally.judge("kill points");
}

fn kill_at<K: Killing>(stage: &K, scenario: K::Scenario, nth: usize, tally: &Tally) {
    // A long write is killed before it starts, and when half of it is done.
    for deed in [Deed::Kill, Deed::Tear] {
        stage.prepare(scenario);
        let traced = stage.project().trace(&stage.words(scenario), &mut |call| {
            let applies = call.nth == nth && (deed == Deed::Kill || is_long_write(call));
            if applies { deed } else { Deed::Go }
        });
        let Some(met) = traced.met else { continue };
        tally.trial();
        if let Some(wrong) = stage.wrong_after(scenario, false) {
            tally.wrong(format!("{scenario:?} {deed:?} at call {nth}, {}: {wrong}", name(met.number)));
        }
    }
}

impl Killing for Stage {
    type Scenario = Scenario;

    fn new() -> Self {
        Self::new()
    }

    fn project(&self) -> &Project {
        &self.project
    }

    fn prepare(&self, scenario: Scenario) {
        self.prepare(scenario);
    }

    fn words(&self, scenario: Scenario) -> Vec<String> {
        self.words(scenario)
    }

    fn wrong_after(&self, scenario: Scenario, done: bool) -> Option<String> {
        self.wrong_after(scenario, done)
    }
}

#[test]
fn killed_at_any_call() {
    kill_everywhere::<Stage>(ALL, 14, scaled(100, 2000));
}
