//! The program is killed at its n-th system call, for every n: the store is intact, no earlier result is lost, and the
//! next call is right.

use crate::calls::{is_long_write, name};
use crate::scale::{Tally, chosen, is_wanted, scaled, shared};
use crate::scenarios::{ALL, Scenario, Stage};
use crate::tracer::Deed;

/// Number of kill points per scenario at the small scale.
const FEW: usize = 14;

#[test]
fn killed_at_any_call() {
    let mut plan = Vec::new();
    // Count the calls of each scenario, then choose the points.
    let stage = Stage::new();
    for scenario in ALL.iter().filter(is_wanted) {
        stage.prepare(*scenario);
        let whole = stage.project.trace(&stage.words(*scenario), &mut |_| Deed::Go);
        assert!(stage.wrong_after(*scenario, true).is_none(), "{scenario:?}: {}", whole.stderr_text());
        println!("{scenario:?}: {} calls", whole.calls);
        let points = chosen(whole.calls, FEW).map(|place| (*scenario, place + 1));
        plan.extend(points);
    }
    let tally = Tally::default();
    shared(plan.len(), Stage::new, |stage, number| {
        let (scenario, nth) = plan[number];
        if !tally.is_hopeless() {
            kill_at(stage, scenario, nth, &tally);
        }
    });
    assert!(std::env::var_os("CASHET_TEST_SCENARIO").is_some() || tally.trials() >= scaled(100, 2000));
    tally.judge("kill points");
}

fn kill_at(stage: &Stage, scenario: Scenario, nth: usize, tally: &Tally) {
    // A long write is killed before it starts, and when half of it is done.
    for deed in [Deed::Kill, Deed::Tear] {
        stage.prepare(scenario);
        let traced = stage.project.trace(&stage.words(scenario), &mut |call| {
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
