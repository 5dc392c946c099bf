//! Every command on a store with 100,000 commits. Slow: `cargo test --test commands scale -- --ignored --nocapture`.
//!
//! With `CASHET_BINARY`, a release binary, what a person waits for is compared to the floor of `benches/floor.c`.

use super::support::{Run, SECOND, Sandbox};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const COMMITS: i64 = 100_000;

/// How many times the floor a person waits at most.
const MOST: u32 = 8;

/// The quickest of many runs.
fn quickest(program: &Path, words: &[&str], directory: &Path) -> Duration {
    let once = || {
        let mut command = Command::new(program);
        command.args(words).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null());
        let begun = Instant::now();
        assert!(command.status().unwrap().success(), "{words:?}");
        begun.elapsed()
    };
    (0..200).map(|_| once()).min().unwrap()
}

/// A static program that reads a small file and writes it.
fn floor(sandbox: &Sandbox) -> Duration {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/floor.c");
    let (program, file) = (sandbox.path("floor"), sandbox.path("small"));
    let built = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(source).status();
    assert!(built.unwrap().success());
    std::fs::write(&file, "result\n").unwrap();
    quickest(&program, &["small"], sandbox.root())
}

fn compare_with_the_floor(sandbox: &Sandbox) {
    let Some(binary) = std::env::var_os("CASHET_BINARY") else {
        println!("SKIPPED: CASHET_BINARY names no release binary to be compared with the floor");
        return;
    };
    let floor = floor(sandbox);
    println!("{:>8} µs  the floor", floor.as_micros());
    for words in [&["log", "-n", "20"][..], &["show", "@"], &["stats"], &["log", "--oneline", "-n", "1"]] {
        let took = quickest(Path::new(&binary), words, sandbox.root());
        let ratio = took.as_secs_f64() / floor.as_secs_f64();
        println!("{:>8} µs  {}: {ratio:.1} × the floor", took.as_micros(), words.join(" "));
        assert!(took <= floor * MOST, "{words:?} takes {ratio:.1} × the floor");
    }
}

#[test]
#[ignore = "makes 100,000 commits: some minutes"]
fn every_command_is_right_on_a_large_store() {
    let sandbox = Sandbox::new();
    let store = sandbox.store();
    let newest = (0..COMMITS)
        .map(|n| {
            let run = Run::new(&format!("python3 job{}.py {n}", n % 100), (COMMITS - n) * SECOND);
            let id = run.printing("the same for all\n").record(&store);
            if n % 1000 == 999 {
                // As every call of exec does at its end.
                store.settle();
            }
            id
        })
        .last()
        .unwrap();
    drop(store);
    compare_with_the_floor(&sandbox);
    let timed = |words: &[&str]| {
        let begun = Instant::now();
        let text = sandbox.run(words).ok();
        println!("{:>8} ms  {}", begun.elapsed().as_millis(), words.join(" "));
        text
    };
    assert_eq!(timed(&["log", "-n", "20"]).lines().count(), 21);
    assert!(timed(&["show", "@"]).contains(&newest.to_string()));
    assert!(timed(&["show", &newest.to_string()[..16]]).contains(&newest.to_string()));
    assert!(timed(&["show", "@{100000}"]).contains("python3 job0.py 0"));
    assert!(timed(&["show", "job7.py 7"]).contains("python3 job7.py 7"));
    assert!(timed(&["stats"]).contains("100,000"));
    assert_eq!(timed(&["log", "--func", "job42.py", "--oneline"]).lines().count(), 1000);
    assert_eq!(timed(&["log"]).lines().count(), 100_001);
    assert_eq!(timed(&["log", "--json"]).lines().count(), 100_000);
    assert_eq!(timed(&["history", "@"]).lines().count(), 2);
    assert_eq!(timed(&["graph", "@"]).lines().count(), 1);
    assert_eq!(timed(&["diff", "@", "@{2}", "--stat"]).lines().next().unwrap().chars().next(), Some('−'));
    assert!(timed(&["gc", "--dry-run"]).starts_with("0 commits to remove"));
    assert!(timed(&["fsck", "--quick"]).starts_with("clean: 100,000 commits"));
    assert!(timed(&["fsck"]).starts_with("clean: 100,000 commits"));
    timed(&["tag", "@", "a=b"]);
    assert!(timed(&["rm", "@"]).contains("1 commit removed"));
    assert!(
        timed(&["gc", "--older-than", "50000s"]).contains("50,000 commits to remove")
            || timed(&["stats"]).contains("49,999")
    );
}
