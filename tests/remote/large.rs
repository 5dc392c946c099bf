//! Large files that a command only looks at: the store has their size and time, and a shared cache their digest.

use super::servers::skipped;
use super::team::{CASHET, Machine, Team};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// More than what is digested where it is only looked at.
const SIZE: u64 = 70 << 20;

/// A large file that is in one byte, old enough for its times to be believed, and of this age.
fn large(path: &Path, hours: u64) {
    let file = File::create(path).unwrap();
    file.set_len(SIZE).unwrap();
    file.write_all_at(b"x", SIZE / 2).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(hours)).unwrap();
}

fn wait() {
    std::thread::sleep(Duration::from_millis(2100));
}

/// Changes the byte in the middle, and neither size nor time.
fn change(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    let time = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"y", SIZE / 2).unwrap();
    file.set_modified(time).unwrap();
    wait();
}

fn looks(machine: &Machine, path: &str) {
    machine.script("run.sh", &format!("test -s \"{path}\" && cat data.txt")).write("data.txt", "data\n");
}

/// The names of the files that a call opened; nothing if that cannot be known.
fn opened(machine: &Machine, words: &[&str]) -> Option<String> {
    let log = machine.project.join(".cashet-trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-e", "trace=open,openat,openat2", "-o"]).arg(&log);
    command.arg(CASHET).args(["exec", "-v", "--"]).args(words);
    command.current_dir(&machine.project).env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
    command.env("HOME", &machine.home).envs(machine.environment.iter().cloned());
    let Ok(output) = command.output() else {
        skipped("strace is not there");
        return None;
    };
    assert!(String::from_utf8_lossy(&output.stderr).contains("hit"), "{output:?}");
    let text = fs::read_to_string(&log).unwrap();
    let _ = fs::remove_file(log);
    Some(text)
}

#[test]
fn one_in_the_project() {
    let path = |machine: &Machine| machine.project.join("large.bin");
    let team = Team::new();
    let (first, second) = (team.writer("first"), team.writer("second"));
    for (machine, hours) in [(&first, 1), (&second, 48)] {
        looks(machine, "large.bin");
        large(&path(machine), hours);
    }
    wait();
    first.exec(&["./run.sh"]);
    let (stdout, status) = second.exec(&["./run.sh"]);
    assert!(status.contains("hit") && status.contains("from dir:"), "{status}");
    assert_eq!((stdout.as_str(), team.executions()), ("data\n", 1));
    // No hit of their own reads the file.
    for machine in [&first, &second] {
        if let Some(opened) = opened(machine, &["./run.sh"]) {
            assert!(opened.contains(".cashet") && !opened.contains("large.bin"), "{opened}");
        }
    }
    // It is read once: then its digest is known.
    fs::remove_dir_all(second.project.join(".cashet")).unwrap();
    if let Some(opened) = opened(&second, &["./run.sh"]) {
        assert!(opened.contains(".digests") && !opened.contains("large.bin"), "{opened}");
    }
    fs::remove_dir_all(second.project.join(".cashet")).unwrap();
    change(&path(&second));
    let (_, status) = second.exec(&["./run.sh"]);
    assert!(status.contains("miss"), "{status}");
    assert_eq!(team.executions(), 2);
    // The new state is shared, too.
    change(&path(&first));
    fs::remove_dir_all(first.project.join(".cashet")).unwrap();
    let (_, status) = first.exec(&["./run.sh"]);
    assert!(status.contains("from dir:") && status.contains("hit"), "{status}");
    assert_eq!(team.executions(), 2);
}

#[test]
fn one_of_the_system() {
    let team = Team::new();
    let system = team.base.path().join("system");
    fs::create_dir_all(&system).unwrap();
    let path = system.join("large.bin");
    large(&path, 1);
    wait();
    let (first, second) = (team.writer("first"), team.writer("second"));
    for machine in [&first, &second] {
        looks(machine, path.to_str().unwrap());
    }
    first.exec(&["./run.sh"]);
    // It was installed again.
    large(&path, 48);
    wait();
    let (_, status) = second.exec(&["./run.sh"]);
    assert!(status.contains("from dir:"), "{status}");
    assert_eq!(team.executions(), 1);
    fs::remove_dir_all(second.project.join(".cashet")).unwrap();
    change(&path);
    let (_, status) = second.exec(&["./run.sh"]);
    assert!(status.contains("miss"), "{status}");
    assert_eq!(team.executions(), 2);
}

#[test]
fn one_that_is_another_now_is_not_shared() {
    let team = Team::new();
    let machine = team.machine("first", "");
    looks(&machine, "large.bin");
    let path = machine.project.join("large.bin");
    large(&path, 1);
    wait();
    machine.exec(&["./run.sh"]);
    let text = |words: &[&str]| {
        let output = machine.cashet(words);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(text(&["show", "@", "--json"]).contains("\"kept_here\":null"));
    change(&path);
    let why = "of large.bin only size and time are known: it changed since the run began";
    assert!(text(&["show", "@", "--json"]).contains(why));
    assert!(text(&["show", "@"]).contains(why));
    let machine = machine.with("CASHET_REMOTE_WRITE", "1");
    let pushed = machine.cashet(&["remote", "push", "@"]);
    assert!(String::from_utf8_lossy(&pushed.stdout).contains(why), "{pushed:?}");
    assert!(team.files("s").is_empty());
}

#[test]
fn one_that_may_not_be_read_is_not_shared() {
    if rustix::process::geteuid().is_root() {
        skipped("root may read everything");
        return;
    }
    let team = Team::new();
    let machine = team.writer("first");
    looks(&machine, "large.bin");
    let path = machine.project.join("large.bin");
    large(&path, 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    wait();
    machine.exec(&["./run.sh"]);
    let shown = machine.cashet(&["show", "@", "--json"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("it cannot be read"), "{shown:?}");
    assert!(team.files("s").is_empty());
}

/// Names of files that are on their way into a store.
fn on_their_way(machine: &Machine) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(machine.project.join(".cashet/tmp")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.as_encoded_bytes().starts_with(b"blob-")).collect()
}

#[test]
fn an_output_is_stored_and_restored_while_it_arrives() {
    const SIZE: usize = 20_000_000;
    let team = Team::new();
    let (first, second) = (team.writer("first"), team.writer("second"));
    for machine in [&first, &second] {
        let body = format!("head -c {SIZE} /dev/urandom > large; cp large again; chmod 600 again");
        machine.script("run.sh", &body);
    }
    first.exec(&["./run.sh"]);
    let (_, status) = second.exec(&["./run.sh"]);
    assert!(status.contains("hit") && status.contains("from dir:"), "{status}");
    assert_eq!(team.executions(), 1);
    let bytes = fs::read(first.project.join("large")).unwrap();
    for (name, mode) in [("large", 0o644), ("again", 0o600)] {
        let path = second.project.join(name);
        assert!(fs::read(&path).unwrap() == bytes, "{name}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
    assert_eq!(on_their_way(&second), Vec::<std::ffi::OsString>::new());
    // The copy in the store is another file.
    fs::write(second.project.join("large"), "mine").unwrap();
    fs::remove_file(second.project.join("again")).unwrap();
    let checked = second.cashet(&["fsck"]);
    assert!(checked.status.success(), "{checked:?}");
    let (_, status) = second.exec(&["./run.sh"]);
    assert!(status.contains("hit") && !status.contains("from dir:"), "{status}");
    assert!(fs::read(second.project.join("large")).unwrap() == bytes);

    // Other bytes of the same length are no result.
    let blob = team.files("cas").into_iter().find(|path| fs::metadata(path).unwrap().len() == SIZE as u64);
    let blob = blob.expect("the blob is in the cache as it is");
    let file = File::options().write(true).open(&blob).unwrap_or_else(|_| {
        fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
        File::options().write(true).open(&blob).unwrap()
    });
    file.write_all_at(b"other", 12_345_678).unwrap();
    let third = team.writer("third");
    third.script("run.sh", &format!("head -c {SIZE} /dev/urandom > large; cp large again; chmod 600 again"));
    let (_, status) = third.exec(&["./run.sh"]);
    assert!(status.contains("miss") && status.contains("the bytes of blob"), "{status}");
    assert_eq!(team.executions(), 2);
    assert_eq!(on_their_way(&third), Vec::<std::ffi::OsString>::new());
}
