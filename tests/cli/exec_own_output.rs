//! Commands that read the file that their own output is written to, and output that cannot be written.

use crate::support::Sandbox;

/// Runs `line`, in which `CASHET` stands for the program, bare and with cashet: both must have the same result.
#[track_caller]
fn as_bare(prepare: &str, line: &str) {
    let sandbox = Sandbox::new();
    let play = |program: &str| {
        let line = format!(
            "rm -rf place; mkdir place; cd place; {prepare}\n{}\necho status $?; cat * 2> /dev/null | sort | head -c 100000; cd ..; rm -r place",
            line.replace("CASHET", program)
        );
        sandbox.shell(line).any_stdout().any_stderr().run().text()
    };
    let bare = play("timeout 20");
    assert_eq!(play("timeout 20 cashet exec -q --"), bare, "{line}");
}

#[test]
fn programs_that_refuse_to_read_their_own_output_do_so() {
    let prepare = "echo todo 1 > a; echo todo 2 > b; echo todo 3 > f";
    for line in [
        "CASHET grep -r todo . > all.txt 2> err",
        "CASHET grep todo a b all.txt > all.txt 2> err",
        "CASHET cat f >> f 2> err",
        "CASHET cat a f b >> f 2> err",
        "CASHET cat < f >> f 2> err",
        "CASHET tar cf - . > x.tar 2> err; tar tf x.tar | sort > names; rm x.tar",
    ] {
        as_bare(prepare, line);
    }
}

#[test]
fn nothing_is_written_to_a_file_while_it_is_read() {
    let sandbox = Sandbox::new();
    let copy = "import sys\nprint('begin', flush=True)\nfor line in open(sys.argv[1]): print(line, end='', flush=True)\n";
    sandbox.python("copy", copy);
    for (redirection, name) in [(">> f", "f"), (">> f", "link"), (">> f 2>&1", "hard"), ("2>> f 1>&2", "f")] {
        let prepare = "printf 'one\\ntwo\\n' > f; ln -s f link; ln f hard";
        let line = format!(
            "{prepare}; timeout 30 cashet exec -- python3 copy {name} {redirection}; echo $?; cat f; rm f link hard"
        );
        let expected = "0\none\ntwo\nbegin\none\ntwo\n";
        // It already contains what was written before it was opened.
        let expected = expected.replace("begin\none\ntwo\n", "begin\none\ntwo\nbegin\n");
        for _ in 0..2 {
            sandbox.shell(&line).stdout(&expected).executes(1).run();
        }
    }
    let reason = sandbox.shell("cashet log --missed").any_stdout().run().text();
    assert!(reason.contains("to which its own output goes"), "{reason}");
    // Read as standard input.
    sandbox.script("loop", "while read line; do echo \"$line\"; done");
    let line = "printf 'one\\n' > f; timeout 30 cashet exec -- ./loop < f >> f; echo $?; cat f; rm f";
    for _ in 0..2 {
        sandbox.shell(line).stdout("0\none\none\n").executes(1).run();
    }
}

#[test]
fn a_write_that_fails_shows_in_the_status_as_bare() {
    for line in [
        "CASHET sh -c 'echo x >&2' 2> /dev/full",
        "CASHET sh -c 'echo x' > /dev/full",
        "CASHET sh -c 'echo x >&2; echo y; exit 0' 2> /dev/full",
        "CASHET sh -c 'echo x; exit 3' > /dev/full",
        "CASHET true > /dev/full 2>&1",
        "CASHET python3 -c 'import sys; print(1, file=sys.stderr)' 2> /dev/full",
        "CASHET python3 -c 'print(1)' > /dev/full",
        "CASHET sh -c 'echo x >&2' 2>&-",
        "CASHET sh -c 'echo x' >&-",
        "bash -c 'CASHET sh -c \"sleep 0.2; echo x >&2; echo y >&2; echo z\" 2> >(exit 0)'",
        "bash -c 'CASHET sh -c \"sleep 0.2; echo x; exit 0\" | true; echo ${PIPESTATUS[0]}'",
        // A terminal after a hangup.
        "python3 -c 'import os, subprocess, sys\nm, s = os.openpty(); os.close(m)\n\
         sys.exit(subprocess.run(sys.argv[1:], stderr=s).returncode)' CASHET sh -c 'echo x >&2'",
    ] {
        as_bare(":", line);
    }
}

#[test]
fn what_is_not_recorded_runs_with_the_users_own_descriptors() {
    let sandbox = Sandbox::new();
    let look = "import os, sys\nprint(os.fstat(1).st_ino == os.stat('out').st_ino, os.fstat(2).st_ino == os.stat('err').st_ino)\n";
    sandbox.python("job", look);
    for options in ["--mode off", "--mode read", "--trace off"] {
        let line = format!("cashet exec {options} -- python3 job > out 2> err; cat out; rm out err");
        sandbox.shell(line).stdout("True True\n").executes(1).run();
    }
}
