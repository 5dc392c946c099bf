//! The examples, each driver runs twice, and the second run executes nothing. Executions are counted at the start of
//! Python, so the examples run unchanged.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "cli/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "other crates of tests use more of it")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use support::{Run, Sandbox};

/// A project with a copy of the examples, in which each start of Python is counted.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    copy_examples(&sandbox, &sandbox.path(""));
    let site = site(&sandbox);
    fs::create_dir(&site).unwrap();
    let counting =
        format!("with open('{}', 'a') as file:\n    file.write('x\\n')\n", sandbox.counter().display());
    fs::write(site.join("sitecustomize.py"), counting).unwrap();
    sandbox
}

fn site(sandbox: &Sandbox) -> PathBuf {
    sandbox.base().join("tmp/site")
}

fn copy_examples(sandbox: &Sandbox, project: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let line = format!(
        "cp -r '{}' '{target}/' && rm -rf '{target}'/examples/out/*.* '{target}/examples/penguins/__pycache__'",
        source.display(),
        target = project.display()
    );
    sandbox.shell(line).may_change("").run();
}

/// A line of shell in the project whose Python counts.
fn line<'a>(sandbox: &'a Sandbox, line: &str) -> Run<'a> {
    sandbox.shell(line).env("PYTHONPATH", site(sandbox)).any_stderr().may_change("examples/out")
}

#[test]
fn training_alone_is_bare_python_and_always_the_same() {
    let sandbox = project();
    let train = "python3 examples/train.py --lr 0.02 --epochs 3";
    let first = line(&sandbox, train).stdout_with(&["324 penguins", "accuracy"]).executes(1).run();
    let model = sandbox.read("examples/out/model.json");
    sandbox.shell("rm examples/out/*.*").may_change("examples/out").run();
    line(&sandbox, train).stdout(&first.stdout).leaves("examples/out/model.json", &model).run();
    sandbox.shell("rm examples/out/*.*").may_change("examples/out").run();
    let call = format!(
        "cashet exec -i 'examples/penguins/*.py' -i examples/data -o examples/out/model.json {train}"
    );
    line(&sandbox, &call).stdout(&first.stdout).leaves("examples/out/model.json", &model).run();
    sandbox.shell("rm examples/out/*.*").may_change("examples/out").run();
    line(&sandbox, &call).stdout(&first.stdout).leaves("examples/out/model.json", &model).executes(0).run();
}

#[test]
fn the_script_chains_commits() {
    let sandbox = project();
    let first = line(&sandbox, "examples/pipeline.sh").stdout_with(&["lr 0.003", "lr 0.01", "lr 0.03"]).run();
    // load, clean, and for each of three rates train and report
    assert_eq!(sandbox.executions(), 8);
    let report = sandbox.read("examples/out/lr-0.03.md");
    line(&sandbox, "examples/pipeline.sh").stdout(&first.stdout).executes(0).run();
    sandbox.shell("rm examples/out/*.*").may_change("examples/out").run();
    line(&sandbox, "examples/pipeline.sh").stdout(&first.stdout).executes(0).run();
    assert_eq!(sandbox.read("examples/out/lr-0.03.md"), report);
    line(&sandbox, "examples/pipeline.sh 0.03 0.02").stdout_with(&["lr 0.03", "lr 0.02"]).executes(2).run();
}

#[test]
fn the_pipeline_can_be_called_from_anywhere() {
    let sandbox = project();
    let run = line(&sandbox, "../../../project/examples/pipeline.sh 0.03").directory("examples/penguins");
    run.stdout_with(&["lr 0.03"]).executes(4).run();
    line(&sandbox, "examples/pipeline.sh 0.03").stdout_with(&["lr 0.03"]).executes(0).run();
}

#[test]
fn make_asks_and_nothing_is_executed() {
    let sandbox = project();
    let make = "make -s -f examples/Makefile";
    line(&sandbox, make).any_stdout().executes(4).run();
    let report = sandbox.read("examples/out/report.md");
    assert!(String::from_utf8_lossy(&report).contains("right in cross validation"));
    line(&sandbox, make).executes(0).run();
    sandbox.shell("sleep 0.02; touch examples/*.py examples/data/* examples/penguins/*").run();
    line(&sandbox, make).any_stdout().executes(0).run();
    line(&sandbox, &format!("{make} clean")).executes(0).run();
    assert!(!sandbox.path("examples/out/report.md").exists());
    line(&sandbox, make).any_stdout().leaves("examples/out/report.md", &report).executes(0).run();
    line(&sandbox, &format!("{make} -B LEARNING_RATE=0.05")).any_stdout().executes(2).run();
}

#[test]
fn a_later_job_with_the_same_store_executes_nothing() {
    let sandbox = project();
    let first = line(&sandbox, "examples/ci-step.sh").stdout_with(&["accuracy"]).executes(2).run();
    // The checkout of the next job: another directory, new times, and only the store of the first job.
    let next = sandbox.base().join("tmp/checkout");
    fs::create_dir_all(next.join(".git")).unwrap();
    copy_examples(&sandbox, &next);
    sandbox.shell(format!("mv .cashet '{}/'", next.display())).run();
    let again = line(&sandbox, "examples/ci-step.sh").directory("../tmp/checkout").stdout(&first.stdout);
    again.executes(0).run();
    assert!(next.join("examples/out/model.json").is_file());
}

#[test]
fn a_sweep_is_repaired_half_way_and_runs_only_what_is_missing() {
    let sandbox = project();
    // Room for the nodes of trees of depth 2 only: a third of the runs fails. Fewer rounds make it quick.
    let whole = String::from_utf8(sandbox.read("examples/penguins/trees.py")).unwrap();
    let broken = whole.replace("2 ** (depth + 1) - 1", "7");
    assert_ne!(whole, broken);
    sandbox.write("examples/penguins/trees.py", &broken);
    let script = String::from_utf8(sandbox.read("examples/sweep.sh")).unwrap();
    fs::write(sandbox.path("examples/sweep.sh"), script.replace("--rounds 3", "--rounds 1")).unwrap();
    let sweep = "examples/sweep.sh -j2";
    let told = line(&sandbox, sweep).stdout_with(&["60 runs · 40 ok · 20 failed", "best: "]).status(1);
    let told = told.executes(60).run().messages();
    assert!(told.contains("IndexError"), "{told}");
    assert!(told.contains("0 hit · 40 ran · 20 failed"), "{told}");
    line(&sandbox, sweep).any_stdout().status(1).executes(20).run();
    // Repaired: what failed runs, and what really used the module; the other model is left alone.
    sandbox.write("examples/penguins/trees.py", &whole);
    let told =
        line(&sandbox, sweep).stdout_with(&["60 runs · 60 ok", "best: "]).executes(30).run().messages();
    assert!(told.contains("30 hit · 30 ran"), "{told}");
    sandbox.shell("rm -r examples/out/*").may_change("examples/out").run();
    line(&sandbox, sweep).stdout_with(&["60 ok"]).executes(0).run();
    for width in [80, 140] {
        let call = format!("COLUMNS={width} cashet runs sweep.py --sort -accuracy");
        let table = line(&sandbox, &call).any_stdout().executes(0).run().text();
        assert!(table.lines().all(|line| line.chars().count() <= width), "{table}");
        let wanted = ["60 ok", "model", "rate", "depth", "seed", "accuracy▼"];
        assert!(wanted.iter().all(|word| table.contains(word)), "{table}");
    }
    let page = "cashet report sweep.py -o examples/out/report.html";
    line(&sandbox, page).executes(0).run();
    let page = String::from_utf8(sandbox.read("examples/out/report.html")).unwrap();
    assert!(["test_loss", "data:image/svg+xml;base64,", "60"].iter().all(|text| page.contains(text)));
    let best = "cashet runs sweep.py --json --sort -accuracy | head -n 1";
    let best: serde_json::Value =
        serde_json::from_str(&line(&sandbox, best).any_stdout().run().text()).unwrap();
    let metrics = format!("{}/metrics.json", best["parameters"]["out"].as_str().unwrap());
    let metrics: serde_json::Value = serde_json::from_slice(&sandbox.read(metrics)).unwrap();
    assert_eq!(metrics["accuracy"], best["metrics"]["accuracy"]);
    let words = "cashet get \"$(cashet runs sweep.py --best accuracy)\" | grep -c accuracy";
    line(&sandbox, words).stdout("1\n").executes(0).run();
}

/// The examples of replacing a part of the library, as separate programs.
#[test]
fn parts_of_the_library_are_replaced() {
    let sandbox = Sandbox::new();
    let directory = Path::new(env!("CARGO_BIN_EXE_cashet")).parent().unwrap().join("examples");
    for (name, expected) in [
        ("own_store", "a slow answer\nran, kept: Yes\na slow answer\nreplayed\n"),
        ("own_executor", "a slow answer\na slow answer\nthe executor was asked 1 time\n"),
        (
            "own_language",
            "hello ada\nhello grace\nran, kept: Yes\nhello ada\nhello grace\nreplayed\n\
             good day ada\ngood day grace\nran, kept: Yes\n",
        ),
    ] {
        let program = directory.join(name);
        assert!(program.is_file(), "{} is not built: cargo build --locked --examples", program.display());
        sandbox.bare([&program]).stdout(expected).run();
    }
}
