//! Standard input in every row of its table, for unwatched runs.

use crate::support::Sandbox;
use std::fs::File;
use std::io::{Seek, SeekFrom};

fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("job", "cat").script("deaf", "echo deaf").write("lines", "one\ntwo\n");
    sandbox
}

fn at(sandbox: &Sandbox, name: &str, offset: u64) -> File {
    let mut file = File::open(sandbox.path(name)).unwrap();
    file.seek(SeekFrom::Start(offset)).unwrap();
    file
}

#[test]
fn a_regular_file_counts_from_its_offset_on() {
    let sandbox = project();
    let call = |offset| sandbox.unwatched(["--pure", "./job"]).stdin_file(at(&sandbox, "lines", offset));
    call(0).stdout("one\ntwo\n").executes(1).run();
    call(0).stdout("one\ntwo\n").executes(0).run();
    call(4).stdout("two\n").executes(1).run();
    call(4).stdout("two\n").executes(0).run();
    sandbox.write("lines", "one\ntwO\n");
    call(4).stdout("twO\n").executes(1).run();
    sandbox.write("lines", "ONE\ntwo\n");
    call(4).stdout("two\n").executes(0).run();
    call(0).stdout("ONE\ntwo\n").executes(1).run();
}

#[test]
fn a_pipe_bypasses_an_unwatched_run_and_the_line_says_what_to_do() {
    let sandbox = project();
    for _ in 0..2 {
        sandbox.unwatched(["--pure", "./job"]).stdin("piped\n").stdout("piped\n").executes(1).run();
        let run = sandbox.unwatched(["-v", "--pure", "./job"]).stdin("piped\n").stdout("piped\n").executes(1);
        run.stderr_with(&["--stdin"]).run();
    }
    for _ in 0..2 {
        sandbox.unwatched(["--pure", "./deaf"]).stdin_open_pipe().stdout("deaf\n").executes(1).run();
    }
}

#[test]
fn null_is_not_in_the_key() {
    let sandbox = project();
    sandbox.unwatched(["--pure", "./deaf"]).stdout("deaf\n").executes(1).run();
    sandbox.unwatched(["--pure", "./deaf"]).stdout("deaf\n").executes(0).run();
    let screen = sandbox.unwatched(["-q", "--pure", "./deaf"]).stdout("deaf\n").executes(0).terminal();
    screen.finish();
}

#[test]
fn with_stdin_its_bytes_decide_wherever_they_come_from() {
    let sandbox = project();
    let call = || sandbox.unwatched(["--stdin", "--pure", "./job"]);
    call().stdin("piped\n").stdout("piped\n").executes(1).run();
    call().stdin("piped\n").stdout("piped\n").executes(0).run();
    call().stdin("Piped\n").stdout("Piped\n").executes(1).run();
    call().stdin("").executes(1).run();
    call().executes(0).run();
    call().stdin("two\n").stdout("two\n").executes(1).run();
    call().stdin_file(at(&sandbox, "lines", 4)).stdout("two\n").executes(0).run();
    let large: Vec<u8> = (0..=255_u8).cycle().take(3 << 20).collect();
    call().stdin(&large).stdout(&large).executes(1).run();
    call().stdin(&large).stdout(&large).executes(0).run();
}

#[test]
fn with_stdin_alone_the_call_need_not_declare_more_when_it_is_pure() {
    let sandbox = project();
    sandbox.unwatched(["--stdin=lines", "--pure", "./job"]).stdout("one\ntwo\n").executes(1).run();
    sandbox
        .unwatched(["--stdin=lines", "--pure", "./job"])
        .stdin("other")
        .stdout("one\ntwo\n")
        .executes(0)
        .run();
    sandbox
        .unwatched(["--stdin", "--pure", "./job"])
        .stdin("one\ntwo\n")
        .stdout("one\ntwo\n")
        .executes(0)
        .run();
    sandbox.write("lines", "three\n");
    sandbox.unwatched(["--stdin=lines", "--pure", "./job"]).stdout("three\n").executes(1).run();
}

#[test]
fn without_stdin_the_command_reads_nothing() {
    let sandbox = project();
    for flag in ["-n", "--no-stdin"] {
        let executions = usize::from(flag == "-n");
        sandbox.unwatched([flag, "--pure", "./job"]).stdin("piped\n").executes(executions).run();
        sandbox.unwatched([flag, "--pure", "./job"]).stdin_open_pipe().executes(0).run();
    }
}

#[test]
fn variables_and_settings_give_the_default() {
    let sandbox = project();
    let call = || sandbox.unwatched(["--pure", "./job"]).stdin("piped\n");
    call().env("CASHET_STDIN", "hash").stdout("piped\n").executes(1).run();
    call().env("CASHET_STDIN", "hash").stdout("piped\n").executes(0).run();
    call().env("CASHET_STDIN", "null").executes(1).run();
    call().env("CASHET_STDIN", "null").executes(0).run();
    sandbox.write("cashet.toml", "[exec]\nstdin = \"hash\"\n");
    call().stdout("piped\n").executes(0).run();
    sandbox.unwatched(["-n", "--pure", "./job"]).stdin("piped\n").executes(0).run();
}

#[test]
fn a_loop_keeps_all_its_lines() {
    let sandbox = project();
    sandbox.script("one", "echo \"<$1>\"");
    let line = "printf 'a\\nb\\nc\\n' | while read -r word; do cashet exec --pure ./one \"$word\"; done";
    for _ in 0..2 {
        sandbox.shell(line).stdout("<a>\n<b>\n<c>\n").run();
    }
    let unwatched = line.replace("--pure", "--trace off -n --pure");
    for executions in [3, 0] {
        sandbox.shell(&unwatched).stdout("<a>\n<b>\n<c>\n").executes(executions).run();
    }
}

#[test]
fn a_bypassed_command_shares_standard_input_with_the_shell() {
    let sandbox = project();
    sandbox.script("first", "read -r line; echo \"got $line\"");
    // dash reads pipes byte by byte, so the second line is left for cat.
    let line = "printf '1\\n2\\n' | { cashet exec --trace off --pure ./first; cat; }";
    sandbox.shell(line).stdout("got 1\n2\n").executes(1).run();
}
