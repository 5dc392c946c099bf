//! cashet is killed: the command ends as well, and processes that it started go on as they do bare.

use crate::support::Sandbox;
use nix::sys::signal::Signal;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Some hundred watched calls in a process of its own, and then a file.
const WORKS_ON: &str = "(until [ -e \"$TMPDIR/go\" ] || [ ! -d \"$TMPDIR\" ]; do cat in > copy; done; \
     n=0; while [ $n -lt 50 ]; do n=$((n + 1)); cat in >> copy; done; mv copy made)";

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_mins(2), "{what}");
        sleep(Duration::from_millis(10));
    }
}

/// Whether a process has this text in its command line.
fn runs(text: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).contains(text))
}

#[test]
fn the_command_ends_with_us_and_what_it_started_goes_on() {
    for mode in ["off", "auto"] {
        let sandbox = Sandbox::new();
        let mark = format!(": {};", sandbox.base().display());
        sandbox.write("in", "input\n");
        sandbox.script("job", format!("{WORKS_ON} > /dev/null 2>&1 & echo ready; wait; echo never > after"));
        let line = format!("{mark} ./job; echo never > last");
        let mut running = sandbox
            .exec(["--trace", mode, "sh", "-c", line.as_str()])
            .may_change(".")
            .any_stdout()
            .any_stderr()
            .signal(9)
            .spawn();
        running.wait_for_stdout("ready");
        wait_until("its process begins", || sandbox.path("copy").exists());
        running.send(Signal::SIGKILL);
        running.wait();
        wait_until("the command ends", || !runs(&mark));
        fs::write(sandbox.base().join("tmp/go"), "").unwrap();
        wait_until("its process goes on", || sandbox.path("made").exists());
        let made = sandbox.read("made");
        assert!(made.ends_with(&b"input\n".repeat(50)), "{}", String::from_utf8_lossy(&made));
        assert!(!sandbox.path("last").exists());
        sandbox.shell("rm -f made after copy").may_change(".").run();
    }
}

#[test]
fn processes_go_on_whenever_we_are_killed() {
    let sandbox = Sandbox::new();
    sandbox.write("in", "input\n");
    let several = "n=0; while [ $n -lt 40 ]; do n=$((n + 1)); cat in > /dev/null; done";
    let line = format!(
        "({several}; echo 1 > one) > /dev/null 2>&1 & ({several}; echo 2 > two) > /dev/null 2>&1 & echo ready; wait"
    );
    for number in 0..12 {
        sandbox.shell("rm -f one two").may_change(".").run();
        let words = ["--no-cache", "sh", "-c", line.as_str()];
        let mut running = sandbox.exec(words).any_stdout().any_stderr().signal(9).may_change(".").spawn();
        running.wait_for_stdout("ready");
        sleep(Duration::from_millis(3 * number));
        running.send(Signal::SIGKILL);
        running.wait();
        wait_until("both processes end", || sandbox.path("one").exists() && sandbox.path("two").exists());
    }
}

#[test]
fn a_process_that_outlives_the_command_goes_on_if_we_are_killed_while_it_is_waited_for() {
    let sandbox = Sandbox::new();
    let late = "sleep 0.8; ls / > names; echo late > late";
    let line = format!("setsid sh -c '{late}' > /dev/null 2>&1 & sleep 0.3; echo ready");
    // While the command runs, while its process is waited for, and afterwards.
    for milliseconds in [200, 350, 420, 500, 700] {
        sandbox.shell("rm -f names late").may_change(".").run();
        let words = ["--no-cache", "sh", "-c", line.as_str()];
        let mut running = sandbox.exec(words).any_stdout().any_stderr().any_status().may_change(".").spawn();
        sleep(Duration::from_millis(milliseconds));
        running.send(Signal::SIGKILL);
        running.wait();
        wait_until("its process goes on", || sandbox.path("late").exists());
        assert!(!sandbox.read("names").is_empty());
    }
}
