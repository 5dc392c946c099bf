//! Digests that a user's calls remember for all clones: what one has read, the others need not read again.

use super::servers::skipped;
use super::team::{CASHET, Machine, Team};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

/// A library outside of all projects, old enough for its times to be believed.
fn library(team: &Team, text: &str) -> PathBuf {
    let system = team.base.path().join("system");
    fs::create_dir_all(&system).unwrap();
    let path = system.join("library");
    fs::write(&path, text).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    path
}

/// A clone of one user.
fn clone(team: &Team, name: &str, library: &Path) -> Machine {
    let cache = team.base.path().join("cache");
    fs::create_dir_all(&cache).unwrap();
    let machine = team.writer(name).with("XDG_CACHE_HOME", cache.to_str().unwrap());
    machine.script("run.sh", &format!("cat '{}' data.txt", library.display())).write("data.txt", "data\n");
    machine
}

fn digests(team: &Team) -> PathBuf {
    team.base.path().join("cache/cashet/.digests")
}

/// The call below strace, and the names of the files that it opened.
fn traced(machine: &Machine) -> (Output, String) {
    let log = machine.project.join(".cashet-trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=open,openat,openat2", "-o"]).arg(&log);
    command.arg(CASHET).args(["exec", "-v", "--", "./run.sh"]);
    command.current_dir(&machine.project).env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
    command.env("HOME", &machine.home).envs(machine.environment.iter().cloned());
    let output = command.output().unwrap();
    let text = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(log);
    (output, text)
}

#[test]
fn the_first_hit_in_a_new_clone_reads_no_library_again() {
    if Command::new("strace").arg("-V").output().is_err() {
        skipped("strace is not there");
        return;
    }
    let team = Team::new();
    let library = library(&team, &"line\n".repeat(100_000));
    clone(&team, "first", &library).exec(&["./run.sh"]);
    let (output, opened) = traced(&clone(&team, "second", &library));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("hit") && said.contains("from dir:"), "{said}");
    assert!(opened.contains(".digests"), "{opened}");
    assert!(!opened.contains("system/library"), "{opened}");
    // Another user has another memory.
    let other = clone(&team, "other", &library).with("XDG_CACHE_HOME", "/nonexistent");
    let (output, opened) = traced(&other);
    assert!(output.status.success() && opened.contains("system/library"), "{opened}");
    // What stands there is not believed when it is damaged, and what has changed is read.
    let mut bytes = fs::read(digests(&team)).unwrap();
    bytes.iter_mut().step_by(8).for_each(|byte| *byte ^= 0x55);
    fs::write(digests(&team), bytes).unwrap();
    let (output, opened) = traced(&clone(&team, "third", &library));
    assert!(output.status.success() && opened.contains("system/library"), "{opened}");
    assert_eq!(team.executions(), 1);
}

#[test]
fn a_library_of_the_same_size_and_time_is_another_one() {
    let team = Team::new();
    let path = library(&team, "one\n");
    clone(&team, "first", &path).exec(&["./run.sh"]);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, "two\n").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let (stdout, status) = clone(&team, "second", &path).exec(&["./run.sh"]);
    assert!(status.contains("miss"), "{status}");
    assert_eq!((stdout.as_str(), team.executions()), ("two\ndata\n", 2));
}

#[test]
fn a_watched_call_reads_what_it_depends_on() {
    let team = Team::new();
    let path = library(&team, "one\n");
    clone(&team, "first", &path).exec(&["./run.sh"]);
    let outer = clone(&team, "outer", &path);
    let words = ["sh", "-c", &format!("'{CASHET}' exec -- ./run.sh")];
    // The inner one is answered by its own store.
    outer.exec(&["./run.sh"]);
    assert_eq!(team.executions(), 1);
    outer.exec(&words);
    let (_, status) = outer.exec(&words);
    assert!(status.contains("hit"), "{status}");
    library(&team, "two\n");
    let (stdout, status) = outer.exec(&words);
    assert!(status.contains("miss"), "{status}");
    assert_eq!(stdout, "two\ndata\n");
}

#[test]
fn a_cache_directory_that_cannot_be_written_is_no_trouble() {
    let team = Team::new();
    let path = library(&team, "one\n");
    let read_only = team.base.path().join("read-only");
    fs::create_dir_all(&read_only).unwrap();
    fs::set_permissions(&read_only, fs::Permissions::from_mode(0o555)).unwrap();
    for (number, cache) in ["/proc/self/cache", "/dev/null/x", read_only.to_str().unwrap()].iter().enumerate()
    {
        let machine = clone(&team, &format!("machine{number}"), &path).with("XDG_CACHE_HOME", cache);
        let (stdout, status) = machine.exec(&["./run.sh"]);
        assert_eq!(stdout, "one\ndata\n");
        assert!(!status.contains("digests") && !status.contains("denied"), "{status}");
    }
    assert_eq!(team.executions(), 1);
}
