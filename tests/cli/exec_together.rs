//! Identical calls at the same time: one execution, whichever process dies.

use crate::support::{Background, Run, Sandbox};
use nix::sys::signal::Signal;
use std::fs;
use std::thread;
use std::time::Duration;

fn started<'a>(count: usize, call: impl Fn() -> Run<'a>) -> Vec<Background<'a>> {
    (0..count).map(|_| call().spawn()).collect()
}

/// Waits until every started call surely waits.
fn a_while() {
    thread::sleep(Duration::from_millis(1500));
}

/// Writes `job`: it prints `ready` and runs until [`go`].
fn waiting_job(sandbox: &Sandbox) {
    sandbox.script(
        "job",
        "echo ready; until [ -e \"$TMPDIR/go\" ] || [ ! -d \"$TMPDIR\" ]; do sleep 0.01; done",
    );
}

/// Starts [`waiting_job`] as the process that holds the key.
fn holder(sandbox: &Sandbox) -> Background<'_> {
    waiting_job(sandbox);
    let holder = sandbox.unwatched(["--pure", "./job"]).stdout("ready\n").spawn();
    holder.wait_for_stdout("ready");
    holder
}

fn go(sandbox: &Sandbox) {
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
}

#[test]
fn of_64_identical_calls_one_executes() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "sleep 0.3; seq 1000; echo err >&2; echo made > out");
    let expected = (1..=1000).map(|n| n.to_string() + "\n").collect::<String>();
    let call = || {
        let run = sandbox.unwatched(["-o", "out", "./job"]).stdout(&expected).stderr("err\n");
        run.leaves("out", "made\n")
    };
    for running in started(64, call) {
        running.finish();
    }
    assert_eq!(sandbox.executions(), 1);
    call().executes(0).run();
}

#[test]
fn different_calls_at_once_all_execute_and_are_all_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1\"");
    let words: Vec<String> = (0..64).map(|n| n.to_string()).collect();
    let call = |word: &str| sandbox.unwatched(["--pure", "./job", word]).stdout(format!("{word}\n"));
    let running: Vec<_> = words.iter().map(|word| call(word).spawn()).collect();
    for running in running {
        running.finish();
    }
    assert_eq!(sandbox.executions(), 64);
    for word in &words {
        call(word).executes(0).run();
    }
}

#[test]
fn when_the_holder_is_killed_a_waiter_takes_over() {
    let sandbox = Sandbox::new();
    let first = "[ \"$(wc -l < \"$TMPDIR/.cashet/executions\")\" -eq 1 ]";
    sandbox.script(
        "job",
        format!("echo ready; if {first}; then until [ -e \"$TMPDIR/go\" ] || [ ! -d \"$TMPDIR\" ]; do sleep 0.01; done; fi"),
    );
    let call = || sandbox.unwatched(["--pure", "./job"]);
    let mut holder = call().stdout("ready\n").signal(9).spawn();
    holder.wait_for_stdout("ready");
    let waiting = started(3, || call().stdout("ready\n").any_stderr());
    a_while();
    assert_eq!(sandbox.executions(), 1, "the others do not wait");
    holder.send(Signal::SIGKILL);
    holder.wait();
    for running in waiting {
        running.finish();
    }
    assert_eq!(sandbox.executions(), 2);
    go(&sandbox);
    call().stdout("ready\n").executes(0).run();
}

#[test]
fn when_the_holder_fails_the_others_run_side_by_side() {
    const OTHERS: usize = 15;
    let sandbox = Sandbox::new();
    // The first one waits for `go` and fails; each other one waits until all are started.
    let all = OTHERS + 1;
    sandbox.script(
        "job",
        format!(
            "if mkdir \"$TMPDIR/first\" 2> /dev/null; then until [ -e \"$TMPDIR/go\" ] || [ ! -d \"$TMPDIR\" ]; do sleep 0.01; done; exit 1; fi\n\
             for n in $(seq 3000); do\n\
             [ \"$(wc -l < \"$TMPDIR/.cashet/executions\")\" -ge {all} ] && exec echo together; sleep 0.01\ndone\necho alone"
        ),
    );
    let call = || sandbox.unwatched(["--pure", "./job"]).any_stderr();
    let holder = call().status(1).spawn();
    while sandbox.executions() == 0 {
        thread::sleep(Duration::from_millis(2));
    }
    let others = started(OTHERS, || call().stdout("together\n"));
    a_while();
    assert_eq!(sandbox.executions(), 1, "the others do not wait");
    go(&sandbox);
    holder.finish();
    for running in others {
        running.finish();
    }
    assert_eq!(sandbox.executions(), all);
}

#[test]
fn a_waiter_that_is_interrupted_leaves() {
    let sandbox = Sandbox::new();
    waiting_job(&sandbox);
    let call = || sandbox.unwatched(["--pure", "./job"]);
    let holder = call().stdout("ready\n").executes(1).spawn();
    holder.wait_for_stdout("ready");
    let waiter = call().signal(15).any_stderr().spawn();
    thread::sleep(Duration::from_millis(300));
    waiter.send(Signal::SIGTERM);
    waiter.finish();
    go(&sandbox);
    holder.finish();
}

#[test]
fn on_a_terminal_a_waiter_shows_what_it_waits_for() {
    let sandbox = Sandbox::new();
    let holder = holder(&sandbox);
    let waiter = sandbox.unwatched(["--pure", "./job"]).any_stdout().terminal();
    waiter.wait_for("joined a run started");
    waiter.wait_for("ready");
    go(&sandbox);
    holder.finish();
    assert_eq!(waiter.finish().text().matches("ready").count(), 1);
}

#[test]
fn a_holder_that_is_stopped_is_not_waited_for() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo ready; sleep 0.2; echo done");
    let call = || sandbox.unwatched(["--pure", "./job"]).stdout("ready\ndone\n");
    let holder = call().spawn();
    holder.wait_for_stdout("ready");
    holder.send(Signal::SIGSTOP);
    call().any_stderr().executes(1).run();
    holder.send(Signal::SIGCONT);
    holder.finish();
    call().executes(0).run();
}

#[test]
fn a_holder_that_makes_no_progress_is_not_waited_for() {
    let sandbox = Sandbox::new();
    // Each one waits for the other: without cashet they would meet.
    sandbox.script(
        "job",
        "for n in $(seq 200); do [ \"$(wc -l < \"$TMPDIR/.cashet/executions\")\" -ge 2 ] && exec echo met; sleep 0.3; done; exit 1",
    );
    let running = started(2, || sandbox.unwatched(["--pure", "./job"]).stdout("met\n").any_stderr());
    for running in running {
        running.finish();
    }
    assert_eq!(sandbox.executions(), 2);
    // A job that waits only for time.
    let sandbox = Sandbox::new();
    sandbox
        .script("job", "echo ready; until [ -e \"$TMPDIR/go\" ] || [ ! -d \"$TMPDIR\" ]; do sleep 1; done");
    let call = || sandbox.unwatched(["--pure", "./job"]).stdout("ready\n").any_stderr();
    let holder = call().spawn();
    holder.wait_for_stdout("ready");
    let other = call().spawn();
    other.wait_for_stdout("ready");
    go(&sandbox);
    other.finish();
    holder.finish();
}

#[test]
fn with_no_wait_a_second_call_runs_beside_the_first() {
    let sandbox = Sandbox::new();
    let holder = holder(&sandbox);
    let beside = sandbox.unwatched(["--pure", "--no-wait", "./job"]).stdout("ready\n").any_stderr().spawn();
    beside.wait_for_stdout("ready");
    go(&sandbox);
    beside.finish();
    holder.finish();
    sandbox.unwatched(["--pure", "--no-wait", "./job"]).stdout("ready\n").executes(0).run();
}

#[test]
fn a_reader_that_does_not_read_delays_no_other_call() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "seq 300000");
    let expected = (1..=300_000).map(|n| n.to_string() + "\n").collect::<String>();
    // It reads after the other call has ended.
    let slow =
        "cashet exec --trace off --pure ./job | { until [ -e \"$TMPDIR/go\" ]; do sleep 0.05; done; cat; }";
    let holder = sandbox.shell(slow).stdout(&expected).spawn();
    while sandbox.executions() == 0 {
        thread::sleep(Duration::from_millis(2));
    }
    for _ in 0..2 {
        sandbox.unwatched(["--pure", "./job"]).stdout(&expected).any_stderr().run();
    }
    go(&sandbox);
    holder.finish();
    assert_eq!(sandbox.executions(), 1);
    // A replay delays no other process either.
    fs::remove_file(sandbox.base().join("tmp/go")).unwrap();
    let holder = sandbox.shell(slow).stdout(&expected).spawn();
    for _ in 0..2 {
        sandbox.unwatched(["--pure", "./job"]).stdout(&expected).executes(0).run();
    }
    go(&sandbox);
    holder.finish();
}
