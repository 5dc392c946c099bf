//! `map --on`: sweeps as arrays of Slurm.

use super::launchers::jobs;
use super::servers::{skipped, wait_until};
use super::slurm::{Slurm, own_slurm};
use super::support::{Run, Sandbox};
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::fs;

/// Number of runs of the sweep.
const ALL: usize = 60;

/// A third of the runs fails while the file `broken` is part of the code.
const JOB: &str = "import os, sys, time\nimport state\nn = int(sys.argv[1])\n\
    while n == 30 and not os.path.exists(os.environ['TMPDIR'] + '/go'):\n    time.sleep(0.02)\n\
    open(f'out-{n}', 'w').write(str(n * n))\nprint('value:', n * n)\n\
    if state.BROKEN and n % 3 == 0:\n    sys.exit('broken')\n";

fn map<'a>(slurm: &Slurm, sandbox: &'a Sandbox, words: &[&str]) -> Run<'a> {
    let sweep = ["--on", "slurm", "-p", "n=1..60", "--", "python3", "job.py", "{n}"];
    let all: Vec<&str> = ["map"].iter().chain(words).chain(&sweep).copied().collect();
    // The runs write beside each other.
    (1..=ALL).fold(slurm.with(sandbox.cashet(all)), |run, n| run.may_change(format!("out-{n}")))
}

/// Executions by their parameter, for each state of the code.
fn executions(sandbox: &Sandbox) -> Vec<String> {
    let text = fs::read_to_string(sandbox.counter()).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// All jobs that were ever submitted, each once.
fn all_jobs(slurm: &Slurm) -> BTreeSet<String> {
    let shown = slurm.run("squeue", &["-h", "-r", "-t", "all", "-o", "%F_%K"]);
    shown.lines().map(|line| line.trim().to_owned()).collect()
}

/// Number of jobs that were ever submitted.
fn submitted(slurm: &Slurm) -> usize {
    all_jobs(slurm).len()
}

#[test]
fn a_sweep_that_is_interrupted_preempted_and_repaired_runs_each_once() {
    let Some(slurm) = own_slurm() else {
        return skipped("a_sweep_that_is_interrupted_preempted_and_repaired_runs_each_once", "Slurm");
    };
    let sandbox = Sandbox::new();
    let count = format!(
        "with open('{}', 'a') as counter:\n    counter.write(f'{{state.BROKEN}} {{n}}\\n')\n",
        sandbox.counter().display()
    );
    let job = JOB.replace("while n == 30", &format!("{count}while n == 30"));
    sandbox.write("job.py", job).write("state.py", "BROKEN = True\n");
    let before = submitted(&slurm);
    // Interrupted twice: killed, and as by a closed terminal.
    for (signal, done) in [(Signal::SIGKILL, 5), (Signal::SIGHUP, 20)] {
        let run = map(&slurm, &sandbox, &["--partition", "low", "--at-most", "2", "-q"]);
        let run = run.any_stderr().any_status().spawn();
        wait_until("some runs", || sandbox.executions() >= done);
        run.send(signal);
        run.finish();
    }
    // Preempted once: what ran then is requeued, and runs again.
    let run = map(&slurm, &sandbox, &["--partition", "low", "--at-most", "2"]).any_stderr().status(1).spawn();
    wait_until("the run that waits", || executions(&sandbox).contains(&"True 30".to_owned()));
    let hog = slurm.run("sbatch", &["--parsable", "--exclusive", "--output=/dev/null", "--wrap=sleep 1"]);
    let requeued = || {
        let shown = slurm.run("scontrol", &["show", "job", "-o"]);
        shown.lines().any(|job| job.contains("ArrayTaskId=29") && job.contains("Restarts=1"))
    };
    wait_until("the requeue", requeued);
    // Slurm may end what ran only after it has said that it is queued again.
    let begun = || executions(&sandbox).iter().filter(|run| *run == "True 30").count();
    wait_until("the second time", || begun() == 2);
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
    let text = run.finish().messages();
    assert!(text.contains("20 failed"), "{text}");
    let all = executions(&sandbox);
    assert_eq!(all.iter().filter(|run| *run == "True 30").count(), 2, "job {hog}: {all:?}: {text}");
    assert_eq!(submitted(&slurm), before + ALL + 1, "{:?}: {text}", all_jobs(&slurm));
    let mut first = executions(&sandbox);
    first.dedup();
    assert_eq!(first.len(), ALL);
    // Repaired: each runs once for the new code, and nothing is submitted after that.
    sandbox.write("state.py", "BROKEN = False\n");
    let fixed = |executes: usize, words: &[&str]| {
        map(&slurm, &sandbox, words).executes(executes).any_stderr().run().messages()
    };
    let text = fixed(ALL, &["--partition", "low"]);
    assert!(text.contains("60 runs · 0 hit · 60 ran"), "{text}");
    let all = submitted(&slurm);
    let text = fixed(0, &[]);
    assert!(text.contains("60 runs · 60 hit"), "{text}");
    assert_eq!(submitted(&slurm), all);
    let mut runs = executions(&sandbox);
    runs.retain(|line| line.starts_with("False"));
    assert_eq!(runs.len(), ALL);
    runs.dedup();
    assert_eq!(runs.len(), ALL);
    let table = sandbox.cashet(["runs", "job.py", "--csv"]).any_stdout().run().text();
    assert!(table.lines().count() > ALL, "{table}");
    assert!(jobs(&sandbox).len() >= ALL);
}

#[test]
fn a_sweep_tells_what_failed_and_repeats_it() {
    let Some(slurm) = own_slurm() else {
        return skipped("a_sweep_tells_what_failed_and_repeats_it", "Slurm");
    };
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"v $1\"; [ \"$1\" != 2 ] || { echo no two >&2; exit 4; }");
    let words = ["map", "--json", "--on", "slurm", "--retry", "1", "-p", "n=1..3", "--", "./job", "{n}"];
    let run = slurm.with(sandbox.cashet(words)).any_stdout().any_stderr().status(1).executes(4).run();
    let mut outcomes: Vec<(u64, String, u64)> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|object| {
            let outcome = object["outcome"].as_str().unwrap().to_owned();
            (object["number"].as_u64().unwrap(), outcome, object["attempts"].as_u64().unwrap())
        })
        .collect();
    outcomes.sort();
    let expected = [(1, "ran", 1), (2, "failed", 2), (3, "ran", 1)];
    assert_eq!(outcomes, expected.map(|(number, outcome, attempts)| (number, outcome.to_owned(), attempts)));
    let text = run.messages();
    assert!(text.contains("no two") && text.contains("repeat: cashet exec"), "{text}");
    // Each is tagged as those of a sweep that runs here.
    let log = sandbox.cashet(["log", "--tag", "sweep=job", "--json"]).any_stdout().run();
    assert_eq!(log.text().lines().count(), 4, "{}", log.text());
    // Ctrl-C cancels what is queued and what runs.
    sandbox.script("job", "while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.02; done");
    let run = slurm.with(sandbox.cashet(words)).any_stdout().any_stderr().signal(libc::SIGINT).spawn();
    wait_until("a run", || sandbox.executions() > 4);
    run.send(Signal::SIGINT);
    run.finish();
    wait_until("their end", || slurm.run("squeue", &["-h", "-t", "R,PD,CG", "-o", "%i"]).is_empty());
}

/// A sweep with these options, whose runs write beside each other.
fn sweep<'a>(slurm: &Slurm, sandbox: &'a Sandbox, words: &[&str]) -> Run<'a> {
    let all = [&["map", "--on", "slurm"], words].concat();
    slurm.with(sandbox.cashet(all)).any_stdout().any_stderr().may_change("../tmp")
}

/// A script that notes its argument, and ends when there is a file `go`.
const NOTES: &str = "echo \"$1\" >> \"$TMPDIR/begun\"; while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.02; done";

#[test]
fn each_run_of_an_array_has_the_variables_of_its_own_call() {
    let name = "each_run_of_an_array_has_the_variables_of_its_own_call";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$LR $SAME $1 ${CASHET_JOB_0_LR-none}\"");
    let words = ["--env", "LR={lr}", "--env", "SAME=x", "-p", "lr=0.1,a b,0.3", "--", "./job", "n{#}"];
    sweep(&slurm, &sandbox, &[&["--print"][..], &words].concat()).executes(3).stdout_with(&[]).run();
    for (number, lr) in [(1, "0.1"), (2, "a b"), (3, "0.3")] {
        let (lr, word) = (format!("LR={lr}"), format!("n{number}"));
        let call = ["--env", &lr, "--env", "SAME=x", "--", "./job", &word];
        let printed = format!("{} x {word} none\n", lr.trim_start_matches("LR="));
        sandbox.exec(call).stdout(printed).executes(0).run();
    }
    let before = submitted(&slurm);
    sweep(&slurm, &sandbox, &words).executes(0).run();
    assert_eq!(submitted(&slurm), before);
}

#[test]
fn a_sweep_that_is_left_is_attached_to_whatever_its_options() {
    let name = "a_sweep_that_is_left_is_attached_to_whatever_its_options";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    for options in [&["--ttl", "1d"][..], &["--no-cache"], &["--stale", "1d"]] {
        let sandbox = Sandbox::new();
        sandbox.script("job", NOTES);
        let words = [options, &["-p", "n=1..3", "--", "./job", "{n}"]].concat();
        let before = submitted(&slurm);
        let run = sweep(&slurm, &sandbox, &words).signal(libc::SIGHUP).spawn();
        wait_until("a run", || sandbox.executions() > 0);
        run.send(Signal::SIGHUP);
        run.finish();
        let run = sweep(&slurm, &sandbox, &words).spawn();
        fs::write(sandbox.base().join("tmp/go"), "").unwrap();
        let text = run.finish().messages();
        assert_eq!((submitted(&slurm), sandbox.executions()), (before + 3, 3), "{options:?}: {text}");
    }
}

#[test]
fn two_sweeps_and_a_call_elsewhere_share_their_jobs() {
    let name = "two_sweeps_and_a_call_elsewhere_share_their_jobs";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    let here = "[executors.here]\nkind = \"launcher\"\n\
        submit = \"{cmd} > {log} 2>&1 & echo $!\"\nstatus = \"kill -0 {id} 2> /dev/null\"\n";
    sandbox.write("cashet.toml", here).script("job", NOTES);
    let left = slurm.with(sandbox.exec(["--on", "here", "--detach", "--", "./job", "2"]));
    left.may_change("../tmp").run();
    wait_until("the job here", || sandbox.executions() == 1);
    let before = submitted(&slurm);
    let words = ["--json", "-p", "n=1..3", "--", "./job", "{n}"];
    let both = [0; 2].map(|_| sweep(&slurm, &sandbox, &words).spawn());
    wait_until("the others", || sandbox.executions() == 3);
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
    for run in both {
        let text = run.finish().text();
        assert_eq!(text.matches("\"error\":null").count(), 3, "{text}");
    }
    assert_eq!((submitted(&slurm), sandbox.executions()), (before + 2, 3));
}

#[test]
fn the_first_failure_withdraws_what_is_queued_and_lets_end_what_runs() {
    let name = "the_first_failure_withdraws_what_is_queued_and_lets_end_what_runs";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    // The first one runs until the second one has failed.
    sandbox.script(
        "job",
        "case $1 in 1) while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.02; done; echo one;; 2) exit 3;; esac",
    );
    let go = sandbox.base().join("tmp/go").display().to_string();
    let words = ["--ignore-read", &go, "--at-most", "2", "-p", "n=1..6", "--", "./job", "{n}"];
    let fast = [&["--fail-fast"][..], &words].concat();
    let run = sweep(&slurm, &sandbox, &fast).status(1).spawn();
    run.wait_for_stderr("failed");
    wait_until("the end of what was queued", || {
        slurm.run("squeue", &["-h", "-r", "-t", "PD", "-o", "%i"]).is_empty()
    });
    let executed = sandbox.executions();
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
    let text = run.finish().messages();
    assert!(text.contains("stopped at the first failure") && text.contains("1 failed"), "{text}");
    assert!(executed < 6, "{text}");
    sandbox.exec(["--ignore-read", &go, "--", "./job", "1"]).stdout("one\n").executes(0).run();
    // What was withdrawn is no failure of the next call.
    let run = sweep(&slurm, &sandbox, &words).status(1).run();
    assert!(run.messages().contains("1 failed"), "{}", run.messages());
    // The failure alone runs twice.
    assert_eq!(sandbox.executions(), 7, "{}", run.messages());
}

/// A launcher of this machine that knows its jobs by their numbers.
const HERE: &str = "[executors.here]\nkind = \"launcher\"\n\
    submit = \"{cmd} > {log} 2>&1 & echo $!\"\nstatus = \"kill -0 {id} 2> /dev/null\"\n";

/// Leaves a job that has failed, at the executor `here`.
fn leave_failure(slurm: &Slurm, sandbox: &Sandbox, words: &[&str]) {
    sandbox.write("cashet.toml", HERE);
    let call = [&["--on", "here", "--detach", "--"], words].concat();
    slurm.with(sandbox.exec(call)).may_change("../tmp").run();
    wait_until("the failure", || jobs(sandbox).iter().all(|job| job.join("result").exists()));
}

#[test]
fn the_first_failure_withdraws_nothing_that_another_call_submitted() {
    let name = "the_first_failure_withdraws_nothing_that_another_call_submitted";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", "[ \"$1\" != 2 ]");
    leave_failure(&slurm, &sandbox, &["./job", "2"]);
    let hog = slurm.hog(&[]);
    slurm.with(sandbox.exec(["--on", "slurm", "--detach", "--", "./job", "3"])).run();
    let queued = || slurm.run("squeue", &["-h", "-r", "-t", "PD", "-o", "%i"]);
    let other = queued();
    let words = ["--fail-fast", "-p", "n=1..3", "--", "./job", "{n}"];
    let run = sweep(&slurm, &sandbox, &words).status(1).executes(0).run();
    assert!(run.messages().contains("1 failed"), "{}", run.messages());
    assert_eq!(queued(), other, "{}", run.messages());
    slurm.run("scancel", &[&hog]);
    slurm.with(sandbox.exec(["--on", "slurm", "--", "./job", "3"])).may_change("../tmp").run();
    assert_eq!(sandbox.executions(), 2);
}

#[test]
fn a_failure_at_an_executor_that_is_gone_has_no_status_in_a_sweep() {
    let name = "a_failure_at_an_executor_that_is_gone_has_no_status_in_a_sweep";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", "[ \"$1\" != 2 ]");
    leave_failure(&slurm, &sandbox, &["./job", "2"]);
    sandbox.write("cashet.toml", "");
    let words = ["--json", "-p", "n=1..2", "--", "./job", "{n}"];
    let text = sweep(&slurm, &sandbox, &words).status(1).executes(1).run().text();
    assert!(text.contains("cashet.toml has no usable [executors.here]"), "{text}");
    assert_eq!(text.matches("\"exit\":null").count(), 1, "{text}");
    sweep(&slurm, &sandbox, &words).status(1).executes(1).run();
}

#[test]
fn ctrl_c_after_the_first_failure_cancels_what_runs() {
    let name = "ctrl_c_after_the_first_failure_cancels_what_runs";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("[ \"$1\" = 1 ] || exit 3; {NOTES}"));
    let words = ["--fail-fast", "--at-most", "2", "-p", "n=1..4", "--", "./job", "{n}"];
    let run = sweep(&slurm, &sandbox, &words).signal(libc::SIGINT).spawn();
    wait_until("the first run", || sandbox.base().join("tmp/begun").exists());
    run.wait_for_stderr("failed");
    let of_state = |states: &str| slurm.run("squeue", &["-h", "-r", "-t", states, "-o", "%i"]);
    wait_until("the end of what was queued", || of_state("PD").is_empty());
    assert!(!of_state("R").is_empty());
    run.send(Signal::SIGINT);
    run.finish();
    wait_until("the end of what ran", || of_state("R,PD,CG").is_empty());
}

#[test]
fn a_sweep_submits_nothing_for_results_that_only_a_second_look_finds() {
    let name = "a_sweep_submits_nothing_for_results_that_only_a_second_look_finds";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat \"$1\" 2> /dev/null; echo \"$2\"").script("made", "echo made");
    let made = sandbox.exec(["--id", "--", "./made"]).any_stdout().run().text();
    let made = format!("cashet:{}", made.trim());
    let before = submitted(&slurm);
    let stale = ["--stale", "1d", "-p", "n=1..2", "--", "./job", "none", "{n}"];
    let reference = ["-p", "n=1..2", "--", "./job", &made, "{n}"];
    for (number, words) in [&stale[..], &reference].into_iter().enumerate() {
        sweep(&slurm, &sandbox, words).executes(2).run();
        let replay = [&["--mode", "replay"][..], words].concat();
        for again in [words, &replay] {
            let run = sweep(&slurm, &sandbox, again).executes(0).run();
            assert!(run.messages().contains("2 hit"), "{again:?}: {}", run.messages());
        }
        assert_eq!(submitted(&slurm), before + 2 * (number + 1), "{words:?}");
    }
    // What is older is replayed, and refreshed by jobs that nobody waits for.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let run = sweep(&slurm, &sandbox, &[&["--stale", "1s"], &stale[2..]].concat()).run();
    assert!(run.messages().contains("2 hit"), "{}", run.messages());
    wait_until("the refresh", || sandbox.executions() == 7);
    assert_eq!(submitted(&slurm), before + 6);
}

#[test]
fn a_job_whose_id_cannot_be_noted_is_followed_all_the_same() {
    let name = "a_job_whose_id_cannot_be_noted_is_followed_all_the_same";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1\"");
    let shim = sandbox.base().join("tmp/bin");
    let sbatch =
        "#!/bin/sh\nfor job in .cashet/jobs/*/; do mkdir \"$job/id\"; done; exec /usr/bin/sbatch \"$@\"\n";
    sandbox.write(shim.join("sbatch"), sbatch).mode(shim.join("sbatch"), 0o755);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", shim.display());
    let words = ["-p", "n=1..2", "--", "./job", "{n}"];
    let run = sweep(&slurm, &sandbox, &words).env("PATH", path).executes(2).run();
    let text = run.messages();
    assert!(text.contains("cannot write") && text.contains("/id") && text.contains("2 ran"), "{text}");
}

#[test]
fn a_job_that_fails_before_it_begins_is_not_taken_for_one_that_was_withdrawn() {
    let name = "a_job_that_fails_before_it_begins_is_not_taken_for_one_that_was_withdrawn";
    let Some(slurm) = own_slurm() else { return skipped(name, "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.write("cashet.toml", "[executors.slurm]\nkind = \"slurm\"\ncashet = \"/none/cashet\"\n");
    sandbox.script("job", "echo \"$1\"");
    // Both run at once, and end long before the first failure is reported.
    let words = ["--fail-fast", "-p", "n=1..2", "--", "./job", "{n}"];
    let text = sweep(&slurm, &sandbox, &words).status(1).executes(0).run().messages();
    assert!(
        text.contains("2 failed") && text.matches("ended without a result: FAILED").count() >= 2,
        "{text}"
    );
}
