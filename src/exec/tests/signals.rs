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
    what_was_ignored_is_neither_caught_nor_passed_on,
    a_signal_of_the_command_to_its_whole_group_is_not_sent_back,
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

fn what_was_ignored_is_neither_caught_nor_passed_on(watch: WatchMode) {
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
    assert!(report(&path).contains("signal: Some(10)"), "{}", report(&path));
}

fn a_signal_of_the_command_to_its_whole_group_is_not_sent_back(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let script = "trap 'echo got' TERM; echo ready; kill -TERM 0; read x; echo end";
    let (mut child, mut stdin, mut stdout) = start(&path, watch, ":", script);
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "got\n");
    stdin.write_all(b"\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "end\n");
    child.wait().unwrap();
    assert!(report(&path).contains("signal: Some(15)"));
}

fn state(process: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The one child of `process`, whichever of its threads has started it.
fn child_of(process: u32) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let mut texts =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    texts.find_map(|text| text.split_whitespace().next()?.parse().ok())
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
    eventually("the end of the command", || {
        child_of(child.id()).is_some_and(|command| state(command) == Some('Z'))
    });
    kill(number(&child), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    let text = report(&path);
    assert!(text.contains("signal: Some(15)"), "{text}");
    assert!(text.contains(&format!("stdout: WriteFailed({})", libc::EINTR)), "{text}");
}

fn keys_of_a_terminal_reach_the_command_once(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report");
    let terminal = nix::pty::openpty(None, None).unwrap();
    let script = "trap 'echo got' INT QUIT; echo ready; while ! read x; do :; done; echo end; exit 4";
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(std::env::current_exe().unwrap());
    make_wrapper(&mut command, &path, watch);
    command.args(["sh", "-c", script]);
    command.stdin(terminal.slave.try_clone().unwrap());
    command.stdout(Stdio::piped()).stderr(terminal.slave);
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut keyboard = File::from(terminal.master);
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
