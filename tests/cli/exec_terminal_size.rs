//! How a command learns the size of the terminal, with a real terminal.

use crate::support::Sandbox;
use std::path::Path;

/// Asks a terminal for its size, as standard input and by its name.
const ASK: [&str; 2] = ["stty size", "stty size < /dev/tty"];

#[test]
fn the_size_of_a_terminal_counts_where_it_is_asked_for() {
    let sandbox = Sandbox::new();
    for (name, body) in ["by-stdin", "by-name"].into_iter().zip(ASK) {
        sandbox.script(name, body);
        for executions in [1, 0] {
            let words = ["-q".to_owned(), format!("./{name}")];
            sandbox.exec(words).stdout("0 0\n").executes(executions).terminal().finish();
        }
    }
}

#[test]
fn who_asks_a_terminal_for_its_size_that_is_not_its_own_is_not_kept() {
    let sandbox = Sandbox::new();
    sandbox.script("job", ASK[1]);
    for _ in 0..2 {
        sandbox.exec(["-q", "--tty=never", "./job"]).stdout("0 0\n").executes(1).terminal().finish();
    }
    let words = ["-v", "--tty=never", "./job"];
    let screen = sandbox.exec(words).any_stdout().executes(1).terminal().finish().text();
    assert!(screen.contains("it asked for the size of a terminal"), "{screen}");
    assert!(screen.contains("--pure"), "{screen}");
    for executions in [1, 0] {
        let call = sandbox.exec(["-q", "--tty=never", "--pure", "./job"]).stdout("0 0\n");
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
