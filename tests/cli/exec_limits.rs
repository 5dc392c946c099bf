//! Where cashet lacks resources or a working directory: the command runs as it would bare.

use crate::support::Sandbox;

#[test]
fn without_a_working_directory_the_command_runs_bare() {
    for (call, status) in
        [("echo hi", 0), ("sh -c 'echo there; exit 3'", 3), ("cat /dev/null", 0), ("./job", 127)]
    {
        let sandbox = Sandbox::new();
        sandbox.script("job", "echo job").directory("d");
        let line = |run: &str| format!("cp job d; cd d && rm -r ../d && {run} {call}");
        let bare = sandbox.shell(line("")).any_stdout().any_stderr().status(status).removes("d").run();
        for options in ["", "-q ", "--trace off --pure "] {
            sandbox.directory("d");
            let run = sandbox.shell(line(&format!("cashet exec {options}--")));
            let run = run.stdout(&bare.stdout).status(status).removes("d").executes(0);
            match (options, status) {
                (_, 127) => run.any_stderr().run(),
                ("-q ", _) => run.stderr(&bare.stderr).run(),
                _ => run.stderr_with(&["cashet: not cached: the working directory was removed\n"]).run(),
            };
        }
    }
}

#[test]
fn an_unknown_working_directory_is_in_the_report() {
    let sandbox = Sandbox::new();
    sandbox.directory("d");
    let report = sandbox.base().join("tmp/report");
    let line = format!("cd d; rmdir ../d; cashet exec -v --report '{}' -- echo hi", report.display());
    let expected = "cashet: bypass · the working directory was removed\n";
    sandbox.shell(line).stdout("hi\n").stderr(expected).removes("d").run();
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("bypass") && report.contains("was removed"), "{report}");
}

#[test]
fn with_few_descriptors_the_command_runs() {
    for limit in [4, 5, 6, 8, 10, 12, 14, 16, 18, 19, 20, 24, 32] {
        let sandbox = Sandbox::new();
        sandbox.write("in", "1\n");
        let line = format!("ulimit -n {limit}; exec cashet exec cat in");
        for _ in 0..2 {
            sandbox.shell(&line).stdout("1\n").any_stderr().run();
        }
        let said = sandbox.shell(&line).stdout("1\n").any_stderr().run().messages();
        let bare = limit < 19;
        assert_eq!(
            said.contains(&format!("it may open only {limit} files (ulimit -n)")),
            bare,
            "{limit}: {said}"
        );
        assert_eq!(sandbox.path(".cashet").exists(), !bare, "{limit}");
    }
}

#[test]
fn a_command_that_replaces_us_finds_what_it_would_find_bare() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "job",
        "grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l; cat; kill -TERM $$",
    );
    // (The shell itself reads its script from descriptor 10 on.)
    for before in ["ulimit -n 13", "ulimit -n 13; trap '' PIPE USR1 XFSZ", "ulimit -n 13; exec 2>&-"] {
        let bare = sandbox.shell(format!("{before}; exec ./job")).stdin("in\n").any_stdout().signal(15).run();
        let call = sandbox.shell(format!("{before}; exec cashet exec -q ./job"));
        call.stdin("in\n").stdout(&bare.stdout).any_stderr().signal(15).executes(1).run();
    }
}

#[test]
fn a_small_limit_of_file_sizes_ends_the_command_alone() {
    for limit in [0, 1, 8, 64] {
        let sandbox = Sandbox::new();
        sandbox.write("in", "1\n").write("job", "cat in; echo err >&2");
        let line = format!("ulimit -f {limit}; exec cashet exec sh job");
        for _ in 0..2 {
            sandbox.shell(&line).stdout("1\n").any_stderr().run();
        }
        // Nothing that it left in the store disturbs a run without the limit.
        sandbox.exec(["sh", "job"]).stdout("1\n").stderr("err\n").run();
        sandbox.exec(["--mode", "replay", "sh", "job"]).stdout("1\n").stderr("err\n").run();
    }
    // What the command itself writes is limited as it is bare.
    let sandbox = Sandbox::new();
    sandbox.write("job", "head -c 1000000 /dev/zero > out; echo $?");
    let bare = sandbox.shell("ulimit -f 8; sh job").any_stdout().any_stderr().may_change("out").run();
    assert_eq!(bare.text(), "153");
    let run = sandbox.shell("ulimit -f 8; cashet exec sh job").stdout(&bare.stdout).any_stderr();
    run.may_change("out").run();
}
