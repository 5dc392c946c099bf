//! What a call asks not to be compared: arguments, variables, files that are read and written; on the command line and in
//! cashet.toml.

use crate::support::Sandbox;

/// A script that depends on an argument, a variable and a file, and writes a log.
fn recorded_with(options: &[&str], settings: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .script("job", "cat data; echo $LEVEL; echo started >> log; rm -f log; echo \"$*\"")
        .write("data", "1\n");
    if !settings.is_empty() {
        sandbox.write("cashet.toml", settings);
    }
    let call: Vec<&str> = options.iter().copied().chain(["--", "./job", "--threads", "1", "in"]).collect();
    sandbox.exec(call).env("LEVEL", "1").any_stdout().executes(1).run();
    sandbox
}

/// How often a call with these options runs, after the argument, the variable and the file changed.
fn executions_with(sandbox: &Sandbox, options: &[&str]) -> usize {
    let before = sandbox.executions();
    let call: Vec<&str> = options.iter().copied().chain(["--", "./job", "--threads", "8", "in"]).collect();
    sandbox.exec(call).env("LEVEL", "2").any_stdout().run();
    sandbox.executions() - before
}

const ARGUMENT: &str = "--ignore-arg=--threads N";
const VARIABLE: &str = "--ignore-env=LEVEL";
const FILE: &str = "--ignore-read=data";

#[test]
fn every_combination_ignores_what_it_names_and_nothing_else() {
    let all = [ARGUMENT, VARIABLE, FILE];
    for chosen in 0_u32..8 {
        let options: Vec<&str> = all
            .iter()
            .enumerate()
            .filter(|(place, _)| chosen >> place & 1 == 1)
            .map(|(_, option)| *option)
            .collect();
        let sandbox = recorded_with(&options, "");
        sandbox.write("data", "2\n");
        // All three changed: only with all three options it is a hit.
        assert_eq!(executions_with(&sandbox, &options), usize::from(chosen != 7), "{options:?}");
    }
}

#[test]
fn a_call_without_the_options_is_not_answered() {
    let all = [ARGUMENT, VARIABLE, FILE];
    for missing in 0..3 {
        let sandbox = recorded_with(&all, "");
        sandbox.write("data", "2\n");
        let fewer: Vec<&str> = all
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != missing)
            .map(|(_, option)| *option)
            .collect();
        assert_eq!(executions_with(&sandbox, &fewer), 1, "{fewer:?}");
        assert_eq!(executions_with(&sandbox, &all), 0);
    }
    // Nor is a call with them by a run without.
    let sandbox = recorded_with(&[], "");
    assert_eq!(executions_with(&sandbox, &all), 1);
}

#[test]
fn settings_say_the_same_as_options() {
    let settings =
        "[exec]\nignore-arg = [\"--threads N\"]\nignore-env = [\"LEV*\"]\nignore-read = [\"data\"]\n";
    let sandbox = recorded_with(&[], settings);
    sandbox.write("data", "2\n");
    assert_eq!(executions_with(&sandbox, &[]), 0);
    let text = sandbox.cashet(["show", "@"]).any_stdout().run().text();
    for what in ["--ignore-arg=--threads N", "--ignore-env=LEV*", "--ignore-read=data"] {
        assert!(text.contains(what), "{what}: {text}");
    }
    // What the settings no longer say counts again.
    sandbox.write("cashet.toml", "[exec]\nignore-env = [\"LEV*\"]\nignore-read = [\"data\"]\n");
    assert_eq!(executions_with(&sandbox, &[]), 1);
}
