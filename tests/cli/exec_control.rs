//! Modes, time, tags, the report and the status line.

use crate::support::{Ran, Run, Sandbox};
use serde_json::Value;
use std::fs;

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo out; echo err >&2");
    sandbox
}

fn call<'a>(sandbox: &'a Sandbox, options: &[&str]) -> Run<'a> {
    let words = options.iter().chain(&["--pure", "./job"]);
    sandbox.unwatched(words).stdout("out\n").stderr("err\n")
}

#[test]
fn modes() {
    let sandbox = project();
    let replay_nothing = || {
        let run = sandbox.unwatched(["--mode", "replay", "--pure", "./job"]);
        let ran = run.status(121).any_stderr().executes(0).run();
        assert!(ran.messages().contains("nothing to replay"), "{}", ran.messages());
    };
    for _ in 0..2 {
        call(&sandbox, &["--mode", "off"]).executes(1).run();
    }
    assert!(!sandbox.path(".cashet").exists(), "--mode off opened the store");
    replay_nothing();
    for _ in 0..2 {
        call(&sandbox, &["--mode", "read"]).executes(1).run();
    }
    replay_nothing();
    call(&sandbox, &["--mode", "auto"]).executes(1).run();
    call(&sandbox, &["--mode", "replay"]).executes(0).run();
    call(&sandbox, &["--mode", "read"]).executes(0).run();
    call(&sandbox, &["--mode", "refresh"]).executes(1).run();
    for force in ["-f", "--force"] {
        call(&sandbox, &[force]).executes(1).run();
    }
    call(&sandbox, &[]).executes(0).run();
}

#[test]
fn a_refresh_is_what_is_replayed_from_then_on() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "wc -l < \"$TMPDIR/.cashet/executions\"");
    let call = |options: &[&str]| sandbox.unwatched(options.iter().chain(&["--pure", "./job"]));
    call(&[]).stdout("1\n").run();
    call(&[]).stdout("1\n").run();
    call(&["-f"]).stdout("2\n").run();
    call(&[]).stdout("2\n").executes(0).run();
}

#[test]
fn without_cache_a_run_is_recorded_and_never_replayed() {
    let sandbox = project();
    for _ in 0..2 {
        call(&sandbox, &["--no-cache"]).executes(1).run();
    }
    call(&sandbox, &[]).executes(1).run();
    let log = sandbox.cashet(["log", "--oneline"]).any_stdout().run().text();
    assert_eq!(log.lines().count(), 3, "{log}");
}

#[test]
fn what_was_recorded_and_not_kept_is_missed_too() {
    let sandbox = project();
    for _ in 0..2 {
        sandbox.unwatched(["--pure", "sh", "-c", "exit 3"]).status(3).run();
    }
    call(&sandbox, &["--no-cache"]).executes(1).run();
    let missed = sandbox.cashet(["log", "--missed"]).any_stdout().run().text();
    assert!(missed.starts_with("failed (2 times)\nhint: --cache-exit 3 caches it\n"), "{missed}");
    assert!(missed.contains("    2  just now  sh -c 'exit 3'  exit status 3"), "{missed}");
    assert_eq!(missed.lines().count(), 4, "{missed}");
    let stats = sandbox.cashet(["stats", "--json"]).any_stdout().run().text();
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["misses"], 3, "{stats}");
}

#[test]
fn a_result_can_be_too_old() {
    let sandbox = project();
    call(&sandbox, &[]).executes(1).run();
    call(&sandbox, &["--ttl", "1h"]).executes(0).run();
    call(&sandbox, &["--ttl", "1d"]).executes(0).run();
    sandbox.shell("sleep 1.1").run();
    call(&sandbox, &["--ttl", "1s"]).executes(1).run();
    call(&sandbox, &[]).env("CASHET_TTL", "1h").executes(0).run();
}

#[test]
fn salt_decides_and_tags_do_not() {
    let sandbox = project();
    call(&sandbox, &["-t", "a=1"]).executes(1).run();
    call(&sandbox, &["-t", "a=2", "--tag", "keep"]).executes(0).run();
    call(&sandbox, &["--salt", "x"]).executes(1).run();
    call(&sandbox, &["--salt", "y"]).executes(1).run();
    call(&sandbox, &["--salt", "x"]).executes(0).run();
}

#[test]
fn a_variable_can_be_set_and_a_strict_environment_hides_the_rest() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "job",
        "awk 'function of(name) { return (name in ENVIRON) ? ENVIRON[name] : \"unset\" } \
         BEGIN { print of(\"A\"), of(\"B\"), of(\"LC_ALL\"), (\"HOME\" in ENVIRON) ? \"home\" : \"\" }'",
    );
    let call = |options: &[&str]| sandbox.unwatched(options.iter().chain(&["--pure", "./job"])).env("B", "b");
    call(&["--env", "A=1"]).stdout("1 b unset home\n").executes(1).run();
    call(&["--env", "A=1"]).stdout("1 b unset home\n").executes(0).run();
    call(&["--env", "A=2"]).stdout("2 b unset home\n").executes(1).run();
    call(&["--env", "A"]).env("A", "1").stdout("1 b unset home\n").executes(0).run();
    call(&["--env-strict", "--env", "A=1"]).env("LC_ALL", "C").stdout("1 unset C home\n").executes(1).run();
    call(&["--env-strict", "--env", "B"]).stdout("unset b unset home\n").executes(1).run();
    call(&["--env", "CUDA_*"]).env("CUDA_X", "1").stdout("unset b unset home\n").executes(1).run();
    call(&["--env", "CUDA_*"]).env("CUDA_X", "1").stdout("unset b unset home\n").executes(0).run();
    call(&["--env", "CUDA_*"]).env("CUDA_Y", "1").stdout("unset b unset home\n").executes(1).run();
}

#[test]
fn values_of_variables_are_never_written() {
    let sandbox = project();
    let secret = "swordfish-in-the-environment";
    call(&sandbox, &["-e", "API_TOKEN", "-e", "PLAIN"])
        .env("API_TOKEN", secret)
        .env("PLAIN", secret)
        .executes(1)
        .run();
    call(&sandbox, &["-e", "API_TOKEN", "-e", "PLAIN"])
        .env("API_TOKEN", secret)
        .env("PLAIN", "x")
        .executes(1)
        .run();
    let found = sandbox.shell(format!("grep -r {secret} .cashet && echo found; true"));
    found.run();
}

fn report(sandbox: &Sandbox) -> Value {
    let text = fs::read_to_string(sandbox.base().join("tmp/report")).unwrap();
    assert_eq!(text.trim_end().lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_report_is_one_object_about_the_call() {
    let sandbox = project();
    let file = sandbox.base().join("tmp/report");
    let option = format!("--report={}", file.display());
    let mut commits = Vec::new();
    for outcome in ["miss", "hit"] {
        call(&sandbox, &[&option]).run();
        let report = report(&sandbox);
        assert_eq!(report["schema"], 1, "{report}");
        assert_eq!(report["outcome"], outcome, "{report}");
        assert_eq!(report["exit"]["exit"], 0, "{report}");
        for field in ["key", "commit"] {
            assert_eq!(report[field].as_str().unwrap().len(), 64, "{field}: {report}");
        }
        commits.push(report["commit"].clone());
    }
    assert_eq!(commits[0], commits[1]);
    sandbox.script("other", "");
    sandbox.unwatched([&option, "./other"]).run();
    assert_eq!(report(&sandbox)["outcome"], "bypass");
    fs::remove_file(&file).unwrap();
    call(&sandbox, &[]).env("CASHET_REPORT", &file).run();
    assert_eq!(report(&sandbox)["outcome"], "hit");
}

fn status_line(ran: &Ran<'_>) -> String {
    let text = ran.messages();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("cashet: ")).collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

#[test]
fn the_status_line_says_what_happened_and_why() {
    let sandbox = project();
    let line = |options: &[&str]| status_line(&call(&sandbox, options).any_stderr().run());
    sandbox.unwatched(["-q", "--pure", "true"]).run();
    assert!(line(&["-v"]).starts_with("cashet: miss"));
    assert!(line(&["-v"]).starts_with("cashet: hit "));
    let salted = line(&["-v", "--salt", "x"]);
    assert!(salted.starts_with("cashet: miss") && salted.contains("salt"), "{salted}");
    sandbox.script("job", "echo out; echo err >&2; true");
    let changed = line(&["-v"]);
    assert!(changed.starts_with("cashet: miss") && changed.contains("job changed"), "{changed}");
    sandbox.write("in", "1");
    assert!(line(&["-v", "-i", "in"]).contains("in"));
    sandbox.write("in", "2");
    let input = line(&["-v", "-i", "in"]);
    assert!(input.contains("in changed"), "{input}");
    sandbox.script("other", "");
    let bypassed = status_line(&sandbox.unwatched(["-v", "./other"]).any_stderr().run());
    assert!(bypassed.starts_with("cashet: bypass"), "{bypassed}");
}

#[test]
fn the_status_line_is_for_terminals() {
    let sandbox = project();
    call(&sandbox, &[]).executes(1).run();
    // The order of the two streams was not recorded, but a terminal would show it.
    call(&sandbox, &[]).any_stdout().executes(1).terminal().finish();
    let screen = call(&sandbox, &[]).any_stdout().terminal().finish().text();
    assert!(screen.contains("cashet: hit "), "{screen}");
    let quiet = call(&sandbox, &["-q"]).stdout("out\nerr\n").terminal();
    quiet.finish();
}

#[test]
fn check_predicts_and_executes_nothing() {
    let sandbox = project();
    let check = |words: &[&str], status| {
        let run = sandbox.cashet(["check", "--trace", "off"].iter().chain(words));
        run.any_stdout().any_stderr().status(status).executes(0).run();
    };
    check(&["--pure", "./job"], 1);
    call(&sandbox, &[]).executes(1).run();
    check(&["--pure", "./job"], 0);
    check(&["--pure", "./job", "other"], 1);
    sandbox.script("other", "");
    check(&["./other"], 3);
    check(&["--mode", "off", "--pure", "./job"], 3);
    call(&sandbox, &[]).executes(0).run();
}

#[test]
fn commands_that_answer_for_the_moment_are_not_remembered() {
    let sandbox = Sandbox::new();
    for program in ["date", "uptime", "mktemp"] {
        let words: &[&str] = if program == "mktemp" { &["-v", "mktemp", "-u"] } else { &["-v", program] };
        let ran = sandbox.exec(words).any_stdout().any_stderr().run();
        assert!(ran.messages().contains("bypass"), "{program}: {}", ran.messages());
    }
    let first = sandbox.unwatched(["--pure", "date", "+%N"]).any_stdout().run();
    sandbox.unwatched(["--pure", "date", "+%N"]).stdout(&first.stdout).run();
}

#[test]
fn a_read_only_or_unusable_store_never_fails_the_command() {
    let sandbox = project();
    sandbox.write("tmp-file", "in the way");
    let run = sandbox.unwatched(["--store", "tmp-file/store", "--pure", "./job"]);
    run.stdout("out\n").stderr_with(&["err"]).executes(1).run();
}
