//! `cashet map`: one command with many parameters, its runs as real processes.

use crate::support::Sandbox;
use nix::sys::signal::Signal;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A loop that ends when the test says `go`.
const UNTIL_GO: &str = "while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.01; done";

fn go(sandbox: &Sandbox) {
    fs::write(sandbox.base().join("tmp/go"), "").unwrap();
}

/// `map --trace off --pure`, and these words.
fn map<'w>(words: &[&'w str]) -> Vec<&'w str> {
    [&["map", "--trace", "off", "--pure"][..], words].concat()
}

/// The objects of `--json`, sorted by the number of the run.
fn objects(text: &str) -> Vec<serde_json::Value> {
    let mut all: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    all.sort_by_key(|object| object["number"].as_u64());
    all
}

fn outcomes(text: &str) -> Vec<String> {
    objects(text).iter().map(|object| object["outcome"].as_str().unwrap().to_owned()).collect()
}

/// Waits until `done` returns true, for a limited time.
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_mins(1), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_sweep_runs_each_combination_once_and_then_replays() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1 $2\"; [ \"$2\" != 3 ] || { echo no three >&2; exit 4; }");
    let call = map(&["-j2", "-p", "a=x,y", "-p", "b=2..4", "--", "./job", "{a}", "{b}"]);
    let first = sandbox.cashet(&call).stderr_with(&["6 runs · 0 hit · 4 ran · 2 failed"]);
    let text = first.status(1).executes(6).run().messages();
    assert!(text.contains("a=x b=3 · failed: exit 4 · no three"), "{text}");
    assert!(text.contains("repeat: cashet exec --pure --trace=off -- ./job y 3"), "{text}");
    let again = sandbox.cashet(&call).stderr_with(&["6 runs · 4 hit · 2 failed", "saved"]);
    again.status(1).executes(2).run();
    // Each run is recorded as by `exec`, and the same words replay it.
    sandbox.unwatched(["--pure", "./job", "y", "4"]).stdout("y 4\n").executes(0).run();
    sandbox.script("job", "echo \"$1 $2\"; [ \"$2\" != 3 ] || echo three");
    sandbox.cashet(&call).stderr_with(&["6 runs · 0 hit · 6 ran"]).executes(6).run();
}

#[test]
fn runs_are_told_as_json_and_carry_their_parameters() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1\"; [ \"$1\" != 2 ]");
    let words = ["--json", "-p", "n=1..3", "--name", "first", "--", "./job", "{n}"];
    let text = sandbox.cashet(map(&words)).any_stdout().any_stderr().status(1).executes(3).run().text();
    assert_eq!(outcomes(&text), ["ran", "failed", "ran"]);
    let run = &objects(&text)[1];
    assert_eq!(run["parameters"]["n"], "2");
    assert_eq!(run["command"], serde_json::json!(["./job", "2"]));
    assert_eq!((&run["sweep"], &run["exit"]["exit"]), (&"first".into(), &1.into()));
    let log = sandbox.cashet(["log", "--json", "--tag", "sweep=first", "--tag", "param.n=2"]);
    let log = log.any_stdout().run().text();
    assert_eq!(log.lines().count(), 1);
    // A run of another sweep, or of none, gets the tags when it is a hit.
    sandbox.unwatched(["--pure", "./job", "7"]).stdout("7\n").executes(1).run();
    let words = ["--json", "-p", "n=1,7", "--name", "second", "--", "./job", "{n}"];
    let text = sandbox.cashet(map(&words)).any_stdout().any_stderr().executes(0).run().text();
    assert_eq!(outcomes(&text), ["hit", "hit"]);
    let tags = |tag: &str| sandbox.cashet(["log", "--oneline", "--tag", tag]).any_stdout().run().text();
    assert!(tags("sweep=second").contains("job 7"));
    assert!(tags("sweep.second").contains("job 1") && tags("sweep=first").contains("job 1"));
}

#[test]
fn lines_are_taken_as_they_are() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "printf '%s\\n' \"$#\" \"$@\"");
    let list = b"a b.wav\nit's \"x\"\n\xff$HOME\n\n*\n";
    let call = map(&["--json", "-j1", "--from", "-", "--", "./job", "{}", "{.}x"]);
    let text = sandbox.cashet(&call).stdin(list).any_stdout().any_stderr().executes(5).run().text();
    let commits: Vec<String> =
        objects(&text).iter().map(|run| run["commit"].as_str().unwrap().to_owned()).collect();
    let printed = |commit: &str| sandbox.cashet(["get", commit]).any_stdout().run().stdout;
    assert_eq!(printed(&commits[0]), b"2\na b.wav\na bx\n");
    assert_eq!(printed(&commits[1]), b"2\nit's \"x\"\nit's \"x\"x\n");
    assert_eq!(printed(&commits[2]), b"2\n\xff$HOME\n\xff$HOMEx\n");
    assert_eq!(printed(&commits[3]), b"2\n\nx\n");
    sandbox.cashet(&call).stdin(list).any_stdout().any_stderr().executes(0).run();
    // Newlines come in through CSV and JSON.
    sandbox.write("runs.csv", "a,b\n\"two\nlines\",1\nx,2\n");
    sandbox.write("runs.jsonl", "{\"a\":\"two\\nlines\",\"b\":1}\n");
    let call = map(&["--json", "--from", "runs.csv", "--", "./job", "{a}", "{b}"]);
    let text = sandbox.cashet(&call).any_stdout().any_stderr().executes(2).run().text();
    assert_eq!(printed(objects(&text)[0]["commit"].as_str().unwrap()), b"2\ntwo\nlines\n1\n");
    let call = map(&["--json", "--from", "runs.jsonl", "--", "./job", "{a}", "{b}"]);
    let text = sandbox.cashet(&call).any_stdout().any_stderr().executes(0).run().text();
    assert_eq!(outcomes(&text), ["hit"]);
}

#[test]
fn what_makes_no_sense_is_refused_and_nothing_runs() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo ran").write("short.csv", "a,b\n1\n");
    for (words, said) in [
        (&["-p", "a=1,2", "./job"][..], "the command has no placeholder: every run would be the same"),
        (&["-p", "a=", "./job", "{a}"], "-p a: no values"),
        (&["./job"], "there are no parameters"),
        (&["-p", "a=1", "./job", "{b}"], "{b} names no parameter"),
        (&["-p", "a=1", "./job", "{}"], "{} names no parameter"),
        (&["-p", "a=1,2", "-p", "b=1,2,3", "--zip", "./job", "{a}{b}"], "--zip: a has 2 values, b has 3"),
        (&["-j", "0", "-p", "a=1", "./job", "{a}"], "invalid value '0'"),
        (&["-p", "a=1", "--from", "short.csv", "./job", "{a}"], "'a' is a parameter of -p and of --from"),
        (&["--from", "none.csv", "./job", "{a}"], "cannot open none.csv"),
    ] {
        let status = if said.starts_with("cannot open") { 1 } else { 2 };
        sandbox.cashet(map(words)).refused(status, &[said]).run();
    }
    let broken = sandbox.cashet(map(&["--from", "short.csv", "./job", "{a}"]));
    broken
        .stderr_with(&["row 1 of short.csv: 1 fields where the first line names 2"])
        .status(2)
        .executes(0)
        .run();
}

#[test]
fn an_empty_list_is_not_a_failure_and_duplicates_run_once() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo ran \"$1\"");
    let call = map(&["--from", "-", "--", "./job", "{}"]);
    sandbox.cashet(&call).stdin("").stderr_with(&["0 runs"]).executes(0).run();
    let told = sandbox.cashet(&call).stdin("x\ny\nx\nx\n").stderr_with(&["2 runs", "2 asked for again"]);
    told.executes(2).run();
    let call = map(&["-p", "a=1,2", "-p", "seed=1..5", "--", "./job", "{a}"]);
    let told = sandbox.cashet(call).stderr_with(&["no word of the command has seed", "8 asked for again"]);
    told.executes(2).run();
}

#[test]
fn a_sample_of_a_huge_sweep_is_the_same_each_time() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1 $2\"");
    let words = ["--sample", "5", "-p", "a=1..1000", "-p", "b=1..1000000000", "--", "./job", "{a}", "{b}"];
    sandbox.cashet(map(&words)).any_stderr().executes(5).run();
    sandbox.cashet(map(&words)).stderr_with(&["5 runs · 5 hit"]).executes(0).run();
}

#[test]
fn a_dry_run_says_what_would_hit_and_runs_nothing() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1\"");
    sandbox.cashet(map(&["-p", "a=2", "--", "./job", "{a}"])).any_stderr().executes(1).run();
    let words = ["--dry-run", "-p", "a=1..3", "--", "./job", "{a}"];
    let shown = sandbox.cashet(map(&words)).any_stdout().stderr_with(&["3 runs: 1 would hit, 2 would run"]);
    let text = shown.executes(0).run().text();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(
        rows,
        [
            "#  PARAMETERS  WOULD  COMMAND",
            "1  a=1         run    ./job 1",
            "2  a=2         hit    ./job 2",
            "3  a=3         run    ./job 3"
        ]
    );
}

#[test]
fn failures_are_retried_stop_the_rest_or_are_run_alone() {
    let sandbox = Sandbox::new();
    // It succeeds at the second attempt for a value.
    let body = "[ \"$1\" = ok ] || { [ -e \"$TMPDIR/.cashet/$1\" ] || { : > \"$TMPDIR/.cashet/$1\"; exit 1; }; }; echo \"$1\"";
    sandbox.script("job", body);
    let words = ["--retry", "2", "-p", "a=flaky,ok", "--", "./job", "{a}"];
    let told = sandbox.cashet(map(&words)).stderr_with(&["2 runs · 0 hit · 2 ran"]).may_change("../tmp");
    told.executes(3).run();
    let words = ["-j1", "--fail-fast", "-p", "a=one,two,three", "--", "./job", "{a}"];
    let told = sandbox
        .cashet(map(&words))
        .stderr_with(&["1 run · 0 hit · 1 failed", "stopped at the first failure"]);
    told.status(1).executes(1).may_change("../tmp").run();
    let words = ["--only-failed", "-p", "a=one,two,three,ok", "--", "./job", "{a}"];
    let told = sandbox.cashet(map(&words)).stderr_with(&["1 run · 0 hit · 1 ran", "3 had not failed"]);
    told.executes(1).may_change("../tmp").run();
}

#[test]
fn output_is_shown_by_run_or_by_line() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo out $1; echo err $1 >&2; printf open");
    for executes in [2, 0] {
        let words = ["-j1", "--print", "-p", "a=1,2", "--", "./job", "{a}"];
        let shown = sandbox.cashet(map(&words)).stdout("out 1\nopenout 2\nopen");
        shown.stderr_with(&["err 1", "err 2"]).executes(executes).run();
    }
    let words = ["-j1", "--print=line", "-p", "a=1,2", "--", "./job", "{a}"];
    let shown = sandbox.cashet(map(&words)).stdout("a=1 | out 1\na=1 | open\na=2 | out 2\na=2 | open\n");
    shown.stderr_with(&["a=1 | err 1"]).executes(0).run();
}

#[test]
fn each_run_reads_an_empty_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat; echo \"$1\"");
    let call = map(&["-j1", "--print", "--from", "-", "--", "./job", "{}"]);
    sandbox.cashet(call).stdin("x\ny\n").stdout("x\ny\n").any_stderr().executes(2).run();
}

#[test]
fn an_interrupt_is_passed_on_once_and_the_rest_is_not_started() {
    let sandbox = Sandbox::new();
    let body = format!(
        "trap 'echo INT >> \"$TMPDIR/.cashet/got\"; exit 9' INT; : > \"$TMPDIR/.cashet/at$1\"; {UNTIL_GO}; echo $1"
    );
    sandbox.script("job", body);
    let call = map(&["-j2", "-p", "a=1..6", "--", "./job", "{a}"]);
    let running = sandbox.cashet(&call).any_stderr().signal(2).executes(2).may_change("../tmp").spawn();
    let at = |n: u32| sandbox.base().join(format!("tmp/.cashet/at{n}"));
    wait_until("two runs", || at(1).exists() && at(2).exists());
    running.send(Signal::SIGINT);
    let text = running.finish().messages();
    assert!(text.contains("interrupted: the same call continues from here"), "{text}");
    let got = fs::read_to_string(sandbox.base().join("tmp/.cashet/got")).unwrap();
    assert_eq!(got.lines().count(), 2, "{got}");
    go(&sandbox);
    sandbox.cashet(&call).stderr_with(&["6 runs · 0 hit · 6 ran"]).executes(6).may_change("../tmp").run();
}

#[test]
fn an_interrupt_at_a_terminal_reaches_each_command_once() {
    let sandbox = Sandbox::new();
    let body = format!(
        "trap 'echo INT >> \"$TMPDIR/.cashet/got\"' INT; : > \"$TMPDIR/.cashet/at$1\"; {UNTIL_GO}; echo $1"
    );
    sandbox.script("job", body);
    let call = map(&["-j1", "-p", "a=1..3", "--", "./job", "{a}"]);
    let terminal = sandbox
        .cashet(&call)
        .any_stdout()
        .signal(2)
        .executes(1)
        .may_change("../tmp")
        .env("TERM", "xterm")
        .terminal();
    let (at, got) = (sandbox.base().join("tmp/.cashet/at1"), sandbox.base().join("tmp/.cashet/got"));
    wait_until("a run", || at.exists());
    terminal.wait_for("a=1").type_in("\x03");
    wait_until("the signal", || got.exists());
    go(&sandbox);
    let screen = terminal.finish().text();
    assert!(screen.contains("interrupted"), "{screen}");
    assert_eq!(fs::read_to_string(got).unwrap().lines().count(), 1);
}

#[test]
fn what_runs_goes_on_when_map_is_killed_and_is_not_run_twice() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!(": > \"$TMPDIR/.cashet/at$1\"; {UNTIL_GO}; echo done $1"));
    let call = map(&["-j2", "-p", "a=1..4", "--", "./job", "{a}"]);
    let running = sandbox.cashet(&call).any_stderr().signal(9).executes(2).may_change("../tmp").spawn();
    let at = |n: u32| sandbox.base().join(format!("tmp/.cashet/at{n}"));
    wait_until("two runs", || at(1).exists() && at(2).exists());
    running.send(Signal::SIGKILL);
    running.finish();
    go(&sandbox);
    // Its runs are still active, or have ended: in both cases only the others run.
    sandbox.cashet(&call).any_stderr().executes(2).may_change("../tmp").run();
    sandbox.cashet(&call).stderr_with(&["4 runs · 4 hit"]).executes(0).run();
}

#[test]
fn a_disk_that_is_full_fails_the_runs_and_loses_none() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1\"");
    let words = ["-p", "a=1,2", "--", "./job", "{a}"];
    // There is no directory for the files of a run.
    let told = sandbox.cashet(map(&words)).env("TMPDIR", "/nonexistent").status(1).executes(0);
    told.stderr_with(&["2 runs · 0 hit · 2 failed"]).run();
    sandbox.cashet(map(&words)).stderr_with(&["2 ran"]).executes(2).run();
}

#[test]
fn output_for_which_there_is_no_room_is_told_as_such() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo begun; head -c 400000 /dev/zero | tr '\\0' x");
    // No file may be larger than 200 KiB, the store's included.
    let line = "ulimit -f 400; exec cashet map --trace off --pure -p a=1 -- ./job {a}";
    let told = sandbox.shell(line).status(1).executes(1).any_stderr().may_change(".cashet").run().messages();
    assert!(told.contains("no space for its output in TMPDIR"), "{told}");
}

#[test]
fn a_program_that_is_not_there_is_told_for_each_run() {
    let sandbox = Sandbox::new();
    let words = ["-p", "a=1,2", "--", "./none", "{a}"];
    let told = sandbox.cashet(map(&words)).status(1).stderr_with(&["failed", "none", "2 failed"]);
    told.run();
    // How the command ended is not known: that status is cashet's own.
    let replayed = ["--mode", "replay", "-p", "a=1,2", "--", "echo", "{a}"];
    for (words, error) in [(&words[..], "not found"), (&replayed[..], "nothing to replay")] {
        let words = [&["--json"], words].concat();
        let told = sandbox.cashet(map(&words)).status(1).any_stderr().any_stdout().run().text();
        for run in objects(&told) {
            assert!(run["error"].as_str().unwrap().contains(error), "{run}");
            assert_eq!(
                (&run["outcome"], &run["exit"]),
                (&"failed".into(), &serde_json::Value::Null),
                "{run}"
            );
        }
    }
}

#[test]
fn options_of_exec_are_passed_on_with_their_placeholders() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "mkdir -p out; cat in/$1 > out/$1");
    sandbox.write("in/a", "1").write("in/b", "2");
    let words = ["-p", "f=a,b", "-i", "in/{f}", "-o", "out/{f}", "-t", "kind={f}", "--", "./job", "{f}"];
    let call: Vec<&str> = [&["map", "--trace", "off"][..], &words].concat();
    sandbox.cashet(&call).any_stderr().executes(2).leaves("out/a", "1").leaves("out/b", "2").run();
    sandbox.remove("out").write("in/b", "3");
    let told = sandbox.cashet(&call).stderr_with(&["1 hit · 1 ran"]).executes(1);
    told.leaves("out/a", "1").leaves("out/b", "3").run();
    let tagged = sandbox.cashet(["log", "--oneline", "--tag", "kind=a"]).any_stdout().run().text();
    assert_eq!(tagged.lines().count(), 1, "{tagged}");
    assert!(Path::new(&sandbox.path("out/a")).exists());
}

#[test]
fn values_that_are_hidden_in_words_are_hidden_in_tags() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo ran");
    let words =
        ["-p", "t=s3cret1,s3cret2", "-p", "n=5", "--redact=--token", "--", "./job", "--token", "{t}", "{n}"];
    sandbox.cashet(map(&words)).any_stderr().executes(2).run();
    let log = sandbox.cashet(["log", "--json"]).any_stdout().run().text();
    assert!(log.contains("\"param.n\":\"5\"") && !log.contains("s3cret"), "{log}");
}

#[test]
fn the_board_shows_what_runs_and_nothing_scrolls() {
    let sandbox = Sandbox::new();
    sandbox.script("job", format!("echo epoch 1; {UNTIL_GO}; [ $1 = 1 ]"));
    let call = map(&["-j2", "-p", "a=1,2", "--", "./job", "{a}"]);
    let terminal = sandbox
        .cashet(&call)
        .any_stdout()
        .status(1)
        .executes(2)
        .may_change("../tmp")
        .env("TERM", "xterm")
        .terminal();
    terminal.wait_for("a=1").wait_for("epoch 1").wait_for("2 running");
    go(&sandbox);
    let screen = terminal.finish().text();
    assert!(screen.contains("repeat: cashet exec"), "{screen}");
    assert!(!screen.contains("1/2 a="), "{screen}");
}
