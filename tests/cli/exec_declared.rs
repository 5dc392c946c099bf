//! Runs that declare what they read: the second call replays and executes nothing. A change of a dependency executes
//! the command again; any other change does not.

use crate::support::{Run, Sandbox};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

/// A project with many kinds of dependencies to change.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat in data/*.csv; printf '[%s]' \"$@\" \"${LR-unset}\"; echo; helper; true");
    sandbox.script("bin/helper", "echo helped");
    sandbox
        .write("in", "one\n")
        .write("data/a.csv", "a\n")
        .write("data/b.csv", "b\n")
        .write("data/c.txt", "c\n");
    sandbox.write("tree/x", "x").write("tree/sub/y", "y").directory("sub");
    sandbox
}

/// The call that every change is tested with; `words` follow the job.
fn call<'a>(sandbox: &'a Sandbox, words: &[&str]) -> Run<'a> {
    let declared =
        ["-i", "in", "-i", "data/*.csv", "-i", "tree", "-e", "LR", "--tool", "helper", "--", "./job"];
    let path = format!("{}:/usr/bin:/bin", sandbox.path("bin").display());
    sandbox.unwatched(declared.iter().chain(words)).env("PATH", path).any_stdout()
}

/// The job and its helper both count.
const EXECUTED: usize = 2;

#[test]
fn a_second_call_replays_and_executes_nothing() {
    let sandbox = project();
    let first = call(&sandbox, &["a"]).executes(EXECUTED).run();
    assert_eq!(first.text(), "one\na\nb\n[a][unset]\nhelped");
    for _ in 0..3 {
        call(&sandbox, &["a"]).stdout(&first.stdout).executes(0).run();
    }
}

/// A change of the project.
type Change = fn(&Sandbox) -> &Sandbox;

#[test]
fn each_declared_thing_decides() {
    let changes: [(&str, Change, Change); 10] = [
        ("an input byte", |s| s.write("in", "two\n"), |s| s.write("in", "one\n")),
        ("an input's size", |s| s.write("in", "one\n\n"), |s| s.write("in", "one\n")),
        ("an input's executable bit", |s| s.mode("in", 0o755), |s| s.mode("in", 0o644)),
        ("a file joins a glob", |s| s.write("data/d.csv", ""), |s| s.remove("data/d.csv")),
        ("a file leaves a glob", |s| s.remove("data/b.csv"), |s| s.write("data/b.csv", "b\n")),
        ("a file of a glob", |s| s.write("data/b.csv", "B\n"), |s| s.write("data/b.csv", "b\n")),
        ("a file joins a directory", |s| s.write("tree/sub/z", ""), |s| s.remove("tree/sub/z")),
        ("a file of a directory", |s| s.write("tree/sub/y", "Y"), |s| s.write("tree/sub/y", "y")),
        (
            "a file becomes a link",
            |s| s.remove("tree/x").symlink("sub/y", "tree/x"),
            |s| s.remove("tree/x").write("tree/x", "x"),
        ),
        ("a tool", |s| s.script("bin/helper", "echo Helped"), |s| s.script("bin/helper", "echo helped")),
    ];
    let sandbox = project();
    call(&sandbox, &["a"]).executes(EXECUTED).run();
    for (what, change, back) in changes {
        change(&sandbox);
        let before = sandbox.executions();
        call(&sandbox, &["a"]).run();
        assert_eq!(sandbox.executions() - before, EXECUTED, "{what} does not decide");
        back(&sandbox);
        let before = sandbox.executions();
        call(&sandbox, &["a"]).run();
        assert_eq!(sandbox.executions() - before, 0, "after {what} the first result is not found again");
    }
}

#[test]
fn program_arguments_variables_and_directory_decide() {
    let sandbox = project();
    call(&sandbox, &["a"]).executes(EXECUTED).run();
    call(&sandbox, &["b"]).executes(EXECUTED).run();
    call(&sandbox, &["a", ""]).executes(EXECUTED).run();
    call(&sandbox, &[]).executes(EXECUTED).run();
    call(&sandbox, &["a"]).env("LR", "1").executes(EXECUTED).run();
    call(&sandbox, &["a"]).env("LR", "").executes(EXECUTED).run();
    call(&sandbox, &["a"]).env("LANG", "C").executes(EXECUTED).run();
    call(&sandbox, &["a"]).env("LR", "1").executes(0).run();
    call(&sandbox, &["a"]).executes(0).run();

    let job = sandbox.path("job");
    let text = String::from_utf8(sandbox.read("job")).unwrap();
    fs::write(&job, text.replace("; true", "; exit 0")).unwrap();
    call(&sandbox, &["a"]).executes(EXECUTED).run();
    fs::write(&job, &text).unwrap();
    call(&sandbox, &["a"]).executes(0).run();

    let place = |directory: &str| {
        let words = [OsStr::new("--pure"), OsStr::new("--"), sandbox.path("where").as_os_str()]
            .map(ToOwned::to_owned);
        sandbox.unwatched(words).directory(directory)
    };
    sandbox.script("where", "basename \"$(pwd)\"");
    place("").stdout("project\n").executes(1).run();
    place("sub").stdout("sub\n").executes(1).run();
    place("").stdout("project\n").executes(0).run();
    place("sub").stdout("sub\n").executes(0).run();
}

#[test]
fn nothing_else_decides() {
    let sandbox = project();
    call(&sandbox, &["a"]).executes(EXECUTED).run();
    let old = SystemTime::now() - Duration::from_hours(1000);
    for name in ["in", "data/a.csv", "job", "bin/helper"] {
        fs::File::options().write(true).open(sandbox.path(name)).unwrap().set_modified(old).unwrap();
    }
    call(&sandbox, &["a"]).executes(0).run();
    // Written again with the same bytes: another inode, another time.
    sandbox.remove("in").write("in", "one\n");
    call(&sandbox, &["a"]).executes(0).run();
    sandbox.mode("in", 0o600).write("unrelated", "x").write("data/new.txt", "x");
    call(&sandbox, &["a"]).executes(0).run();
    call(&sandbox, &["a"]).env("UNRELATED", "1").env("SHLVL", "7").executes(0).run();
    call(&sandbox, &["a"]).env("TERM", "other").env("PWD", "/nowhere").executes(0).run();
}

#[test]
fn words_that_name_files_are_inputs_of_an_unwatched_run() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat \"$1\" \"${2#--file=}\"").write("a", "1\n").write("b", "2\n");
    let call = || sandbox.unwatched(["--pure", "--", "./job", "a", "--file=b"]);
    call().stdout("1\n2\n").executes(1).run();
    call().stdout("1\n2\n").executes(0).run();
    sandbox.write("a", "3\n");
    call().stdout("3\n2\n").executes(1).run();
    sandbox.write("b", "4\n");
    call().stdout("3\n4\n").executes(1).run();
}

#[test]
fn without_a_declaration_an_unwatched_run_is_bare() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo out");
    for _ in 0..2 {
        sandbox.unwatched(["./job"]).stdout("out\n").executes(1).run();
    }
    let line = sandbox.unwatched(["-v", "./job"]).stdout("out\n").any_stderr().executes(1).run().messages();
    assert!(line.contains("--input") && line.contains("--pure"), "{line}");
}

#[test]
fn words_and_paths_are_bytes() {
    let sandbox = Sandbox::new();
    let odd = OsStr::from_bytes(b"odd \xff\n\xc3\x28");
    sandbox.script("job", "cat \"$1\"; printf '%s' \"$2\"");
    sandbox.write(odd, "\u{0}bytes\u{fffd}");
    let call = |word: &'static [u8]| {
        let words =
            [OsStr::new("-i"), odd, OsStr::new("--"), OsStr::new("./job"), odd, OsStr::from_bytes(word)];
        sandbox.unwatched(words)
    };
    let first = call(b"\xfe").any_stdout().executes(1).run();
    assert!(first.stdout.ends_with(b"\xfe"));
    call(b"\xfe").stdout(&first.stdout).executes(0).run();
    call(b"\xff").any_stdout().executes(1).run();
    call(b"").any_stdout().executes(1).run();
}

#[test]
fn a_copy_of_the_project_elsewhere_hits() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat in").write("in", "same\n");
    let call = ["-i", "in", "--", "./job"];
    sandbox.unwatched(call).stdout("same\n").executes(1).run();
    let copy = sandbox.base().join("copy");
    sandbox.bare(["cp".as_ref(), "-r".as_ref(), sandbox.path("").as_os_str(), copy.as_os_str()]).run();
    sandbox.remove("in");
    sandbox.unwatched(call).directory("../copy").stdout("same\n").executes(0).run();
}
