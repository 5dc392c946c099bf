//! The sandbox itself, tested with programs of known behaviour: it must notice every deviation.

use crate::support::Sandbox;
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The text with which `body` fails; it must.
fn failure_of<T>(body: impl FnOnce() -> T) -> String {
    let panicked = catch_unwind(AssertUnwindSafe(|| drop(body()))).unwrap_err();
    panicked.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_run_that_does_what_was_announced_passes() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat; echo \"$COLOUR$TMPDIR\" >&2; pwd -P > sub/where; rm old; exit 3");
    sandbox.write("old", "x").directory("sub/deeper").write("../home/kept", "h");
    let ran = sandbox
        .bare(["./job"])
        .env("COLOUR", "red")
        .unset("TMPDIR")
        .stdin(b"in\xff")
        .stdout(b"in\xff")
        .stderr("red\n")
        .status(3)
        .executes(1)
        .leaves("sub/where", format!("{}\n", sandbox.path("").to_str().unwrap().trim_end_matches('/')))
        .removes("old")
        .run();
    assert_eq!(ran.status.code(), Some(3));
    assert_eq!(ran.messages(), "red\n");
    assert_eq!(sandbox.executions(), 1);
    assert!(sandbox.home("kept").is_file() && sandbox.read("sub/where").ends_with(b"project\n"));
}

#[test]
fn whatever_was_not_announced_fails() {
    let sandbox = Sandbox::new();
    let refusals = [
        ("echo out", "expected stdout"),
        ("echo err >&2", "expected stderr"),
        ("exit 1", "got exit status: 1"),
        ("kill -9 $$", "signal: 9"),
        ("echo > file", "project/file changed unannounced"),
        ("mkdir -p a/b", "project/a/b changed unannounced"),
        ("ln -s nowhere link", "project/link changed unannounced"),
        ("chmod 700 .git/../mode", "project/mode changed unannounced"),
        ("echo > \"$HOME/file\"", "home/file changed unannounced"),
    ];
    sandbox.write("mode", "").mode("mode", 0o644);
    for (line, reason) in refusals {
        let failure = failure_of(|| sandbox.shell(line).run());
        assert!(failure.contains(reason), "{line}: {failure}");
    }
    sandbox.script("job", "");
    assert!(failure_of(|| sandbox.bare(["./job"]).executes(0).run()).contains("got 1"));
    let failure = failure_of(|| sandbox.shell("echo b a").stdout_with(&["a", "b"]).run());
    assert!(failure.contains("stdout does not hold \"b\""), "{failure}");
    assert!(failure_of(|| sandbox.shell("true").leaves("missing", "").run()).contains("No such file"));
    assert!(failure_of(|| sandbox.shell("echo 1 > f").leaves("f", "2\n").run()).contains("f holds"));
    assert!(failure_of(|| sandbox.shell("true").removes("f").run()).contains("still there"));
}

#[test]
fn a_refusal_is_one_line_with_at_most_one_hint_and_writes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.shell("printf 'error: no\\nhint: yes\\n' >&2; exit 125").refused(125, &["no", "yes"]).run();
    for bad in
        ["error: a\\nerror: b\\n", "no\\n", "error: a.\\n", "error: a\\nhint: b\\nhint: c\\n", "error: a"]
    {
        let line = format!("printf '{bad}' >&2; exit 125");
        assert!(failure_of(|| sandbox.shell(&line).refused(125, &[]).run()).contains("one line"), "{bad}");
    }
    let writes = "mkdir .cashet; echo 'error: a' >&2; exit 125";
    assert!(failure_of(|| sandbox.shell(writes).refused(125, &["a"]).run()).contains(".cashet changed"));
}

#[test]
fn standard_input_is_what_was_asked_for() {
    let sandbox = Sandbox::new();
    sandbox.write("lines", "one\ntwo\n").symlink("lines", "link");
    sandbox.shell("cat").run();
    let mut file = File::open(sandbox.path("link")).unwrap();
    file.seek(SeekFrom::Start(4)).unwrap();
    sandbox.shell("cat").stdin_file(file).stdout("two\n").run();
    sandbox.shell("test -p /dev/stdin").stdin_open_pipe().run();
    sandbox.shell("pwd").directory("").stdout_with(&["project"]).run();
    let odd = OsStr::from_bytes(b"odd \xff");
    sandbox.bare([OsStr::new("touch"), odd]).may_change(odd).run();
    sandbox.remove(odd);
}

#[test]
fn a_run_in_the_background_can_be_waited_for_and_signalled() {
    let sandbox = Sandbox::new();
    let run = sandbox
        .shell("trap 'echo stopped; exit 4' TERM; echo ready; echo no >&2; while :; do sleep 0.01; done");
    let mut background = run.any_stdout().stderr("no\n").status(4).spawn();
    background.wait_for_stdout("ready").wait_for_stderr("no");
    assert!(!background.has_ended());
    background.send(Signal::SIGTERM);
    let ran = background.finish();
    assert_eq!(ran.text(), "ready\nstopped");
    assert!(ran.peak > 100_000, "{}", ran.peak);
    let mut killed = sandbox.shell("exec sleep 60").signal(9).any_stderr().spawn();
    assert!(killed.process().as_raw() > 1);
    killed.send(Signal::SIGKILL);
    assert_eq!(killed.wait().code(), None);
}

#[test]
fn a_terminal_is_one_and_its_keys_send_signals() {
    let sandbox = Sandbox::new();
    let line = "test -t 0 && test -t 1 && test -t 2 && echo ready; read word; echo got $word; sleep 60";
    let terminal = sandbox.shell(line).any_stdout().signal(2).terminal();
    assert!(terminal.process().as_raw() > 1);
    terminal.wait_for("ready").type_in("hello\n").wait_for("got hello").type_in("\x03");
    assert!(terminal.finish().text().contains("got hello"));
}

#[test]
fn python_and_shell_scripts_count() {
    let sandbox = Sandbox::new();
    sandbox.python("job.py", "print('hello')");
    let ran = sandbox.bare(["python3", "job.py"]).stdout("hello\n").executes(1).run();
    assert_eq!(ran.text(), "hello");
    sandbox.shell(sandbox.count_in_shell()).executes(1).run();
    let failure =
        failure_of(|| sandbox.shell("exit 5").any_status().any_stderr().any_stdout().executes(1).run());
    assert!(failure.contains("expected 1 executions, got 0"), "{failure}");
}

#[test]
fn the_program_under_test_is_found_by_every_way_to_run_it() {
    let sandbox = Sandbox::new();
    let version = sandbox.cashet(["--version"]).any_stdout().run();
    let again = version.then(["--version"]).stdout(&version.stdout).run();
    sandbox.shell("cashet --version").stdout(&again.stdout).run();
    sandbox.exec(["--help"]).any_stdout().run();
}
