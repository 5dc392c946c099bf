//! `history`, `graph`, `stats`.

use super::support::{HOUR, NOON, Run, SECOND, Sandbox, recorded};
use cashet::digest::Digest;
use cashet::record::{FileState, Observation, StoredPath};
use cashet::store::{Event, ResultIndex};

#[test]
fn history_says_what_changed_at_each_step() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.run(&["history", "@{2}"]).ok(), @r"
    ● 610ec63f37f5  3 h ago  exit 1  12.3 s
    │   LR_DECAY set
    │   exit 1, was ok, stdout differs, stderr differs, 1 output differs
    ● 8dd5b059e768  4 h ago  ok  12.3 s  keep stage=train
    │   train.py changed
    │   stdout differs, 1 output differs
    ● 268557f0855d  5 h ago  ok  12.3 s
        the first
    ");
    insta::assert_snapshot!(sandbox.at(60, &["history", "train.py --lr 0.01", "-n", "2"]).ok(), @r"
    ● 610ec63f37f5  3 h ago  exit 1  12.3 s
    │   LR_DECAY set
    │   exit 1, was ok, stdout differs, stderr differs,
    │   1 output differs
    ● 8dd5b059e768  4 h ago  ok  12.3 s  keep stage=train
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
    cacea4f111db  report.sh "'weekly'"
    ├── model.bin ← 8dd5b059e768  train.py --lr 0.01
    │   └── data/clean.csv ← 84927b79fb46  clean.py data/raw.csv
    │       └── data/raw.csv ← be93a9b84deb  load.py day1.csv
    └── data/clean.csv ← 84927b79fb46  (above)
    "#);
    insta::assert_snapshot!(sandbox.run(&["graph", "load.py day1.csv", "--down"]).ok(), @r#"
    be93a9b84deb  load.py day1.csv
    └── data/raw.csv → 84927b79fb46  clean.py data/raw.csv
        ├── data/clean.csv → cacea4f111db  report.sh "'weekly'"
        ├── data/clean.csv → 610ec63f37f5  train.py --lr 0.01
        ├── data/clean.csv → 8dd5b059e768  train.py --lr 0.01
        │   └── model.bin → cacea4f111db  report.sh "'weekly'"
        └── data/clean.csv → 268557f0855d  train.py --lr 0.01
    "#);
    insta::assert_snapshot!(sandbox.run(&["graph", "@{5}", "--dot"]).ok(), @r#"
    digraph cashet {
      rankdir=LR;
      node [shape=box, fontname="monospace"];
      "84927b79fb46" [label="84927b79fb46\nclean.py data/raw.csv"];
      "be93a9b84deb" [label="be93a9b84deb\nload.py day1.csv"];
      "be93a9b84deb" -> "84927b79fb46" [label="data/raw.csv"];
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
    let text = sandbox.run(&["stats"]).ok();
    // Disk use depends on the file system.
    let on_disk = text.lines().find(|line| line.starts_with("on disk")).unwrap();
    assert!(on_disk.contains("blobs ") && on_disk.contains("history "), "{on_disk}");
    let text: Vec<&str> = text.lines().filter(|line| *line != on_disk).collect();
    insta::assert_snapshot!(text.join("\n"), @r"
    store     /project/.cashet
    runs      6, 5 cached
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
    assert_eq!(told.matches("Not worth caching").count(), 1, "{told}");
    assert!(told.ends_with(
        "\nNot worth caching: echo two ran in 2.1 ms, about what a look-up takes. Run it without cashet.\n"
    ));
    // After one slow run, caching it is worthwhile.
    quick("echo two", 40_000_000);
    assert!(sandbox.run(&["stats"]).ok().contains("caching: echo one ran in 1.0 ms"));
    assert!(sandbox.run(&["stats", "--json"]).json()[0]["commits"].as_u64() == Some(11));
}

#[test]
fn what_a_run_wrote_over_is_not_what_it_was_made_from() {
    let sandbox = Sandbox::new();
    let plot = |ago, bytes: &[u8]| Run::new("python3 plot.py", ago).writing("plot.png", bytes, 0o644);
    let found = |bytes: &[u8]| Observation::State {
        path: StoredPath::in_root("plot.png"),
        follow: false,
        state: FileState::File { mode: 0o644, digest: Digest::of(bytes) },
    };
    let first = sandbox.record(&plot(3 * HOUR, b"one"));
    let mut second = plot(2 * HOUR, b"two");
    second.observations.push(found(b"one"));
    sandbox.record(&second);
    let graph = sandbox.run(&["graph", "@"]).ok();
    assert_eq!(graph.lines().count(), 1, "{graph}");
    assert!(!sandbox.run(&["show", "@"]).ok().contains("made from"));
    // A product that another run only looked at counts as an input: that run may depend on it.
    let mut looker = Run::new("python3 check.py", HOUR);
    looker.observations.push(found(b"two"));
    sandbox.record(&looker);
    assert_eq!(sandbox.run(&["graph", "@"]).ok().lines().count(), 2);
    // So does a product that a run read before it wrote it again.
    let resumed = plot(SECOND, b"three").reading("plot.png", "one");
    sandbox.record(&resumed);
    let graph = sandbox.run(&["graph", "@"]).ok();
    assert!(graph.contains(&first.short()) && graph.lines().count() == 2, "{graph}");
}

/// Disk use of a directory according to `du`, in bytes.
fn du(path: &std::path::Path) -> u64 {
    let output = std::process::Command::new("du").args(["-s", "-B1"]).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn disk_use_equals_du_and_includes_everything() {
    let (sandbox, _) = recorded();
    let store = sandbox.path(".cashet");
    sandbox.run(&["stats"]).ok();
    let disk = || sandbox.run(&["stats", "--json"]).json()[0]["disk"].clone();
    let part = |name: &str| disk()[name].as_u64().unwrap();
    assert_eq!(part("total"), du(&store));
    for (directory, name) in [("hot", "hot"), ("replaced", "replaced"), ("tmp", "other"), ("view", "other")] {
        let before = part(name);
        std::fs::create_dir_all(store.join(directory)).unwrap();
        std::fs::write(store.join(directory).join("large"), vec![7; 300_000]).unwrap();
        assert!(part(name) >= before + 300_000, "{directory}");
    }
    assert_eq!(part("total"), du(&store));
    let dry = sandbox.run(&["gc", "--dry-run"]).ok();
    let told = dry.lines().last().unwrap().strip_prefix("the store takes ").unwrap().to_owned();
    assert!(sandbox.run(&["stats"]).ok().contains(&format!("on disk   {told} (")), "{told}");
}
