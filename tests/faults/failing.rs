//! One system call fails, for every n and every error that it may return: the bytes are right or the error is clear,
//! the command still runs, and the store is intact.

use crate::calls::{errors, name};
use crate::scale::{Tally, chosen, is_wanted, scaled, shared};
use crate::scenarios::{ALL, Scenario, Stage};
use crate::tracer::{Call, Deed, End, Traced};
use nix::libc::{self, EIO, F_UNLCK, SIGPIPE};
use std::collections::HashMap;

/// Number of failing calls per scenario at the small scale.
const FEW: usize = 14;

#[test]
fn one_call_fails() {
    let mut plan = Vec::new();
    let stage = Stage::new();
    for scenario in ALL.iter().filter(is_wanted) {
        stage.prepare(*scenario);
        let mut points = Vec::new();
        let mut made = HashMap::new();
        stage.project.trace(&stage.words(*scenario), &mut |call| {
            let nth = made.entry(call.number).and_modify(|nth| *nth += 1).or_insert(1);
            let point =
                |error: &i32| Point { scenario: *scenario, number: call.number, nth: *nth, error: *error };
            points.extend(errors(call).iter().map(point));
            Deed::Go
        });
        println!("{scenario:?}: {} calls that may fail", points.len());
        plan.extend(chosen(points.len(), FEW).map(|place| points[place]));
    }
    let tally = Tally::default();
    shared(plan.len(), Stage::new, |stage, number| {
        if !tally.is_hopeless() {
            fail_at(stage, &plan[number], &tally);
        }
    });
    assert!(std::env::var_os("CASHET_TEST_SCENARIO").is_some() || tally.trials() >= scaled(100, 1000));
    tally.judge("failing calls");
}

/// The n-th call with this number fails. (Threads interleave differently each time: counted among all calls, it would
/// often be one that cannot fail.)
#[derive(Clone, Copy)]
struct Point {
    scenario: Scenario,
    number: i64,
    nth: usize,
    error: i32,
}

fn fail_at(stage: &Stage, point: &Point, tally: &Tally) {
    let Point { scenario, number, nth, error } = *point;
    stage.prepare(scenario);
    let before = stage.project.executions();
    let mut made = 0;
    let traced = stage.project.trace(&stage.words(scenario), &mut |call| {
        made += usize::from(call.number == number);
        let is_it = call.number == number && made == nth;
        let applies = is_it && errors(call).contains(&error) && !never_happens(call, error);
        if applies { Deed::Fail(error) } else { Deed::Go }
    });
    let Some(met) = traced.met else { return };
    tally.trial();
    let done = traced.end == End::Status(0);
    let ran = stage.project.executions() - before;
    let text = traced.stderr_text();
    let crash = traced.crash().filter(|_| !(to_user(&met) && traced.end == End::Signal(SIGPIPE)));
    let wrong = crash
        .or_else(|| {
            if to_user(&met) {
                None
            } else if done {
                wrong_success(stage, scenario, &traced)
            } else {
                unclear(&text)
            }
        })
        .or_else(|| (ran > 1).then(|| format!("ran {ran} times")))
        .or_else(|| refused(scenario, &traced, &met, ran))
        .or_else(|| stage.wrong_after(scenario, done));
    if let Some(wrong) = wrong {
        let name = name(met.number);
        let error = nix::errno::Errno::from_raw(error);
        let told = if wrong.contains(&*text) {
            String::new()
        } else {
            format!("{text}{}", String::from_utf8_lossy(&traced.stdout))
        };
        tally.wrong(format!("{scenario:?} {name} {nth}{:x?} {error:?}: {wrong}; {told}", met.arguments));
    }
}

/// Faults that no system has: closing a directory fails (the standard library assumes success), releasing a lock fails
/// (SQLite would wait for itself), reading a pipe between two processes fails.
fn never_happens(call: &Call, error: i32) -> bool {
    match call.number {
        libc::SYS_close => call.descriptor().is_some_and(|path| path.is_dir()),
        libc::SYS_fcntl => call.first_of(2) == Some(F_UNLCK),
        libc::SYS_read => error == EIO && is_pipe(call),
        _ => false,
    }
}

fn is_pipe(call: &Call) -> bool {
    call.descriptor().is_some_and(|path| path.as_os_str().as_encoded_bytes().starts_with(b"pipe:"))
}

/// Messages of failures that may prevent the command from running: the user's settings, the directory, the pipes, the
/// program, and declared inputs.
const NEEDED: &[&str] = &[
    "cashet.toml",
    "cannot find the working directory",
    "cannot make a pipe for the command's output",
    "cannot be executed",
    "cannot inspect",
    "cannot run",
    "cannot start",
    "not found",
];

/// Checks a call that reports success.
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

/// Checks that a failed call reports the reason.
fn unclear(stderr: &str) -> Option<String> {
    let clear = stderr.lines().any(|line| line.starts_with("cashet: ") || line.starts_with("error: "));
    (!clear).then(|| format!("no clear error: {stderr:?}"))
}

/// Checks that the command ran, with its own status, if the failed call is one that it does not need.
fn refused(scenario: Scenario, traced: &Traced, met: &Call, ran: u64) -> Option<String> {
    let text = traced.stderr_text();
    let needed = ran == 0 && NEEDED.iter().any(|needed| text.contains(needed));
    let refused = Stage::is_exec(scenario) && traced.end != End::Status(0) && !to_user(met) && !needed;
    refused.then(|| format!("refused, {:?}, ran {ran}: {text}", traced.end))
}

/// Whether the fault hit output for the user: bare, the command would have seen the error itself.
fn to_user(call: &Call) -> bool {
    call.number == libc::SYS_write && [1, 2].contains(&call.arguments[0])
}
