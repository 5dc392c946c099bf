//! `log`, `tag`.

use super::support::{NOON, Run, SECOND, Sandbox, recorded};
use cashet::digest::CommitId;
use cashet::store::{Event, ResultIndex};

#[test]
fn a_project_without_a_store_is_an_empty_one() {
    let sandbox = Sandbox::new();
    for words in
        [&["log"][..], &["log", "--json"], &["log", "--graph"], &["log", "--missed"], &["gc"], &["fsck"]]
    {
        assert_eq!(sandbox.run(words).ok(), "", "{words:?}");
    }
    for words in [&["show", "@"][..], &["get", "@"], &["diff", "@", "@"], &["history", "@"], &["graph", "@"]]
    {
        assert_eq!(sandbox.run(words).refused(), "there is no run '@'", "{words:?}");
    }
    assert!(!sandbox.path(".cashet").exists());
}

#[test]
fn one_commit() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new("make", 130 * SECOND));
    insta::assert_snapshot!(sandbox.run(&["log"]).ok(), @r"
    RUN           AGE        STATUS  FUNCTION    TOOK  SIZE
    fb7267a404d6  2 min ago  ok      make      12.3 s  15 B
    ");
}

#[test]
fn the_log_fits_every_width() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.at(140, &["log"]).ok(), @r#"
    RUN           AGE        STATUS  FUNCTION   ARGUMENTS       TOOK  SIZE  TAGS
    cacea4f111db  2 min ago  ok      report.sh  "'weekly'"    12.3 s  41 B
    610ec63f37f5  3 h ago    exit 1  train.py   --lr 0.01     12.3 s  91 B
    8dd5b059e768  4 h ago    ok      train.py   --lr 0.01     12.3 s  29 B  keep stage=train
    268557f0855d  5 h ago    ok      train.py   --lr 0.01     12.3 s  28 B
    84927b79fb46  1 d ago    ok      clean.py   data/raw.csv  12.3 s  44 B
    be93a9b84deb  2 d ago    ok      load.py    day1.csv      12.3 s  40 B
    "#);
    insta::assert_snapshot!(sandbox.at(80, &["log"]).ok(), @r#"
    RUN           AGE        STATUS  FUNCTION   ARGUMENTS       TOOK  SIZE
    cacea4f111db  2 min ago  ok      report.sh  "'weekly'"    12.3 s  41 B
    610ec63f37f5  3 h ago    exit 1  train.py   --lr 0.01     12.3 s  91 B
    8dd5b059e768  4 h ago    ok      train.py   --lr 0.01     12.3 s  29 B
    268557f0855d  5 h ago    ok      train.py   --lr 0.01     12.3 s  28 B
    84927b79fb46  1 d ago    ok      clean.py   data/raw.csv  12.3 s  44 B
    be93a9b84deb  2 d ago    ok      load.py    day1.csv      12.3 s  40 B
    "#);
    insta::assert_snapshot!(sandbox.at(60, &["log"]).ok(), @r#"
    RUN           AGE        STATUS  FUNCTION   ARGUMENTS
    cacea4f111db  2 min ago  ok      report.sh  "'weekly'"
    610ec63f37f5  3 h ago    exit 1  train.py   --lr 0.01
    8dd5b059e768  4 h ago    ok      train.py   --lr 0.01
    268557f0855d  5 h ago    ok      train.py   --lr 0.01
    84927b79fb46  1 d ago    ok      clean.py   data/raw.csv
    be93a9b84deb  2 d ago    ok      load.py    day1.csv
    "#);
    insta::assert_snapshot!(sandbox.at(60, &["log", "--oneline"]).ok(), @r#"
    cacea4f111db  report.sh "'weekly'"
    610ec63f37f5  train.py --lr 0.01  (exit 1)
    8dd5b059e768  train.py --lr 0.01
    268557f0855d  train.py --lr 0.01
    84927b79fb46  clean.py data/raw.csv
    be93a9b84deb  load.py day1.csv
    "#);
    insta::assert_snapshot!(sandbox.at(80, &["log", "--graph"]).ok(), @r#"
    ● 2 min ago  cacea4f111db  report.sh "'weekly'"
    ●   3 h ago  610ec63f37f5  train.py --lr 0.01  (exit 1)
    ●   4 h ago  8dd5b059e768  train.py --lr 0.01
    ●   5 h ago  268557f0855d  train.py --lr 0.01
    ●   1 d ago  84927b79fb46  clean.py data/raw.csv
    ●   2 d ago  be93a9b84deb  load.py day1.csv
    "#);
}

#[test]
fn filters_let_through_what_they_say() {
    let (sandbox, ids) = recorded();
    let listed = |words: &[&str]| {
        let mut call = vec!["log", "--json"];
        call.extend(words);
        let lines = sandbox.run(&call).json();
        let hashes: Vec<String> =
            lines.iter().map(|line| line["commit"].as_str().unwrap().to_owned()).collect();
        hashes
    };
    let of = |places: &[usize]| places.iter().map(|place| ids[*place].to_string()).collect::<Vec<_>>();
    assert_eq!(listed(&[]), of(&[5, 4, 3, 2, 1, 0]));
    assert_eq!(listed(&["-n", "2"]), of(&[5, 4]));
    assert_eq!(listed(&["--limit", "0"]), of(&[]));
    assert_eq!(listed(&["--func", "train"]), of(&[4, 3, 2]));
    assert_eq!(listed(&["--tag", "stage"]), of(&[3]));
    assert_eq!(listed(&["--tag", "stage=train", "--tag", "keep"]), of(&[3]));
    assert_eq!(listed(&["--tag", "stage=test"]), of(&[]));
    assert_eq!(listed(&["--status", "failed"]), of(&[4]));
    assert_eq!(listed(&["--status", "1"]), of(&[4]));
    assert_eq!(listed(&["--status", "ok", "--since", "5h"]), of(&[5, 3, 2]));
    assert_eq!(listed(&["--status", "not-kept"]), of(&[4]));
    assert_eq!(listed(&["--since", "2026-11-22T11:59:00Z"]), of(&[]));
}

#[test]
fn twenty_five_commits_are_in_order_and_shown_in_bounded_lines() {
    let sandbox = Sandbox::new();
    let ids: Vec<CommitId> = (0..25)
        .map(|n| sandbox.record(&Run::new(&format!("python3 job.py {n}"), (25 - n) * 60 * SECOND)))
        .collect();
    let lines = sandbox.run(&["log", "--json"]).json();
    let hashes: Vec<&str> = lines.iter().map(|line| line["commit"].as_str().unwrap()).collect();
    assert_eq!(hashes, ids.iter().rev().map(ToString::to_string).collect::<Vec<_>>());
    for width in [60, 80, 140] {
        let text = sandbox.at(width, &["log"]).ok();
        assert_eq!(text.lines().count(), 26);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
    }
}

#[test]
fn what_was_missed_comes_with_its_cure() {
    let sandbox = Sandbox::new();
    let store = sandbox.store();
    for ago in [10, 20] {
        store.note(&Event::Missed {
            command: b"curl -s https://example.com".to_vec(),
            reason: "network".to_owned(),
            detail: "example.com:443".to_owned(),
            recorded: false,
            at: cashet::record::Timestamp(NOON.0 - ago * SECOND),
        });
    }
    insta::assert_snapshot!(sandbox.run(&["log", "--missed"]).ok(), @r"
    network (2 times)
    hint: --ttl 1h caches it for an hour, --allow-net until an input changes
    TIMES  LAST      COMMAND                      DETAIL
        2  10 s ago  curl -s https://example.com  example.com:443
    ");
    let lines = sandbox.run(&["log", "--missed", "--json"]).json();
    assert_eq!(
        (lines[0]["times"].as_u64(), lines[0]["newest"].as_str()),
        (Some(2), Some("2026-11-22T11:59:50.000000000Z"))
    );
}

#[test]
fn tags_after_the_fact() {
    let (sandbox, _) = recorded();
    assert_eq!(sandbox.run(&["tag", "@", "b=2", "a"]).ok(), "");
    assert_eq!(sandbox.run(&["tag", "@"]).ok(), "a\nb=2\n");
    assert_eq!(sandbox.run(&["tag", "@", "b=3"]).ok(), "");
    assert_eq!(sandbox.run(&["tag", "-d", "@", "a"]).ok(), "");
    assert_eq!(sandbox.run(&["tag", "@"]).ok(), "b=3\n");
    assert!(sandbox.run(&["tag", "-d", "@", "c"]).refused().ends_with("has no tag 'c'"));
    assert_eq!(sandbox.run(&["tag", "-d", "@", "b=3"]).refused(), "-d takes names of tags, not values ('3')");
    assert_eq!(sandbox.run(&["tag", "@"]).ok(), "b=3\n");
    assert_eq!(sandbox.run(&["tag", "-d", "@"]).ended.unwrap_err().command_status(), 2);
}
