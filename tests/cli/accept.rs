//! `cashet accept`: the result of a recorded run counts for other code or inputs, because the user says so.

use crate::support::Sandbox;

/// A script that reads a file and writes one, run once.
fn recorded() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat data > out; echo \"did $1\"").write("data", "one\n");
    sandbox.exec(["./job", "x"]).stdout("did x\n").executes(1).leaves("out", "one\n").run();
    sandbox
}

fn json(sandbox: &Sandbox, words: &[&str]) -> serde_json::Value {
    serde_json::from_str(&sandbox.cashet(words).any_stdout().run().text()).unwrap()
}

#[test]
fn changed_code_and_inputs_count_as_equal() {
    let sandbox = recorded();
    let first = json(&sandbox, &["show", "--json", "@"])["commit"].as_str().unwrap().to_owned();
    sandbox.script("job", "cat data > out; echo \"did  $1\"").write("data", "two\n");
    sandbox
        .cashet(["accept", "--yes", "-m", "only layout", "--", "./job", "x"])
        .stdout_with(&["job changed", "data changed"])
        .stderr_with(&["accepted ", &first[..12]])
        .executes(0)
        .run();
    sandbox.exec(["-v", "./job", "x"]).stdout("did x\n").stderr_with(&["hit ", "accepted"]).executes(0).run();
    let shown = json(&sandbox, &["show", "--json", "@"]);
    assert_eq!(shown["accepted"]["of"], first.as_str());
    assert_eq!(shown["accepted"]["why"], "only layout");
    assert!(!shown["accepted"]["by"].as_str().unwrap().is_empty() && shown["accepted"]["at"].is_string());
    assert_eq!(shown["parent"], first.as_str());
    sandbox.cashet(["show", "@"]).stdout_with(&["accepted", &first[..12], "only layout"]).run();
    sandbox.cashet(["log"]).stdout_with(&["ok, accepted"]).run();
    sandbox.cashet(["history", "@"]).stdout_with(&["not run: accepted as the result of"]).run();
    assert_eq!(
        sandbox
            .cashet(["log", "--status", "accepted", "--oneline"])
            .any_stdout()
            .run()
            .text()
            .lines()
            .count(),
        1
    );
    // The earlier state still has its own entry.
    sandbox.script("job", "cat data > out; echo \"did $1\"").write("data", "one\n");
    sandbox.exec(["./job", "x"]).stdout("did x\n").executes(0).run();
}

#[test]
fn what_changes_afterwards_makes_the_command_run() {
    for change in ["data", "job", "variable"] {
        let sandbox = Sandbox::new();
        sandbox.script("job", "cat data; echo $LEVEL").write("data", "one\n");
        let exec = |level: &str| sandbox.exec(["./job"]).env("LEVEL", level).any_stdout();
        exec("1").executes(1).run();
        sandbox.write("data", "two\n");
        sandbox.cashet(["accept", "--yes", "./job"]).env("LEVEL", "1").any_stdout().any_stderr().run();
        exec("1").stdout("one\n1\n").executes(0).run();
        match change {
            "data" => drop(sandbox.write("data", "three\n")),
            "job" => drop(sandbox.script("job", "cat data; echo $LEVEL again")),
            _ => {}
        }
        exec(if change == "variable" { "2" } else { "1" }).executes(1).run();
    }
}

#[test]
fn inputs_of_every_kind_may_be_accepted() {
    let sandbox = Sandbox::new();
    sandbox.write("d/a", "").write("f", "1").write("old", "x");
    let line = format!(
        "{}; ls d; cat f old 2>/dev/null; [ -e flag ] && echo flag; [ -n \"$LEVEL\" ] && echo $LEVEL; true",
        sandbox.count_in_shell()
    );
    let call = ["sh", "-c", &line];
    sandbox.exec(call).any_stdout().executes(1).run();
    sandbox.write("d/b", "").write("f", "2").write("flag", "").remove("old");
    let accept = ["accept", "--yes", "--"];
    let told =
        sandbox.cashet(accept.iter().chain(&call)).env("LEVEL", "3").any_stdout().any_stderr().run().text();
    for what in ["entries of d changed", "f changed", "flag appeared", "old is gone"] {
        assert!(told.contains(what), "{what}: {told}");
    }
    let again = || sandbox.exec(call).env("LEVEL", "3");
    again().stdout("a\n1x").executes(0).run();
    again().stdout("a\n1x").executes(0).run();
    // A newcomer of each kind is noticed.
    sandbox.write("d/c", "");
    again().any_stdout().executes(1).run();
}

#[test]
fn the_command_of_a_run_need_not_be_given() {
    let sandbox = recorded();
    sandbox.exec(["./job", "y"]).stdout("did y\n").leaves("out", "one\n").run();
    sandbox.write("data", "two\n");
    sandbox.cashet(["accept", "--yes", "--since", "@", "--since", "@{2}"]).any_stdout().any_stderr().run();
    sandbox.exec(["./job", "x"]).stdout("did x\n").executes(0).run();
    sandbox.exec(["./job", "y"]).stdout("did y\n").executes(0).run();
    // Said twice it is there already.
    sandbox.cashet(["accept", "--yes"]).stderr_with(&["nothing to accept"]).run();
}

#[test]
fn options_of_the_recorded_call_are_found_in_its_record() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat in > out; echo $LEVEL").write("in", "1");
    let words = ["--trace", "off", "-i", "in", "-o", "out", "--env", "LEVEL", "--salt", "s", "./job"];
    sandbox.exec(words).stdout("\n").executes(1).leaves("out", "1").run();
    sandbox.write("in", "2");
    sandbox.cashet(["accept", "--yes", "--since", "@"]).any_stdout().any_stderr().run();
    sandbox.exec(words).stdout("\n").executes(0).leaves("out", "1").run();
    // With the options given, too.
    sandbox.write("in", "3");
    let call = ["accept", "--yes"].iter().chain(&words);
    sandbox.cashet(call).any_stdout().any_stderr().run();
    sandbox.exec(words).stdout("\n").executes(0).leaves("out", "1").run();
}

#[test]
fn it_refuses_with_one_line() {
    let sandbox = recorded();
    sandbox.exec(["./job", "y"]).stdout("did y\n").run();
    sandbox.script("fails", "exit 3").script("lists", "cat");
    sandbox.exec(["./fails"]).status(3).run();
    sandbox.write("data", "two\n");
    let newest = |words: &[&str]| json(&sandbox, words)["commit"].as_str().unwrap().to_owned();
    let failed = newest(&["show", "--json", "@"]);
    let of_y = newest(&["show", "--json", "./job y"]);
    for (words, status, told) in [
        (&["accept", "--yes", "--", "./job", "z"][..], 1, "no cached run of this command"),
        (&["accept", "--yes", "--since", &failed], 1, "was not cached"),
        (&["accept", "--yes", "--since", &of_y, "--", "./job", "x"], 1, "other arguments"),
        (&["accept", "--yes", "--since", &of_y, "--salt", "s", "--", "./job", "y"], 1, "other options"),
        (&["accept", "--yes", "--since", "ffffffff"], 1, "ffffffff"),
        (&["accept", "./job", "x"], 2, "needs a terminal"),
        (&["accept", "--forc", "./job", "x"], 2, "--forc"),
    ] {
        let messages = sandbox.cashet(words).status(status).stderr_with(&[told]).executes(0).run().messages();
        assert!(messages.starts_with("error: ") && messages.trim().lines().count() == 2, "{messages}");
    }
    sandbox.directory("sub");
    let elsewhere = sandbox.cashet(["accept", "--yes", "--since", &of_y]).directory("sub").status(1);
    elsewhere.stderr_with(&["another directory", "cd "]).executes(0).run();
    sandbox.exec(["./job", "x"]).stdout("did x\n").executes(1).leaves("out", "two\n").run();
}

#[test]
fn a_store_that_cannot_be_written_refuses() {
    let sandbox = recorded();
    sandbox.write("data", "two\n");
    let store = sandbox.path(".cashet");
    let line = format!(
        "unshare -rm sh -c 'mount --bind {0} {0} && mount -o remount,bind,ro {0} && exec cashet accept --yes ./job x'",
        store.display()
    );
    let ran = sandbox.shell(&line).any_stdout().any_stderr().any_status().executes(0).run();
    let told = ran.messages();
    if told.contains("unshare") || told.contains("mount:") {
        // Here nothing can be mounted.
        return;
    }
    assert!(told.contains("cannot be written"), "{told}");
    assert_eq!(ran.status.code(), Some(1));
}

#[test]
fn at_a_terminal_it_asks() {
    let sandbox = recorded();
    sandbox.write("data", "two\n");
    let ask = || sandbox.cashet(["accept", "./job", "x"]).any_stdout().any_status();
    let terminal = ask().terminal();
    terminal.wait_for("Go on? [y/N]").type_in("n\n");
    let ran = terminal.finish();
    assert!(
        ran.text().contains("data changed") && ran.text().contains("nothing was accepted"),
        "{}",
        ran.text()
    );
    assert_eq!(ran.status.code(), Some(1));
    let terminal = ask().terminal();
    terminal.wait_for("Go on? [y/N]").type_in("y\n");
    assert!(terminal.finish().text().contains("accepted "));
    sandbox.exec(["./job", "x"]).stdout("did x\n").executes(0).run();
}

#[test]
fn what_moves_while_it_asks_is_not_accepted() {
    let sandbox = recorded();
    sandbox.write("data", "two\n");
    let terminal =
        sandbox.cashet(["accept", "./job", "x"]).any_stdout().any_status().may_change("data").terminal();
    terminal.wait_for("Go on? [y/N]");
    sandbox.write("data", "three\n");
    terminal.type_in("y\n");
    let ran = terminal.finish();
    assert!(ran.text().contains("changed in the meantime"), "{}", ran.text());
    sandbox.exec(["./job", "x"]).stdout("did x\n").executes(1).leaves("out", "three\n").run();
}

#[test]
fn an_accepted_entry_is_verified_exported_and_collected_like_others() {
    let sandbox = recorded();
    sandbox.script("job", "cat data > out; echo \"made $1\"");
    sandbox.cashet(["accept", "--yes", "./job", "x"]).any_stdout().any_stderr().run();
    // The edit mattered after all, and this shows it.
    sandbox
        .cashet(["verify", "--once", "@"])
        .stdout_with(&["differs", "accepted as the result of"])
        .status(1)
        .any_stderr()
        .executes(1)
        .run();
    let archive = sandbox.base().join("tmp/.cashet/runs.tar");
    let archive = archive.to_str().unwrap();
    sandbox.cashet(["export", archive]).any_stdout().any_stderr().run();
    sandbox.cashet(["fsck"]).any_stdout().any_stderr().run();
    sandbox.cashet(["gc", "--yes", "--older-than", "1s"]).any_stdout().any_stderr().any_status().run();
    sandbox.remove(".cashet");
    sandbox.cashet(["import", archive]).any_stdout().any_stderr().run();
    sandbox.exec(["./job", "x"]).stdout("did x\n").executes(0).leaves("out", "one\n").run();
    sandbox.cashet(["show", "@"]).stdout_with(&["accepted"]).run();
    sandbox.cashet(["fsck"]).any_stdout().any_stderr().run();
}

#[test]
fn as_json() {
    let sandbox = recorded();
    sandbox.write("data", "two\n");
    let told = sandbox.cashet(["accept", "--yes", "--json", "./job", "x"]).any_stdout().run().text();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["differences"], serde_json::json!(["data changed"]));
    assert_eq!(told["commit"], json(&sandbox, &["show", "--json", "@"])["commit"]);
    assert_ne!(told["of"], told["commit"]);
    let again = sandbox.cashet(["accept", "--yes", "--json", "./job", "x"]).any_stdout().run().text();
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["commit"], told["commit"]);
}

#[test]
fn a_file_that_is_read_and_then_changed_counts_as_it_is_now() {
    let sandbox = Sandbox::new();
    sandbox
        .script("job", "n=$(cat count); echo $((n+1)) > count; cat data")
        .write("count", "1\n")
        .write("data", "a\n");
    sandbox.exec(["./job"]).stdout("a\n").executes(1).leaves("count", "2\n").run();
    sandbox.write("count", "7\n").write("data", "b\n");
    sandbox.cashet(["accept", "--yes", "./job"]).any_stdout().any_stderr().run();
    sandbox.exec(["./job"]).stdout("a\n").any_stderr().executes(0).leaves("count", "2\n").run();
    sandbox.write("count", "8\n");
    sandbox.exec(["./job"]).stdout("b\n").executes(1).leaves("count", "9\n").run();
}
