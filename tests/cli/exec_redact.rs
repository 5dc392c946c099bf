//! Words that must not be stored: the store contains no byte of them, and they still count.

use crate::support::Sandbox;
use std::fs;
use std::path::Path;

const SECRET: &str = "hunter2-swordfish";

/// Every file below `directory` that contains `needle`.
fn holding(directory: &Path, needle: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, needle));
        } else {
            let bytes = fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo done");
    sandbox
}

/// Everything stored, as it is shown and exported.
fn told(sandbox: &Sandbox) -> String {
    let mut told = String::new();
    for words in
        [&["log"][..], &["log", "--json"], &["show", "@"], &["show", "@", "--json"], &["log", "--missed"]]
    {
        told.push_str(&sandbox.cashet(words).any_stdout().any_stderr().run().text());
    }
    told
}

#[test]
fn nothing_of_a_redacted_word_is_stored() {
    let sandbox = project();
    let call = ["--redact", SECRET, "--", "./job", "--auth=hunter2-swordfish", "x"];
    sandbox.exec(call).stdout("done\n").executes(1).run();
    sandbox.exec(call).stdout("done\n").executes(0).run();
    // The capture and the hot entry are in use by now; a run that is not cached is noted too.
    sandbox.script("fails", "exit 3");
    sandbox.exec(["--redact", SECRET, "--", "./fails", SECRET]).status(3).executes(1).run();
    sandbox.exec(["--redact", SECRET, "--", "sleep", "0", "0", SECRET]).status(1).any_stderr().run();
    assert_eq!(holding(&sandbox.path(".cashet"), SECRET), [""; 0]);
    let told = told(&sandbox);
    assert!(!told.contains(SECRET), "{told}");
    for shown in ["'--auth=[redacted]' x", "./fails '[redacted]'", "sleep 0 0 '[redacted]'"] {
        assert!(told.contains(shown), "{told}");
    }
}

#[test]
fn what_is_redacted_counts() {
    let sandbox = project();
    let exec =
        |secret: &'static str, word: &'static str| sandbox.exec(["--redact", secret, "--", "./job", word]);
    exec("one", "a-one").stdout("done\n").executes(1).run();
    exec("one", "a-one").stdout("done\n").executes(0).run();
    exec("two", "a-two").stdout("done\n").executes(1).run();
    exec("one", "b-one").stdout("done\n").executes(1).run();
    exec("one", "a-one").stdout("done\n").executes(0).run();
    // The stored placeholder as a word does not stand for the secret.
    exec("one", "a-[redacted]").stdout("done\n").executes(1).run();
}

#[test]
fn the_value_of_an_option_or_a_variable_is_redacted() {
    let sandbox = project();
    sandbox.write("cashet.toml", "[exec]\nredact = [\"--token\", \"KEY=\"]\n");
    let words =
        ["--", "./job", "--token", SECRET, "--token=hunter2-swordfish", "KEY=hunter2-swordfish", "--other"];
    sandbox.exec(words).stdout("done\n").executes(1).run();
    sandbox.exec(words).stdout("done\n").executes(0).run();
    assert_eq!(holding(&sandbox.path(".cashet"), SECRET), [""; 0]);
    let log = sandbox.cashet(["log", "--json"]).any_stdout().run().text();
    assert!(
        log.contains(r#"["./job","--token","[redacted]","--token=[redacted]","KEY=[redacted]","--other"]"#),
        "{log}"
    );
    sandbox.write("cashet.toml", "[exec]\nredact = \"\"\n");
    sandbox.exec(["--", "./job"]).refused(125, &["redact"]).run();
}

#[test]
fn inline_code_that_holds_it_is_not_stored() {
    let sandbox = project();
    let code = format!("{}; echo {SECRET} | wc -c", sandbox.count_in_shell());
    let call = ["--redact", SECRET, "--", "sh", "-c", &code];
    sandbox.exec(call).stdout("18\n").executes(1).run();
    sandbox.exec(call).stdout("18\n").executes(0).run();
    assert_eq!(holding(&sandbox.path(".cashet"), SECRET), [""; 0]);
}

#[test]
fn the_report_shows_no_more() {
    let sandbox = project();
    let report = sandbox.path("report");
    let words = ["--report", report.to_str().unwrap(), "--redact", SECRET, "--", "./job", SECRET];
    sandbox.exec(words).stdout("done\n").may_change("report").run();
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("[redacted]") && !report.contains(SECRET), "{report}");
}

#[test]
fn a_redacted_call_cannot_be_verified() {
    let sandbox = project();
    sandbox.exec(["--redact", SECRET, "--", "./job", SECRET]).stdout("done\n").run();
    sandbox.cashet(["verify", "@"]).stdout_with(&["redacted"]).status(2).executes(0).run();
}

#[test]
fn a_word_that_looks_like_a_secret_is_reported_once() {
    let sandbox = project();
    let call = ["--", "./job", "--password", SECRET];
    let warned =
        sandbox.exec(call).stdout("done\n").stderr_with(&["--password …", "--redact"]).executes(1).run();
    assert!(!warned.messages().contains(SECRET));
    assert_eq!(warned.messages().lines().count(), 1);
    // It is stored by now.
    sandbox.exec(call).stdout("done\n").executes(0).run();
    sandbox
        .exec(["--redact=--password", "--", "./job", "--password", SECRET])
        .stdout("done\n")
        .executes(1)
        .run();
    sandbox.exec(["-q", "-f", "--", "./job", "--password", SECRET]).stdout("done\n").executes(1).run();
}
