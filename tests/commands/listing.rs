//! `log`, `show`, `history`, `graph`, `stats`, `tag`.

use super::support::{HOUR, NOON, Run, SECOND, Sandbox, recorded};
use cashet::digest::CommitId;
use cashet::record::{OutputEntry, OutputKind, Replay};
use cashet::store::{Event, Store};

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
        assert_eq!(sandbox.run(words).refused(), "there is no commit '@'", "{words:?}");
    }
    assert!(!sandbox.path(".cashet").exists());
}

#[test]
fn one_commit() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new("make", 130 * SECOND));
    insta::assert_snapshot!(sandbox.run(&["log"]).ok(), @r"
    COMMIT        AGE        STATUS  FUNCTION    TOOK  SIZE
    32fb1b15df2e  2 min ago  ok      make      12.3 s  15 B
    ");
}

#[test]
fn the_log_fits_every_width() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.at(140, &["log"]).ok(), @r#"
    COMMIT        AGE        STATUS  FUNCTION   ARGUMENTS       TOOK  SIZE  TAGS
    385958fe7501  2 min ago  ok      report.sh  "'weekly'"    12.3 s  41 B
    83e1753e3aea  3 h ago    exit 1  train.py   --lr 0.01     12.3 s  91 B
    5b13bfb7a3e4  4 h ago    ok      train.py   --lr 0.01     12.3 s  29 B  keep stage=train
    0d26c1e3b752  5 h ago    ok      train.py   --lr 0.01     12.3 s  28 B
    9ea5935d071a  1 d ago    ok      clean.py   data/raw.csv  12.3 s  44 B
    9df13380f1b3  2 d ago    ok      load.py    day1.csv      12.3 s  40 B
    "#);
    insta::assert_snapshot!(sandbox.at(80, &["log"]).ok(), @r#"
    COMMIT        AGE        STATUS  FUNCTION   ARGUMENTS       TOOK  SIZE
    385958fe7501  2 min ago  ok      report.sh  "'weekly'"    12.3 s  41 B
    83e1753e3aea  3 h ago    exit 1  train.py   --lr 0.01     12.3 s  91 B
    5b13bfb7a3e4  4 h ago    ok      train.py   --lr 0.01     12.3 s  29 B
    0d26c1e3b752  5 h ago    ok      train.py   --lr 0.01     12.3 s  28 B
    9ea5935d071a  1 d ago    ok      clean.py   data/raw.csv  12.3 s  44 B
    9df13380f1b3  2 d ago    ok      load.py    day1.csv      12.3 s  40 B
    "#);
    insta::assert_snapshot!(sandbox.at(60, &["log"]).ok(), @r#"
    COMMIT        AGE        STATUS  FUNCTION   ARGUMENTS
    385958fe7501  2 min ago  ok      report.sh  "'weekly'"
    83e1753e3aea  3 h ago    exit 1  train.py   --lr 0.01
    5b13bfb7a3e4  4 h ago    ok      train.py   --lr 0.01
    0d26c1e3b752  5 h ago    ok      train.py   --lr 0.01
    9ea5935d071a  1 d ago    ok      clean.py   data/raw.csv
    9df13380f1b3  2 d ago    ok      load.py    day1.csv
    "#);
    insta::assert_snapshot!(sandbox.at(60, &["log", "--oneline"]).ok(), @r#"
    385958fe7501  report.sh "'weekly'"
    83e1753e3aea  train.py --lr 0.01  (exit 1)
    5b13bfb7a3e4  train.py --lr 0.01
    0d26c1e3b752  train.py --lr 0.01
    9ea5935d071a  clean.py data/raw.csv
    9df13380f1b3  load.py day1.csv
    "#);
    insta::assert_snapshot!(sandbox.at(80, &["log", "--graph"]).ok(), @r#"
    ● 2 min ago  385958fe7501  report.sh "'weekly'"
    ●   3 h ago  83e1753e3aea  train.py --lr 0.01  (exit 1)
    ●   4 h ago  5b13bfb7a3e4  train.py --lr 0.01
    ●   5 h ago  0d26c1e3b752  train.py --lr 0.01
    ●   1 d ago  9ea5935d071a  clean.py data/raw.csv
    ●   2 d ago  9df13380f1b3  load.py day1.csv
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
    hint: --ttl says how long the answer holds, --allow-net that it does not matter
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
fn show_tells_all_about_one() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.at(80, &["show", "@{3}"]).ok(), @r#"
    commit     5b13bfb7a3e496f50172385a464bc251c2a97262e2f14252153e602d09ad59fc
    command    python3 train.py --lr 0.01
    function   train.py
    directory  .
    status     ok
    started    2026-11-22 08:00:00 +00:00 (4 h ago)
    took       12.3 s (6.1 s user, 1.0 ms system)
    memory     50.0 MiB at most
    hits       none
    watched    the whole run
    stdout     18 B
    stderr     0 B
    tags       keep stage=train
    parent     0d26c1e3b752
    key        34ec2f280ab307936ecd3dd7b0fb18a2070ff450e26a72c09a30071d7b15c3cc
    lineage    86f0ca0dd149523c974bb55d0083696baaa003871f7f6cdb91c3d65ebc4c34ff

    known before the run
    program   python3   6f4f6ac7aa45
    source    train.py  dc770fff53f5 python-1
    package   numpy     2.1.0
    variable  LR_DECAY  absent

    seen during the run
    read  data/clean.csv  6c703dc4a0fb

    source train.py
    def train(lr):
        return lr * 2

    print(train(0.01))

    outputs
    755  11 B  model.bin

    made from
    data/clean.csv  9ea5935d071a  clean.py data/raw.csv

    went into
    model.bin  385958fe7501  report.sh "'weekly'"
    "#);
}

#[test]
fn show_fits_a_narrow_page() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.at(60, &["show", "@{2}"]).ok(), @r"
    commit     83e1753e3aeaa99f4b96c6946bb2d974c88d29ab84361470…
    command    python3 train.py --lr 0.01
    function   train.py
    directory  .
    status     exit 1
    started    2026-11-22 09:00:00 +00:00 (3 h ago)
    took       12.3 s (6.1 s user, 1.0 ms system)
    memory     50.0 MiB at most
    hits       none
    watched    the whole run
    stdout     37 B
    stderr     44 B
    parent     5b13bfb7a3e4
    key        86d5a43c1a8dce16dd515856005004e76a764a9fbf0354ca…
    lineage    86f0ca0dd149523c974bb55d0083696baaa003871f7f6cdb…

    known before the run
    program   python3   6f4f6ac7aa45
    source    train.py  dc770fff53f5 python-1
    package   numpy     2.1.0
    variable  LR_DECAY  d63bd9a826af

    seen during the run
    read  data/clean.csv  6c703dc4a0fb

    source train.py
    def train(lr):
        return lr * 2

    print(train(0.01))

    outputs
    644  10 B  model.bin

    errors
    warning: \x1b[31mdecay\x1b[0m
    Traceback: no decay

    made from
    data/clean.csv  9ea5935d071a  clean.py data/raw.csv
    ");
}

#[test]
fn show_on_a_wide_page_and_for_programs() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.at(140, &["show", "@"]).ok(), @r#"
    commit     385958fe75012625d7f2e578c6d65d91ce173eaf7b8e74ea1ba334530a0ccb5b
    command    sh report.sh "'weekly'"
    function   report.sh
    directory  .
    status     ok
    started    2026-11-22 11:57:50 +00:00 (2 min ago)
    took       12.3 s (6.1 s user, 1.0 ms system)
    memory     50.0 MiB at most
    hits       none
    watched    the whole run
    stdout     32 B
    stderr     0 B
    key        8e2a9a06f8fdc6656eb5352d46ac5cb11f949a82a96f8d77ae16558b40020d5e
    lineage    341216d2bb4764de8c6e13d6fe90056ace1b958b76b54f34a1bb3651d5d18fb7

    known before the run
    program  sh  83c092532c37

    seen during the run
    read  model.bin       06fb33cc671e
    read  data/clean.csv  6c703dc4a0fb

    outputs
    644  9 B  out/report.md

    made from
    model.bin       5b13bfb7a3e4  train.py --lr 0.01
    data/clean.csv  9ea5935d071a  clean.py data/raw.csv
    "#);
    let shown = sandbox.run(&["show", "@", "--json"]).json();
    assert_eq!(shown[0]["made_from"].as_array().unwrap().len(), 2);
    assert_eq!(shown[0]["outputs"][0]["path"], "out/report.md");
}

#[test]
fn odd_bytes_are_shown_escaped_and_told_in_full() {
    let sandbox = Sandbox::new();
    let mut run = Run::new("x", HOUR);
    run.words = vec![b"\xff\x1b[2J.py".to_vec(), b"a\nb".to_vec()];
    run.function = run.words[0].clone();
    run.stderr = b"\x1b]0;title\x07\xfe".to_vec();
    run.replay = Replay::Never { reason: "network".to_owned(), detail: "evil\x1b[31m:80".to_owned() };
    run.others = vec![
        OutputEntry { path: b"l\xff".to_vec(), kind: OutputKind::Symlink { text: b"\x1bx".to_vec() } },
        OutputEntry { path: b"d".to_vec(), kind: OutputKind::Directory { mode: 0o755 } },
        OutputEntry { path: b"gone".to_vec(), kind: OutputKind::Removed },
    ];
    sandbox.record(&run);
    for words in [
        &["log"][..],
        &["show", "@"],
        &["history", "@"],
        &["graph", "@"],
        &["diff", "@", "@"],
        &["log", "--graph"],
    ] {
        let text = sandbox.run(words).ok();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
    let shown = sandbox.run(&["show", "@", "--json"]).json();
    assert_eq!(shown[0]["words"][0]["b64"], "/xtbMkoucHk=");
    assert_eq!(shown[0]["outputs"][2]["path"]["b64"], "bP8=");
}

#[test]
fn history_says_what_changed_at_each_step() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.run(&["history", "@{2}"]).ok(), @r"
    ● 83e1753e3aea  3 h ago  exit 1  12.3 s
    │   LR_DECAY set
    │   exit 1, was ok, stdout differs, stderr differs, 1 output differs
    ● 5b13bfb7a3e4  4 h ago  ok  12.3 s  keep stage=train
    │   train.py changed
    │   stdout differs, 1 output differs
    ● 0d26c1e3b752  5 h ago  ok  12.3 s
        the first
    ");
    insta::assert_snapshot!(sandbox.at(60, &["history", "train.py --lr 0.01", "-n", "2"]).ok(), @r"
    ● 83e1753e3aea  3 h ago  exit 1  12.3 s
    │   LR_DECAY set
    │   exit 1, was ok, stdout differs, stderr differs,
    │   1 output differs
    ● 5b13bfb7a3e4  4 h ago  ok  12.3 s  keep stage=train
    │   train.py changed
    │   stdout differs, 1 output differs
    ");
    let lines = sandbox.run(&["history", "@{2}", "--json"]).json();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["causes"][0], "LR_DECAY set");
    assert_eq!(lines[2]["since"], serde_json::Value::Null);
}

#[test]
fn a_graph_is_found_by_content() {
    let (sandbox, ids) = recorded();
    insta::assert_snapshot!(sandbox.run(&["graph", "@"]).ok(), @r#"
    385958fe7501  report.sh "'weekly'"
    ├── model.bin ← 5b13bfb7a3e4  train.py --lr 0.01
    │   └── data/clean.csv ← 9ea5935d071a  clean.py data/raw.csv
    │       └── data/raw.csv ← 9df13380f1b3  load.py day1.csv
    └── data/clean.csv ← 9ea5935d071a  (above)
    "#);
    insta::assert_snapshot!(sandbox.run(&["graph", "load.py day1.csv", "--down"]).ok(), @r#"
    9df13380f1b3  load.py day1.csv
    └── data/raw.csv → 9ea5935d071a  clean.py data/raw.csv
        ├── data/clean.csv → 385958fe7501  report.sh "'weekly'"
        ├── data/clean.csv → 83e1753e3aea  train.py --lr 0.01
        ├── data/clean.csv → 5b13bfb7a3e4  train.py --lr 0.01
        │   └── model.bin → 385958fe7501  report.sh "'weekly'"
        └── data/clean.csv → 0d26c1e3b752  train.py --lr 0.01
    "#);
    insta::assert_snapshot!(sandbox.run(&["graph", "@{5}", "--dot"]).ok(), @r#"
    digraph cashet {
      rankdir=LR;
      node [shape=box, fontname="monospace"];
      "9ea5935d071a" [label="9ea5935d071a\nclean.py data/raw.csv"];
      "9df13380f1b3" [label="9df13380f1b3\nload.py day1.csv"];
      "9df13380f1b3" -> "9ea5935d071a" [label="data/raw.csv"];
    }
    "#);
    let graph = sandbox.run(&["graph", "@", "--json"]).json();
    assert_eq!(graph[0]["root"], ids[5].to_string());
    assert_eq!(graph[0]["nodes"].as_array().unwrap().len(), 4);
    let edges = graph[0]["edges"].as_array().unwrap();
    assert!(edges.iter().any(|edge| {
        edge["maker"] == ids[3].to_string()
            && edge["user"] == ids[5].to_string()
            && edge["path"] == "model.bin"
    }));
}

#[test]
fn the_statistics() {
    let (sandbox, ids) = recorded();
    sandbox.store().note(&Event::Hit { commit: ids[3], at: NOON });
    insta::assert_snapshot!(sandbox.run(&["stats"]).ok(), @r"
    store     /project/.cashet
    commits   6, 5 replayable
    produced  273 B
    stored    628 B in 19 blobs
    hits      1 (14 %)
    misses    6
    saved     12.3 s
    ");
    let stats = sandbox.run(&["stats", "--json"]).json();
    assert_eq!((stats[0]["commits"].as_u64(), stats[0]["hits"].as_u64()), (Some(6), Some(1)));
    assert_eq!(stats[0]["saved_ns"], 12_345_678_900_u64);
    assert!(sandbox.run(&["log", "-n", "3"]).ok().contains("HITS"));
}

#[test]
fn a_command_that_is_not_worth_it_is_pointed_out_once() {
    let (sandbox, _) = recorded();
    assert!(!sandbox.run(&["stats"]).ok().contains("Not worth"));
    let quick = |line: &str, nanoseconds| {
        let mut run = Run::new(line, SECOND);
        run.took = nanoseconds;
        sandbox.record(&run);
    };
    quick("echo slowly", 5_000_000);
    assert!(!sandbox.run(&["stats"]).ok().contains("Not worth"));
    quick("echo one", 1_000_000);
    quick("echo two", 2_100_000);
    quick("echo two", 1_900_000);
    let told = sandbox.run(&["stats"]).ok();
    assert_eq!(told.matches("Not worth remembering").count(), 1, "{told}");
    assert!(told.ends_with(
        "\nNot worth remembering: echo two runs in 2.1 ms, about what a look-up takes. Run it without cashet.\n"
    ));
    // One slow run of it, and it is worth it.
    quick("echo two", 40_000_000);
    assert!(sandbox.run(&["stats"]).ok().contains("remembering: echo one runs in 1.0 ms"));
    assert!(sandbox.run(&["stats", "--json"]).json()[0]["commits"].as_u64() == Some(11));
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
