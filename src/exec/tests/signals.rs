//! Signals that reach a wrapper, from another process or from a terminal.

use super::*;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

watched_or_not!(
    what_is_sent_to_us_is_passed_on_once,
    the_wrapper_dies_of_the_signal_that_killed_the_command,
    what_was_ignored_is_noted_and_changes_nothing,
    a_handler_that_the_command_sets_in_spite_of_ignoring_gets_the_signal_once,
    a_signal_of_the_command_to_its_whole_group_is_not_sent_back,
    a_signal_to_the_whole_group_reaches_the_command_once,
    a_signal_to_us_and_then_to_the_group_reaches_the_command_once,
    a_terminal_that_hangs_up_reaches_the_command,
    nothing_of_ours_stays_in_the_group,
    a_command_can_be_stopped_and_continued,
    a_reader_that_does_not_read_cannot_hold_us_against_a_signal,
    keys_of_a_terminal_reach_the_command_once,
);

fn number(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// Starts a wrapper for `script`, which says that it is ready.
fn start(
    report: &Path,
    watch: WatchMode,
    setup: &str,
    script: &str,
) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{setup}\nexec \"$@\""), "sh"]).arg(std::env::current_exe().unwrap());
    make_wrapper(&mut command, report, watch);
    command.args(["sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.process_group(0).spawn().unwrap();
    let stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, stdin, stdout)
}

fn what_is_sent_to_us_is_passed_on_once(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGINT, Signal::SIGUSR1] {
        let name = signal.as_str().trim_start_matches("SIG");
        let script =
            format!("trap 'echo got' {name}; echo ready; while ! read x; do :; done; echo end; exit 3");
        let (mut child, mut stdin, mut stdout) = start(&path, watch, ":", &script);
        kill(number(&child), signal).unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "got\n", "{signal}");
        stdin.write_all(b"go on\n").unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "end\n", "{signal}");
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert!(report(&path).contains(&format!("signal: Some({})", signal as i32)));
    }
}

fn the_wrapper_dies_of_the_signal_that_killed_the_command(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, _stdin, _stdout) =
        start(&folder.path().join("report"), watch, ":", "echo ready; exec sleep 100");
    kill(number(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
}

/// A program that counts the TERM, HUP and INT that it gets, and tells at USR1.
const COUNT: &str = r#"
    exec perl -e '$n = 0; for (qw(TERM HUP INT)) { $SIG{$_} = sub { $n++; syswrite STDOUT, "got
" } }
    $SIG{USR1} = sub { syswrite STDOUT, "$n
"; exit 7 };
    syswrite STDOUT, "ready
"; select(undef, undef, undef, 0.05) while 1'"#;

/// Waits until all that was sent has been taken, and tells how often the command got it.
fn count(child: &Child, stdout: &mut BufReader<ChildStdout>) -> String {
    // Whatever we pass on is passed on within some milliseconds; a machine under load may take longer.
    std::thread::sleep(Duration::from_millis(200));
    kill(number(child), Signal::SIGUSR1).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    rest.lines().last().unwrap_or_default().to_owned()
}

fn expect(stdout: &mut BufReader<ChildStdout>, wanted: &str) {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), wanted);
}

fn a_handler_that_the_command_sets_in_spite_of_ignoring_gets_the_signal_once(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    for whole_group in [true, false] {
        let (mut child, _stdin, mut stdout) = start(&path, watch, "trap '' HUP INT", COUNT);
        let to = number(&child);
        let sent = if whole_group { killpg(to, Signal::SIGHUP) } else { kill(to, Signal::SIGHUP) };
        sent.unwrap();
        expect(&mut stdout, "got");
        assert_eq!(count(&child, &mut stdout), "1", "whole group: {whole_group}");
        assert_eq!(child.wait().unwrap().code(), Some(7));
        assert!(report(&path).contains("signal: Some(1)"));
    }
}

fn a_signal_to_the_whole_group_reaches_the_command_once(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let (mut child, _stdin, mut stdout) = start(&path, watch, ":", COUNT);
        killpg(number(&child), signal).unwrap();
        expect(&mut stdout, "got");
        // Another one, to us alone, is another one.
        std::thread::sleep(Duration::from_millis(200));
        kill(number(&child), signal).unwrap();
        expect(&mut stdout, "got");
        killpg(number(&child), signal).unwrap();
        expect(&mut stdout, "got");
        assert_eq!(count(&child, &mut stdout), "3", "{signal}");
        assert_eq!(child.wait().unwrap().code(), Some(7));
        assert!(report(&path).contains(&format!("signal: Some({})", signal as i32)));
    }
}

/// As `timeout` does it.
fn a_signal_to_us_and_then_to_the_group_reaches_the_command_once(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, _stdin, mut stdout) = start(&folder.path().join("report"), watch, ":", COUNT);
    kill(number(&child), Signal::SIGTERM).unwrap();
    killpg(number(&child), Signal::SIGTERM).unwrap();
    expect(&mut stdout, "got");
    assert_eq!(count(&child, &mut stdout), "1");
    child.wait().unwrap();
}

/// The kernel tells the leader of the session alone.
fn a_terminal_that_hangs_up_reaches_the_command(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let (user, program) = terminal();
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(std::env::current_exe().unwrap());
    make_wrapper(&mut command, &path, watch);
    command.args(["sh", "-c", COUNT]);
    command.stdin(program).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    expect(&mut stdout, "ready");
    drop(user);
    expect(&mut stdout, "got");
    assert_eq!(count(&child, &mut stdout), "1");
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

fn nothing_of_ours_stays_in_the_group(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut stdin, mut stdout) =
        start(&folder.path().join("report"), watch, ":", "echo ready; read x; kill -KILL $$");
    let group = number(&child);
    stdin.write_all(b"\n").unwrap();
    stdout.read_to_string(&mut String::new()).unwrap();
    child.wait().unwrap();
    assert_eq!(killpg(group, None), Err(nix::errno::Errno::ESRCH));
    // Nor if we are killed.
    let (mut child, _stdin, _stdout) =
        start(&folder.path().join("report"), watch, ":", "echo ready; exec sleep 100");
    let (group, command) = (number(&child), child_of(child.id()).unwrap());
    kill(group, Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let command = Pid::from_raw(i32::try_from(command).unwrap());
    let _ = kill(command, Signal::SIGKILL);
    eventually("the end of the group", || killpg(group, None) == Err(nix::errno::Errno::ESRCH));
}

fn what_was_ignored_is_noted_and_changes_nothing(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let (mut child, mut stdin, mut stdout) = start(
        &path,
        watch,
        "trap '' HUP INT",
        "trap 'echo got' USR1; echo ready; while ! read x; do :; done",
    );
    kill(number(&child), Signal::SIGHUP).unwrap();
    kill(number(&child), Signal::SIGINT).unwrap();
    // That one is passed on, after the others would have been.
    kill(number(&child), Signal::SIGUSR1).unwrap();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "got\n");
    stdin.write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
    // Which of several that are there at once comes first is the system's affair.
    assert!(report(&path).contains("signal: Some("), "{}", report(&path));
}

fn a_signal_of_the_command_to_its_whole_group_is_not_sent_back(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    // By the command itself, and by a child of its.
    for sender in ["kill -TERM 0", "(trap '' TERM; kill -TERM 0)"] {
        let script =
            format!("trap 'echo got' TERM; echo ready; {sender}; while ! read x; do :; done; echo end");
        let (mut child, mut stdin, mut stdout) = start(&path, watch, ":", &script);
        expect(&mut stdout, "got");
        std::thread::sleep(Duration::from_millis(200));
        stdin.write_all(b"on\n").unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "end\n", "{sender}");
        child.wait().unwrap();
        assert!(report(&path).contains("signal: Some(15)"));
    }
}

fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The command that `process` runs, whichever of its threads has started it.
fn child_of(process: u32) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let texts =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let all: Vec<u32> = texts
        .flat_map(|text| text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect();
    let name = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    all.into_iter().find(|pid| name(pid) != "signal-witness\n")
}

fn a_command_can_be_stopped_and_continued(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut stdin, mut stdout) =
        start(&folder.path().join("report"), watch, ":", "echo ready; read x; echo $x");
    let command = child_of(child.id()).unwrap();
    killpg(number(&child), Signal::SIGTSTP).unwrap();
    eventually("stopping", || state(child.id()) == Some('T') && state(command) == Some('T'));
    killpg(number(&child), Signal::SIGCONT).unwrap();
    stdin.write_all(b"on\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "on\n");
    assert!(child.wait().unwrap().success());
}

fn a_reader_that_does_not_read_cannot_hold_us_against_a_signal(watch: WatchMode) {
    // More than the reader's pipe holds, less than that and the command's pipe.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let mut child = wrapper(&path, watch)
        .args(["head", "-c", "100000", "/dev/zero"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The command ends, and what it came to is known, although nobody reads.
    eventually("the end of the command", || {
        fs::read_to_string(&path).is_ok_and(|text| text.contains("VmHWM"))
    });
    let text = report(&path);
    assert!(text.contains("termination: Exited(0)") && text.contains("stdout: Complete"), "{text}");
    kill(number(&child), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

fn keys_of_a_terminal_reach_the_command_once(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let (user, program) = terminal();
    let script = "trap 'echo got' INT QUIT; echo ready; while ! read x; do :; done; echo end; exit 4";
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(std::env::current_exe().unwrap());
    make_wrapper(&mut command, &path, watch);
    command.args(["sh", "-c", script]);
    command.stdin(program.try_clone().unwrap());
    command.stdout(Stdio::piped()).stderr(program);
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut keyboard = user;
    let mut expect = |wanted: &str, key: &[u8]| {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, wanted);
        keyboard.write_all(key).unwrap();
    };
    expect("ready\n", b"\x03");
    expect("got\n", b"\x1c");
    expect("got\n", b"line\n");
    expect("end\n", b"");
    assert_eq!(child.wait().unwrap().code(), Some(4));
    assert!(report(&path).contains("signal: Some(2)"));
}
