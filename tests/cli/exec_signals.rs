//! Signals, terminals, and processes that outlive the command.

use crate::support::Sandbox;
use nix::sys::signal::Signal;
use std::fs;

/// A loop that ends when the test says `go`.
const UNTIL_GO: &str = "while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.01; done";

fn go(sandbox: &Sandbox) {
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
}

#[test]
fn an_interrupt_from_the_terminal_reaches_the_command_once_and_nothing_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("trap 'echo interrupted; exit 7' INT; echo ready; {UNTIL_GO}"));
    let call = ["-q", "--pure", "./job"];
    let terminal = sandbox.unwatched(call).any_stdout().status(7).executes(1).terminal();
    terminal.wait_for("ready").type_in("\x03");
    let screen = terminal.finish().text();
    assert_eq!(screen.matches("interrupted").count(), 1, "{screen}");
    go(&sandbox);
    sandbox.unwatched(call).stdout("ready\n").executes(1).run();
}

#[test]
fn an_interrupted_command_takes_us_with_it() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("echo ready; {UNTIL_GO}"));
    for (key, signal) in [("\x03", 2), ("\x1c", 3)] {
        let line = "ulimit -c 0; exec cashet exec -q --trace off --pure ./job";
        let terminal = sandbox.shell(line).any_stdout().signal(signal).executes(1).terminal();
        terminal.wait_for("ready").type_in(key);
        terminal.finish();
    }
    go(&sandbox);
    sandbox.unwatched(["--pure", "./job"]).stdout("ready\n").executes(1).run();
}

#[test]
fn an_interrupt_that_the_command_survives_is_not_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("trap 'echo ignored' INT; echo ready; {UNTIL_GO}; echo end"));
    let call = ["-q", "--pure", "./job"];
    let terminal = sandbox.unwatched(call).any_stdout().executes(1).terminal();
    terminal.wait_for("ready").type_in("\x03").wait_for("ignored");
    go(&sandbox);
    assert!(terminal.finish().text().ends_with("end"));
    sandbox.unwatched(call).stdout("ready\nend\n").executes(1).run();
}

#[test]
fn signals_sent_to_us_alone_are_passed_on() {
    let sandbox = Sandbox::new();
    for (signal, name) in [(Signal::SIGTERM, "TERM"), (Signal::SIGHUP, "HUP"), (Signal::SIGQUIT, "QUIT")] {
        sandbox.script("job", format!("trap 'echo {name}; exit 5' {name}; echo ready; {UNTIL_GO}"));
        let running = sandbox.unwatched(["--pure", "./job"]);
        let running = running.stdout(format!("ready\n{name}\n")).status(5).executes(1).spawn();
        running.wait_for_stdout("ready").send(signal);
        running.finish();
        let again = sandbox.unwatched(["--pure", "--mode", "replay", "./job"]);
        again.status(121).any_stderr().executes(0).run();
    }
}

#[test]
fn a_command_that_dies_of_a_passed_on_signal_takes_us_with_it() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("echo ready; {UNTIL_GO}"));
    let running = sandbox.unwatched(["--pure", "./job"]).stdout("ready\n").signal(15).executes(1).spawn();
    running.wait_for_stdout("ready").send(Signal::SIGTERM);
    running.finish();
}

#[test]
fn a_run_that_got_a_signal_which_was_ignored_when_we_started_is_not_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("echo ready; {UNTIL_GO}; echo end"));
    let line = "trap '' HUP; exec cashet exec --trace off --pure ./job";
    let running = sandbox.shell(line).stdout("ready\nend\n").executes(1).spawn();
    running.wait_for_stdout("ready").send(Signal::SIGHUP);
    go(&sandbox);
    running.finish();
    sandbox.shell(line).stdout("ready\nend\n").executes(1).run();
    sandbox.shell(line).stdout("ready\nend\n").executes(0).run();
}

#[test]
fn nohup_around_us_works() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("echo ready; {UNTIL_GO}; echo end"));
    let call = ["nohup", crate::support::CASHET, "exec", "--trace", "off", "--pure", "./job"];
    let running = sandbox.bare(call).stdout("ready\nend\n").executes(1).spawn();
    running.wait_for_stdout("ready").send(Signal::SIGHUP);
    go(&sandbox);
    running.finish();
}

#[test]
fn a_process_that_keeps_the_pipes_does_not_keep_us() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("({UNTIL_GO}; echo late) & echo early; exit 0"));
    for _ in 0..2 {
        let mut running = sandbox.unwatched(["--pure", "./job"]).stdout("early\nlate\n").executes(1).spawn();
        assert!(running.wait().success());
        running.wait_for_stdout("early");
        go(&sandbox);
        running.finish();
        fs::remove_file(sandbox.base().join("tmp/go")).unwrap();
    }
}

#[test]
fn a_process_left_behind_without_the_pipes_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("({UNTIL_GO}) > /dev/null 2>&1 & echo early"));
    sandbox.unwatched(["--pure", "./job"]).stdout("early\n").executes(1).run();
    sandbox.unwatched(["--pure", "./job"]).stdout("early\n").executes(0).run();
    go(&sandbox);
}

#[test]
fn dispositions_mask_and_umask_are_those_of_a_bare_run() {
    let sandbox = Sandbox::new();
    let report = "grep -E '^Sig(Blk|Ign)' /proc/self/status; umask";
    sandbox.script("job", report);
    for before in ["true", "trap '' USR1 PIPE", "umask 027"] {
        let bare = sandbox.shell(format!("{before}; ./job")).any_stdout().run();
        let line = format!("{before}; cashet exec --trace off --pure ./job");
        sandbox.shell(line).stdout(&bare.stdout).run();
        sandbox.remove(".cashet");
    }
}

/// State, reason and words of all runs in the history, newest first.
fn history(sandbox: &Sandbox, status: &[&str]) -> Vec<(String, String)> {
    let words: Vec<&str> = ["log", "--json"].iter().chain(status).copied().collect();
    let text = sandbox.cashet(words).any_stdout().run().text();
    let word = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.map(|line| (word(&line, "state"), word(&line, "reason"))).collect()
}

fn ended(state: &str, reason: &str) -> (String, String) {
    (state.to_owned(), reason.to_owned())
}

#[test]
fn a_run_that_was_interrupted_is_in_the_history_and_never_replayed() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("trap 'echo stopped; exit 0' TERM; echo ready; {UNTIL_GO}"));
    let call = ["--pure", "--tag", "stage=train", "./job"];
    let running = sandbox.unwatched(call).stdout("ready\nstopped\n").executes(1).spawn();
    running.wait_for_stdout("ready").send(Signal::SIGTERM);
    running.finish();
    assert_eq!(history(&sandbox, &[]), [ended("interrupted", "interrupted")]);
    assert_eq!(history(&sandbox, &["--status", "interrupted", "--tag", "stage=train"]).len(), 1);
    assert_eq!(history(&sandbox, &["--status", "killed"]).len(), 0);
    sandbox.cashet(["get", "@"]).stdout("ready\nstopped\n").run();
    sandbox.cashet(["log"]).stdout_with(&["interrupted, ok"]).run();
    let next = sandbox.unwatched(["--pure", "cat", "cashet:@"]);
    next.refused(125, &["was interrupted: its output is incomplete"]).run();
    go(&sandbox);
    sandbox.unwatched(call).stdout("ready\n").executes(1).run();
    assert_eq!(history(&sandbox, &[]), [ended("ok", ""), ended("interrupted", "interrupted")]);
}

#[test]
fn a_command_that_a_signal_killed_is_in_the_history_as_killed() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo before; kill -KILL $$");
    for _ in 0..2 {
        sandbox.unwatched(["--pure", "./job"]).stdout("before\n").signal(9).executes(1).run();
    }
    assert_eq!(history(&sandbox, &["--status", "killed"]), vec![ended("killed", "killed"); 2]);
    sandbox.cashet(["log"]).stdout_with(&["killed (SIGKILL)"]).run();
    sandbox.cashet(["log", "--missed"]).stdout_with(&["killed", "killed by SIGKILL"]).run();
}

#[test]
fn what_was_killed_with_us_is_found_by_the_next_call() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("echo ready; {UNTIL_GO}"));
    let call = ["--pure", "--tag", "stage=train", "./job", "a"];
    for calls in 1..=2 {
        // Watched or not.
        let trace = if calls == 1 { "--trace=off" } else { "--trace=auto" };
        let run = sandbox.exec([trace].iter().chain(&call));
        let running = run.any_stdout().signal(9).executes(1).spawn();
        running.wait_for_stdout("ready");
        // A run is marked shortly after it began.
        let marks = || {
            let names = fs::read_dir(sandbox.path(".cashet/tmp")).into_iter().flatten().flatten();
            names.filter(|entry| entry.file_name().to_string_lossy().starts_with("running-")).count()
        };
        while marks() == 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        running.send(Signal::SIGKILL);
        running.finish();
        assert_eq!(history(&sandbox, &["--status", "killed"]), vec![ended("killed", "killed"); calls]);
        assert_eq!(history(&sandbox, &["--tag", "stage=train"]).len(), calls);
        assert_eq!(marks(), 0);
    }
    sandbox.cashet(["show", "@"]).stdout_with(&["cashet was killed while the command ran"]).run();
    sandbox.cashet(["fsck"]).stdout_with(&["clean"]).run();
    go(&sandbox);
    sandbox.unwatched(call).stdout("ready\n").executes(1).run();
    sandbox.unwatched(call).stdout("ready\n").executes(0).run();
}

#[test]
fn a_run_that_records_another_killed_one_is_itself_recorded() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("echo ready; {UNTIL_GO}")).script("other", "echo other; sleep 0.1");
    let running = sandbox.unwatched(["--pure", "./job"]).any_stdout().signal(9).executes(1).spawn();
    running.wait_for_stdout("ready");
    let tmp = sandbox.path(".cashet/tmp");
    let has_mark = || {
        let mut names = fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().file_name());
        names.any(|name| name.to_string_lossy().starts_with("running-"))
    };
    while !has_mark() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    running.send(Signal::SIGKILL);
    running.finish();
    sandbox.unwatched(["--pure", "./other"]).stdout("other\n").executes(1).run();
    assert!(!has_mark());
    assert_eq!(history(&sandbox, &[]), [ended("killed", "killed"), ended("ok", "")]);
    go(&sandbox);
}
