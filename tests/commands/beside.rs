//! Collection, deletion and archives in parallel with `exec` loops: no error, no wrong byte, an intact store at the
//! end.
//!
//! A few seconds by default; `CASHET_STRESS_SECONDS=60` for the full test.

use super::support::Sandbox;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LOOPS: u64 = 8;

fn cashet(root: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cashet"))
        .args(words)
        .current_dir(root)
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn seconds() -> u64 {
    std::env::var("CASHET_STRESS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// One worker: three commands again and again, one of them new each time.
fn work(root: &Path, worker: u64, until: Instant, answered: &AtomicU64) {
    let mut turn = 0;
    while Instant::now() < until {
        turn += 1;
        let fresh = format!("echo fresh {worker} {turn}");
        let written = format!("cat in{worker}; echo made by {worker} > out{worker}");
        for (script, expected) in [
            (fresh.as_str(), format!("fresh {worker} {turn}\n")),
            ("cat in0 in1", "input 0\ninput 1\n".to_owned()),
            (written.as_str(), format!("input {worker}\n")),
        ] {
            let (status, out, err) = cashet(root, &["exec", "--", "sh", "-c", script]);
            assert_eq!((status, out, err.as_str()), (Some(0), expected, ""), "{script}");
            answered.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(
            fs::read_to_string(root.join(format!("out{worker}"))).unwrap(),
            format!("made by {worker}\n")
        );
    }
}

#[test]
fn gc_rm_export_and_import_beside_working_loops() {
    let sandbox = Sandbox::new();
    let root = sandbox.root();
    for worker in 0..LOOPS {
        fs::write(root.join(format!("in{worker}")), format!("input {worker}\n")).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(seconds());
    let (answered, upkeep) = (AtomicU64::new(0), AtomicU64::new(0));
    // Archives are outside of the project, so that the loops do not see them.
    let archives = tempfile::tempdir().unwrap();
    let archive = archives.path().join("all.cashet");
    let archive = archive.to_str().unwrap();
    let deleting: Vec<Vec<&str>> =
        vec![vec!["gc", "--older-than", "1s"], vec!["rm", "@"], vec!["gc", "--max-size", "0"]];
    let moving: Vec<Vec<&str>> =
        vec![vec!["export", archive], vec!["import", archive], vec!["log", "-n", "5"], vec!["stats"]];
    thread::scope(|scope| {
        for worker in 0..LOOPS {
            let answered = &answered;
            scope.spawn(move || work(root, worker, until, answered));
        }
        for calls in [&deleting, &moving] {
            let upkeep = &upkeep;
            scope.spawn(move || {
                while Instant::now() < until {
                    for call in calls {
                        let (status, _, err) = cashet(root, call);
                        // The named run may be gone by now, and the store may not exist yet.
                        let gone = err.contains("there is no run") || err.contains("there is no store");
                        let no_archive = call.first() == Some(&"import") && !Path::new(archive).exists();
                        assert!(status == Some(0) || gone || no_archive, "{call:?}: {err}");
                        upkeep.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!("{answered:?} calls answered beside {upkeep:?} of upkeep");
    assert!(answered.load(Ordering::Relaxed) >= 3 * LOOPS);
    assert!(upkeep.load(Ordering::Relaxed) >= 2);
    let (status, out, err) = cashet(root, &["fsck"]);
    assert_eq!(status, Some(0), "{out}{err}");
}
