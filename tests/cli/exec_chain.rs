//! Chaining: `--id`, and `cashet:REV` and `cashet:REV:PATH` as words.

use crate::support::{CASHET, Sandbox};
use std::ffi::OsStr;
use std::path::Path;

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("load", "echo loading >&2; cat raw").write("raw", "b\na\n");
    sandbox
        .script("sorted", "sort \"$1\"")
        .script("made", "mkdir -p out; cat raw > out/table.csv; echo made");
    sandbox.script("where", "file=${1#--from=}; basename \"$file\"; cat \"$file\"");
    sandbox
}

/// The id that `--id` prints.
fn id_of(sandbox: &Sandbox, words: &[&str]) -> String {
    let run = sandbox.unwatched(["--id"].iter().chain(words)).any_stdout().any_stderr();
    let id = run.may_change("out").run().text();
    assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    id
}

#[test]
fn an_id_stands_in_place_of_standard_output() {
    let sandbox = project();
    let call = ["--id", "-i", "raw", "./load"];
    let first = sandbox.unwatched(call).any_stdout().stderr("loading\n").executes(1).run();
    assert_eq!(first.stdout.len(), 65);
    sandbox.unwatched(call).stdout(&first.stdout).stderr("loading\n").executes(0).run();
    sandbox.cashet(["get", &first.text()]).stdout("b\na\n").run();
    sandbox.cashet(["get", &first.text()[..8]]).stdout("b\na\n").run();
}

#[test]
fn a_result_is_the_next_ones_input_and_counts_by_content() {
    let sandbox = project();
    let loaded = id_of(&sandbox, &["-i", "raw", "./load"]);
    let word = format!("cashet:{loaded}");
    let call = |word: &str| sandbox.unwatched(["--pure", "./sorted", word]).stdout("a\nb\n");
    call(&word).executes(1).run();
    call(&word).executes(0).run();
    call(&word[..7 + 8]).executes(0).run();
    // Another run with the same output is the same input.
    let again = id_of(&sandbox, &["-f", "-i", "raw", "./load"]);
    call(&format!("cashet:{again}")).executes(0).run();
    sandbox.write("raw", "c\na\n");
    let other = id_of(&sandbox, &["-i", "raw", "./load"]);
    assert_ne!(other, loaded);
    let run = sandbox.unwatched(["--pure", "./sorted", &format!("cashet:{other}")]);
    run.stdout("a\nc\n").executes(1).run();
}

#[test]
fn an_output_is_named_by_its_path_and_keeps_its_extension() {
    let sandbox = project();
    let made = id_of(&sandbox, &["-i", "raw", "-o", "out", "./made"]);
    for word in [format!("cashet:{made}:out/table.csv"), format!("--from=cashet:{made}:out/table.csv")] {
        let ran = sandbox.unwatched(["--pure", "./where", &word]).any_stdout().executes(1).run().text();
        let (name, content) = ran.split_once('\n').unwrap();
        assert_eq!(Path::new(name).extension(), Some(OsStr::new("csv")), "{name}");
        assert_eq!(content, "b\na");
        sandbox.unwatched(["--pure", "./where", &word]).any_stdout().executes(0).run();
    }
    sandbox.cashet(["get", &format!("{made}:out/table.csv")]).stdout("b\na\n").run();
    sandbox
        .exec(["--pure", "./where", &format!("cashet:{made}:out/none")])
        .status(125)
        .stderr_with(&["out/none"])
        .executes(0)
        .run();
}

#[test]
fn the_copy_is_read_only() {
    let sandbox = project();
    let loaded = id_of(&sandbox, &["-i", "raw", "./load"]);
    let word = format!("cashet:{loaded}");
    let ran = sandbox.unwatched(["--pure", "sh", "-c", "stat -c %A \"$0\"", &word]).any_stdout().run().text();
    assert!(!ran.contains('w'), "{ran}");
}

#[test]
fn the_newest_and_its_neighbours_have_names() {
    let sandbox = project();
    id_of(&sandbox, &["-i", "raw", "./load"]);
    sandbox.unwatched(["--pure", "./where", "cashet:@"]).any_stdout().executes(1).run();
    sandbox.cashet(["get", "@{2}"]).stdout("b\na\n").run();
}

#[test]
fn standard_input_can_come_from_a_commit() {
    let sandbox = project();
    let loaded = id_of(&sandbox, &["-i", "raw", "./load"]);
    sandbox.script("filter", "sort");
    let word = format!("--stdin=cashet:{loaded}");
    sandbox.unwatched([&word, "--pure", "./filter"]).stdout("a\nb\n").executes(1).run();
    sandbox.unwatched([&word, "--pure", "./filter"]).stdout("a\nb\n").executes(0).run();
    sandbox.unwatched(["--stdin", "--pure", "./filter"]).stdin("b\na\n").stdout("a\nb\n").executes(0).run();
}

#[test]
fn without_a_replayable_commit_there_is_no_id() {
    let sandbox = project();
    sandbox.script("fails", "echo out; exit 3");
    sandbox.unwatched(["--id", "--pure", "./fails"]).status(3).any_stderr().executes(1).run();
    sandbox.unwatched(["--id", "./load"]).status(125).any_stderr().run();
}

#[test]
fn a_word_that_only_looks_alike_is_a_word() {
    let sandbox = project();
    sandbox.script("echo", "printf '%s\\n' \"$@\"");
    let words = ["xcashet:0123456789", "a cashet:0123456789", "cashet", "a=b=cashet:0123456789"];
    let expected = words.map(|word| format!("{word}\n")).concat();
    sandbox.unwatched(["--pure", "./echo"].iter().chain(&words)).stdout(expected).executes(1).run();
}

#[test]
fn whatever_a_revision_may_be_may_follow() {
    let sandbox = project();
    let made = id_of(&sandbox, &["-i", "raw", "-o", "out", "./made"]);
    let loaded = id_of(&sandbox, &["-i", "raw", "./load"]);
    let content = |word: &str| {
        // The newest run before this call is recorded.
        let run = sandbox.unwatched(["--no-cache", "--pure", "./where", word]).any_stdout().run().text();
        run.split_once('\n').unwrap().1.to_owned()
    };
    let four = &loaded[..4];
    let upper = loaded[..6].to_uppercase();
    for word in [format!("cashet:{four}"), format!("cashet:{upper}"), format!("--from=cashet:{four}")] {
        assert_eq!(content(&word), "b\na", "{word}");
    }
    for word in ["cashet:load", "cashet:./load", "cashet:'./load'"] {
        assert_eq!(content(word), "b\na", "{word}");
    }
    assert_eq!(content("cashet:made"), "made");
    assert_eq!(content(&format!("cashet:{}:out/table.csv", &made[..4])), "b\na");
    let again = id_of(&sandbox, &["-f", "-i", "raw", "./load"]);
    assert_eq!(content(&format!("cashet:{}~1", &again[..5])), "b\na");
    let line = sandbox.unwatched(["--stdin=cashet:load", "--pure", "cat"]);
    line.stdout("b\na\n").run();
}

#[test]
fn what_names_no_commit_never_reaches_the_command() {
    let sandbox = project();
    sandbox.script("echo", "printf '%s\n' \"$@\"");
    id_of(&sandbox, &["-i", "raw", "./load"]);
    for (word, told) in [
        ("cashet:", "'cashet:' names no run"),
        ("--data=cashet:", "'cashet:' names no run"),
        ("cashet:3f2", "too short"),
        ("cashet:xyz", "no run of the command 'xyz'"),
        ("cashet:latest", "no run of the command 'latest'"),
        ("cashet: fix a typo", "no run of the command"),
        ("cashet:@{0}", "names no run"),
        ("cashet:@{99}", "there is no run '@{99}'"),
        ("cashet:@:", "names no output after the colon"),
        ("cashet:0000000000", "no run begins with"),
        ("cashet:'a", "quote that does not end"),
    ] {
        sandbox.unwatched(["--pure", "./echo", word]).refused(125, &[told]).run();
        if word.starts_with("cashet:") {
            let stdin = format!("--stdin={word}");
            sandbox.unwatched(["--pure", &stdin, "./echo"]).refused(125, &[told]).run();
        }
    }
}

#[test]
fn a_literal_word_is_passed_as_it_is_and_is_not_a_reference() {
    let sandbox = project();
    sandbox.script("echo", "printf '%s\n' \"$@\"");
    let loaded = id_of(&sandbox, &["-i", "raw", "./load"]);
    let words = ["cashet:", "cashet:latest", "cashet: fix a typo", "--tag=cashet:x"];
    let expected = words.map(|word| format!("{word}\n")).concat();
    for executions in [1, 0] {
        let call = ["--literal", "--pure", "./echo"];
        sandbox.unwatched(call.iter().chain(&words)).stdout(&expected).executes(executions).run();
    }
    // The text of a digest is not the product with that digest.
    let digest = cashet::digest::Digest::of(b"b\na\n").to_hex();
    let text = format!("cashet:{digest}");
    sandbox.unwatched(["--pure", "./echo", &format!("cashet:{loaded}")]).any_stdout().executes(1).run();
    let literal = sandbox.unwatched(["--literal", "--pure", "./echo", &text]);
    literal.stdout(format!("{text}\n")).executes(1).run();
    sandbox.exec(["--mode", "off", "--literal", "./echo", "cashet:"]).stdout("cashet:\n").executes(1).run();
    sandbox.exec(["--mode", "off", "./echo", "cashet:"]).refused(125, &["--literal"]).run();
}

#[test]
fn a_pipeline_of_the_readme_kind_executes_nothing_the_second_time() {
    let sandbox = project();
    let line = "raw=$(cashet exec --trace off --id -i raw ./load) && \
                norm=$(cashet exec --trace off --id --pure ./sorted \"cashet:$raw\") && \
                cashet get \"$norm\" | cashet exec --trace off --stdin --pure ./filter";
    sandbox.script("filter", "sort -r");
    sandbox.shell(line).stdout("b\na\n").any_stderr().executes(3).run();
    sandbox.shell(line).stdout("b\na\n").any_stderr().executes(0).run();
}

#[test]
fn what_a_store_holds_is_nothing_that_a_result_may_depend_on() {
    let sandbox = Sandbox::new();
    sandbox.exec(["--", "echo", "first"]).stdout("first\n").run();
    for asked in ["log --oneline", "get @", "show @", "stats", "check -- echo first"] {
        sandbox.script("job", format!("{CASHET} {asked} > /dev/null 2>&1; true"));
        for _ in 0..2 {
            sandbox.exec(["./job"]).executes(1).run();
        }
    }
}
