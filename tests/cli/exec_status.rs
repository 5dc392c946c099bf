//! How a command ends: every exit status, every signal; what of it is kept.

use crate::support::Sandbox;

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
