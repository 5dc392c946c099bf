//! Hundreds of invalid calls, generated from tables: one line of error, at most one line of hint, nothing run, nothing
//! written.

use crate::project::{Project, files_below};
use crate::scale::Tally;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::Output;

const DURATIONS: &[&str] = &[
    "",
    "soon",
    "1x",
    "h",
    "1h1",
    "-1h",
    "99999999999999999999d",
    "1h\u{fffd}",
    " 1h",
    "0x1h",
    "h1",
    "1 h",
    "١h",
];
const SIZES: &[&str] = &["", "much", "1X", "G", "-1G", "99999999999999999999G", "1GG", "0x1", "1 G", "G1"];
const WORDS: &[&str] = &["", "sometimes", "AUTO", "auto ", "0", "\u{1b}[31m"];
const STATUSES: &[&str] = &["", "a", "256", "5-3", "1-", "-1", "0,,1", "0 1", "+1", "0-256", ","];
const GLOBS: &[&str] = &["", "missing", "none/*.csv", "[", "a[b", "{a", "in/below"];
const PLACES: &[&str] = &["", "/elsewhere/file", "../file", "below/../../file", "["];
const VARIABLES: &[&str] = &["", "=value", "A*=value", "="];
const TOOLS: &[&str] = &["", "no-such-tool-anywhere", "./nothing"];
const TAGS: &[&str] = &["", "=value"];
const STDINS: &[&str] = &["missing", ".", "cashet:0123456789", "cashet:@{99}", "cashet:zz"];
const SETTINGS: &[&str] = &["", "[", "nonsense-glob[["];

/// Options of `exec` with values that they do not accept.
const OPTIONS: &[(&str, &[&str])] = &[
    ("--ttl", DURATIONS),
    ("--stale", DURATIONS),
    ("--mode", WORDS),
    ("--trace", WORDS),
    ("--cache-exit", STATUSES),
    ("--input", GLOBS),
    ("--output", PLACES),
    ("--env", VARIABLES),
    ("--tool", TOOLS),
    ("--tag", TAGS),
    ("--stdin", STDINS),
    ("--ignore-write", SETTINGS),
    ("--redact", &[""]),
    ("--report", &[""]),
    ("--store", &[""]),
    ("--salt", &[""]),
    ("--pure", WORDS),
    ("--force", WORDS),
    ("--id", WORDS),
    ("--no-cache", WORDS),
    ("--nonsense", WORDS),
    ("--inptu", WORDS),
];

const REVISIONS: &[&str] = &[
    "",
    "zz",
    "abc",
    "01234567",
    "g1234567",
    "@{0}",
    "@{99}",
    "@{-1}",
    "@{x}",
    "@{",
    "@{99999999999999999999}",
    "@~x",
    "@~99",
    "@~-1",
    "@~99999999999999999999",
    "%",
    "____",
    "****",
    "????",
    "[",
    "~1",
    "..",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0",
    "no such command",
    "@'",
    "\u{1b}[31m",
    "@:no-such-output",
];

/// Commands that take a revision as their last word.
const COMMANDS: &[&[&str]] = &[
    &["show"],
    &["get"],
    &["get", "-o", "../got"],
    &["diff", "@"],
    &["history"],
    &["graph"],
    &["verify"],
    &["rm"],
    &["tag", "-d", "x"],
    &["export", "../exported"],
];

/// Options of other commands.
const OTHERS: &[(&[&str], &[&str])] = &[
    (&["gc", "--older-than"], DURATIONS),
    (&["gc", "--max-size"], SIZES),
    (&["log", "--since"], &["", "sooner", "99-99-99", "-1d", "2026-13-01"]),
    (&["log", "--limit"], &["", "-1", "x", "99999999999999999999999"]),
    (&["log", "--status"], &["", "x", "999", "-1"]),
    (&["completions"], &["", "tcsh", "BASH"]),
    (&["man"], &["frobnicate"]),
    (&["import"], &["", "missing", "in", "below", "job"]),
    (&["frobnicate"], &[""]),
    (&["fsck"], &["--nonsense", "extra"]),
    (&["stats"], &["--nonsense", "extra"]),
];

/// Variables of the environment.
const ENVIRONMENT: &[(&str, &[&str])] = &[
    ("CASHET_MODE", &["sometimes", "AUTO", " auto"]),
    ("CASHET_TTL", &["soon", "1x", "-1h"]),
    ("CASHET_STDIN", &["maybe", "HASH"]),
    ("CASHET_MAX_SIZE", &["much", "1X", "-1"]),
];

/// A call, and the variable that is set for it.
type Call = (Vec<OsString>, Option<(&'static str, &'static str)>);

fn calls() -> Vec<Call> {
    let owned = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let mut calls = Vec::new();
    for command in ["exec", "check"] {
        for (option, values) in OPTIONS {
            for value in *values {
                calls.push((owned(&[command, &format!("{option}={value}"), "--", "./job", "a"]), None));
            }
        }
    }
    for command in COMMANDS {
        for revision in REVISIONS {
            let mut words = owned(command);
            words.push(revision.into());
            calls.push((words, None));
        }
    }
    for (command, values) in OTHERS {
        for value in *values {
            let mut words = owned(command);
            words.push(value.into());
            calls.push((words, None));
        }
    }
    for (name, values) in ENVIRONMENT {
        calls
            .extend(values.iter().map(|value| (owned(&["exec", "--", "./job", "a"]), Some((*name, *value)))));
    }
    for bytes in [&b"\xff\xfe"[..], b"a\nb", b"\x07"] {
        for option in ["--mode", "--ttl", "--cache-exit", "--trace", "--stale", "--input"] {
            let words = [OsStr::new("exec"), option.as_ref(), OsStr::from_bytes(bytes), "./job".as_ref()];
            calls.push((words.map(OsStr::to_os_string).into(), None));
        }
        calls.push((vec!["show".into(), OsString::from_vec(bytes.to_vec())], None));
    }
    calls
}

#[test]
fn wrong_calls() {
    let project = Project::new();
    fs::create_dir(project.path("below")).unwrap();
    project.must(&["exec", "--", "./job", "old"]);
    let tally = Tally::default();
    let before = state(&project);
    let ran = project.executions();
    let calls = calls();
    assert!(calls.len() >= 250);
    for (words, variable) in calls {
        tally.trial();
        let mut command = project.command(&words);
        if let Some((name, value)) = variable {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        if let Some(wrong) = wrong_refusal(&output) {
            tally.wrong(format!("{variable:?} {words:?}: {wrong}"));
        }
    }
    if project.executions() != ran || state(&project) != before {
        tally.wrong("something was run or written".to_owned());
    }
    tally.judge("malformed");
}

/// Checks the refusal of a call; returns what is wrong.
fn wrong_refusal(output: &Output) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let message = |line: &str| line.starts_with("cashet: ") || line.starts_with("error: ");
    let formed = match lines.as_slice() {
        [first] => message(first),
        [first, second] => message(first) && second.starts_with("hint: "),
        _ => false,
    };
    let status = output.status.code();
    let refused = matches!(status, Some(1 | 2 | 125));
    let control = output.stderr.iter().any(|byte| byte.is_ascii_control() && *byte != b'\n');
    let right = formed && refused && !control && output.stdout.is_empty();
    (!right).then(|| format!("{status:?} {text:?} {:?}", String::from_utf8_lossy(&output.stdout)))
}

/// All files of the project, without the store's database, which readers may change.
fn state(project: &Project) -> Vec<(PathBuf, Vec<u8>)> {
    let files = files_below(&project.path("")).into_iter();
    let counted = files.filter(|path| !path.starts_with(project.store()));
    counted.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}
