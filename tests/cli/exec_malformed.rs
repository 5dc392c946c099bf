//! Invalid calls: one line, at most one hint, nothing executed, no byte written.

use crate::support::Sandbox;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo executed").write("in", "x").directory("folder");
    sandbox
}

/// Options before `./job`, separated by `|`, and a word that the message must contain.
const WRONG: &[(&str, &str)] = &[
    ("--nonsense", "--nonsense"),
    ("--inptu|in", "--inptu"),
    ("-Z", "-Z"),
    ("-fZ", "-Z"),
    ("--=x", "--"),
    ("--force=1", "--force"),
    ("--pure=yes", "--pure"),
    ("--id=x", "--id"),
    ("--input=", "--input"),
    ("--input|missing", "missing"),
    ("--input|folder/missing", "folder/missing"),
    ("--input|in/below", "in/below"),
    ("--input|none/*.csv", "none/*.csv"),
    ("--input|*.nothing", "*.nothing"),
    ("--input|[", "["),
    ("--input|a[b", "a[b"),
    ("--input|{a", "{a"),
    ("-i|missing|-i|in", "missing"),
    ("--output=", "--output"),
    ("--output|/elsewhere/file", "/elsewhere/file"),
    ("--output|../file", "../file"),
    ("--output|folder/../../file", "file"),
    ("--output|[", "["),
    ("--env=", "--env"),
    ("--env|=value", "=value"),
    ("--tool=", "--tool"),
    ("--tool|no-such-tool-anywhere", "no-such-tool-anywhere"),
    ("--ttl=", "--ttl"),
    ("--ttl|soon", "soon"),
    ("--ttl|1x", "1x"),
    ("--ttl|h", "h"),
    ("--ttl|1h1", "1h1"),
    ("--ttl=-1h", "-1h"),
    ("--ttl|99999999999999999999d", "99999999999999999999d"),
    ("--ttl|1h\u{fffd}", "1h"),
    ("--stale|soon", "soon"),
    ("--stale=", "--stale"),
    ("--stale|5m|--output|made", "--stale"),
    ("--cache-exit=", "--cache-exit"),
    ("--cache-exit|a", "a"),
    ("--cache-exit|256", "256"),
    ("--cache-exit|5-3", "5-3"),
    ("--cache-exit|1-", "1-"),
    ("--cache-exit=-1", "-1"),
    ("--cache-exit|0,,1", "0,,1"),
    ("--cache-exit|0 1", "0 1"),
    ("--cache-exit|+1", "+1"),
    ("--mode|sometimes", "sometimes"),
    ("--mode|AUTO", "AUTO"),
    ("--mode=", "--mode"),
    ("--trace|maybe", "maybe"),
    ("--trace=", "--trace"),
    ("--tag=", "--tag"),
    ("--tag|=value", "=value"),
    ("--stdin=missing", "missing"),
    ("--stdin=folder", "folder"),
    ("--stdin=cashet:0123456789", "0123456789"),
    ("--stdin|--no-stdin", "--no-stdin"),
    ("--report=", "--report"),
    ("--store=", "--store"),
    ("--ignore-write|[", "["),
];

#[test]
fn wrong_options_are_refused() {
    let sandbox = project();
    let mut failures = Vec::new();
    for (options, word) in WRONG {
        let words: Vec<&str> = options.split('|').chain(["--", "./job"]).collect();
        let call = || sandbox.exec(&words).refused(125, &[word]).run();
        if let Err(panicked) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(call()))) {
            failures.push(panicked.downcast_ref::<String>().unwrap().clone());
        }
    }
    assert!(failures.is_empty(), "{} of {} wrong:\n{}", failures.len(), WRONG.len(), failures.join("\n"));
}

#[test]
fn a_call_without_a_command_is_refused() {
    let sandbox = project();
    for words in [&[][..], &["--"], &["--pure"], &["--pure", "--"], &["--input", "in"], &["--input"], &["-t"]]
    {
        sandbox.exec(words).refused(125, &[]).run();
    }
}

#[test]
fn references_to_nothing_are_refused() {
    let sandbox = project();
    for word in [
        "cashet:01234567",
        "cashet:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "cashet:@",
        "cashet:@{3}",
        "--from=cashet:01234567",
        "cashet:01234567:out/file",
    ] {
        sandbox
            .exec(["--pure", "./job", word])
            .refused(125, &["01234567"][..usize::from(word.contains("0123"))])
            .run();
    }
}

#[test]
fn odd_bytes_in_values_are_shown_escaped() {
    let sandbox = project();
    for value in [&b"mode\x1b[31m"[..], b"\xff\xfe", b"a\nb", b"\x07"] {
        for option in ["--mode", "--ttl", "--cache-exit", "--input", "--trace"] {
            let words = [OsStr::new(option), OsStr::from_bytes(value), OsStr::new("./job")];
            let ran = sandbox.exec(words).refused(125, &[]).run();
            let control = ran.stderr.iter().filter(|byte| byte.is_ascii_control() && **byte != b'\n').count();
            assert_eq!(control, 0, "{option} {}: {}", value.escape_ascii(), ran.messages());
        }
    }
}

#[test]
fn wrong_variables_are_refused() {
    let sandbox = project();
    for (name, value) in [
        ("CASHET_MODE", "sometimes"),
        ("CASHET_TTL", "soon"),
        ("CASHET_STDIN", "maybe"),
        ("CASHET_MAX_SIZE", "much"),
    ] {
        sandbox.exec(["--pure", "./job"]).env(name, value).refused(125, &[value]).run();
    }
}

#[test]
fn wrong_settings_are_refused_with_their_line() {
    let sandbox = project();
    for (text, word) in [
        ("[exec\n", "line 1"),
        ("[exec]\nnonsense = 1\n", "line 2"),
        ("[exec]\npure = \"yes\"\n", "line 2"),
        ("\n[exec]\nmode = 3\n", "line 3"),
        ("x = 1\n", "line 1"),
        ("[[command]]\ninput = \"a\"\n", "match"),
        ("[[command]]\nmatch = \"job\"\nnonsense = 1\n", "nonsense"),
        ("[exec]\nmode = \"sometimes\"\n", "sometimes"),
        ("[exec]\nttl = \"soon\"\n", "soon"),
        ("[exec]\ncache-exit = \"a\"\n", "cache-exit"),
        ("[exec]\ntrace = \"maybe\"\n", "maybe"),
        ("[exec]\nstdin = \"maybe\"\n", "maybe"),
        ("[exec]\ninput = \"missing\"\n", "missing"),
        ("[exec]\noutput = \"../file\"\n", "../file"),
        ("[store]\nmax-size = \"much\"\n", "much"),
    ] {
        sandbox.write("cashet.toml", text);
        sandbox.exec(["--pure", "./job"]).refused(125, &[word]).run();
    }
    sandbox.write("cashet.toml", b"\xff\xfe");
    sandbox.exec(["--pure", "./job"]).refused(125, &["cashet.toml"]).run();
    sandbox.remove("cashet.toml").directory("cashet.toml");
    sandbox.exec(["--pure", "./job"]).refused(125, &["cashet.toml"]).run();
}

#[test]
fn a_wrong_call_of_check_and_of_nothing_is_wrong_usage() {
    let sandbox = project();
    for words in [&["check"][..], &["check", "--nonsense", "./job"], &["frobnicate"], &["--nonsense"]] {
        sandbox.cashet(words).refused(2, &[]).run();
    }
    sandbox.cashet(["check", "--input", "missing", "./job"]).refused(2, &["missing"]).run();
}

#[test]
fn a_very_long_call_is_no_trouble() {
    let sandbox = project();
    let long = "x".repeat(100_000);
    let mut words: Vec<OsString> = ["--pure", "./job", &long].map(OsString::from).into();
    sandbox.unwatched(&words).stdout("executed\n").executes(1).run();
    sandbox.unwatched(&words).stdout("executed\n").executes(0).run();
    words.extend((0..10_000).map(|n| OsString::from(n.to_string())));
    sandbox.unwatched(&words).stdout("executed\n").executes(1).run();
    sandbox.unwatched(&words).stdout("executed\n").executes(0).run();
}
