//! `runs`: parameters and results side by side, and revisions by metric, tag and script.

use super::support::{DAY, HOUR, Run, SECOND, Sandbox};

/// A sweep of six runs, one of which failed.
fn sweep() -> Sandbox {
    let sandbox = Sandbox::new();
    for (place, (lr, depth, accuracy)) in (0..).zip([
        ("0.1", "2", "0.8"),
        ("0.1", "10", "0.875"),
        ("0.01", "2", "0.625"),
        ("0.01", "10", "NaN"),
        ("0.2", "2", "0.9"),
    ]) {
        let line = format!("python3 train.py --lr {lr} --depth {depth} --epochs 5 --out runs/{place}");
        let path: &'static str =
            ["runs/0/m.json", "runs/1/m.json", "runs/2/m.json", "runs/3/m.json", "runs/4/m.json"][place];
        let json = format!("{{\"accuracy\": {accuracy}, \"test\": {{\"auc\": 0.{place}}}, \"lr\": {lr}}}");
        let run = Run::new(&line, HOUR - SECOND * i64::try_from(place).unwrap())
            .printing(&format!("epoch 1 loss=9\nepoch 5 loss=0.{place}5\ntime: 12 s\n"))
            .writing(path, json.as_bytes(), 0o644)
            .tagged("sweep", "first")
            .tagged("param.lr", lr);
        sandbox.record(&run);
    }
    let failed = Run::new("python3 train.py --lr 0.2 --depth 10 --epochs 5 --out runs/5", HOUR / 2);
    sandbox.record(&failed.failed(1, "Traceback\n  line\nKeyError: 6\n").tagged("sweep", "first"));
    sandbox
}

#[test]
fn parameters_and_metrics_stand_side_by_side() {
    let sandbox = sweep();
    insta::assert_snapshot!(sandbox.run(&["runs", "--sort", "-accuracy"]).ok(), @r"
    train.py: 6 runs · 5 ok · 1 failed
    same in all: epochs=5

    RUN       STATE     lr  depth  accuracy▼  test.auc  loss  time [s]    TOOK
    d02befc1  ok       0.2      2        0.9       0.4  0.45        12  12.3 s
    0e3fad96  ok       0.1     10      0.875       0.1  0.15        12  12.3 s
    9ff44441  ok       0.1      2        0.8         0  0.05        12  12.3 s
    ae32fbb3  ok      0.01      2      0.625       0.2  0.25        12  12.3 s
    8533bfa6  failed   0.2     10  KeyError: 6
    61d96f18  ok      0.01     10        nan       0.3  0.35        12  12.3 s

    no room for age (--columns, --csv)
    ");
    insta::assert_snapshot!(sandbox.at(140, &["runs", "first", "--sort=lr", "--sort", "-depth"]).ok(), @r"
    first: 6 runs · 5 ok · 1 failed
    same in all: epochs=5

    RUN       STATE    lr▲  depth▼  accuracy  test.auc  loss  time [s]    TOOK  AGE
    61d96f18  ok      0.01      10       nan       0.3  0.35        12  12.3 s  59 min ago
    ae32fbb3  ok      0.01       2     0.625       0.2  0.25        12  12.3 s  59 min ago
    0e3fad96  ok       0.1      10     0.875       0.1  0.15        12  12.3 s  59 min ago
    9ff44441  ok       0.1       2       0.8         0  0.05        12  12.3 s  1 h ago
    8533bfa6  failed   0.2      10  KeyError: 6
    d02befc1  ok       0.2       2       0.9       0.4  0.45        12  12.3 s  59 min ago
    ");
    insta::assert_snapshot!(sandbox.at(44, &["runs", "train.py"]).ok(), @r"
    train.py: 6 runs · 5 ok · 1 failed
    same in all: epochs=5

    RUN       STATE     lr  depth  accuracy
    8533bfa6  failed   0.2     10  KeyError: 6
    d02befc1  ok       0.2      2       0.9
    61d96f18  ok      0.01     10       nan
    ae32fbb3  ok      0.01      2     0.625
    0e3fad96  ok       0.1     10     0.875
    9ff44441  ok       0.1      2       0.8

    no room for test.auc, loss, time [s], took,
    age (--columns, --csv)
    ");
}

#[test]
fn columns_are_chosen_and_sorted() {
    let sandbox = sweep();
    let words = ["runs", "train.py", "--columns", "depth,auc,error", "--sort", "depth"];
    insta::assert_snapshot!(sandbox.run(&words).ok(), @r"
    train.py: 6 runs · 5 ok · 1 failed
    same in all: epochs=5

    depth▲  test.auc  ERROR
         2       0.4
         2       0.2
         2         0
        10            KeyError: 6
        10       0.3
        10       0.1
    ");
    insta::assert_snapshot!(sandbox.run(&["runs", "--params", "--sort=-lr"]).ok(), @r"
    train.py: 6 runs · 5 ok · 1 failed
    same in all: epochs=5

    RUN       STATE    lr▼  depth  ERROR          TOOK  AGE
    8533bfa6  failed   0.2     10  KeyError: 6  12.3 s  30 min ago
    d02befc1  ok       0.2      2               12.3 s  59 min ago
    0e3fad96  ok       0.1     10               12.3 s  59 min ago
    9ff44441  ok       0.1      2               12.3 s  1 h ago
    61d96f18  ok      0.01     10               12.3 s  59 min ago
    ae32fbb3  ok      0.01      2               12.3 s  59 min ago
    ");
    insta::assert_snapshot!(sandbox.run(&["runs", "--changed", "--metrics", "time: ([0-9]+)"]).ok(), @r"
    train.py: 6 runs · 5 ok · 1 failed
    same in all: epochs=5

    RUN       STATE     lr  depth  time    TOOK  AGE
    8533bfa6  failed   0.2     10  KeyError: 6
    d02befc1  ok       0.2      2    12  12.3 s  59 min ago
    61d96f18  ok      0.01     10    12  12.3 s  59 min ago
    ae32fbb3  ok      0.01      2    12  12.3 s  59 min ago
    0e3fad96  ok       0.1     10    12  12.3 s  59 min ago
    9ff44441  ok       0.1      2    12  12.3 s  1 h ago
    ");
    assert_eq!(
        sandbox.run(&["runs", "--sort", "speed"]).refused(),
        "no run has a parameter or metric 'speed'"
    );
    assert_eq!(sandbox.run(&["runs", "none"]).refused(), "no script, sweep or run is called 'none'");
    assert_eq!(sandbox.run(&["runs", "--best", "speed"]).refused(), "no run has a metric 'speed'");
}

#[test]
fn programs_read_all_of_it() {
    let sandbox = sweep();
    let csv = sandbox.run(&["runs", "--csv", "--sort", "-accuracy"]).ok();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "run,state,lr,depth,epochs,out,accuracy,test.auc,loss,time [s],took_s,started,error"
    );
    assert!(
        lines[1].contains(",ok,0.2,2,5,runs/4,0.9,0.4,0.45,12,12.3456789,2026-11-22T11:00:04.000000000Z,"),
        "{csv}"
    );
    // A number that is none comes last, before what has none.
    assert!(lines[5].contains(",NaN,") || lines[6].contains(",NaN,"), "{csv}");
    assert!(csv.contains(",failed,0.2,10,5,runs/5,,,,,"), "{csv}");
    let objects = sandbox.run(&["runs", "first", "--json", "--sort", "accuracy"]).json();
    assert_eq!(objects.len(), 6);
    assert_eq!(objects[0]["metrics"]["accuracy"], 0.625);
    assert_eq!(objects[0]["parameters"]["depth"], "2");
}

#[test]
fn the_best_run_is_a_revision() {
    let sandbox = sweep();
    let best = sandbox.run(&["runs", "--best", "accuracy"]).ok();
    assert_eq!(best.trim().len(), 12);
    let show = |revision: &str| sandbox.run(&["show", "--json", revision]).json()[0]["words"][3].clone();
    assert_eq!(show(best.trim()), "0.2");
    assert_eq!(show("@best(accuracy)"), "0.2");
    assert_eq!(show("@best(min:accuracy)"), "0.01");
    assert_eq!(show("@best(loss)"), "0.1");
    assert_eq!(show("@sweep=first"), "0.2");
    assert_eq!(show("@param.lr=0.01"), "0.01");
    assert_eq!(show("train.py@{6}"), "0.1");
    assert_eq!(
        sandbox.run(&["get", "@best(accuracy):runs/4/m.json"]).ok().get(..16).unwrap(),
        "{\"accuracy\": 0.9"
    );
    assert_eq!(sandbox.run(&["show", "@nothing"]).refused(), "no run has the tag of '@nothing'");
    assert_eq!(sandbox.run(&["show", "@best(speed)"]).refused(), "no run has a metric 'speed'");
    assert_eq!(sandbox.run(&["show", "train.py@{7}"]).refused(), "there is no run 'train.py@{7}'");
}

#[test]
fn of_each_command_line_the_newest_run_counts() {
    let sandbox = Sandbox::new();
    for (ago, accuracy) in [(2 * DAY, "0.5"), (DAY, "0.75")] {
        sandbox.record(&Run::new("./train --k 1", ago).printing(&format!("accuracy: {accuracy}\n")));
    }
    sandbox.record(&Run::new("./train --k 2", HOUR).printing("accuracy: 0.7\n"));
    let objects = sandbox.run(&["runs", "--json"]).json();
    let values: Vec<f64> = objects.iter().map(|run| run["metrics"]["accuracy"].as_f64().unwrap()).collect();
    assert_eq!(values, [0.7, 0.75]);
    let older = sandbox.run(&["runs", "--json", "./train --k 1~1"]).json();
    assert_eq!(older[0]["metrics"]["accuracy"], 0.5);
}

#[test]
fn settings_fix_the_metrics_and_an_empty_store_has_none() {
    let sandbox = sweep();
    std::fs::write(
        sandbox.path("cashet.toml"),
        "[metrics]\nauc = \"m.json:test.auc\"\nerr = 'loss=([0-9.]+)'\n",
    )
    .unwrap();
    let objects = sandbox.run(&["runs", "--json", "--sort", "auc"]).json();
    assert_eq!(objects[0]["metrics"], serde_json::json!({"auc": 0.0, "err": 0.05}));
    std::fs::write(sandbox.path("cashet.toml"), "[metrics]\nauc = \"(\"\n").unwrap();
    assert!(sandbox.run(&["runs"]).refused().starts_with("metrics: '(' is not a pattern"));
    let empty = Sandbox::new();
    assert_eq!(empty.run(&["runs"]).ok(), "");
    assert_eq!(empty.run(&["runs", "--csv"]).ok(), "run,state,took_s,started,error\n");
}

/// What is on the page about these runs.
fn on_page(sandbox: &Sandbox, words: &[&str]) -> serde_json::Value {
    let page = sandbox.run(&[&["report", "-o", "-"], words].concat()).ok();
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_report_holds_what_the_table_shows() {
    let sandbox = sweep();
    let data = on_page(&sandbox, &["first"]);
    assert_eq!(data["runs"]["id"].as_array().unwrap().len(), 6);
    assert_eq!(data["constant"], serde_json::json!([["epochs", "5"]]));
    assert_eq!(data["totals"]["states"], serde_json::json!([["ok", 5], ["failed", 1]]));
    let column = |title: &str| {
        let columns = data["columns"].as_array().unwrap();
        columns.iter().find(|column| column["title"] == title).unwrap_or_else(|| panic!("{title}")).clone()
    };
    assert_eq!(column("accuracy")["numbers"], serde_json::json!([null, 0.9, "nan", 0.625, 0.875, 0.8]));
    assert_eq!(column("lr")["texts"]["numbers"], serde_json::json!([0.2, 0.01, 0.1]));
    assert_eq!(column("out")["visible"], false);
    assert_eq!(column("error")["visible"], true);
    assert_eq!(column("time [s]")["visible"], true);
    let stderr = data["runs"]["stderr"][0].as_u64().unwrap();
    assert_eq!(data["texts"][usize::try_from(stderr).unwrap()], "Traceback\n  line\nKeyError: 6\n");
    // Lines of the epochs are a curve of two points.
    assert_eq!(data["curves"][0]["name"], "loss");
    assert_eq!(data["curves"][0]["along"], "epoch");
    assert_eq!(data["curves"][0]["lines"].as_array().unwrap().len(), 5);
    let metrics = ["first", "--metrics", "time: ([0-9]+)"];
    let columns = on_page(&sandbox, &metrics)["columns"].as_array().unwrap().clone();
    assert_eq!(columns.iter().filter(|column| column["kind"] == "metric").count(), 1);
    assert_eq!(
        sandbox.run(&["report", "none", "-o", "-"]).refused(),
        "no script, sweep or run is called 'none'"
    );
    assert_eq!(sandbox.run(&["report", "-o", "-", "--open"]).refused(), "--open needs a file");
    assert_eq!(Sandbox::new().run(&["report", "-o", "-"]).refused(), "nothing is recorded yet");
    assert!(sandbox.run(&["report"]).refused().contains("--output <FILE>"));
}

/// Results in every form, some of them malformed, and in some runs none: each value stands in its own column.
#[test]
fn results_of_every_form_stand_in_their_columns() {
    let sandbox = Sandbox::new();
    let files: [(&'static str, &str); 9] = [
        ("m.json", "{\"acc\": 0.5, \"test\": {\"auc\": 9.1e-1}, \"names\": [\"x\"]}"),
        ("m.yaml", "acc: 6e-1\ntest:\n  auc: .nan\n"),
        ("m.toml", "acc = 0.7\n[test]\nauc = 0.93\n"),
        ("m.csv", "epoch,acc\n1,0.1\n2,0.8\n"),
        ("m.jsonl", "{\"acc\": 0.1}\n{\"acc\": NaN}\n"),
        ("m.json", "{\"acc\": 0.9"),
        ("m.yaml", "acc: [\n"),
        ("m.csv", "acc\n\"0.5\n"),
        ("none.txt", "acc 0.1\n"),
    ];
    for (place, (path, text)) in (0_i64..).zip(files) {
        let printed = match place {
            5 => "Test accuracy: 85.3%\ntime: 1.5e1 ms\nacc = 0.25\n",
            6 => "time: 3 s\n",
            _ => "12:30:05 version: 1.2.3\n",
        };
        let run = Run::new(&format!("./train --n {place}"), HOUR - SECOND * place);
        sandbox.record(&run.printing(printed).writing(path, text.as_bytes(), 0o644));
    }
    let runs = sandbox.run(&["runs", "--json", "--sort", "n"]).json();
    let metrics: Vec<String> = runs.iter().map(|run| run["metrics"].to_string()).collect();
    assert_eq!(
        metrics,
        [
            r#"{"acc":0.5,"test.auc":0.91}"#,
            r#"{"acc":0.6,"test.auc":"nan"}"#,
            r#"{"acc":0.7,"test.auc":0.93}"#,
            r#"{"epoch":2.0,"acc":0.8}"#,
            r#"{"acc":"nan"}"#,
            r#"{"Test accuracy [%]":85.3,"time [ms]":15.0,"acc":0.25}"#,
            r#"{"time [s]":3.0}"#,
            "{}",
            "{}"
        ]
    );
    let data = on_page(&sandbox, &["train"]);
    let columns = data["columns"].as_array().unwrap();
    let acc = columns.iter().find(|column| column["title"] == "acc").unwrap();
    assert_eq!(acc["numbers"], serde_json::json!([null, null, null, 0.25, "nan", 0.8, 0.7, 0.6, 0.5]));
}
