//! Options of runs on other machines in combination, Ctrl-C at each step, and several callers: nothing is lost, nothing runs
//! twice, and impossible calls are refused in one line. The launchers here need no server.

use super::launchers::{jobs, worker};
use super::servers::wait_until;
use super::support::{Background, Run, Sandbox};
use nix::sys::signal::{Signal, kill};
use std::fs;

/// A launcher that runs the command in the background of this machine and knows it by its number.
const LEFT: &str = "[executors.here]\nkind = \"launcher\"\n\
    submit = \"{cmd} > {log} 2>&1 & echo $!\"\nstatus = \"kill -0 {id} 2> /dev/null\"\ncancel = \"kill -TERM {id}\"\n";

/// The same, which takes a job only when there is a file `take`.
const SLOW: &str = "[executors.here]\nkind = \"launcher\"\n\
    submit = \"touch $TMPDIR/asked; while [ ! -e $TMPDIR/take ]; do sleep 0.02; done; {cmd} > {log} 2>&1 & echo $!\"\n\
    status = \"kill -0 {id} 2> /dev/null\"\ncancel = \"kill -TERM {id}\"\n";

/// A launcher that waits for the command.
const WAITING: &str =
    "[executors.there]\nkind = \"launcher\"\nsubmit = \"{cmd}\"\ncancel = \"kill -TERM {pid}\"\n";

/// A script that says `begun`, and ends when there is a file `go`.
const WAITS: &str = "echo begun; while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.02; done; echo ended; echo made > out";

fn go(sandbox: &Sandbox) {
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
}

fn with(settings: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("cashet.toml", settings).script("job", WAITS);
    sandbox
}

/// Runs beside each other see each other's files.
fn beside(run: Run<'_>) -> Run<'_> {
    ["out", "../tmp"].into_iter().fold(run, Run::may_change)
}

const CALL: [&str; 5] = ["-v", "--on", "here", "--", "./job"];

#[test]
fn callers_of_one_job_submit_it_once_and_all_get_its_end() {
    for (script, status) in [(WAITS.to_owned(), 0), (format!("{WAITS}; exit 3"), 3)] {
        let sandbox = with(LEFT);
        sandbox.script("job", script);
        let call = || beside(sandbox.exec(CALL)).stdout("begun\nended\n").any_stderr().status(status);
        let all: Vec<Background<'_>> = (0..5).map(|_| call().spawn()).collect();
        // Which one submits it is open; all of them follow one job.
        for run in &all {
            run.wait_for_stderr("job ");
        }
        wait_until("the job", || sandbox.executions() == 1);
        go(&sandbox);
        for run in all {
            run.finish();
        }
        assert_eq!(sandbox.executions(), 1);
        assert_eq!(jobs(&sandbox).len(), 1);
    }
}

#[test]
fn one_caller_that_leaves_or_is_stopped_takes_nothing_from_the_other() {
    let sandbox = with(LEFT);
    let first = beside(sandbox.exec(CALL)).any_stdout().any_stderr().signal(libc::SIGHUP).spawn();
    wait_until("the job", || sandbox.executions() == 1);
    let other = beside(sandbox.exec(CALL)).stdout("begun\nended\n").any_stderr().executes(0).spawn();
    other.wait_for_stderr("attached to job");
    first.send(Signal::SIGHUP);
    first.finish();
    // As on a laptop that is closed, it is stopped while the job ends.
    other.send(Signal::SIGSTOP);
    go(&sandbox);
    wait_until("the result", || jobs(&sandbox).iter().all(|job| job.join("result").exists()));
    other.send(Signal::SIGCONT);
    other.finish();
    assert_eq!((sandbox.executions(), jobs(&sandbox).len()), (1, 1));
    assert_eq!(sandbox.read("out"), b"made\n");
}

#[test]
fn a_job_that_one_caller_cancels_has_no_status_for_the_other() {
    let sandbox = with(LEFT);
    let first = beside(sandbox.exec(CALL)).any_stdout().any_stderr().signal(libc::SIGINT).spawn();
    first.wait_for_stderr("runs at");
    let other =
        beside(sandbox.exec(CALL)).status(125).stderr_with(&["ended without a result", "log"]).spawn();
    other.wait_for_stderr("attached to job");
    first.send(Signal::SIGINT);
    first.finish();
    other.finish();
    go(&sandbox);
    beside(sandbox.exec(CALL)).stdout("begun\nended\n").any_stderr().executes(1).run();
}

#[test]
fn ctrl_c_while_a_job_is_submitted_cancels_it() {
    for options in [&["-v", "--on", "here"][..], &["-v", "--on", "here", "--detach"]] {
        let sandbox = with(SLOW);
        let call = [options, &["--", "./job"]].concat();
        let run = beside(sandbox.exec(call)).any_stdout().any_stderr().signal(libc::SIGINT).spawn();
        wait_until("the submission", || sandbox.base().join("tmp/asked").exists());
        run.send(Signal::SIGINT);
        run.wait_for_stderr("cancelled as soon as here has taken it");
        fs::write(sandbox.base().join("tmp/take"), "").unwrap();
        let text = run.finish().messages();
        assert!(text.contains("cancelled job"), "{text}");
        let still = || worker(&sandbox).is_some_and(|process| kill(process, None).is_ok());
        wait_until("the worker's end", || !still());
        go(&sandbox);
        let before = sandbox.executions();
        beside(sandbox.exec(CALL)).stdout("begun\nended\n").any_stderr().executes(1).run();
        assert_eq!(sandbox.executions(), before + 1);
    }
}

#[test]
fn a_second_ctrl_c_while_a_job_is_submitted_leaves_it_and_the_same_call_finds_it() {
    let sandbox = with(SLOW);
    let run = beside(sandbox.exec(CALL)).any_stdout().any_stderr().signal(libc::SIGINT).spawn();
    wait_until("the submission", || sandbox.base().join("tmp/asked").exists());
    run.send(Signal::SIGINT);
    run.wait_for_stderr("cancelled as soon as");
    run.send(Signal::SIGINT);
    let mut run = run;
    run.wait();
    fs::write(sandbox.base().join("tmp/take"), "").unwrap();
    wait_until("the job", || sandbox.executions() == 1);
    let again = beside(sandbox.exec(CALL)).stdout("begun\nended\n").any_stderr().executes(0).spawn();
    again.wait_for_stderr("attached to the job");
    go(&sandbox);
    again.finish();
    run.finish();
}

#[test]
fn ctrl_c_while_a_job_waits_runs_nothing() {
    let sandbox = with(
        "[executors.here]\nkind = \"launcher\"\nsubmit = \"touch $TMPDIR/asked; sleep 300; {cmd}\"\ncancel = \"kill -TERM {pid}\"\n",
    );
    let run = beside(sandbox.exec(CALL)).any_stderr().signal(libc::SIGINT).executes(0).spawn();
    wait_until("the launcher", || sandbox.base().join("tmp/asked").exists());
    run.send(Signal::SIGINT);
    run.finish();
    sandbox.write("cashet.toml", LEFT);
    go(&sandbox);
    beside(sandbox.exec(CALL)).stdout("begun\nended\n").any_stderr().executes(1).run();
}

/// Runs what is put into a directory, outside of every call, as a daemon does.
const SPOOLER: &str = "mkdir -p \"$TMPDIR/spool\"; while [ -d \"$TMPDIR/spool\" ]; do for job in \"$TMPDIR\"/spool/*.job; do \
    [ -e \"$job\" ] || continue; mv \"$job\" \"$job.taken\"; sh \"$job.taken\"; mv \"$job.taken\" \"$job.done\"; done; sleep 0.02; done";

#[test]
fn a_call_within_a_watched_one_hides_nothing_that_was_read_elsewhere() {
    let sandbox = Sandbox::new();
    let settings = "[executors.spool]\nkind = \"launcher\"\n\
        submit = \"printf %s {line} > $TMPDIR/spool/{token} && mv $TMPDIR/spool/{token} $TMPDIR/spool/{token}.job && echo {token}\"\n\
        status = \"test ! -e $TMPDIR/spool/{id}.job.done\"\n";
    sandbox.write("cashet.toml", settings).script("job", "cat data").write("data", "one\n");
    let spooler =
        beside(sandbox.bare(["sh", "-c", SPOOLER])).any_stdout().any_stderr().may_change("").spawn();
    wait_until("the spooler", || sandbox.base().join("tmp/spool").exists());
    let outer = ["sh", "-c", "cashet exec --on spool -- ./job"];
    for text in ["one\n", "two\n", "three\n"] {
        sandbox.write("data", text);
        for executes in [1, 0] {
            beside(sandbox.exec(outer)).stdout(text).any_stderr().executes(executes).run();
        }
    }
    fs::remove_dir_all(sandbox.base().join("tmp/spool")).unwrap();
    spooler.finish();
}

#[test]
fn a_stale_result_is_replayed_and_refreshed_elsewhere() {
    let sandbox = Sandbox::new();
    sandbox.write("cashet.toml", LEFT).script("job", "echo x");
    let call = ["-v", "--on", "here", "--stale", "1s", "--", "./job"];
    sandbox.exec(call).stdout("x\n").stderr_with(&["ran", "cached"]).executes(1).run();
    wait_until("the refresh", || {
        sandbox.exec(call).stdout("x\n").stderr_with(&["cashet: ", "hit "]).run();
        sandbox.executions() > 1
    });
}

#[test]
fn an_error_is_in_the_report_and_no_status_is_invented() {
    let sandbox = Sandbox::new();
    let lost = "[executors.there]\nkind = \"launcher\"\nsubmit = \"exit 3; {cmd}\"\n\
        [executors.here]\nkind = \"launcher\"\nsubmit = \"echo full >&2; exit 4; {cmd}\"\nstatus = \"true\"\n";
    sandbox.write("cashet.toml", lost).script("job", "echo \"$1\"");
    let report = sandbox.base().join("tmp/.cashet/report");
    for (on, said) in [("there", "ended without a result"), ("here", "did not take the job")] {
        let call = ["--report", report.to_str().unwrap(), "--on", on, "--", "./job"];
        beside(sandbox.exec(call)).status(125).stderr_with(&[said]).executes(0).run();
        let text = fs::read_to_string(&report).unwrap();
        fs::remove_file(&report).unwrap();
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found["outcome"], "error", "{text}");
        assert!(found["error"].as_str().unwrap().contains(said), "{text}");
        let map = ["map", "--json", "--on", on, "-p", "n=1,2", "--", "./job", "{n}"];
        let run = beside(sandbox.cashet(map)).any_stdout().any_stderr().status(1).executes(0).run();
        assert_eq!(run.text().lines().count(), 2, "{}", run.text());
        for line in run.text().lines() {
            let found: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                (&found["outcome"], &found["exit"]),
                (&"failed".into(), &serde_json::Value::Null),
                "{line}"
            );
            assert!(found["error"].as_str().unwrap().contains(said), "{line}");
        }
    }
}

#[test]
fn an_executor_that_is_gone_is_named_and_its_job_is_not_lost() {
    let sandbox = with(&format!("{LEFT}{WAITING}"));
    beside(sandbox.exec(["--on", "here", "--detach", "--", "./job"])).run();
    wait_until("the job", || sandbox.executions() == 1);
    // Another executor: the job is attached to where it is.
    let other = beside(sandbox.exec(["-v", "--on", "there", "--", "./job"])).any_stdout().any_stderr();
    let other = other.signal(libc::SIGHUP).executes(0).spawn();
    other.wait_for_stderr("attached to job");
    other.send(Signal::SIGHUP);
    other.finish();
    sandbox.write("cashet.toml", WAITING);
    let call = ["-v", "--on", "there", "--", "./job"];
    let run = beside(sandbox.exec(call)).status(125).executes(0);
    run.stderr_with(&["an earlier call submitted this command to here", "put [executors.here] back"]).run();
    // The result is stored for every caller.
    go(&sandbox);
    wait_until("the result", || jobs(&sandbox).iter().all(|job| job.join("result").exists()));
    beside(sandbox.exec(call)).stdout("begun\nended\n").any_stderr().executes(0).run();
}

#[test]
fn a_failure_at_an_executor_that_is_gone_has_no_status() {
    let sandbox = with(&format!("{LEFT}{WAITING}"));
    sandbox.script("job", "exit 3");
    beside(sandbox.exec(["--on", "here", "--detach", "--", "./job"])).run();
    wait_until("the result", || jobs(&sandbox).iter().any(|job| job.join("result").exists()));
    sandbox.write("cashet.toml", WAITING);
    // Only the executor knows whether it ended the command. This is said once.
    let call = ["--on", "there", "--", "./job"];
    let said = ["ended without a result", "cashet.toml has no usable [executors.here]", "log"];
    beside(sandbox.exec(call)).status(125).stderr_with(&said).executes(0).run();
    beside(sandbox.exec(call)).status(3).executes(1).run();
}

#[test]
fn a_job_is_followed_where_it_is_whatever_resources_this_call_asks_for() {
    let needs = |settings: &str, resource: &str| {
        settings.replace("submit = \"", &format!("submit = \": {{{resource}}}; "))
    };
    let sandbox = with(&format!("{}{}", needs(LEFT, "cpus"), needs(WAITING, "gpus")));
    beside(sandbox.exec(["--on", "here", "--cpus", "2", "--detach", "--", "./job"])).run();
    wait_until("the job", || sandbox.executions() == 1);
    let call = ["-v", "--on", "there", "--gpus", "1", "--", "./job"];
    let run = beside(sandbox.exec(call)).stdout("begun\nended\n").any_stderr().executes(0).spawn();
    run.wait_for_stderr("attached to job");
    go(&sandbox);
    run.finish();
}

#[test]
fn a_job_that_its_executor_never_got_is_submitted_anew_to_another_one() {
    let never = "[executors.here]\nkind = \"launcher\"\nstatus = \"false\"\n\
        submit = \"touch $TMPDIR/asked; while [ -d $TMPDIR ]; do sleep 0.1; done; exit 1; {cmd}\"\n";
    let sandbox = with(&format!("{never}{}", LEFT.replace("here", "there")));
    let run = beside(sandbox.exec(CALL)).any_stderr().signal(libc::SIGKILL).executes(0).spawn();
    wait_until("the submission", || sandbox.base().join("tmp/asked").exists());
    run.send(Signal::SIGKILL);
    run.finish();
    let there = || beside(sandbox.exec(["-v", "--on", "there", "--", "./job"])).any_stdout().any_stderr();
    let run = there().signal(libc::SIGHUP).executes(1).spawn();
    run.wait_for_stderr("runs at");
    wait_until("the job", || sandbox.executions() == 1);
    run.send(Signal::SIGHUP);
    run.finish();
    // The other executor has it, and can cancel it.
    let run = there().signal(libc::SIGINT).executes(0).spawn();
    run.wait_for_stderr("attached to job");
    run.send(Signal::SIGINT);
    let text = run.finish().messages();
    assert!(text.contains("cancelled job") && text.contains("on there"), "{text}");
    wait_until("the worker's end", || worker(&sandbox).is_none_or(|process| kill(process, None).is_err()));
}

#[test]
fn a_signal_after_the_end_of_a_job_ends_the_call() {
    let sandbox = with(LEFT);
    // More than a pipe takes, and nobody reads it.
    sandbox.script("job", "head -c 1000000 /dev/zero | tr '\\0' x");
    let run = beside(sandbox.shell(
        "mkfifo \"$TMPDIR/pipe\"; \
        (while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.02; done) < \"$TMPDIR/pipe\" & \
        exec cashet exec --on here -- ./job > \"$TMPDIR/pipe\"",
    ));
    let run = run.any_stderr().signal(libc::SIGTERM).executes(1).spawn();
    wait_until("the end of the job", || jobs(&sandbox).iter().any(|job| job.join("collected").exists()));
    run.send(Signal::SIGTERM);
    go(&sandbox);
    run.finish();
}

#[test]
fn a_sweep_without_a_store_or_with_standard_input_that_counts_is_refused() {
    let sandbox = with(LEFT);
    for (settings, said) in [
        ("[exec]\nstdin = \"hash\"\n", "standard input cannot be sent to another machine"),
        ("[store]\ndir = \"user\"\n", "--on needs a store that both machines have"),
    ] {
        sandbox.write("cashet.toml", format!("{LEFT}{settings}"));
        for on in ["here", "slurm"] {
            let call = ["map", "--on", on, "-p", "n=1,2", "--", "./job", "{n}"];
            let run = sandbox.cashet(call).unset("HOME").any_status().executes(0).stderr_with(&[said]).run();
            assert!(!run.status.success() && run.messages().lines().count() < 3, "{}", run.messages());
            assert!(jobs(&sandbox).is_empty(), "{on}: {settings}");
        }
    }
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let sandbox = with(LEFT);
    for (words, said) in [
        (&["exec", "--on", "here", "--no-wait"][..], "--no-wait and --on"),
        (&["map", "--on", "here", "--no-wait", "-p", "n=1,2"], "--no-wait and --on"),
        (&["map", "--on", "here", "--mode", "off", "-p", "n=1,2"], "--on needs the store"),
        (&["map", "--on", "slurm", "--mode", "off", "-p", "n=1,2"], "--on needs the store"),
        (&["map", "--on", "slurm", "--mode", "read", "-p", "n=1,2"], "--on needs the store"),
        (&["map", "--on", "gone", "-p", "n=1,2"], "no [executors.gone]"),
        (&["map", "--on", "gone", "--dry-run", "-p", "n=1,2"], "no [executors.gone]"),
        (&["map", "--on", "slurm", "--dry-run", "--redact", "x", "-p", "n=1,2"], "--redact and --on"),
        (&["map", "--on", "slurm", "--detach", "-p", "n=1,2"], "--detach"),
    ] {
        let call: Vec<&str> = words.iter().copied().chain(["--", "./job", "{n}"]).collect();
        let run = sandbox.cashet(call).any_status().any_stdout().executes(0).stderr_with(&[said]).run();
        assert!(!run.status.success() && run.messages().lines().count() < 6, "{}", run.messages());
        assert!(jobs(&sandbox).is_empty(), "{words:?}");
    }
    // Runs that may not run are reported, and no jobs are submitted.
    let map = ["map", "--on", "here", "--mode", "replay", "-p", "n=1,2", "--", "./job", "{n}"];
    sandbox.cashet(map).any_stdout().status(1).executes(0).stderr_with(&["2 failed"]).run();
    assert!(jobs(&sandbox).is_empty());
}

#[test]
fn a_sweep_of_a_launcher_takes_its_options() {
    let sandbox = Sandbox::new();
    sandbox.write("cashet.toml", LEFT);
    // It fails if two run at a time.
    sandbox.script("job", "mkdir alone || exit 9; sleep 0.1; rmdir alone; echo \"$1\"");
    let list = "n,word\n1,a\n2,b\n3,c\n4,d\n";
    sandbox.write("list.csv", list);
    let sweep = |words: &[&str]| {
        let all =
            [&["map", "--on", "here", "--from", "list.csv"], words, &["--", "./job", "{word}"]].concat();
        sandbox.cashet(all).any_stderr().any_stdout()
    };
    let run = sweep(&["--dry-run", "--json"]).executes(0).run();
    assert_eq!(run.text().matches("\"would\":\"run\"").count(), 4, "{}", run.text());
    assert!(jobs(&sandbox).is_empty());
    sweep(&["-j", "4", "--at-most", "1", "--json", "--ignore-write", "alone"]).executes(4).run();
    let run = sweep(&["--dry-run", "--json", "--ignore-write", "alone"]).executes(0).run();
    assert_eq!(run.text().matches("\"would\":\"hit\"").count(), 4, "{}", run.text());
    sandbox.script("job", "echo tried >> \"$TMPDIR/tried\"; [ \"$1\" != a ]");
    let failing = |words: &[&str]| beside(sweep(words)).status(1);
    failing(&["--retry", "2"]).executes(6).run();
    sandbox.script("job", "echo other; [ \"$1\" != a ]");
    failing(&["--fail-fast", "-j", "1"]).executes(1).run();
}

#[test]
fn a_store_that_cannot_be_written_is_said_and_runs_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("cashet.toml", LEFT).script("job", "echo x");
    sandbox.exec(["--on", "here", "--", "./job"]).stdout("x\n").executes(1).run();
    // No more jobs can be made; what is recorded is replayed.
    let jobs = sandbox.path(".cashet/jobs");
    fs::remove_dir_all(&jobs).unwrap();
    fs::write(&jobs, "").unwrap();
    sandbox.exec(["--on", "here", "--", "./job"]).stdout("x\n").executes(0).run();
    let run = sandbox.exec(["--on", "here", "--", "./job", "2"]).status(125).executes(0);
    let text = run.stderr_with(&["jobs"]).run().messages();
    assert!(text.lines().count() < 3, "{text}");
    let map = ["map", "--on", "here", "-p", "n=1,2", "--", "./job", "{n}"];
    sandbox.cashet(map).any_stdout().status(1).executes(0).stderr_with(&["jobs"]).run();
}
