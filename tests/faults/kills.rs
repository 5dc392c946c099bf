//! The program is killed at its n-th system call, for every n: the store is whole, nothing earlier is lost, and the
//! next call is right.

use crate::calls::{is_write, name};
use crate::scale::{Random, Tally, is_full, scaled, seed, shared};
use crate::scenarios::{ALL, Scenario, Stage};
use crate::tracer::Deed;
use std::sync::Mutex;

/// Kill points of the small scale, for each scenario.
const FEW: usize = 14;

#[test]
fn killed_at_any_call() {
    let plan = Mutex::new(Vec::new());
    // How many calls each makes; then which are chosen.
    let stage = Stage::new();
    for scenario in ALL {
        stage.prepare(*scenario);
        let whole = stage.project.trace(&stage.words(*scenario), &mut |_| Deed::Go);
        assert!(stage.wrong_after(*scenario, true).is_none(), "{scenario:?}: {}", whole.stderr_text());
        println!("{scenario:?}: {} calls", whole.calls);
        let mut random = Random::new(seed());
        let step = if is_full() { 1 } else { whole.calls / FEW };
        let first = 1 + random.below(step);
        let points = (first..=whole.calls + scaled(0, 20)).step_by(step);
        plan.lock().unwrap().extend(points.map(|nth| (*scenario, nth)));
    }
    let plan = plan.into_inner().unwrap();
    let tally = Tally::default();
    shared(plan.len(), Stage::new, |stage, number| {
        let (scenario, nth) = plan[number];
        if !tally.is_hopeless() {
            kill_at(stage, scenario, nth, &tally);
        }
    });
    assert!(tally.trials() >= scaled(100, 2000));
    tally.judge("kill points");
}

fn kill_at(stage: &Stage, scenario: Scenario, nth: usize, tally: &Tally) {
    // A write is killed before it, and when half of it is done.
    for deed in [Deed::Kill, Deed::Tear] {
        stage.prepare(scenario);
        let traced = stage.project.trace(&stage.words(scenario), &mut |call| {
            let applies = call.nth == nth && (deed == Deed::Kill || is_write(call.number));
            if applies { deed } else { Deed::Go }
        });
        let Some(met) = traced.met else { continue };
        tally.trial();
        if let Some(wrong) = stage.wrong_after(scenario, false) {
            tally.wrong(format!("{scenario:?} {deed:?} at call {nth}, {}: {wrong}", name(met.number)));
        }
    }
}
