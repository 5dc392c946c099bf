//! A source that a program reads as data counts byte for byte.

use super::project::{Mode, Project, both};
use std::path::Path;

#[test]
fn a_comment_counts_to_a_program_that_reads_it() {
    both(|project| {
        let begin = project.count_in_python();
        project.write("lint.py", format!("{begin}import sys\nprint(open(sys.argv[1]).read().count('#'))\n"));
        project.program("lint", &format!("#!/bin/sh\n{}grep -c '#' \"$1\"\n", project.count_in_shell()));
        project.python("x.py", "print(1)  # one\n");
        for words in [&["python3", "lint.py", "x.py"][..], &["./lint", "x.py"]] {
            let call = project.call(words);
            // Without watching only declared inputs count: there the word is an input if the call declares it.
            let call = match project.mode() {
                Mode::Watched => call,
                Mode::Declared => call.with(&["-i", "x.py"]),
            };
            project.python("x.py", "print(1)  # one\n");
            call.settles();
            project.python("x.py", "print(1)  # one\n# two\n");
            call.runs().because("x.py changed");
            project.python("x.py", "print(1)  # one\n");
            call.hits();
        }
        let run = project.call(["python3", "x.py"]);
        run.settles();
        project.python("x.py", "print(1)\n");
        run.hits();
    });
}

#[test]
fn what_is_not_watched_takes_files_that_words_name_as_inputs() {
    let project = Project::new(Mode::Declared);
    project.program("lint", &format!("#!/bin/sh\n{}grep -c '#' \"$1\"\n", project.count_in_shell()));
    project.python("x.py", "print(1)  # one\n");
    let call = project.call(["./lint", "x.py"]);
    call.settles();
    project.python("x.py", "print(1)  # one\n# two\n");
    call.runs().because("x.py changed");
}

#[test]
fn black_looks_at_what_a_comment_looks_like() {
    let black = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/normal-forms/black/bin/black");
    if !black.exists() {
        println!("SKIPPED: black is not installed (the test black_keeps_digests of normal_forms does)");
        return;
    }
    both(|project| {
        project.write("x.py", "print(1)  # one\n");
        let call = project.call([black.as_os_str(), "--check".as_ref(), "-q".as_ref(), "x.py".as_ref()]);
        let call = call.with(&["--cache-exit", "0,1", "-i", "x.py"]);
        let (told, _) = call.make();
        assert!(!told.reasons().is_empty());
        call.make();
        project.write("x.py", "print(1)    #one\n");
        let (told, _) = call.make();
        told.naming("x.py changed");
        project.write("x.py", "print(1)  # one\n");
        call.make();
    });
}
