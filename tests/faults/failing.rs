//! One system call fails, for every n and every error that it may have: right bytes or a clear error, the command runs
//! all the same, and the store is whole.

use crate::calls::{errors, name};
use crate::scale::{Tally, chosen, scaled, shared};
use crate::scenarios::{ALL, Scenario, Stage};
use crate::tracer::{Call, Deed, End, Traced};
use nix::libc::{SYS_close, SYS_write};

/// Failing calls of the small scale, for each scenario.
const FEW: usize = 14;

#[test]
fn one_call_fails() {
    let mut plan = Vec::new();
    let stage = Stage::new();
    for scenario in ALL {
        stage.prepare(*scenario);
        let mut points = Vec::new();
        stage.project.trace(&stage.words(*scenario), &mut |call| {
            points.extend(errors(call).iter().map(|error| (*scenario, call.nth, *error)));
            Deed::Go
        });
        println!("{scenario:?}: {} calls that may fail", points.len());
        plan.extend(chosen(points.len(), FEW).map(|place| points[place]));
    }
    let tally = Tally::default();
    shared(plan.len(), Stage::new, |stage, number| {
        let (scenario, nth, error) = plan[number];
        if !tally.is_hopeless() {
            fail_at(stage, scenario, nth, error, &tally);
        }
    });
    assert!(tally.trials() >= scaled(100, 1000));
    tally.judge("failing calls");
}

fn fail_at(stage: &Stage, scenario: Scenario, nth: usize, error: i32, tally: &Tally) {
    stage.prepare(scenario);
    let before = stage.project.executions();
    let traced = stage.project.trace(&stage.words(scenario), &mut |call| {
        // Threads are not always in step: the n-th call may be another one.
        let applies = call.nth == nth && errors(call).contains(&error) && !is_close_of_directory(call);
        if applies { Deed::Fail(error) } else { Deed::Go }
    });
    let Some(met) = traced.met else { return };
    tally.trial();
    let done = traced.end == End::Status(0);
    let ran = stage.project.executions() - before;
    let wrong = traced
        .crash()
        .or_else(
            || if done { wrong_success(stage, scenario, &traced) } else { unclear(&traced.stderr_text()) },
        )
        .or_else(|| (ran > 1).then(|| format!("ran {ran} times")))
        .or_else(|| {
            if let Some(text) = refused(scenario, &traced, &met, ran) {
                println!("REFUSED {scenario:?} {} {:x?} {error} {text}", name(met.number), met.arguments);
            }
            None
        })
        .or_else(|| stage.wrong_after(scenario, done));
    if let Some(wrong) = wrong {
        let name = name(met.number);
        let error = nix::errno::Errno::from_raw(error);
        tally.wrong(format!("{scenario:?} call {nth}, {name}{:x?} {error:?}: {wrong}", met.arguments));
    }
}

/// No file system fails at it, and the standard library takes it for granted.
fn is_close_of_directory(call: &Call) -> bool {
    call.number == SYS_close && call.descriptor().is_some_and(|path| path.is_dir())
}

/// The call says that all is well.
fn wrong_success(stage: &Stage, scenario: Scenario, traced: &Traced) -> Option<String> {
    if !Stage::is_exec(scenario) {
        return None;
    }
    let word = Stage::word(scenario);
    if traced.stdout != stage.project.stdout_of(word) {
        return Some(format!("{} bytes of stdout: {}", traced.stdout.len(), traced.stderr_text()));
    }
    if !traced.stderr_text().contains(&format!("begun {word}\n")) {
        return Some(format!("stderr: {}", traced.stderr_text()));
    }
    stage.project.wrong_files(word)
}

/// The call failed without saying why.
fn unclear(stderr: &str) -> Option<String> {
    let clear = stderr.lines().any(|line| line.starts_with("cashet: ") || line.starts_with("error: "));
    (!clear).then(|| format!("no clear error: {stderr:?}"))
}

/// The command did not run, or its status was hidden, because something failed that it does not need.
fn refused(scenario: Scenario, traced: &Traced, met: &Call, ran: u64) -> Option<String> {
    let to_user = met.number == SYS_write && [1, 2].contains(&met.arguments[0]);
    let refused = Stage::is_exec(scenario) && traced.end != End::Status(0) && !to_user;
    refused.then(|| format!("refused, {:?}, ran {ran}: {}", traced.end, traced.stderr_text()))
}
