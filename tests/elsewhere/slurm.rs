//! Single jobs of Slurm: once each, whatever becomes of the machine and of who waits.

use super::launchers::{jobs, worker};
use super::servers::{Server, skipped, slurm, wait_until};
use super::support::{Run, Sandbox};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The machine has one node: tests that fill it or break it take turns.
static NODE: Mutex<()> = Mutex::new(());

pub(crate) struct Slurm {
    pub(crate) server: &'static Server,
    _turn: MutexGuard<'static, ()>,
}

/// Slurm, for this test alone.
pub(crate) fn own_slurm() -> Option<Slurm> {
    let server = slurm()?;
    let turn = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    let slurm = Slurm { server, _turn: turn };
    slurm.run("scancel", &["--user=root"]);
    wait_until("the node", || slurm.run("sinfo", &["-h", "-p", "main", "-o", "%t"]).starts_with("idle"));
    Some(slurm)
}

impl Slurm {
    pub(crate) fn run(&self, program: &str, words: &[&str]) -> String {
        let output = Command::new(program).args(words).env("SLURM_CONF", self.conf()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn conf(&self) -> String {
        self.server.directory.join("slurm.conf").display().to_string()
    }

    /// A call of cashet that knows this Slurm.
    pub(crate) fn with<'a>(&self, run: Run<'a>) -> Run<'a> {
        run.env("SLURM_CONF", self.conf())
    }

    /// A job that keeps the whole node busy.
    pub(crate) fn hog(&self, words: &[&str]) -> String {
        let line = ["--parsable", "--exclusive", "--output=/dev/null", "--wrap=sleep 600"];
        let id = self.run("sbatch", &[words, &line].concat());
        wait_until("the other job", || self.run("squeue", &["-h", "-j", &id, "-o", "%T"]) == "RUNNING");
        id
    }
}

/// A script that says `begun`, and ends when there is a file `go`.
const WAITS: &str = "echo begun; while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.02; done; echo ended; echo made > out";

fn go(sandbox: &Sandbox) {
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
}

#[test]
fn a_job_runs_once_and_is_replayed_here() {
    let Some(slurm) = own_slurm() else { return skipped("a_job_runs_once_and_is_replayed_here", "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1\"; echo err >&2; echo \"$1\" > out; exit ${2:-0}");
    let call = ["--on", "slurm", "--cpus", "1", "--time", "10m", "--", "./job", "a"];
    let run = slurm.with(sandbox.exec(call)).stdout("a\n").stderr("err\n").leaves("out", "a\n");
    run.executes(1).run();
    // Resources decide nothing.
    let again = ["--on", "slurm", "--cpus", "2", "--", "./job", "a"];
    slurm.with(sandbox.exec(again)).stdout("a\n").stderr("err\n").executes(0).run();
    sandbox.exec(["./job", "a"]).stdout("a\n").stderr("err\n").executes(0).run();
    let failing = ["--on", "slurm", "--", "./job", "b", "3"];
    for _ in 0..2 {
        let run = slurm.with(sandbox.exec(failing)).stdout("b\n").stderr("err\n").leaves("out", "b\n");
        run.status(3).executes(1).run();
    }
    sandbox.script("dies", "kill -SEGV $$");
    slurm.with(sandbox.exec(["--on", "slurm", "--", "./dies"])).signal(libc::SIGSEGV).executes(1).run();
    let refused = slurm.with(sandbox.exec(["--on", "slurm", "--partition", "none", "--", "./job", "c"]));
    refused.status(125).executes(0).stderr_with(&["Slurm did not take the job", "partition"]).run();
    slurm
        .with(sandbox.cashet(["executors", "slurm"]))
        .stdout_with(&["slurm", "ok", "partitions main, low"])
        .run();
}

#[test]
fn code_that_changed_while_the_job_was_queued_is_not_run() {
    let Some(slurm) = own_slurm() else {
        return skipped("code_that_changed_while_the_job_was_queued_is_not_run", "Slurm");
    };
    let sandbox = Sandbox::new();
    sandbox.write("job.sh", "echo one\n");
    let (call, latest) = (["--on", "slurm", "-v", "--"], ["--on", "slurm", "-v", "--latest", "--"]);
    for (call, status, stdout) in [(&call[..], 125, ""), (&latest[..], 0, "two\n")] {
        sandbox.write("job.sh", "echo one\n");
        let hog = slurm.hog(&[]);
        let words = [call, &["sh", "job.sh"]].concat();
        let run = slurm.with(sandbox.exec(words)).status(status).stdout(stdout).may_change("job.sh");
        let run = if status == 0 {
            run.any_stderr()
        } else {
            run.stderr_with(&["job.sh changed", "not run", "--latest"])
        };
        let run = run.spawn();
        run.wait_for_stderr("is queued");
        sandbox.write("job.sh", "echo two\n");
        slurm.run("scancel", &[&hog]);
        run.finish();
    }
}

#[test]
fn a_job_that_is_left_is_found_by_the_same_call() {
    let Some(slurm) = own_slurm() else {
        return skipped("a_job_that_is_left_is_found_by_the_same_call", "Slurm");
    };
    let sandbox = Sandbox::new();
    sandbox.script("job", WAITS);
    let call = ["-v", "--on", "slurm", "--", "./job"];
    let left = slurm.with(sandbox.exec(["-v", "--on", "slurm", "--detach", "--", "./job"]));
    left.stderr_with(&["submitted job", "the same call attaches"]).run();
    wait_until("the job", || sandbox.executions() == 1);
    // A terminal that is closed, and a kill, leave it too.
    for signal in [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGKILL] {
        let number = signal as i32;
        let run = slurm.with(sandbox.exec(call)).any_stdout().any_stderr().signal(number).executes(0).spawn();
        run.wait_for_stderr("attached to job");
        run.send(signal);
        run.finish();
    }
    go(&sandbox);
    let run = slurm.with(sandbox.exec(call)).stdout("begun\nended\n").any_stderr().leaves("out", "made\n");
    run.executes(0).run();
    assert_eq!(jobs(&sandbox).len(), 1);
    // A failure that was not yet reported is reported once, and then the command runs again.
    sandbox.script("fails", "echo sorry >&2; exit 4");
    slurm.with(sandbox.exec(["--on", "slurm", "--detach", "--", "./fails"])).run();
    wait_until("the job", || jobs(&sandbox).iter().all(|job| job.join("result").exists()));
    let fails = ["--on", "slurm", "--", "./fails"];
    for executed in [0, 1] {
        slurm.with(sandbox.exec(fails)).stderr("sorry\n").status(4).executes(executed).run();
    }
}

#[test]
fn a_submitter_that_dies_submits_nothing_twice() {
    let Some(slurm) = own_slurm() else {
        return skipped("a_submitter_that_dies_submits_nothing_twice", "Slurm");
    };
    let sandbox = Sandbox::new();
    sandbox.script("job", WAITS);
    let detach = ["--on", "slurm", "--detach", "--", "./job"];
    let hog = slurm.hog(&[]);
    slurm.with(sandbox.exec(detach)).run();
    // As if it had died between the submission and the note of the id.
    fs::remove_file(jobs(&sandbox).first().unwrap().join("id")).unwrap();
    go(&sandbox);
    slurm.run("scancel", &[&hog]);
    let call = ["--on", "slurm", "--", "./job"];
    slurm.with(sandbox.exec(call)).stdout("begun\nended\n").leaves("out", "made\n").run();
    assert_eq!((sandbox.executions(), jobs(&sandbox).len()), (1, 1));
}

#[test]
fn what_slurm_ends_has_no_status_of_the_command() {
    let Some(slurm) = own_slurm() else {
        return skipped("what_slurm_ends_has_no_status_of_the_command", "Slurm");
    };
    let sandbox = Sandbox::new();
    // It would even end well.
    sandbox.script("job", format!("trap 'exit 0' TERM; {WAITS}"));
    let call = ["-v", "--on", "slurm", "--", "./job"];
    let run = slurm.with(sandbox.exec(call)).status(125).executes(1);
    let run = run.stderr_with(&["ended without a result: CANCELLED", "log"]).spawn();
    wait_until("the job", || sandbox.executions() == 1);
    slurm.run("scancel", &["--user=root"]);
    run.finish();
    // Ctrl-C cancels it.
    let run = slurm.with(sandbox.exec(call)).any_stderr().signal(libc::SIGINT).executes(1).spawn();
    wait_until("the job", || sandbox.executions() == 2);
    run.send(Signal::SIGINT);
    run.finish();
    wait_until("its end", || slurm.run("squeue", &["-h", "-t", "R,PD,CG", "-o", "%i"]).is_empty());
}

/// Whether jobs that take more memory than they asked for are ended.
fn bounds_memory(slurm: &Slurm) -> bool {
    slurm.run("scontrol", &["show", "config"]).contains("task/cgroup")
}

#[test]
fn a_job_that_runs_out_of_memory_or_of_time_has_no_status_of_the_command() {
    let Some(slurm) = own_slurm() else {
        return skipped("a_job_that_runs_out_of_memory_or_of_time_has_no_status_of_the_command", "Slurm");
    };
    let sandbox = Sandbox::new();
    // The process that takes the memory is killed. What began it may end with any status, even its own.
    sandbox.script("takes", "tail /dev/zero || exit ${1:-3}").script("is", "exec tail /dev/zero");
    if bounds_memory(&slurm) {
        for words in [&["./takes"][..], &["./takes", "137"], &["./is"]] {
            let call = [&["--on", "slurm", "--mem", "200M", "--"][..], words].concat();
            let run = slurm.with(sandbox.exec(call)).any_stdout().status(125).executes(1);
            run.stderr_with(&["ended without a result: OUT_OF_MEMORY", "log"]).run();
        }
        let words = ["map", "--on", "slurm", "--mem", "200M", "-p", "n=4,5", "--", "./takes", "{n}"];
        let run = slurm.with(sandbox.cashet(words)).any_stdout().any_stderr().status(1).executes(2).run();
        assert_eq!(run.messages().matches("OUT_OF_MEMORY").count(), 4, "{}", run.messages());
        // A failure that is the command's own, in the same place, is its own.
        sandbox.script("fails", "echo sorry >&2; exit 137");
        let call = ["--on", "slurm", "--mem", "200M", "--", "./fails"];
        slurm.with(sandbox.exec(call)).stderr("sorry\n").status(137).executes(1).run();
    } else {
        skipped("OUT_OF_MEMORY", "a control group that bounds memory");
    }
    // It would even end well, if it were told in time.
    sandbox.script("job", format!("trap 'exit 0' TERM; {WAITS}"));
    let call = ["-v", "--on", "slurm", "--time", "1h", "--", "./job"];
    let run = slurm.with(sandbox.exec(call)).any_stdout().status(125).executes(1);
    let run = run.stderr_with(&["ended without a result: TIMEOUT", "log"]).spawn();
    run.wait_for_stderr("runs at");
    let id = slurm.run("squeue", &["-h", "-t", "R", "-o", "%i"]);
    slurm.run("scontrol", &["update", &format!("JobId={id}"), "EndTime=now+1"]);
    run.finish();
}

#[test]
fn a_preempted_job_is_waited_for() {
    let Some(slurm) = own_slurm() else { return skipped("a_preempted_job_is_waited_for", "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", WAITS);
    let call = ["-v", "--on", "slurm", "--partition", "low", "--", "./job"];
    let run = slurm.with(sandbox.exec(call)).stdout("begun\nended\n").any_stderr().leaves("out", "made\n");
    let run = run.executes(2).spawn();
    wait_until("the job", || sandbox.executions() == 1);
    let hog = slurm.hog(&["--partition=main"]);
    run.wait_for_stderr("is queued");
    slurm.run("scancel", &[&hog]);
    wait_until("the job again", || sandbox.executions() == 2);
    go(&sandbox);
    run.finish();
}

#[test]
fn a_controller_and_a_daemon_that_die_change_nothing() {
    let Some(slurm) = own_slurm() else {
        return skipped("a_controller_and_a_daemon_that_die_change_nothing", "Slurm");
    };
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("{WAITS}; exit 5"));
    let call = ["-v", "--on", "slurm", "--", "./job"];
    let run = slurm.with(sandbox.exec(call)).stdout("begun\nended\n").any_stderr().leaves("out", "made\n");
    let run = run.status(5).executes(1).spawn();
    wait_until("the job", || sandbox.executions() == 1);
    drop(slurm.server.kill("slurmctld"));
    let held = slurm.server.kill("slurmd");
    std::thread::sleep(std::time::Duration::from_secs(2));
    drop(held);
    go(&sandbox);
    run.finish();
}

/// The nearest process above `process` that has this name.
pub(crate) fn ancestor(process: Pid, name: &str) -> Pid {
    let mut process = process;
    loop {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        if status.lines().next().unwrap().ends_with(name) {
            return process;
        }
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
        process = Pid::from_raw(parent.trim().parse().unwrap());
    }
}

#[test]
fn a_node_that_fails_leaves_no_status() {
    let Some(slurm) = own_slurm() else { return skipped("a_node_that_fails_leaves_no_status", "Slurm") };
    let sandbox = Sandbox::new();
    sandbox.script("job", WAITS);
    let call = ["-v", "--on", "slurm", "--sbatch=--no-requeue", "--", "./job"];
    let run = slurm.with(sandbox.exec(call)).status(125).executes(1);
    let run = run.stderr_with(&["ended without a result: NODE_FAIL", "log"]).spawn();
    wait_until("the job", || sandbox.executions() == 1);
    let held = slurm.server.kill("slurmd");
    // All of the node's processes of this job: first the one that would report how the worker ended, then the worker.
    let worker = worker(&sandbox).unwrap();
    kill(ancestor(worker, "slurmstepd"), Signal::SIGKILL).unwrap();
    kill(worker, Signal::SIGKILL).unwrap();
    run.finish();
    drop(held);
    go(&sandbox);
}
