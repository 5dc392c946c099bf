//! The circumstances of a verification: its environment, when it does not run, and what it never changes.

use super::{Project, Tree, walk};
use crate::support::{DAY, Run, Sandbox};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Stdio};
use std::time::Duration;

#[test]
fn where_it_would_not_be_the_same_run_it_does_not_run() {
    let project = Project::new();
    project.script("job.sh", "cat data.txt; echo $MODE; tee out < data.txt").write("data.txt", "1\n");
    project.exec(&["sh", "job.sh"]);
    project.write("data.txt", "2\n");
    let told = project.verify(&["@"]);
    assert_eq!((told.status, project.runs()), (2, 1), "{}{}", told.out, told.err);
    assert!(told.out.starts_with("cannot be verified here: "), "{}", told.out);
    assert!(told.out.contains("data.txt changed"), "{}", told.out);
    project.write("data.txt", "1\n");
    let mut verify = project.command(&["verify", "@", "--json"]);
    let told = project.unchanged(|| Project::told(verify.env("MODE", "fast")));
    assert_eq!((told.status, project.runs()), (2, 1), "{}{}", told.out, told.err);
    let json: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(json["verdict"], "cannot-run");
    assert_eq!(json["obstacles"][0]["text"], "MODE set");
    project.script("job.sh", "cat data.txt; echo more; tee out < data.txt");
    let told = project.verify(&["@"]);
    assert_eq!((told.status, project.runs()), (2, 1), "{}{}", told.out, told.err);
    assert!(told.out.contains("job.sh changed"), "{}", told.out);
    // A comment does not count as a change.
    project.script("job.sh", "# a comment\ncat data.txt; echo $MODE; tee out < data.txt");
    assert_eq!((project.verify(&["@"]).status, project.runs()), (0, 2));
}

#[test]
fn what_the_user_made_of_the_outputs_stays() {
    let project = Project::new();
    project.script("job.sh", "mkdir out; echo made > out/a; echo made > out/b; echo made > c; ln -s a out/l");
    project.exec(&["sh", "job.sh"]);
    project.write("out/a", "edited by hand").write("out/notes.md", "mine");
    fs::remove_file(project.path("out/b")).unwrap();
    fs::remove_file(project.path("out/l")).unwrap();
    symlink("elsewhere", project.path("out/l")).unwrap();
    fs::remove_file(project.path("c")).unwrap();
    fs::create_dir(project.path("c")).unwrap();
    project.write("c/inner", "mine too");
    fs::set_permissions(project.path("out/notes.md"), fs::Permissions::from_mode(0o400)).unwrap();
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    assert_eq!(project.runs(), 2);
}

#[test]
fn what_could_not_be_saved_is_not_put_at_risk() {
    let project = Project::new();
    let body = "if ! tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -qx verify; then exit 0; fi; echo changed > precious";
    project.script("job.sh", body).write("precious", "mine");
    let mut exec = project.command(&["exec", "-q", "sh", "job.sh"]);
    assert_eq!(Project::told(exec.env("SSH_MARK", "x")).status, 0);
    fs::remove_dir(project.path(".cashet/replaced")).unwrap();
    project.write(".cashet/replaced", "no directory");
    let told = project.verify(&["@"]);
    assert_eq!((told.status, project.runs()), (2, 1), "{}{}", told.out, told.err);
    assert!(told.out.contains("cannot create a directory in"), "{}", told.out);
}

#[test]
fn standard_input_is_given_again() {
    let project = Project::new();
    project.write("numbers", "3\n1\n");
    let numbers = || File::open(project.path("numbers")).unwrap();
    let mut exec = project.command(&["exec", "-q", "--stdin", "sort"]);
    assert_eq!(Project::told(exec.stdin(numbers())).out, "1\n3\n");
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 2, "{}{}", told.out, told.err);
    assert!(told.out.contains("standard input that is not stored"), "{}", told.out);
    let mut verify = project.command(&["verify", "@"]);
    let told = project.unchanged(|| Project::told(verify.stdin(numbers())));
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    // The output of a recorded command is stored.
    project.exec(&["printf", "2\\n1\\n"]);
    let mut exec = project.command(&["exec", "-q", "--stdin=cashet:@", "sort"]);
    assert_eq!(Project::told(&mut exec).out, "1\n2\n");
    assert_eq!(project.verify(&["@"]).status, 0);
    // A file that was read by watching.
    let mut exec = project.command(&["exec", "-q", "sort"]);
    assert_eq!(Project::told(exec.stdin(numbers())).out, "1\n3\n");
    let mut verify = project.command(&["verify", "@"]);
    assert_eq!(Project::told(verify.stdin(numbers())).status, 0);
    assert_eq!(project.verify(&["@"]).status, 2);
}

#[test]
fn options_of_the_call_are_those_of_the_record() {
    let project = Project::new();
    project.write("sub/in.txt", "x\n").script(
        "sub/job.sh",
        "cat in.txt; cp in.txt made; tr '\\0' '\\n' < /proc/self/environ | grep -c NOIS.=",
    );
    let words =
        ["-i", "in.txt", "-o", "made", "--salt", "s", "--env-strict", "--tool", "cat", "-n", "-e", "WANTED"];
    let mut exec = project.command(&["exec", "-q", "--cache-exit", "0,1"]);
    exec.args(words).args(["sh", "job.sh"]).current_dir(project.path("sub")).env("NOISE", "1");
    assert_eq!(Project::told(&mut exec).out, "x\n0\n");
    // From another directory.
    let mut verify = project.command(&["verify", "@"]);
    let told = project.unchanged(|| Project::told(verify.env("NOISE", "2")));
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    for trace in ["off", "auto"] {
        project.script("plain.sh", &format!("cp sub/in.txt made-{trace}; echo ok"));
        let output = format!("made-{trace}");
        let told =
            project.exec(&["--trace", trace, "-i", "sub", "-o", &output, "--exact-source", "sh", "plain.sh"]);
        assert_eq!(told.out, "ok\n", "{}", told.err);
        let told = project.verify(&["@"]);
        assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    }
    let first = project.exec(&["--id", "printf", "a,b\\n"]).out;
    let told = project.exec(&["cat", &format!("cashet:{}", first.trim())]);
    assert_eq!(told.out, "a,b\n");
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
}

#[test]
fn a_write_that_is_not_an_output_can_be_named_again() {
    let project = Project::new();
    project.script("job.sh", "echo out; date +%N > log.txt").write("log.txt", "begun\n");
    assert_eq!(project.exec(&["--ignore-write", "log.txt", "sh", "job.sh"]).out, "out\n");
    // The run was recorded with the option.
    let told = project.verify(&["@"]);
    assert_eq!(told.status, 0, "{}{}", told.out, told.err);
    assert_eq!(project.verify(&["@", "--ignore-write", "*.txt"]).status, 0);
    project.write("cashet.toml", "[[command]]\nmatch = \"job.sh\"\nignore-write = \"log.txt\"\n");
    assert_eq!(project.verify(&["@"]).status, 0);
}

#[test]
fn what_is_no_longer_stored_is_said() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new("make", 3 * DAY).writing("tool", b"tool", 0o755));
    sandbox.run(&["gc", "--max-size", "0"]).ok();
    let refused = sandbox.run(&["verify", "@"]).ended.unwrap_err();
    assert!(refused.to_string().ends_with("was dropped to save room"), "{refused}");
    assert_eq!(refused.command_status(), 1);
    // A blob that is damaged.
    let project = Project::new();
    project.script("job.sh", "echo out; echo made > file");
    project.exec(&["sh", "job.sh"]);
    let mut objects = Tree::new();
    walk(&project.path(".cashet/objects"), &mut objects);
    for (path, (mode, ..)) in &objects {
        if mode & 0o170_000 == 0o100_000 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            fs::write(path, "damaged").unwrap();
        }
    }
    let told = project.verify(&["@"]);
    assert_eq!((told.status, told.out.as_str(), project.runs()), (1, "", 1), "{}", told.err);
}

#[test]
fn a_signal_leaves_everything_in_place() {
    let project = Project::new();
    let body = "echo started >> \"$TMPDIR/.cashet/runs\"; echo new > out; echo other > other
        if ! tr '\\0' '\\n' < /proc/$PPID/cmdline | grep -qx verify; then exit 0; fi
        echo waiting > \"$TMPDIR/.cashet/waiting\"; exec sleep 60";
    project.script("job.sh", body);
    let mut exec = project.command(&["exec", "-q", "sh", "job.sh"]);
    assert_eq!(Project::told(exec.env("SSH_MARK", "x")).status, 0);
    project.write("out", "edited");
    let ended = project.unchanged(|| {
        let mut child: Child =
            project.command(&["verify", "@"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let waiting = project.folder.path().join("tmp/.cashet/waiting");
        while !waiting.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it waited");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(fs::read_to_string(project.path("out")).unwrap(), "new\n");
        let process = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
        child.wait().unwrap()
    });
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(15), "{ended}");
}
