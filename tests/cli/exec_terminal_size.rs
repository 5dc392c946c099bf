//! How a command learns the size of the terminal, with a real terminal.

use crate::support::Sandbox;
use std::path::Path;

/// Asks a terminal for its size, as standard input and by its name.
const ASK: [&str; 2] = ["stty size", "stty size < /dev/tty"];

#[test]
fn a_command_that_reads_the_terminal_size_is_not_cached() {
    let sandbox = Sandbox::new();
    for (name, body) in ["by-stdin", "by-name"].into_iter().zip(ASK) {
        sandbox.script(name, body);
        for _ in 0..2 {
            let words = ["-q".to_owned(), format!("./{name}")];
            sandbox.exec(words).stdout("0 0\n").executes(1).terminal().finish();
        }
        let words = ["-v".to_owned(), format!("./{name}")];
        let screen = sandbox.exec(words).any_stdout().executes(1).terminal().finish().text();
        assert!(screen.contains("it asked how large the terminal is"), "{screen}");
        assert!(screen.contains("--pure"), "{screen}");
    }
}

#[test]
fn where_its_size_does_not_matter_it_is_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", ASK[1]);
    for executions in [1, 0] {
        let call = sandbox.exec(["-q", "--pure", "./job"]).stdout("0 0\n");
        call.executes(executions).terminal().finish();
    }
}

#[test]
fn programs_whose_output_is_ours_do_not_ask() {
    let sandbox = Sandbox::new();
    sandbox.write("a", "1\n").write("b", "2\n");
    let lines = [
        ("/usr/bin/python3", "-c 'import argparse; argparse.ArgumentParser(\"x\").print_usage()'"),
        ("/bin/bash", "-c 'for f in a b; do cat $f; done'"),
        ("/usr/bin/git", "--no-pager diff --no-index --stat a b || :"),
        ("/bin/ls", "-C a b"),
    ];
    for (number, (program, words)) in lines.into_iter().enumerate() {
        if !Path::new(program).exists() {
            println!("SKIPPED: {program} is not there");
            continue;
        }
        let name = format!("job{number}");
        sandbox.script(&name, format!("{program} {words}"));
        for executions in [1, 0] {
            let call = sandbox.exec(["-q".to_owned(), format!("./{name}")]).any_stdout();
            call.executes(executions).terminal().finish();
        }
    }
}
