//! `diff`.

use super::support::{HOUR, Run, Sandbox, recorded};
use cashet::commands::Exit;

#[test]
fn the_summary_comes_first_then_the_details() {
    let (sandbox, _) = recorded();
    insta::assert_snapshot!(sandbox.run(&["diff", "@{4}", "@{3}"]).ok(), @r"
    − 268557f0855d  train.py --lr 0.01  5 h ago
    + 8dd5b059e768  train.py --lr 0.01  4 h ago

    function  train.py changed
    stdout    18 B, +1 −1 lines
    outputs   1 changed
    duration  12.3 s → 12.3 s
    same      arguments, environment, inputs, packages, call, status, stderr

    --- 268557f0855d/train.py
    +++ 8dd5b059e768/train.py
    @@ -1,5 +1,4 @@
     def train(lr):
    -    # slow
    -    return lr
    +    return lr * 2
     
     print(train(0.01))

    --- 268557f0855d/stdout
    +++ 8dd5b059e768/stdout
    @@ -1,2 +1,2 @@
     loss 0.5
    -loss 0.4
    +loss 0.3

    model.bin: binary: 10 B → 11 B, first difference at byte 7
    model.bin: mode 644 → 755
    ");
    insta::assert_snapshot!(sandbox.at(60, &["diff", "@{3}", "@{2}", "--stat"]).ok(), @r"
    − 8dd5b059e768  train.py --lr 0.01  4 h ago
    + 610ec63f37f5  train.py --lr 0.01  3 h ago

    environment  LR_DECAY set
    status       ok → exit 1
    stdout       18 B → 37 B, +1 −2 lines
    stderr       0 B → 44 B, +2 −0 lines
    outputs      1 changed
    duration     12.3 s → 12.3 s
    same         function, arguments, inputs, packages, call
    ");
    insta::assert_snapshot!(sandbox.at(140, &["diff", "@{6}", "@", "--stat"]).ok(), @r#"
    − be93a9b84deb  load.py day1.csv  2 d ago
    + cacea4f111db  report.sh "'weekly'"  2 min ago

    function   program sh changed
    arguments  argument 0 changed (python3 → sh)
               argument 1 changed (load.py → report.sh)
               argument 2 changed (day1.csv → "'weekly'")
    inputs     2 observations made by one run only
    stdout     35 B → 32 B, +1 −1 lines
    outputs    1 added, 1 missing
    duration   12.3 s → 12.3 s
    same       environment, packages, call, status, stderr
    "#);
}

#[test]
fn a_commit_does_not_differ_from_itself() {
    let (sandbox, _) = recorded();
    assert_eq!(sandbox.run(&["diff", "@", "@", "--exit-code"]).ended.unwrap(), Exit::Status(0));
    assert_eq!(sandbox.run(&["diff", "@", "@{2}", "--exit-code"]).ended.unwrap(), Exit::Status(1));
    assert_eq!(sandbox.run(&["diff", "@", "@{2}"]).ended.unwrap(), Exit::Status(0));
    let same = sandbox.run(&["diff", "@", "@", "--json"]).json();
    assert_eq!(
        (same[0]["differs"].as_bool(), same[0]["result_differs"].as_bool()),
        (Some(false), Some(false))
    );
}

#[test]
fn json_has_the_same_content() {
    let (sandbox, _) = recorded();
    let diff = sandbox.run(&["diff", "@{4}", "@{3}", "--json"]).json();
    assert_eq!(diff[0]["changes"][0]["part"], "source");
    assert_eq!(diff[0]["changes"][0]["text"], "train.py changed");
    assert_eq!(diff[0]["sources"][0]["path"], "train.py");
    assert_eq!(diff[0]["outputs"][0]["after"]["mode"], 0o755);
    assert_eq!(diff[0]["stdout"]["before"]["bytes"], 18);
}

#[test]
fn layout_is_distinguished_from_code() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new("python3 a.py", 2 * HOUR).source("a.py", "x=1\n", "x = 1"));
    sandbox.record(&Run::new("python3 a.py", HOUR).source("a.py", "# one\nx = 1\n", "x = 1"));
    let text = sandbox.run(&["diff", "@~", "@"]).ok();
    assert!(text.contains("only layout or comments"), "{text}");
    assert!(text.contains("+# one"), "{text}");
    assert!(sandbox.run(&["history", "@"]).ok().contains("only layout or comments changed"));
}

#[test]
fn runs_of_a_sweep_are_compared_by_parameters_metrics_and_roles() {
    let sandbox = Sandbox::new();
    let run = |depth: &str, out: &str, path: &'static str, accuracy: &str| {
        let run = Run::new(&format!("python3 train.py --depth {depth} --out {out}"), HOUR);
        let json = format!("{{\"accuracy\": {accuracy}, \"n\": 3}}\n");
        sandbox.record(&run.printing("").writing(path, json.as_bytes(), 0o644));
    };
    run("2", "runs/a", "runs/a/metrics.json", "0.806");
    run("3", "runs/b", "runs/b/metrics.json", "0.853");
    insta::assert_snapshot!(sandbox.run(&["diff", "@{2}", "@"]).ok(), @r#"
    − 3f6f6b6559bb  train.py --depth 2 --out runs/a  1 h ago
    + 0b3db5561b0a  train.py --depth 3 --out runs/b  1 h ago

    parameters  depth 2 → 3
                out runs/a → runs/b
    metrics     accuracy 0.806 → 0.853 (+0.047)
    outputs     1 changed
    duration    12.3 s → 12.3 s
    same        function, environment, inputs, packages, call, status, stdout, stde…

    --- 3f6f6b6559bb/{out}/metrics.json
    +++ 0b3db5561b0a/{out}/metrics.json
    @@ -1 +1 @@
    -{"accuracy": 0.806, "n": 3}
    +{"accuracy": 0.853, "n": 3}
    "#);
    let object = &sandbox.run(&["diff", "@{2}", "@", "--json"]).json()[0];
    assert_eq!(object["metrics"]["after"]["accuracy"], 0.853);
    assert_eq!(object["outputs"][0]["path"], "{out}/metrics.json");
}
