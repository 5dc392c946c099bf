//! How a command ends: every exit status, every signal; which ends are cached.

use crate::support::{Ran, Sandbox};

#[test]
fn all_256_statuses_pass_through_and_replay() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo \"$1\"; exit \"$1\"");
    for status in 0..=255 {
        let word = status.to_string();
        let call = ["--pure", "--cache-exit", "0-255", "--", "./job", &word];
        sandbox.unwatched(call).stdout(format!("{word}\n")).status(status).executes(1).run();
        sandbox.unwatched(call).stdout(format!("{word}\n")).status(status).executes(0).run();
    }
}

#[test]
fn only_success_is_kept_unless_said_otherwise() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo out; echo err >&2; exit \"$1\"");
    for _ in 0..2 {
        sandbox
            .unwatched(["--pure", "./job", "1"])
            .stdout("out\n")
            .stderr("err\n")
            .status(1)
            .executes(1)
            .run();
    }
    let listed = ["--pure", "--cache-exit", "1,3-5", "./job"];
    for (status, again) in [(1, 0), (2, 1), (3, 0), (4, 0), (5, 0), (6, 1), (0, 1)] {
        let word = status.to_string();
        let call = || {
            let run = sandbox.unwatched(listed.iter().copied().chain([word.as_str()]));
            run.stdout("out\n").stderr("err\n").status(status)
        };
        call().executes(1).run();
        call().executes(again).run();
    }
}

#[test]
fn which_statuses_are_kept_is_not_in_the_key() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "exit 3");
    sandbox.unwatched(["--pure", "--cache-exit", "3", "./job"]).status(3).executes(1).run();
    sandbox.unwatched(["--pure", "--cache-exit", "0-9", "./job"]).status(3).executes(0).run();
}

#[test]
fn death_by_a_signal_is_passed_on_and_never_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "kill -\"$1\" $$; echo survived");
    let deadly = (1..=16).chain([24, 25, 26, 27, 29, 30, 31]).chain(34..=64);
    for signal in deadly {
        let line =
            format!("ulimit -c 0; exec cashet exec --trace off --pure --cache-exit 0-255 -- ./job {signal}");
        for _ in 0..2 {
            sandbox.shell(&line).signal(signal).executes(1).run();
        }
    }
    for harmless in [17, 18, 23, 28] {
        let word = harmless.to_string();
        sandbox.unwatched(["--pure", "./job", &word]).stdout("survived\n").executes(1).run();
    }
}

#[test]
fn a_shell_sees_what_it_would_see_bare() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "kill -\"$1\" $$");
    for signal in [2, 9, 15] {
        let bare = format!("sh -c './job {signal}; exit $?'; echo $?");
        let seen = sandbox.shell(&bare).any_stdout().any_stderr().run();
        let under = format!("sh -c 'cashet exec --pure -- ./job {signal}; exit $?'; echo $?");
        sandbox.shell(&under).stdout(&seen.stdout).any_stderr().run();
    }
}

#[test]
fn what_cannot_be_started_has_the_statuses_of_a_shell() {
    let sandbox = Sandbox::new();
    sandbox.write("plain", "echo no\n").mode("plain", 0o644).directory("folder");
    sandbox.exec(["no-such-command-at-all"]).refused(127, &["no-such-command-at-all"]).run();
    sandbox.exec(["./missing"]).refused(127, &["./missing"]).run();
    sandbox.exec([""]).refused(127, &[]).run();
    sandbox.exec(["./plain"]).refused(126, &["./plain"]).run();
    sandbox.exec(["./folder"]).refused(126, &["./folder"]).run();
    sandbox.exec(["--pure", "./plain/x"]).any_stderr().any_status().executes(0).run();
}

#[test]
fn the_status_line_begins_on_a_line_of_its_own() {
    let sandbox = Sandbox::new();
    for (name, body, open) in [
        ("out", "printf a", true),
        ("err", "printf a >&2", true),
        ("mixed", "echo a; printf b >&2", true),
        ("ended", "printf a; echo", false),
        ("silent", "", false),
    ] {
        sandbox.script(name, body);
        let program = format!("./{name}");
        // Run, replayed, and without a lookup.
        for options in [&["--pure"][..], &["--pure"], &[]] {
            let call = sandbox.unwatched(options.iter().chain(&[program.as_str()])).any_stdout();
            let screen = call.terminal().finish().text().replace('\r', "");
            let (before, _) = screen.split_once("cashet: ").unwrap();
            assert!(before.is_empty() || before.ends_with('\n'), "{name}: {screen:?}");
            assert!(!before.ends_with("\n\n"), "{name}: {screen:?}");
            assert_eq!(before.lines().count(), usize::from(name != "silent") + usize::from(name == "mixed"));
            assert!(open || !before.contains("cashet"));
        }
    }
    // A file is not a terminal: nothing is added to it. A result recorded on a terminal, where both streams go, does
    // not separate them.
    sandbox.unwatched(["--pure", "./err"]).stderr("a").run();
    sandbox.unwatched(["-v", "--pure", "./err"]).stderr_with(&["acashet: hit"]).run();
}

#[test]
fn runs_that_go_on_at_once_are_named() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "long",
        "echo ready; while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.01; done",
    );
    sandbox.script("other", "echo other");
    let told = |run: &Ran<'_>| String::from_utf8(run.stderr.clone()).unwrap();
    let alone = sandbox.unwatched(["-v", "--pure", "./other", "first"]).any_stdout().any_stderr().run();
    assert!(told(&alone).contains("cashet: miss · first run"), "{}", told(&alone));
    let running = sandbox.unwatched(["-v", "--pure", "./long", "a b"]).any_stdout().any_stderr().spawn();
    running.wait_for_stdout("ready");
    // A run is marked once it has run for a moment.
    let marks = sandbox.path(".cashet/tmp");
    let is_marked = || {
        std::fs::read_dir(&marks).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("running-"))
            })
        })
    };
    while !is_marked() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    for expected in ["./other x · miss · ", "./other x · hit "] {
        let beside = sandbox.unwatched(["-v", "--pure", "./other", "x"]).any_stdout().any_stderr().run();
        assert!(told(&beside).starts_with(&format!("cashet: {expected}")), "{}", told(&beside));
    }
    std::fs::write(sandbox.base().join("tmp/go"), "").unwrap();
    running.finish();
    // Two calls of one parent on one screen, which are not marked yet: the first ends while the second goes on, and the second
    // began while the first went on. Each waits for the other, not for a time.
    sandbox.script(
        "slow",
        "cd \"$TMPDIR\" && touch at-$1; until [ -e $2 ]; do [ -d \"$TMPDIR\" ] || exit 1; sleep 0.01; done",
    );
    let exec = "cashet exec -v --trace off --pure --";
    let line = format!(
        "{exec} ./slow 1 at-2 & one=$!; until [ -e \"$TMPDIR/at-1\" ]; do sleep 0.01; done; \
         {exec} ./slow 2 ended & two=$!; wait $one; touch \"$TMPDIR/ended\"; wait $two"
    );
    let parallel = sandbox.shell(&line).any_stdout().any_stderr().run();
    for named in ["./slow 1 at-2 · miss", "./slow 2 ended · miss"] {
        assert!(told(&parallel).contains(named), "{}", told(&parallel));
    }
}
