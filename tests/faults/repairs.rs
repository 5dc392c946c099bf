//! Repairs: a FORMAT that is not a file, files that their owner may not read; and a repair drops nothing that only one
//! of two checks found.

use crate::calls::name;
use crate::project::{Project, files_below, remove};
use crate::scenarios::Stage;
use crate::tracer::{Deed, End};
use nix::libc::{self, EIO};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CALL: &[&str] = &["exec", "--", "./job", "old"];

/// Replaces FORMAT by something that is not a file.
type Odd = fn(&Path);

const ODD: &[(&str, Odd)] = &[
    ("a link to itself", |path| symlink("FORMAT", path).unwrap()),
    ("a link to nowhere", |path| symlink("nowhere", path).unwrap()),
    ("a FIFO", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
    ("an empty directory", |path| fs::create_dir(path).unwrap()),
    ("a directory with something in it", |path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("mine"), "kept").unwrap();
    }),
];

#[test]
fn a_format_that_is_not_a_file_is_damage_like_any_other() {
    let stage = Stage::new();
    let project = &stage.project;
    let format = project.store().join("FORMAT");
    for (kind, put) in ODD {
        for repairs in [true, false] {
            project.restore();
            let commits = project.log().unwrap();
            fs::remove_file(&format).unwrap();
            put(&format);
            assert_eq!(project.run(&["fsck"]).status.code(), Some(1), "{kind}");
            assert!(!format.symlink_metadata().unwrap().is_file(), "{kind}: the check changed it");
            if repairs {
                let repair = project.run(&["fsck", "--repair"]);
                let told = String::from_utf8_lossy(&[repair.stdout, repair.stderr].concat()).into_owned();
                assert_eq!(repair.status.code(), Some(0), "{kind}: {told}");
            } else {
                for _ in 0..2 {
                    project.clear();
                    assert_eq!(project.wrong_answer("old", &project.run(CALL)), None, "{kind}");
                }
                // A hit does not open FORMAT; a command that writes to the store does.
                project.must(&["tag", "@", "seen=1"]);
            }
            assert_eq!(project.run(&["fsck"]).status.code(), Some(0), "{kind}");
            assert_eq!(project.log().unwrap(), commits, "{kind}");
            assert!(format.symlink_metadata().unwrap().is_file(), "{kind}");
            let aside = project.store().join("replaced/FORMAT-1/mine");
            assert!(!kind.contains("something") || aside.exists(), "{kind}: what was in it is gone");
        }
    }
}

#[test]
fn files_of_other_users_and_newer_stores_are_not_repaired() {
    let stage = Stage::new();
    let project = &stage.project;
    let format = project.store().join("FORMAT");
    fs::remove_file(&format).unwrap();
    symlink("FORMAT", &format).unwrap();
    fs::write(project.store().join("thesis.tex"), "years").unwrap();
    assert_eq!(project.run(&["fsck", "--repair"]).status.code(), Some(2));
    assert!(format.symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read(project.store().join("thesis.tex")).unwrap(), b"years");

    project.restore();
    let line = "cashet store format 999";
    fs::write(&format, format!("{line}\ncheck {}\n", blake3::hash(line.as_bytes()))).unwrap();
    fs::write(project.store().join("secret"), "damaged").unwrap();
    let before = contents(project);
    let output = project.run(&["fsck", "--repair"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("format 999"));
    assert_eq!(contents(project), before);
}

#[test]
fn a_lock_that_cannot_be_opened_stops_no_process() {
    let stage = Stage::new();
    let project = &stage.project;
    let locks = files_below(&project.store().join("locks"));
    assert!(locks.len() > 1, "{locks:?}");
    for lock in locks {
        project.restore();
        remove(&lock);
        symlink(lock.file_name().unwrap(), &lock).unwrap();
        project.write("in", "2\n");
        let mut ran = Vec::new();
        for _ in 0..2 {
            project.clear();
            let before = project.executions();
            assert_eq!(project.wrong_answer("old", &project.run(CALL)), None, "{}", lock.display());
            ran.push(project.executions() - before);
        }
        assert_eq!(ran, [1, 0], "{}", lock.display());
        project.write("in", "1\n");
        assert_eq!(project.run(&["fsck"]).status.code(), Some(0), "{}", lock.display());
        project.must(&["gc"]);
    }
}

/// The bytes of every regular file of the store.
fn contents(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    let files = files_below(&project.store()).into_iter();
    let files = files.filter(|path| path.symlink_metadata().unwrap().is_file());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// An ordinary user, to whom file modes apply.
const NOBODY: u32 = 65534;

#[test]
fn what_its_owner_may_not_read_stops_no_command_and_is_given_back() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root can become somebody else");
        return;
    }
    let stage = Stage::new();
    let project = &stage.project;
    let give = || {
        let owner = format!("{NOBODY}:{NOBODY}");
        let base = project.path("").parent().unwrap().to_path_buf();
        assert!(Command::new("chown").arg("-R").arg(&owner).arg(base).status().unwrap().success());
    };
    let as_nobody =
        |words: &[&str]| -> Option<Output> { project.command(words).uid(NOBODY).gid(NOBODY).output().ok() };
    give();
    if as_nobody(&["--version"]).is_none_or(|output| !output.status.success()) {
        println!("SKIPPED: the program is out of an ordinary user's reach");
        return;
    }
    for name in ["FORMAT", "meta.db", "locks/store", "secret", "hits.log", "locks", "hot"] {
        for changes_input in [false, true] {
            project.restore();
            if changes_input {
                project.write("in", "2\n");
            }
            give();
            fs::set_permissions(project.store().join(name), fs::Permissions::from_mode(0o000)).unwrap();
            let case = format!("{name}, input changed: {changes_input}");
            for _ in 0..2 {
                project.clear();
                let output = as_nobody(CALL).unwrap();
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(project.wrong_answer("old", &output), None, "{case}");
                let ours = told.lines().filter(|line| line.starts_with("cashet: ")).count();
                assert!(ours <= 2 && !told.contains("panicked"), "{case}: {told}");
            }
            let repair = as_nobody(&["fsck", "--repair"]).unwrap();
            let told = String::from_utf8_lossy(&[repair.stdout, repair.stderr].concat()).into_owned();
            assert_eq!(repair.status.code(), Some(0), "{case}: {told}");
            let mut ran = 0;
            for _ in 0..2 {
                project.clear();
                let before = project.executions();
                assert_eq!(project.wrong_answer("old", &as_nobody(CALL).unwrap()), None, "{case}");
                ran = project.executions() - before;
            }
            assert_eq!(ran, 0, "{case}: nothing is kept after the repair");
            project.write("in", "1\n");
        }
    }
}

#[test]
fn what_cannot_be_read_for_a_moment_is_not_dropped() {
    let stage = Stage::new();
    let project = &stage.project;
    let words = ["fsck".to_owned(), "--repair".to_owned()];
    project.restore();
    let mut tried = 0;
    for file in files_below(&project.store()) {
        project.restore();
        let commits = project.log().unwrap();
        let before = kept(project);
        let mut failed = None;
        let traced = project.trace(&words, &mut |call| {
            let reads = matches!(call.number, libc::SYS_read | libc::SYS_pread64);
            if reads && failed.is_none() && call.descriptor().is_some_and(|path| path == file) {
                failed = Some(name(call.number));
                return Deed::Fail(EIO);
            }
            Deed::Go
        });
        let Some(call) = failed else { continue };
        tried += 1;
        let case = format!("{call} of {} fails once: {}", file.display(), traced.stderr_text());
        assert!(matches!(traced.end, End::Status(0 | 2)), "{case}");
        assert_eq!(kept(project), before, "{case}");
        assert_eq!(project.log().unwrap(), commits, "{case}");
        assert!(project.run(&["fsck"]).status.success(), "{case}");
        project.clear();
        let executions = project.executions();
        assert_eq!(project.wrong_answer("old", &project.run(CALL)), None, "{case}");
        assert_eq!(project.executions(), executions, "{case}: it is not kept any more");
    }
    assert!(tried >= 5, "only {tried} files were read");
    // A finding of both checks is dropped.
    let blob = files_below(&project.store().join("objects")).remove(0);
    project.restore();
    remove(&blob);
    fs::write(&blob, "something else").unwrap();
    assert!(project.run(&["fsck", "--repair"]).status.success());
    assert!(!blob.exists());
}

/// Blobs and hot entries, which only a repair drops here.
fn kept(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    let of_results = |(path, _): &(PathBuf, Vec<u8>)| {
        ["objects", "hot/keys", "secret", "FORMAT"]
            .iter()
            .any(|part| path.starts_with(project.store().join(part)))
    };
    contents(project).into_iter().filter(of_results).collect()
}
