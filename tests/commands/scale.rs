//! Every command on a store with 100,000 commits. Slow: `cargo test --test commands scale -- --ignored`.

use super::support::{Run, SECOND, Sandbox};

const COMMITS: i64 = 100_000;

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
    let timed = |words: &[&str]| {
        let begun = std::time::Instant::now();
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
