//! Standard output and standard error: byte for byte, in order, to any reader, and also after the reader has gone.

use crate::support::Sandbox;

/// Size of the large streams and files, in bytes: 1 GiB with `CASHET_TEST_FULL` set, otherwise enough to distinguish
/// flat from growing memory.
pub(crate) fn large() -> u64 {
    if std::env::var_os("CASHET_TEST_FULL").is_some() { 1 << 30 } else { 1 << 28 }
}

/// Limit of cashet's resident memory, in bytes.
pub(crate) const MOST_MEMORY: u64 = 64 << 20;

#[test]
fn every_byte_is_replayed() {
    let sandbox = Sandbox::new();
    let all: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    sandbox.write("bytes", &all).script("job", "cat bytes; head -c 70000 bytes >&2");
    let call = ["-i", "bytes", "./job"];
    sandbox.unwatched(call).stdout(&all).stderr(&all[..70_000]).executes(1).run();
    sandbox.unwatched(call).stdout(&all).stderr(&all[..70_000]).executes(0).run();
    sandbox.script("empty", "");
    sandbox.unwatched(["--pure", "./empty"]).executes(1).run();
    sandbox.unwatched(["--pure", "./empty"]).executes(0).run();
    sandbox.script("partial", "printf 'no line feed'");
    sandbox.unwatched(["--pure", "./partial"]).stdout("no line feed").executes(1).run();
    sandbox.unwatched(["--pure", "./partial"]).stdout("no line feed").executes(0).run();
}

#[test]
fn the_order_of_the_streams_is_kept() {
    let sandbox = Sandbox::new();
    sandbox
        .script("job", "for n in 1 2 3 4 5 6; do echo out$n; sleep 0.05; echo err$n >&2; sleep 0.05; done");
    let both = "exec cashet exec --trace off --pure ./job 2>&1";
    let expected = "out1\nerr1\nout2\nerr2\nout3\nerr3\nout4\nerr4\nout5\nerr5\nout6\nerr6\n";
    sandbox.shell(both).stdout(expected).executes(1).run();
    sandbox.shell(both).stdout(expected).executes(0).run();
}

#[test]
fn output_comes_while_the_command_runs() {
    let sandbox = Sandbox::new();
    sandbox.script(
        "job",
        "printf part; while [ -d \"$TMPDIR\" ] && [ ! -e \"$TMPDIR/go\" ]; do sleep 0.01; done; echo ' done'",
    );
    let running = sandbox.unwatched(["--pure", "./job"]).stdout("part done\n").executes(1).spawn();
    running.wait_for_stdout("part");
    std::fs::write(sandbox.base().join("tmp/go"), "").unwrap();
    running.finish();
}

#[test]
fn a_reader_that_goes_away_ends_the_command_as_bare() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "n=0; while echo line$n; do n=$((n+1)); done");
    let line = |program: &str| format!("bash -c '{program} ./job | head -n 1; echo ${{PIPESTATUS[0]}}'");
    sandbox.shell(line("")).stdout("line0\n141\n").executes(1).run();
    for _ in 0..2 {
        sandbox.shell(line("cashet exec --trace off --pure")).stdout("line0\n141\n").executes(1).run();
    }
}

#[test]
fn a_replay_whose_reader_goes_away_stops_quietly() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "seq 1000000");
    let whole = sandbox.unwatched(["--pure", "./job"]).any_stdout().executes(1).run();
    assert_eq!(whole.stdout.len(), 6_888_896);
    sandbox.shell("cashet exec --trace off --pure ./job | head -n 1").stdout("1\n").executes(0).run();
    sandbox.unwatched(["--pure", "./job"]).stdout(&whole.stdout).executes(0).run();
}

#[test]
fn what_was_cut_off_is_not_kept() {
    let sandbox = Sandbox::new();
    // The command continues after its reader has gone, and succeeds.
    sandbox.script("job", "trap '' PIPE; seq 100000 2> /dev/null; exit 0");
    sandbox.shell("cashet exec --trace off --pure ./job | head -n 1").stdout("1\n").executes(1).run();
    // A full device accepts nothing: the command itself sees the error.
    sandbox.script("small", "echo small");
    let line = "cashet exec --trace off --pure ./small > /dev/full";
    sandbox.shell(line).status(1).any_stderr().executes(1).run();
    let whole = sandbox.unwatched(["--pure", "./job"]).any_stdout().executes(1).run();
    assert!(whole.stdout.ends_with(b"\n100000\n"));
}

#[test]
fn closed_streams_do_no_harm() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "echo out; echo err >&2; exit 0");
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let first = format!("cashet exec --trace off --pure ./job {closed}");
        sandbox.shell(&first).any_stdout().any_stderr().any_status().run();
        // Whether or not it was recorded, a later call gives the right result.
        sandbox.unwatched(["--pure", "./job"]).stdout("out\n").stderr("err\n").run();
        sandbox.remove(".cashet");
    }
    // The remaining streams are as bare.
    for (closed, stdout, stderr) in [("<&-", "out\n", "err\n"), ("2>&-", "out\n", "")] {
        let line = format!("cashet exec --trace off --pure ./job {closed}");
        for _ in 0..2 {
            sandbox.shell(&line).stdout(stdout).stderr(stderr).run();
        }
    }
}

#[test]
fn a_closed_input_is_closed_for_the_command_too() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "if cat; then echo read; else echo closed; fi 2> /dev/null");
    let bare = sandbox.shell("./job <&-").any_stdout().run();
    sandbox.shell("cashet exec --trace off --pure ./job <&-").stdout(&bare.stdout).run();
}

#[test]
fn a_full_device_is_an_error_and_nothing_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "seq 100000");
    for redirection in ["> /dev/full", "> /dev/full 2>&1"] {
        let line = format!("cashet exec --trace off --pure ./job {redirection} || echo failed");
        for _ in 0..2 {
            sandbox.shell(&line).stdout("failed\n").any_stderr().executes(1).run();
        }
    }
    let whole = sandbox.unwatched(["--pure", "./job"]).any_stdout().executes(1).run();
    assert!(whole.stdout.ends_with(b"\n100000\n"));
    // A replay to a full device reports the error too.
    sandbox
        .shell("cashet exec --trace off --pure ./job > /dev/full || echo failed")
        .stdout("failed\n")
        .any_stderr()
        .run();
}

#[test]
fn the_commands_streams_are_pipes_and_its_descriptors_are_ours() {
    let sandbox = Sandbox::new();
    sandbox.script("job", "test -p /dev/stdout && test -p /dev/stderr && cat <&7 && ls /proc/self/fd");
    sandbox.write("seven", "through 7\n");
    let line = |program: &str| format!("exec {program} ./job 7< seven 2> /dev/null | cat");
    let bare = sandbox.shell("exec 7< seven; ls /proc/self/fd | cat").any_stdout().run().text();
    let under = sandbox.shell(line("cashet exec --trace off --pure --")).any_stdout().run().text();
    let (first, seen) = under.split_once('\n').unwrap();
    assert_eq!(first, "through 7");
    assert_eq!(seen, bare, "the command has other descriptors than it would have bare");
}

#[test]
fn a_large_stream_is_exact_in_flat_memory() {
    let sandbox = Sandbox::new();
    let size = large();
    sandbox.script("job", format!("yes 'one line of the large stream' | head -c {size}"));
    let bare = sandbox.shell("./job | md5sum").any_stdout().run();
    for executions in [1, 0] {
        let line = "exec cashet exec --trace off --pure ./job > large";
        let ran = sandbox.shell(line).executes(executions).may_change("large").run();
        assert!(ran.peak <= MOST_MEMORY, "{} MiB", ran.peak >> 20);
        sandbox.shell("md5sum < large").stdout(&bare.stdout).run();
        let line = "exec cashet exec --trace off --pure ./job | md5sum";
        sandbox.shell(line).executes(0).stdout(&bare.stdout).run();
        sandbox.remove("large");
    }
}
