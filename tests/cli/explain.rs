//! Why a call is a hit or a miss: the status line, `check`, `why`; and what `doctor` says of the place.

use crate::support::Sandbox;

/// What `-v` says of a call.
fn told(sandbox: &Sandbox, words: &[&str]) -> String {
    let words: Vec<&str> = ["-v"].iter().chain(words).copied().collect();
    sandbox.exec(words).any_stdout().any_stderr().any_status().may_change("").run().messages()
}

#[test]
fn lists_end_after_three_names() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat f*");
    for number in 0..9 {
        sandbox.write(format!("f{number}"), "1");
    }
    told(&sandbox, &["./job"]);
    for number in 0..9 {
        sandbox.write(format!("f{number}"), "2");
    }
    let line = told(&sandbox, &["./job"]);
    assert!(line.contains("f0 changed, f1 changed, f2 changed and 6 others"), "{line}");
}

#[test]
fn a_miss_names_its_cure() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo $LEVEL; exit $1");
    let run = |level: &str, status: &str| {
        let run = sandbox.exec(["-v", "./job", status]).env("LEVEL", level).any_stdout().any_stderr();
        run.any_status().run().messages()
    };
    run("1", "0");
    let line = run("2", "0");
    assert!(line.contains("LEVEL changed (--ignore-env LEVEL if that does not matter)"), "{line}");
    run("1", "3");
    let checked = |level: &str| {
        let run = sandbox.cashet(["check", "./job", "3"]).env("LEVEL", level).any_stderr().status(1);
        run.executes(0).run().messages()
    };
    assert!(checked("1").contains("was not cached (failed) (--cache-exit 3 caches it)"), "{}", checked("1"));
}

#[test]
fn an_edit_that_was_taken_back_is_compared_with_the_older_run() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat a b");
    let edit = |a: &str, b: &str| {
        sandbox.write("a", a).write("b", b);
    };
    edit("one", "1");
    told(&sandbox, &["./job"]);
    edit("two", "2");
    told(&sandbox, &["./job"]);
    edit("three", "3");
    told(&sandbox, &["./job"]);
    // All but one is as in the first run.
    edit("one", "4");
    let older = sandbox.cashet(["log", "--json", "-n", "9"]).any_stdout().run().text();
    let older: serde_json::Value = serde_json::from_str(older.lines().last().unwrap()).unwrap();
    let line = told(&sandbox, &["./job"]);
    let hash = &older["commit"].as_str().unwrap()[..12];
    assert!(line.contains(&format!("miss · b changed since {hash}")), "{line}");
    // So it is where the code is what was taken back.
    sandbox.script("job", "cat a b; echo").write("b", "5");
    told(&sandbox, &["./job"]);
    sandbox.script("job", "cat a b").write("b", "6");
    let line = told(&sandbox, &["./job"]);
    assert!(line.contains("b changed") && !line.contains("job changed"), "{line}");
}

#[test]
fn why_is_at_most_ten_lines_with_the_most_decisive_first() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat data/*; echo $LEVEL").write("notes", "x");
    for number in 0..30 {
        sandbox.write(format!("data/a-rather-long-name-of-a-file-{number:02}.csv"), "1");
    }
    told(&sandbox, &["./job"]);
    for number in 0..30 {
        sandbox.write(format!("data/a-rather-long-name-of-a-file-{number:02}.csv"), "2");
    }
    sandbox.script("job", "cat data/*; echo $LEVEL; true");
    for words in [&["why", "./job"][..], &["check", "--explain", "./job"]] {
        let run =
            sandbox.cashet(words).env("LEVEL", "2").any_stdout().any_stderr().status(1).executes(0).run();
        let text = format!("{}\n{}", run.text(), run.messages());
        let lines: Vec<&str> = text.trim().lines().collect();
        assert!(lines.len() <= 10 && lines.len() > 2, "{text}");
        assert!(lines[0].contains("miss"), "{text}");
        assert!(lines[1].contains("job changed"), "{text}");
    }
    let json = sandbox.cashet(["why", "--json", "./job"]).any_stdout().status(1).executes(0).run().text();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["outcome"], "miss");
    assert!(json["reasons"][0].as_str().unwrap().starts_with("job changed"), "{json}");
    assert!(json["commit"].is_string());
}

#[test]
fn why_knows_hits_bypasses_and_first_runs() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat data").write("data", "1");
    sandbox.cashet(["why", "./job"]).stdout_with(&["miss", "first run"]).status(1).executes(0).run();
    sandbox.cashet(["why"]).stderr_with(&["nothing is recorded yet"]).run();
    told(&sandbox, &["./job"]);
    sandbox.cashet(["why", "./job"]).stdout_with(&["hit ", "data", "cashet show --all"]).executes(0).run();
    sandbox.cashet(["why", "date"]).stdout_with(&["bypass", "--ttl"]).status(3).run();
    sandbox.cashet(["why", "nothing-of-this-name"]).refused(1, &["command not found"]).run();
}

#[test]
fn why_last_explains_the_newest_run() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat data; exit $1").write("data", "1");
    let last = |words: &[&str]| {
        let text = sandbox.cashet(["why", "--last"]).any_stdout().executes(0).run().text();
        assert!(text.lines().count() <= 10, "{text}");
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    };
    told(&sandbox, &["./job", "0"]);
    last(&["ran · ", "job 0", "first run"]);
    sandbox.write("data", "2");
    told(&sandbox, &["./job", "0"]);
    last(&["data changed"]);
    told(&sandbox, &["./job", "3"]);
    last(&["job 3", "not cached: exit status 3", "--cache-exit 3"]);
    told(&sandbox, &["date"]);
    last(&["ran uncached · date", "--ttl"]);
}

#[test]
fn screens_of_sixty_columns_hold_it() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat data/*");
    for number in 0..5 {
        sandbox.write(format!("data/a-rather-long-name-of-a-file-in-a-directory-{number}"), "1");
    }
    told(&sandbox, &["./job"]);
    for number in 0..5 {
        sandbox.write(format!("data/a-rather-long-name-of-a-file-in-a-directory-{number}"), "2");
    }
    for columns in [60, 80, 140] {
        for call in ["why ./job", "check --explain ./job", "check ./job", "doctor"] {
            let line = format!("stty cols {columns}; cashet {call}");
            let screen = sandbox.shell(&line).any_stdout().any_status().terminal().finish().text();
            for line in screen.lines().filter(|line| !line.starts_with("cashet: miss")) {
                assert!(line.chars().count() <= columns, "{call} at {columns}: {line}");
            }
        }
    }
}

#[test]
fn the_doctor_looks_at_everything() {
    let sandbox = Sandbox::new();
    let words = ["kernel", "watching", "settings", "store", "terminal"];
    let text = sandbox.cashet(["doctor"]).stdout_with(&words).run().text();
    assert_eq!(text.lines().count(), words.len(), "{text}");
    assert!(!sandbox.path(".cashet").exists());
    let json = sandbox.cashet(["doctor", "--json"]).any_stdout().run().text();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["caches"], true);
    assert_eq!(json["findings"].as_array().unwrap().len(), words.len());
    // What keeps results from being cached is said, with the cure, and by the status.
    sandbox.write("cashet.toml", "[exec]\nttl = 3\n");
    sandbox.cashet(["doctor"]).stdout_with(&["settings  bad"]).any_stderr().status(1).run();
    sandbox.remove("cashet.toml").write("plain", "");
    sandbox.cashet(["--store", "plain", "doctor"]).stdout_with(&["store     bad", "("]).status(1).run();
}

#[test]
fn a_first_run_that_draws_random_numbers_says_so_once() {
    let sandbox = Sandbox::new();
    sandbox.python("draw.py", "import random\nprint(random.random())");
    sandbox.python("seeded.py", "import random\nrandom.seed(1)\nprint(random.random())");
    let call = |script: &str, more: &str| told(&sandbox, &["python3", script, more]);
    let first = call("draw.py", "1");
    assert!(first.contains("draw.py draws random numbers without a seed (random.random("), "{first}");
    for (script, more) in [("draw.py", "1"), ("draw.py", "2"), ("seeded.py", "1")] {
        let told = call(script, more);
        assert!(!told.contains("random numbers"), "{told}");
    }
    // Where nobody reads the status line, nothing is added to what the command says.
    sandbox.python("other.py", "import random\nrandom.shuffle([1])");
    sandbox.exec(["python3", "other.py"]).run();
}
