//! `--snapshot`: the project as it was when the job was submitted.

use super::servers::{skipped, wait_until};
use super::slurm::own_slurm;
use super::support::{Run, Sandbox};
use std::fs;

/// A launcher that waits on this machine until there is a file `begin`, as a job that is queued.
const QUEUED: &str = "[executors.here]\nkind = \"launcher\"\n\
    submit = \"touch $TMPDIR/queued; while [ ! -e $TMPDIR/begin ]; do sleep 0.02; done; {cmd}\"\n";

/// A repository whose `.gitignore` names `data` and `*.log`.
fn repository(sandbox: &Sandbox) {
    sandbox.remove(".git").write(".gitignore", "data/\n*.log\n.cashet/\n");
    sandbox.bare(["git", "init", "-q"]).may_change(".git").run();
}

/// Submits the call, changes the project while it is queued, and lets it begin.
fn while_queued<'a>(sandbox: &'a Sandbox, run: Run<'a>, change: impl FnOnce()) -> String {
    let [queued, begin] = ["queued", "begin"].map(|name| sandbox.base().join("tmp").join(name));
    for path in [&queued, &begin] {
        let _ = fs::remove_file(path);
    }
    let run = run.spawn();
    wait_until("the job", || queued.exists());
    change();
    fs::write(begin, "").unwrap();
    run.finish().messages()
}

/// Reads an imported module, an ignored file, the list of the modules and a file that a link names; makes a file, changes
/// one and removes one.
const JOB: &str = "import os, lib\n\
    print(lib.WORD, open('data/in').read().strip(), sorted(n for n in os.listdir('.') if n.endswith('.py')), open('link').read())\n\
    open('out', 'w').write(lib.WORD)\nopen('sums', 'a').write('more\\n')\nos.remove('old')\n\
    os.rename('data/in', 'data/gone')\nos.mkdir('made')\nopen('made/x', 'w').write('x')\n";

const PRINTED: &str = "one data ['job.py', 'lib.py'] note\n";

fn project(sandbox: &Sandbox, with_git: bool) {
    if with_git {
        repository(sandbox);
    }
    sandbox.write("cashet.toml", QUEUED).python("job.py", JOB).write("lib.py", "WORD = 'one'\n");
    sandbox.write("data/in", "data\n").write("sums", "first\n").write("old", "").write("note", "note");
    sandbox.symlink("note", "link");
}

#[test]
fn a_snapshot_is_the_project_as_it_was_submitted() {
    for with_git in [true, false] {
        let sandbox = Sandbox::new();
        project(&sandbox, with_git);
        let call = ["-v", "--on", "here", "--snapshot", "--", "python3", "job.py"];
        let run = sandbox.exec(call).stdout(PRINTED).any_stderr().executes(1);
        let run = ["out", "sums", "old", "data", "data/in", "data/gone", "made", "made/x"]
            .into_iter()
            .chain(["lib.py", "new.py", "link"])
            .fold(run, Run::may_change);
        let text = while_queued(&sandbox, run, || {
            sandbox.write("lib.py", "WORD = 'other'\n").write("new.py", "").remove("link");
        });
        assert!(text.contains("ran"), "{text}");
        // What the command did came into the project; what was edited stays.
        assert_eq!(sandbox.read("lib.py"), b"WORD = 'other'\n", "{text}");
        assert!(sandbox.path("new.py").exists() && !sandbox.path("link").is_symlink(), "{text}");
        assert_eq!(sandbox.read("out"), b"one", "{text}");
        assert_eq!(sandbox.read("sums"), b"first\nmore\n", "{text}");
        assert_eq!(sandbox.read("made/x"), b"x", "{text}");
        assert!(!sandbox.path("old").exists() && !sandbox.path("data/in").exists(), "{text}");
        assert_eq!(sandbox.read("data/gone"), b"data\n", "{text}");
    }
}

#[test]
fn a_result_of_a_snapshot_answers_where_the_code_is_the_same_again() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    sandbox.write("cashet.toml", QUEUED).write("lib.py", "WORD = 'one'\n");
    sandbox.python("job.py", "import lib\nprint(lib.WORD)\nopen('out', 'w').write(lib.WORD)");
    let call = ["-v", "--on", "here", "--snapshot", "--", "python3", "job.py"];
    let run =
        sandbox.exec(call).stdout("one\n").any_stderr().executes(1).may_change("lib.py").may_change("out");
    let text = while_queued(&sandbox, run, || {
        sandbox.write("lib.py", "WORD = 'other'\n");
    });
    assert!(text.contains("cached"), "{text}");
    sandbox.write("lib.py", "WORD = 'one'\n").remove("out");
    sandbox.exec(["python3", "job.py"]).stdout("one\n").leaves("out", "one").executes(0).run();
    sandbox.exec(call).stdout("one\n").any_stderr().executes(0).run();
    sandbox.write("lib.py", "WORD = 'other'\n");
    sandbox.exec(["python3", "job.py"]).stdout("other\n").leaves("out", "other").executes(1).run();
}

#[test]
fn what_was_edited_meanwhile_is_not_overwritten() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    sandbox.write("cashet.toml", QUEUED).script("job", "echo more >> notes; rm gone; echo \"$1\" > new");
    sandbox.write("notes", "first\n").write("gone", "1");
    let run = sandbox.exec(["-v", "--on", "here", "--snapshot", "--", "./job", "x"]).any_stderr().executes(1);
    let run = ["notes", "gone", "new"].into_iter().fold(run, Run::may_change);
    let text = while_queued(&sandbox, run, || {
        sandbox.write("notes", "mine\n").write("gone", "2");
    });
    assert!(text.contains("notes was edited after the job was submitted and stays"), "{text}");
    assert!(text.contains("gone was edited after the job was submitted and stays"), "{text}");
    assert_eq!(sandbox.read("notes"), b"mine\n");
    assert_eq!(sandbox.read("gone"), b"2");
    assert_eq!(sandbox.read("new"), b"x\n");
    let aside = text.split("what the run wrote is ").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(fs::read(aside).unwrap(), b"first\nmore\n");
}

#[test]
fn what_is_no_part_of_the_snapshot_and_decides_is_said() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    sandbox.write("cashet.toml", QUEUED).script("job", "cat ../lib/text");
    let outside = sandbox.base().join("lib");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("text"), "one\n").unwrap();
    let call = ["-v", "--on", "here", "--snapshot", "--input", "../lib/text", "--", "./job"];
    let run = sandbox.exec(call).status(125).stderr_with(&["text", "not run"]).executes(0);
    while_queued(&sandbox, run, || fs::write(outside.join("text"), "two\n").unwrap());
}

#[test]
fn a_directory_of_the_project_and_an_ignored_file_that_is_named_are_as_they_were() {
    let sandbox = Sandbox::new();
    repository(&sandbox);
    sandbox.write("cashet.toml", QUEUED).write("data/in", "one\n").write("data/other", "one\n");
    sandbox.script("sub/job", "cat ../data/in; cat ../data/other; pwd | sed 's,.*/,,'");
    let call = ["-v", "--on", "here", "--snapshot", "--input", "../data/in", "--", "./job"];
    let run = sandbox.exec(call).directory("sub").stdout("one\ntwo\nsub\n").any_stderr().executes(1);
    while_queued(&sandbox, run.may_change("data/in").may_change("data/other"), || {
        sandbox.write("data/in", "two\n").write("data/other", "two\n");
    });
}

#[test]
fn options_that_contradict_a_snapshot_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("cashet.toml", QUEUED).script("job", "echo x");
    for (words, said) in [
        (vec!["exec", "--snapshot"], "--snapshot needs --on"),
        (vec!["exec", "--on", "here", "--snapshot", "--latest"], "--snapshot and --latest"),
        (vec!["map", "--on", "slurm", "--snapshot", "--latest", "-p", "n=1,2"], "--snapshot and --latest"),
        (vec!["map", "--snapshot", "-p", "n=1,2"], "--snapshot needs --on"),
        (vec!["exec", "--on", "slurm", "--snapshot", "--mode", "off"], "--on needs the store"),
    ] {
        let call: Vec<&str> = words.into_iter().chain(["--", "./job", "{n}"]).collect();
        let run = sandbox.cashet(call).any_status().executes(0).stderr_with(&[said]).run();
        assert!(run.messages().lines().count() < 4, "{}", run.messages());
    }
    // One file that is too large, and that git does not ignore.
    sandbox.write("large", "");
    fs::File::options().write(true).open(sandbox.path("large")).unwrap().set_len(2 << 30).unwrap();
    let run = sandbox.exec(["--on", "here", "--snapshot", "--", "./job"]).status(125).executes(0);
    run.stderr_with(&["at most 1 GiB", "large"]).run();
}

#[test]
fn a_sweep_and_a_call_of_slurm_run_the_code_that_was_submitted() {
    let Some(slurm) = own_slurm() else {
        return skipped("a_sweep_and_a_call_of_slurm_run_the_code_that_was_submitted", "Slurm");
    };
    let sandbox = Sandbox::new();
    repository(&sandbox);
    sandbox.write("lib.py", "WORD = 'one'\n");
    sandbox.python(
        "job.py",
        "import lib, sys\nprint(lib.WORD)\nopen('out-' + sys.argv[1], 'w').write(lib.WORD)",
    );
    let hog = slurm.hog(&[]);
    let words = ["map", "--on", "slurm", "--snapshot", "-p", "n=1..3", "--", "python3", "job.py", "{n}"];
    let map = |executes: usize| {
        let run = slurm.with(sandbox.cashet(words)).any_stdout().any_stderr().executes(executes);
        ["out-1", "out-2", "out-3", "out-4", "lib.py"].into_iter().fold(run, Run::may_change)
    };
    let sweep = map(4).spawn();
    wait_until("the array", || {
        slurm.run("squeue", &["-h", "-r", "-t", "PD", "-o", "%i"]).lines().count() == 3
    });
    sandbox.write("lib.py", "WORD = 'other'\n");
    let call = ["-v", "--on", "slurm", "--snapshot", "--", "python3", "job.py", "4"];
    let run = slurm.with(sandbox.exec(call)).stdout("other\n").any_stderr().may_change("lib.py");
    let run = ["out-1", "out-2", "out-3", "out-4"].into_iter().fold(run, Run::may_change);
    let run = run.executes(4).spawn();
    run.wait_for_stderr("is queued");
    sandbox.write("lib.py", "WORD = 'three'\n");
    slurm.run("scancel", &[&hog]);
    wait_until("all", || sandbox.executions() == 4);
    sweep.finish();
    run.finish();
    for (n, word) in [(1, "one"), (2, "one"), (3, "one"), (4, "other")] {
        assert_eq!(sandbox.read(format!("out-{n}")), word.as_bytes(), "{n}");
    }
    // The sweep's own code again: nothing runs.
    sandbox.write("lib.py", "WORD = 'one'\n");
    map(0).run();
}
