//! Launchers: ssh to this machine, and programs that misbehave.

use super::servers::{Server, hyperqueue, skipped, ssh, wait_until};
use super::slurm::ancestor;
use super::support::{Run, Sandbox};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A project whose executor `node` is this machine by ssh.
fn with_node(server: &Server) -> Sandbox {
    let sandbox = Sandbox::new();
    let ssh = format!("ssh -F {} node", server.directory.join("ssh_config").display());
    let settings = format!(
        "[executors.node]\nkind = \"launcher\"\nsubmit = \"{ssh} -- {{line}}\"\ncancel = \"{ssh} kill -TERM {{pid}}\"\n\
         send-environment = true\n"
    );
    sandbox.write("cashet.toml", settings);
    sandbox
}

/// The jobs of the store: their directories.
pub(crate) fn jobs(sandbox: &Sandbox) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(sandbox.path(".cashet/jobs")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.join("call").exists()).collect()
}

/// The process of the newest worker.
pub(crate) fn worker(sandbox: &Sandbox) -> Option<Pid> {
    let about = jobs(sandbox).iter().find_map(|job| fs::read_to_string(job.join("attempt.0")).ok())?;
    about.rsplit_once(' ')?.1.parse().ok().map(Pid::from_raw)
}

/// The process of a worker whose job has no result.
fn unfinished(sandbox: &Sandbox) -> Option<Pid> {
    let mut all = jobs(sandbox).into_iter().filter(|job| !job.join("result").exists());
    let about = all.find_map(|job| fs::read_to_string(job.join("attempt.0")).ok())?;
    about.rsplit_once(' ')?.1.parse().ok().map(Pid::from_raw)
}

/// A script that says `begun`, and ends when there is a file `go`.
const WAITS: &str = "echo begun; while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.02; done; echo ended; echo made > out";

fn go(sandbox: &Sandbox) {
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
}

#[test]
fn a_command_runs_there_once_and_is_replayed_here() {
    let Some(server) = ssh() else {
        return skipped("a_command_runs_there_once_and_is_replayed_here", "sshd");
    };
    let sandbox = with_node(server);
    sandbox.script("job", "echo \"$1 $LR\"; echo err >&2; echo \"$1\" > out; exit ${2:-0}");
    let call = ["--on", "node", "--", "./job", "two words"];
    // Our environment is there.
    let first = sandbox.exec(call).env("LR", "0.1").stdout("two words 0.1\n").stderr("err\n");
    first.leaves("out", "two words\n").executes(1).run();
    sandbox.exec(call).env("LR", "0.1").stdout("two words 0.1\n").stderr("err\n").executes(0).run();
    sandbox
        .exec(["./job", "two words"])
        .env("LR", "0.1")
        .stdout("two words 0.1\n")
        .stderr("err\n")
        .executes(0)
        .run();
    sandbox.exec(call).env("LR", "0.2").stdout("two words 0.2\n").stderr("err\n").executes(1).run();
    // Variables that the call sets are not written anywhere.
    let secret = ["--on", "node", "--env", "LR=hidden-value", "--", "./job", "x"];
    sandbox.exec(secret).stdout("x hidden-value\n").stderr("err\n").leaves("out", "x\n").executes(1).run();
    for job in jobs(&sandbox) {
        let call = fs::read(job.join("call")).unwrap();
        assert!(!call.windows(12).any(|part| part == b"hidden-value"));
    }
}

#[test]
fn how_a_command_ends_there_is_how_the_call_ends() {
    let Some(server) = ssh() else { return skipped("how_a_command_ends_there_is_how_the_call_ends", "sshd") };
    let sandbox = with_node(server);
    sandbox.script("job", "echo out; echo err >&2; exit 7").script("dies", "kill -SEGV $$");
    for _ in 0..2 {
        let run = sandbox.exec(["--on", "node", "--", "./job"]).stdout("out\n").stderr("err\n");
        run.status(7).executes(1).run();
    }
    sandbox.exec(["--on", "node", "--", "./dies"]).signal(libc::SIGSEGV).executes(1).run();
    sandbox.exec(["--on", "node", "--", "./nothing"]).status(127).stderr_with(&["./nothing"]).run();
    // Not recorded at all: it answers for the moment.
    sandbox.exec(["--on", "node", "--", "date", "+x"]).stdout("x\n").run();
}

#[test]
fn a_connection_that_is_cut_loses_nothing() {
    let Some(server) = ssh() else { return skipped("a_connection_that_is_cut_loses_nothing", "sshd") };
    let sandbox = with_node(server);
    sandbox.script("job", WAITS);
    let call = ["-v", "--on", "node", "--", "./job"];
    let run =
        sandbox.exec(call).stdout("begun\nended\n").any_stderr().leaves("out", "made\n").executes(1).spawn();
    run.wait_for_stderr("runs at");
    let line = format!("^ssh .*{}", sandbox.base().display());
    sandbox.bare(["pkill", "-KILL", "-f", &line]).any_status().run();
    run.wait_for_stderr("the command continues");
    go(&sandbox);
    let messages = run.finish().messages();
    assert!(messages.contains("cached"), "{messages}");
}

#[test]
fn a_server_of_connections_that_is_killed_loses_nothing() {
    let Some(server) = ssh() else {
        return skipped("a_server_of_connections_that_is_killed_loses_nothing", "sshd");
    };
    let sandbox = with_node(server);
    sandbox.script("job", format!("{WAITS}; exit 6"));
    let run = sandbox.exec(["-v", "--on", "node", "--", "./job"]).stdout("begun\nended\n").any_stderr();
    let run = run.leaves("out", "made\n").status(6).executes(1).spawn();
    wait_until("the job", || sandbox.executions() == 1);
    kill(ancestor(worker(&sandbox).unwrap(), "sshd"), Signal::SIGKILL).unwrap();
    run.wait_for_stderr("the command continues");
    go(&sandbox);
    run.finish();
}

#[test]
fn a_caller_that_is_killed_leaves_a_command_that_the_same_call_finds() {
    let Some(server) = ssh() else {
        return skipped("a_caller_that_is_killed_leaves_a_command_that_the_same_call_finds", "sshd");
    };
    let sandbox = with_node(server);
    sandbox.script("job", WAITS);
    let call = ["-v", "--on", "node", "--", "./job"];
    let run = sandbox.exec(call).any_stderr().signal(libc::SIGKILL).executes(1).spawn();
    wait_until("the job", || sandbox.executions() == 1);
    run.send(Signal::SIGKILL);
    run.finish();
    let run = sandbox.exec(call).stdout("begun\nended\n").any_stderr().leaves("out", "made\n").executes(0);
    let run = run.spawn();
    run.wait_for_stderr("attached to the job");
    go(&sandbox);
    run.finish();
}

/// GNU parallel on the node, or on this machine.
fn with_parallel(server: &Server) -> Option<Sandbox> {
    let version = std::process::Command::new("parallel").arg("--version").output().ok()?;
    if !version.stdout.starts_with(b"GNU parallel") {
        return None;
    }
    let sandbox = Sandbox::new();
    let node = format!("ssh -F {} node", server.directory.join("ssh_config").display());
    let parallel = "parallel --will-cite --halt now,fail=1";
    let settings = format!(
        "[executors.there]\nkind = \"launcher\"\nsubmit = \"{parallel} --env LANG --env TMPDIR --sshlogin '{node}' ::: {{line}}\"\n\
         [executors.here]\nkind = \"launcher\"\nsubmit = \"{parallel} ::: {{line}}\"\n"
    );
    sandbox.write("cashet.toml", settings);
    Some(sandbox)
}

#[test]
fn gnu_parallel_is_a_launcher() {
    let name = "gnu_parallel_is_a_launcher";
    let Some(server) = ssh() else { return skipped(name, "sshd") };
    let Some(sandbox) = with_parallel(server) else { return skipped(name, "GNU parallel") };
    // It notes what it knows of machines.
    let notes = sandbox.base().join("tmp/parallel");
    sandbox.script("job", "echo \"$1\"; echo err >&2; echo \"$1\" > out; exit ${2:-0}");
    for on in ["here", "there"] {
        let word = format!("two  words' of {on}");
        let printed = format!("{word}\n");
        for executed in [1, 0] {
            let run = sandbox.exec(["--on", on, "--", "./job", &word]).stdout(&printed).stderr("err\n");
            run.env("PARALLEL_HOME", &notes).executes(executed).leaves("out", &printed).run();
        }
        let failing = sandbox.exec(["--on", on, "--", "./job", on, "3"]).stdout(format!("{on}\n"));
        failing
            .env("PARALLEL_HOME", &notes)
            .stderr("err\n")
            .status(3)
            .executes(1)
            .leaves("out", format!("{on}\n"))
            .run();
        let sweep = ["map", "--on", on, "-p", "n=1..3", "--", "sh", "-c", &format!("echo {on} {{n}}")];
        for said in ["3 ran", "3 hit"] {
            sandbox.cashet(sweep).env("PARALLEL_HOME", &notes).any_stdout().stderr_with(&[said]).run();
        }
    }
    // The launcher dies: the command goes on and is waited for.
    sandbox.script("waits", WAITS);
    let call = ["-v", "--on", "there", "--", "./waits"];
    outlives_its_launcher(&sandbox, sandbox.exec(call).env("PARALLEL_HOME", &notes), "parallel");
}

/// Kills the launcher of a job that runs `WAITS`: the job goes on, and its end is known.
fn outlives_its_launcher(sandbox: &Sandbox, run: Run<'_>, launcher: &str) {
    let run = run.stdout("begun\nended\n").any_stderr().leaves("out", "made\n").executes(1).spawn();
    run.wait_for_stderr("runs at");
    let line = format!("{launcher}.*{}", sandbox.base().display());
    sandbox.bare(["pkill", "-KILL", "-f", &line]).any_status().run();
    run.wait_for_stderr("the command continues");
    go(sandbox);
    run.finish();
}

#[test]
fn hyperqueue_is_a_launcher() {
    let Some(server) = hyperqueue() else { return skipped("hyperqueue_is_a_launcher", "HyperQueue") };
    let sandbox = Sandbox::new();
    let run = server.directory.join("hq-run").display().to_string();
    let settings = format!(
        "[executors.hq]\nkind = \"launcher\"\nsubmit = \"{run} {{cmd}}\"\ncancel = \"kill -TERM {{pid}}\"\n"
    );
    sandbox.write("cashet.toml", settings);
    sandbox.script("job", "echo \"$1 $LR\"; echo err >&2; echo \"$1\" > out; exit ${2:-0}");
    for executed in [1, 0] {
        let run = sandbox.exec(["--on", "hq", "--", "./job", "two  words'"]).env("LR", "0.1").stderr("err\n");
        run.stdout("two  words' 0.1\n").executes(executed).leaves("out", "two  words'\n").run();
    }
    let failing = sandbox.exec(["--on", "hq", "--", "./job", "x", "3"]).stdout("x \n").stderr("err\n");
    failing.status(3).executes(1).leaves("out", "x\n").run();
    let sweep = ["map", "--on", "hq", "-j", "3", "-p", "n=1..6", "--", "sh", "-c", "echo {n}"];
    for said in ["6 ran", "6 hit"] {
        sandbox.cashet(sweep).any_stdout().stderr_with(&[said]).run();
    }
    sandbox.cashet(["executors"]).stdout_with(&["hq", "launcher", "ok", "watched"]).run();
    // Who waits for the task dies: the task goes on, and its end is known.
    sandbox.script("waits", WAITS);
    let call = ["-v", "--on", "hq", "--", "./waits"];
    outlives_its_launcher(&sandbox, sandbox.exec(call), "hq-run");
    // Ctrl-C ends it.
    fs::remove_file(sandbox.base().join("tmp/go")).unwrap();
    let call = ["-v", "--on", "hq", "--", "./waits", "again"];
    let run = sandbox.exec(call).any_stdout().any_stderr().signal(libc::SIGINT).executes(1).spawn();
    run.wait_for_stderr("runs at");
    wait_until("the task", || sandbox.executions() == 4);
    let worker = unfinished(&sandbox).unwrap();
    run.send(Signal::SIGINT);
    run.finish();
    wait_until("the task's end", || kill(worker, None).is_err());
}

#[test]
fn a_worker_that_is_killed_leaves_no_status() {
    let Some(server) = ssh() else { return skipped("a_worker_that_is_killed_leaves_no_status", "sshd") };
    let sandbox = with_node(server);
    sandbox.script("job", WAITS);
    let call = ["-v", "--on", "node", "--", "./job"];
    let run =
        sandbox.exec(call).stderr_with(&["ended without a result", "log"]).status(125).executes(1).spawn();
    run.wait_for_stderr("runs at");
    wait_until("the job", || sandbox.executions() == 1);
    kill(worker(&sandbox).unwrap(), Signal::SIGKILL).unwrap();
    run.finish();
    go(&sandbox);
    // It is not taken for one that still goes on.
    sandbox.exec(call).stdout("begun\nended\n").any_stderr().leaves("out", "made\n").executes(1).run();
}

#[test]
fn a_machine_that_cannot_be_reached_is_said() {
    let Some(server) = ssh() else { return skipped("a_machine_that_cannot_be_reached_is_said", "sshd") };
    let sandbox = with_node(server);
    let settings = sandbox.read("cashet.toml");
    let settings = String::from_utf8(settings).unwrap().replace(" node ", " -p 1 node ");
    sandbox.write("cashet.toml", settings).script("job", "echo x");
    let run = sandbox.exec(["--on", "node", "--", "./job"]).status(125).executes(0);
    run.stderr_with(&["ended without a result: its launcher ended with exit status: 255", "log"]).run();
    let run = sandbox.cashet(["executors"]).status(1).stdout_with(&["node", "launcher", "bad", "255"]);
    run.run();
}

#[test]
fn ctrl_c_ends_the_command_there() {
    let Some(server) = ssh() else { return skipped("ctrl_c_ends_the_command_there", "sshd") };
    let sandbox = with_node(server);
    sandbox.script("job", WAITS);
    let run = sandbox.exec(["-v", "--on", "node", "--", "./job"]).any_stderr().any_stdout();
    let run = run.signal(libc::SIGINT).executes(1).spawn();
    run.wait_for_stderr("runs at");
    wait_until("the job", || sandbox.executions() == 1);
    let worker = worker(&sandbox).unwrap();
    run.send(Signal::SIGINT);
    run.finish();
    wait_until("the worker's end", || kill(worker, None).is_err());
}

#[test]
fn executors_are_listed_and_checked() {
    let Some(server) = ssh() else { return skipped("executors_are_listed_and_checked", "sshd") };
    let sandbox = with_node(server);
    sandbox
        .cashet(["executors"])
        .stdout_with(&["node", "launcher", "ok", "by ssh; a job at", "watched"])
        .run();
    let shown = sandbox.cashet(["executors", "--json", "--no-job", "node"]).any_stdout().run().text();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["executors"][0]["state"], "ok");
    sandbox.cashet(["executors", "other"]).refused(2, &["no [executors.other]", "node"]).run();
}

/// A launcher that needs no server: it runs the command here, in the background, and knows it by its number.
#[test]
fn a_launcher_that_does_not_wait_is_asked_and_its_job_can_be_left() {
    let sandbox = Sandbox::new();
    let settings = "[executors.here]\nkind = \"launcher\"\n\
        submit = \"{cmd} > {log} 2>&1 & echo $!\"\nstatus = \"kill -0 {id} 2> /dev/null\"\n";
    sandbox.write("cashet.toml", settings).script("job", WAITS);
    let call = ["-v", "--on", "here", "--", "./job"];
    let left = sandbox.exec(["-v", "--on", "here", "--detach", "--", "./job"]).may_change("../tmp");
    left.stderr_with(&["continues; the same call attaches"]).run();
    wait_until("the job", || sandbox.executions() == 1);
    let run =
        sandbox.exec(call).stdout("begun\nended\n").any_stderr().leaves("out", "made\n").executes(0).spawn();
    run.wait_for_stderr("attached to job");
    go(&sandbox);
    run.finish();
}

/// A machine on which new files are private by default.
#[test]
fn outputs_get_the_modes_there_that_they_get_here() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "cashet.toml",
        "[executors.node]\nkind = \"launcher\"\nsubmit = \"umask 077; {cmd} > {log} 2>&1\"\n",
    );
    sandbox.script("job", "umask; mkdir made; echo x > made/plain; echo x > tool; chmod +x tool");
    let mode = |name: &str| fs::metadata(sandbox.path(name)).unwrap().permissions().mode() & 0o7777;
    let modes = || ["made", "made/plain", "tool"].map(mode);
    let expected = [0o755, 0o644, 0o755];
    let call = |words: &[&str], executes: usize| {
        let run = sandbox.exec([words, &["--", "./job"]].concat()).stdout("0022\n");
        run.any_stderr().may_change("made").may_change("tool").executes(executes).run();
        assert_eq!(modes(), expected, "{words:?}");
        sandbox.remove("made").remove("tool");
    };
    call(&["--on", "node"], 1);
    // It is the same run for both machines.
    call(&["--on", "node"], 0);
    call(&[], 0);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo x");
    for (settings, words, said) in [
        ("", vec!["--on", "gpu"], vec!["--on gpu", "no [executors.gpu]"]),
        (
            "[executors.gpu]\nkind = \"cloud\"\n",
            vec!["--on", "gpu"],
            vec!["neither slurm, launcher nor reapi"],
        ),
        ("[executors.gpu]\nkind = \"launcher\"\n", vec!["--on", "gpu"], vec!["has no submit"]),
        (
            "[executors.gpu]\nkind = \"launcher\"\nsubmit = \"ssh x\"\n",
            vec!["--on", "gpu"],
            vec!["neither {cmd} nor {line}"],
        ),
        (
            "[executors.gpu]\nkind = \"launcher\"\nsubmit = \"{cmd}\"\n",
            vec!["--on", "gpu", "--gpus", "2"],
            vec!["submit of [executors.gpu] has no {gpus}"],
        ),
        (
            "[executors.gpu]\nkind = \"launcher\"\nsubmit = \"{cmd}\"\n",
            vec!["--on", "gpu", "--detach"],
            vec!["--detach: gpu waits for the command"],
        ),
        (
            "[executors.gpu]\nkind = \"launcher\"\nsubmit = \"{cmd}\"\n",
            vec!["--on", "gpu", "--env", "A=1"],
            vec!["--env A", "send-environment"],
        ),
        (
            "[executors.gpu]\nkind = \"slurm\"\nsubmit = \"x\"\n",
            vec!["--on", "gpu"],
            vec!["submit in [executors.gpu]"],
        ),
        ("", vec!["--gpus", "1"], vec!["--gpus needs --on"]),
        ("", vec!["--on", "slurm", "--redact", "x"], vec!["--redact", "--on"]),
        ("", vec!["--on", "slurm", "--mode", "off"], vec!["--on needs the store"]),
        ("", vec!["--on", "slurm", "--stdin"], vec!["standard input cannot be sent"]),
    ] {
        sandbox.write("cashet.toml", settings);
        let call: Vec<&str> = words.into_iter().chain(["--", "./job"]).collect();
        sandbox.exec(call).status(125).executes(0).stderr_with(&said).run();
    }
    sandbox.write("cashet.toml", "");
    let piped = sandbox.exec(["--on", "slurm", "--", "./job"]).stdin("data");
    piped.status(125).executes(0).stderr_with(&["standard input is a file or a pipe"]).run();
}
