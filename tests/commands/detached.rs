//! Work after a call: it holds no descriptor of the caller.

use super::support::{DAY, NOON, Run, Sandbox};
use cashet::record::Timestamp;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_mins(2);

/// Bytes that do not compress.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()
    };
    (0..1_000_000).flat_map(|_| next()[..3].to_vec()).collect()
}

/// The processes that collect the store at `path`.
fn collectors(path: &Path) -> Vec<PathBuf> {
    let is_one = |process: &PathBuf| {
        let words = fs::read(process.join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
        words.get(1) == Some(&&b"collect"[..]) && words.get(2) == Some(&path.as_os_str().as_encoded_bytes())
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes.filter(is_one).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_does_not_fit_goes_after_the_caller_has_the_answer() {
    let sandbox = Sandbox::new();
    // The time of the runs is counted from noon of a certain day.
    let ago = NOON.0 - (Timestamp::now().0 - 20 * DAY);
    for n in 1..=2 {
        let run = Run::new(&format!("python3 job.py {n}"), ago - i64::try_from(n).unwrap());
        sandbox.record(&run.writing("out", &noise(n), 0o644));
    }
    let store = fs::canonicalize(sandbox.path(".cashet")).unwrap();
    let evicted = || {
        let lines = sandbox.run(&["log", "--json"]).json();
        lines.iter().filter(|line| line["evicted"] == true).count()
    };
    // Nothing is deleted while a process reads the store.
    let reading = fs::File::options().read(true).write(true).open(store.join("locks/store")).unwrap();
    reading.lock_shared().unwrap();
    // Descriptor 7 is the caller's pipe too.
    let line = format!("'{}' exec -- echo made 7>&1 | cat; echo over", env!("CARGO_BIN_EXE_cashet"));
    let mut call = Command::new("sh");
    call.args(["-c", &line]).current_dir(store.parent().unwrap()).env("CASHET_MAX_SIZE", "5M");
    call.env("HOME", "/nonexistent").stdin(Stdio::null());
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(call.output().unwrap()));
    let output = told.recv_timeout(PATIENCE).expect("the caller's pipe is held by nobody");
    assert_eq!(
        (String::from_utf8(output.stdout).unwrap().as_str(), output.stderr.len()),
        ("made\nover\n", 0)
    );
    let found = collectors(&store);
    let [process] = found.as_slice() else { panic!("{found:?}") };
    // After the name in brackets: state, parent, group, session, terminal.
    let stat = fs::read_to_string(process.join("stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let own = process.file_name().unwrap().to_str().unwrap();
    assert_eq!((fields[2], fields[3], fields[4]), (own, own, "0"), "{stat}");
    assert_eq!(fs::read_link(process.join("cwd")).unwrap(), Path::new("/"));
    for descriptor in fs::read_dir(process.join("fd")).unwrap().flatten() {
        let Ok(target) = fs::read_link(descriptor.path()) else { continue };
        assert!(target == Path::new("/dev/null") || target.starts_with(&store), "{target:?}");
    }
    assert_eq!(evicted(), 0);
    drop(reading);
    wait_until("the older result is dropped", || evicted() == 1);
    wait_until("the process ends", || collectors(&store).is_empty());
    assert_eq!(sandbox.run(&["fsck"]).ok().split(':').next(), Some("clean"));
}
