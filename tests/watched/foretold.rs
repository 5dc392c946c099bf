//! `check` predicts what `exec` does, also where a result is valid and its outputs cannot be restored.

use crate::twin::{CASHET, Twin, settle};
use std::fs;
use std::process::{Command, Stdio};

/// The status of `check`, and the line that it prints.
fn check(twin: &Twin, line: &str) -> (Option<i32>, String) {
    let [root, _] = twin.roots();
    let mut command = Command::new(CASHET);
    let side = root.parent().unwrap();
    // The ignore options are part of the call.
    command.args(["check", "--ignore-write"]).arg(side.join("tmp/ran")).args(["--", "sh", "-c", line]);
    command.current_dir(&root).env_clear();
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
    command.env("HOME", side.join("home")).env("TMPDIR", side.join("tmp"));
    let ran = command.stdin(Stdio::null()).output().unwrap();
    (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
}

/// An obstacle for an output `d/out` of mode 644.
type InTheWay = (&'static str, fn(&Twin));

const IN_THE_WAY: [InTheWay; 5] = [
    ("a link", |twin| {
        twin.write("other", "").remove("d/out").link("../other", "d/out");
    }),
    ("a directory", |twin| {
        twin.remove("d/out").directory("d/out");
    }),
    ("another name", |twin| {
        twin.both(|root| {
            fs::write(root.join("d/out"), "other\n").unwrap();
            fs::hard_link(root.join("d/out"), root.join("same")).unwrap();
        });
    }),
    ("no directory", |twin| {
        twin.remove("d");
    }),
    ("a link above it", |twin| {
        twin.remove("d").directory("real").link("real", "d");
    }),
];

#[test]
fn check_plans_what_exec_would_put_back() {
    for (what, stand_in_the_way) in IN_THE_WAY {
        let twin = Twin::new();
        twin.directory("d");
        settle();
        let line = "echo ran >> ../tmp/ran; echo result > d/out; true";
        let call = twin.sh(line);
        call.settles_after(2);
        assert_eq!(check(&twin, line).0, Some(0), "{what}");
        // Missing, or with other bytes: it would be restored.
        twin.remove("d/out");
        assert_eq!(check(&twin, line).0, Some(0), "{what}");
        call.hits();
        let before = twin.executions();
        stand_in_the_way(&twin);
        settle();
        let (status, said) = check(&twin, line);
        assert_eq!(status, Some(1), "{what}: {said}");
        let [root, _] = twin.roots();
        let there = |path: &str| root.join(path).symlink_metadata().is_ok();
        let (out, same) = (there("d/out"), there("same"));
        assert_eq!(twin.executions(), before, "{what}");
        // `check` restored nothing and set nothing aside.
        assert_eq!((there("d/out"), there("same")), (out, same));
        assert!(
            fs::read_dir(root.join(".cashet/replaced")).is_ok_and(|mut put| put.next().is_none()),
            "{what}"
        );
        call.runs();
        assert_eq!(twin.executions(), before + 1, "{what}");
    }
}
