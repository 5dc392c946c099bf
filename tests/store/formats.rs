//! Stores of earlier formats: read, migrated to the present format, and never misinterpreted.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program in `project`.
fn cashet(project: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cashet"));
    command.args(words).current_dir(project).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", project);
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_store_of_format_1_is_brought_to_the_present_one() {
    let project = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let at = project.path();
    fs::create_dir(at.join(".git")).unwrap();
    fs::write(at.join("in"), "one\n").unwrap();
    let archive = zstd::decode_all(&include_bytes!("data/format-1.tar.zst")[..]).unwrap();
    tar::Archive::new(archive.as_slice()).unpack(at).unwrap();
    let call = ["exec", "-v", "--", "sh", "-c", "cat in > out; echo said"];
    // Its history can be read, and answers no call, since the rules of what counts have changed.
    let first = cashet(at, &call);
    assert_eq!(text(&first), "said\n");
    assert!(String::from_utf8_lossy(&first.stderr).contains("miss"), "{first:?}");
    assert!(fs::read_to_string(at.join(".cashet/FORMAT")).unwrap().starts_with("cashet store format 2\n"));
    let log = text(&cashet(at, &["log", "--oneline"]));
    assert_eq!(log.lines().count(), 3, "{log}");
    let mut old = ["@{1}", "@{2}"].map(|revision| text(&cashet(at, &["get", revision])));
    old.sort();
    assert_eq!(old, ["one\n", "said\n"]);
    assert!(cashet(at, &["fsck"]).status.success());
    let again = cashet(at, &call);
    assert!(String::from_utf8_lossy(&again.stderr).contains("hit"), "{again:?}");
}
