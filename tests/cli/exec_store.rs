//! A store that is unusable, wholly or in part: the command still runs, and earlier results are not lost.

use crate::support::{Run, Sandbox};
use cashet::digest::Digest;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small separate file system, unmounted at the end.
struct Disk(PathBuf);

impl Disk {
    /// `None`, with a visible line, where the user may not mount.
    fn new(sandbox: &Sandbox) -> Option<Self> {
        let place = sandbox.base().join("disk");
        fs::create_dir(&place).unwrap();
        let disk = Self(place);
        if disk.mount("size=1m") {
            return Some(disk);
        }
        let _ = writeln!(std::io::stderr(), "SKIPPED: only root can mount a disk");
        None
    }

    fn mount(&self, options: &str) -> bool {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "cashet-test"]).arg(&self.0);
        command.status().is_ok_and(|status| status.success())
    }

    fn read_only(&self) {
        let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status();
        assert!(remounted.unwrap().success());
    }

    /// Leaves no space.
    fn fill(&self) {
        let _ = fs::write(self.0.join("filler"), vec![1; 2 << 20]);
    }

    fn free_space(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }

    fn store(&self) -> PathBuf {
        self.0.join("store")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Bytes in the files of a store, but for the log of the database, which is bounded.
fn size(store: &Path) -> u64 {
    let mut total = 0;
    for entry in fs::read_dir(store).unwrap() {
        let entry = entry.unwrap();
        let (path, found) = (entry.path(), entry.metadata().unwrap());
        let is_log = entry.file_name().to_string_lossy().starts_with("meta.db-");
        total += if found.is_dir() { size(&path) } else { found.len() * u64::from(!is_log) };
    }
    total
}

#[test]
fn every_state_that_was_seen_is_a_hit_however_many_there_are() {
    const STATES: usize = 20;
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat f; if [ -e g ]; then cat g; fi");
    let set = |state: usize| {
        // Of some states other questions are asked: `g` is absent, or read.
        sandbox.write("f", format!("state {state}\n"));
        let with = state.is_multiple_of(3);
        if with {
            sandbox.write("g", "g\n");
        } else if sandbox.path("g").exists() {
            sandbox.remove("g");
        }
        format!("state {state}\n{}", if with { "g\n" } else { "" })
    };
    for state in 0..STATES {
        let expected = set(state);
        sandbox.exec(["./job"]).stdout(expected).run();
    }
    assert_eq!(sandbox.executions(), STATES);
    for state in (0..STATES).chain((0..STATES).rev()) {
        let expected = set(state);
        sandbox.exec(["./job"]).stdout(expected).run();
        assert_eq!(sandbox.executions(), STATES, "state {state}");
    }
    // A state that nobody saw, and one of which the files are as they were together at no time.
    sandbox.write("f", "state 99\n");
    sandbox.exec(["./job"]).stdout("state 99\ng\n").run();
    sandbox.write("f", "state 3\n");
    if sandbox.path("g").exists() {
        sandbox.remove("g");
    }
    sandbox.exec(["./job"]).stdout("state 3\n").run();
    assert_eq!(sandbox.executions(), STATES + 2);
    sandbox.cashet(["fsck"]).any_stdout().run();
}

#[test]
fn what_a_run_shares_with_others_is_stored_once() {
    let sandbox = Sandbox::new();
    let directories = 300_u64;
    for directory in 0..directories {
        for file in 0..8 {
            sandbox.write(format!("lib/d{directory}/f{file}"), format!("{directory} {file}\n"));
        }
    }
    sandbox.script("job", "cat lib/*/* | cksum; cat in; echo \"$1\"").write("in", "1\n");
    let store = sandbox.path(".cashet");
    sandbox.exec(["./job", "0"]).any_stdout().run();
    sandbox.cashet(["gc"]).any_stdout().any_stderr().run();
    let first = size(&store);
    for run in 1..5 {
        sandbox.exec(["./job", &run.to_string()]).any_stdout().run();
    }
    sandbox.cashet(["gc"]).any_stdout().any_stderr().run();
    let growth = (size(&store) - first) / 4;
    assert!(growth <= 40 << 10, "{growth} bytes per further run, {first} for the first one");
    assert_eq!(sandbox.executions(), 5);
    // What changes is stored again, and every run keeps what it saw.
    sandbox.write("lib/d7/f3", "changed\n");
    sandbox.exec(["./job", "0"]).any_stdout().run();
    assert_eq!(sandbox.executions(), 6);
    sandbox.write("lib/d7/f3", "7 3\n");
    for run in 0..5 {
        sandbox.exec(["./job", &run.to_string()]).any_stdout().run();
    }
    assert_eq!(sandbox.executions(), 6);
    sandbox.cashet(["fsck"]).any_stdout().run();
    // With the runs their observations go.
    sandbox.cashet(["gc", "--older-than", "0s"]).any_stdout().any_stderr().run();
    let shared = size(&store.join("hot/q"));
    // Directories are left, and have no files in them.
    assert_eq!(shared, 0);
}

fn call<'a>(sandbox: &'a Sandbox, store: &Path, word: &str) -> Run<'a> {
    sandbox.exec(["--pure", "./job", word]).env("CASHET_DIR", store).stdout(format!("{word}\n"))
}

#[test]
fn a_full_disk_keeps_nothing_and_loses_nothing() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo $1");
    let Some(disk) = Disk::new(&sandbox) else { return };
    let store = disk.store();
    call(&sandbox, &store, "one").executes(1).run();
    disk.fill();
    call(&sandbox, &store, "one").executes(0).run();
    for _ in 0..2 {
        call(&sandbox, &store, "two").stderr_with(&["not cached", "No space left"]).executes(1).run();
    }
    disk.free_space();
    call(&sandbox, &store, "two").executes(1).run();
    call(&sandbox, &store, "two").executes(0).run();
    call(&sandbox, &store, "one").executes(0).run();
}

#[test]
fn a_full_disk_changes_no_byte_of_a_large_output() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat big");
    // Incompressible bytes.
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    let big: Vec<u8> = std::iter::repeat_with(&mut byte).take(3_000_000).collect();
    sandbox.write("big", &big);
    let Some(disk) = Disk::new(&sandbox) else { return };
    let run = sandbox.exec(["--pure", "./job"]).env("CASHET_DIR", disk.store());
    run.stdout(&big).stderr_with(&["not cached", "No space left"]).executes(1).run();
}

#[test]
fn a_read_only_store_still_answers() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo $1");
    let Some(disk) = Disk::new(&sandbox) else { return };
    let store = disk.store();
    call(&sandbox, &store, "one").executes(1).run();
    disk.read_only();
    call(&sandbox, &store, "one").executes(0).run();
    call(&sandbox, &store, "two").stderr_with(&["not cached", "Read-only"]).executes(1).run();
}

#[test]
fn a_damaged_database_is_set_aside() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo $1");
    let store = sandbox.path(".cashet");
    call(&sandbox, &store, "one").executes(1).run();
    for name in ["meta.db", "meta.db-wal", "meta.db-shm"] {
        let _ = fs::remove_file(store.join(name));
    }
    fs::write(store.join("meta.db"), vec![7; 8192]).unwrap();
    call(&sandbox, &store, "two").any_stderr().executes(1).run();
    call(&sandbox, &store, "two").executes(0).run();
    let aside = fs::read_dir(&store).unwrap().flatten().map(|entry| entry.file_name());
    let aside = aside.filter(|name| name.as_encoded_bytes().starts_with(b"meta.db.damaged-")).count();
    assert_eq!(aside, 1);
}

#[test]
fn a_newer_store_is_left_alone() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo $1");
    let store = sandbox.path(".cashet");
    call(&sandbox, &store, "one").executes(1).run();
    let line = "cashet store format 999";
    fs::write(store.join("FORMAT"), format!("{line}\ncheck {}\n", Digest::of(line.as_bytes()))).unwrap();
    let database = fs::read(store.join("meta.db")).unwrap();
    for _ in 0..2 {
        call(&sandbox, &store, "two").any_stderr().executes(1).run();
    }
    let log = sandbox.cashet(["log"]).env("CASHET_DIR", &store).any_stderr().status(1).run();
    assert!(log.messages().contains("newer"), "{}", log.messages());
    assert_eq!(fs::read(store.join("meta.db")).unwrap(), database);
}

#[test]
fn gc_on_a_terminal_asks_before_it_drops_much_or_what_is_young() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo made $1");
    for word in ["a", "b", "c"] {
        sandbox.unwatched(["--pure", "./job", word]).stdout(format!("made {word}\n")).executes(1).run();
    }
    let runs = || sandbox.cashet(["log", "--json"]).any_stdout().run().text().lines().count();
    // Everything is older than zero.
    let gc =
        |options: &[&str]| sandbox.cashet(["gc", "--older-than", "0s"].iter().chain(options)).any_stdout();
    for answer in ["n\r", "\r", "what\r"] {
        let terminal = gc(&[]).status(1).terminal();
        terminal.wait_for("3 of 3 runs would be dropped, 3 of them used within the last day");
        terminal.wait_for("Go on? [y/N]").type_in(answer);
        let screen = terminal.finish().text();
        assert!(screen.ends_with("nothing was dropped"), "{screen}");
        assert_eq!(runs(), 3);
    }
    // Where nothing would be dropped, there is no question.
    let screen = sandbox.cashet(["gc"]).any_stdout().terminal().finish().text();
    assert!(screen.contains("0 runs removed"), "{screen}");
    let terminal = gc(&[]).terminal();
    terminal.wait_for("Go on? [y/N]").type_in("y\r");
    let screen = terminal.finish().text();
    assert!(screen.contains("3 runs removed"), "{screen}");
    assert_eq!(runs(), 0);
    // No question with `--yes`, or without a terminal.
    for words in [&["--yes"][..], &[]] {
        sandbox.unwatched(["--pure", "./job", "a"]).stdout("made a\n").executes(1).run();
        if words.is_empty() {
            assert!(gc(words).run().text().contains("1 run removed"));
        } else {
            assert!(gc(words).terminal().finish().text().contains("1 run removed"));
        }
        assert_eq!(runs(), 0);
    }
}
