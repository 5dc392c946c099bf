//! Every command on a store with many commits: 1,500, or as many as `CASHET_TEST_COMMITS` says; then the printed times
//! are meaningful. `benches/compare.sh S8` compares interactive commands with the floor.

use super::support::{Run, SECOND, Sandbox};
use cashet::ui::human;
use std::time::Instant;

fn commits() -> i64 {
    // More than the rows that `log` aligns together.
    std::env::var("CASHET_TEST_COMMITS").ok().and_then(|number| number.parse().ok()).unwrap_or(1500)
}

#[test]
fn every_command_is_right_on_a_large_store() {
    let count = commits();
    let shown = |count: i64| human::number(u64::try_from(count).unwrap());
    let sandbox = Sandbox::new();
    let store = sandbox.store();
    let newest = (0..count)
        .map(|n| {
            let run = Run::new(&format!("python3 job{}.py {n}", n % 100), (count - n) * SECOND);
            let id = run.printing("the same for all\n").record(&store);
            if n % 1000 == 999 {
                // Like every call of exec at its end.
                store.settle();
            }
            id
        })
        .last()
        .unwrap();
    drop(store);
    let timed = |words: &[&str]| {
        let begun = Instant::now();
        let text = sandbox.run(words).ok();
        println!("{:>8} ms  {}", begun.elapsed().as_millis(), words.join(" "));
        text
    };
    let lines = |words: &[&str]| i64::try_from(timed(words).lines().count()).unwrap();
    assert_eq!(lines(&["log", "-n", "20"]), 21);
    assert!(timed(&["show", "@"]).contains(&newest.to_string()));
    assert!(timed(&["show", &newest.to_string()[..16]]).contains(&newest.to_string()));
    assert!(timed(&["show", &format!("@{{{count}}}")]).contains("python3 job0.py 0"));
    assert!(timed(&["show", "job7.py 7"]).contains("python3 job7.py 7"));
    assert!(timed(&["stats"]).contains(&shown(count)));
    assert_eq!(lines(&["log", "--func", "job42.py", "--oneline"]), (count + 57) / 100);
    assert_eq!(lines(&["log"]), count + 1);
    assert_eq!(lines(&["log", "--json"]), count);
    assert_eq!(lines(&["history", "@"]), 2);
    assert_eq!(lines(&["graph", "@"]), 1);
    assert_eq!(timed(&["diff", "@", "@{2}", "--stat"]).lines().next().unwrap().chars().next(), Some('−'));
    assert!(timed(&["gc", "--dry-run"]).starts_with("0 runs would be removed"));
    let clean = format!("clean: {} runs", shown(count));
    assert!(timed(&["fsck", "--quick"]).starts_with(&clean));
    assert!(timed(&["fsck"]).starts_with(&clean));
    timed(&["tag", "@", "a=b"]);
    assert!(timed(&["rm", "@"]).contains("1 run removed"));
    let half = count / 2;
    let dry = timed(&["gc", "--dry-run", "--older-than", &format!("{half}s")]);
    // One line per run, plus the headings, the sum, and the size of the store.
    assert_eq!(i64::try_from(dry.lines().count()).unwrap(), count - half + 3);
    let told = timed(&["gc", "--older-than", &format!("{half}s")]);
    assert!(told.contains(&format!("{} runs removed", shown(count - half))), "{told}");
    assert!(timed(&["stats"]).contains(&shown(half - 1)));
    // The remaining rows are moved to new tables, the others are detached.
    let all = timed(&["gc", "--older-than", "5s"]);
    assert!(all.contains(&format!("{} runs removed", shown(half - 5))), "{all}");
    assert_eq!(lines(&["log", "--oneline"]), 4);
    assert!(timed(&["show", "@{4}"]).contains(&format!("python3 job{}.py {}", (count - 5) % 100, count - 5)));
    assert!(timed(&["fsck"]).starts_with("clean: 4 runs"));
}
