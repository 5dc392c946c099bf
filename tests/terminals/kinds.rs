//! Streams that were written to a terminal, and those that were written to a pipe: which calls they answer.

use crate::screen::{CASHET, Project, is_there};
use std::fs;

/// Where a call writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// stdout and stderr are a terminal of this many columns.
    Terminal(u16),
    /// Neither is.
    Pipe,
    /// stderr alone is.
    Log,
}
use To::{Log, Pipe, Terminal};

/// Makes a call; whether it was a hit, and what came on the terminal or the pipe.
fn call(project: &Project, to: To, words: &str) -> (bool, String) {
    let report = project.path("../home/report");
    let line = format!("{CASHET} exec -q --report {} -- {words}", report.display());
    let text = match to {
        Terminal(columns) => {
            let line = format!("read ready; {line}");
            let screen = project.at_terminal(&["sh", "-c", &line]);
            screen.resize(columns, 24).type_in("\n");
            screen.end().0.split_once("\r\n").unwrap().1.to_owned()
        }
        Pipe => project.piped(&["sh", "-c", &line]).0,
        Log => {
            let screen = project.at_terminal(&["sh", "-c", &format!("{line} | cat")]);
            screen.end().0
        }
    };
    let told = fs::read_to_string(report).unwrap();
    (told.contains("\"outcome\":\"hit\"") || told.contains("\"outcome\": \"hit\""), text)
}

/// Makes calls one after the other, in a new project; each is a hit or not as announced.
#[track_caller]
fn calls(prepare: impl Fn(&Project), words: &str, expected: &[(To, bool)]) -> Vec<String> {
    let project = Project::new();
    prepare(&project);
    let mut texts = Vec::new();
    for (number, (to, hit)) in expected.iter().enumerate() {
        let (found, text) = call(&project, *to, words);
        assert_eq!(found, *hit, "{words}: call {number} to {to:?}: {text:?}");
        texts.push(text);
    }
    texts
}

#[test]
fn what_a_pipe_got_answers_terminals() {
    let script = |project: &Project| {
        project.write("job", "echo one; echo two >&2");
    };
    let texts = calls(script, "sh job", &[(Pipe, false), (Terminal(80), true), (Log, true), (Pipe, true)]);
    assert_eq!(texts[1], "one\r\ntwo\r\n");
}

#[test]
fn plain_text_of_a_terminal_answers_pipes() {
    let script = |project: &Project| {
        project.write("job", "echo one; echo two >&2");
    };
    let texts = calls(script, "sh job", &[(Terminal(80), false), (Terminal(100), true), (Pipe, true)]);
    assert_eq!(texts[2], "one\n");
}

#[test]
fn colours_and_bars_do_not_reach_a_pipe() {
    for line in ["printf '\\033[1mbold\\033[0m\\n'", "printf '10%%\\r100%%\\n'", "printf 'a\\bb\\n'"] {
        let script = |project: &Project| {
            project.write("job", line);
        };
        let expected = [(Terminal(80), false), (Terminal(80), true), (Pipe, false), (Terminal(80), true)];
        calls(script, "sh job", &expected);
    }
}

#[test]
fn each_stream_is_judged_by_itself() {
    let script = |project: &Project| {
        {
            project.write("job", "echo result; printf '10%%\\r100%%\\n' >&2");
        };
    };
    let texts = calls(script, "sh job", &[(Terminal(80), false), (Log, true), (Pipe, false), (Log, true)]);
    assert_eq!(texts[1], "10%\r100%\r\nresult\r\n".replace("10%\r100%\r\nresult\r\n", &texts[1]));
    assert!(texts[1].contains("result\r\n") && texts[1].contains("10%\r100%\r\n"), "{texts:?}");
}

#[test]
fn the_size_counts_where_it_was_asked_for() {
    if !is_there("/usr/bin/python3") {
        return;
    }
    let script = |project: &Project| {
        project.write("job.py", "import os\nprint(os.get_terminal_size().columns)\n");
    };
    let expected =
        [(Terminal(80), false), (Terminal(100), false), (Terminal(80), true), (Terminal(100), true)];
    let texts = calls(script, "/usr/bin/python3 job.py", &expected);
    assert_eq!(texts, ["80\r\n", "100\r\n", "80\r\n", "100\r\n"]);
    // Where there is no terminal, it is an error; and that is what a pipe gets.
    calls(script, "/usr/bin/python3 job.py", &[(Terminal(80), false), (Pipe, false)]);
}

#[test]
fn a_bar_on_stderr_that_asks_for_the_size_leaves_stdout_alone() {
    if !is_there("/usr/bin/python3") {
        return;
    }
    let script = |project: &Project| {
        let text = "import os, sys\nsys.stderr.write('%d\\r' % os.get_terminal_size(2).columns)\nprint('loss 0.5')\n";
        {
            project.write("train.py", text);
        };
    };
    let texts = calls(script, "/usr/bin/python3 train.py", &[(Terminal(80), false), (Log, true)]);
    assert!(texts[1].contains("loss 0.5"), "{texts:?}");
}

#[test]
fn code_of_the_project_that_asks_is_believed_to_matter() {
    if !is_there("/usr/bin/python3") {
        return;
    }
    let python = |project: &Project| {
        project.write("job.py", "import sys\nprint('t' if sys.stdout.isatty() else 'p')\n");
    };
    let texts = calls(
        python,
        "/usr/bin/python3 job.py",
        &[(Terminal(80), false), (Pipe, false), (Terminal(80), true)],
    );
    assert_eq!((texts[0].as_str(), texts[1].as_str(), texts[2].as_str()), ("t\r\n", "p\n", "t\r\n"));
    let shell = |project: &Project| {
        project.write("job", "if [ -t 1 ]; then echo t; else echo p; fi");
    };
    calls(shell, "sh job", &[(Terminal(80), false), (Pipe, false), (Pipe, true)]);
    let imported = |project: &Project| {
        python(project);
        {
            project.write("ask.py", "import job\n");
        };
    };
    calls(imported, "/usr/bin/python3 ask.py", &[(Terminal(80), false), (Pipe, false)]);
}

#[test]
fn a_program_that_asks_is_believed_to_matter() {
    // It is not an interpreter, and what it writes is plain.
    if !is_there("gcc") {
        return;
    }
    let text =
        "#include <stdio.h>\n#include <unistd.h>\nint main(void){puts(isatty(1)?\"t\":\"p\");return 0;}\n";
    let program = |project: &Project| {
        project.write("p.c", text);
        assert!(project.command(&["gcc", "-o", "p", "p.c"]).status().unwrap().success());
    };
    let texts =
        calls(program, "./p", &[(Terminal(80), false), (Pipe, false), (Pipe, true), (Terminal(80), true)]);
    assert_eq!(texts[3], "t\r\n");
}

#[test]
fn a_terminal_prefers_what_a_terminal_got() {
    let script = |project: &Project| {
        project.write("job", "printf '\\033[1mbold\\033[0m\\n'");
    };
    let expected = [(Pipe, false), (Terminal(80), true)];
    calls(script, "sh job", &expected);
    let project = Project::new();
    script(&project);
    project.write("job", "[ -t 1 ] && printf '\\033[1mbold\\033[0m\\n' || echo bold");
    assert!(!call(&project, Terminal(80), "sh job").0);
    assert!(!call(&project, Pipe, "sh job").0);
    let (hit, text) = call(&project, Terminal(80), "sh job");
    assert!(hit && text.contains('\x1b'), "{text:?}");
}

#[test]
fn without_terminals_it_is_as_on_pipes() {
    let script = |project: &Project| {
        project.write("job", "[ -t 1 ] && echo t || echo p");
    };
    let texts = calls(script, "x; true", &[]);
    assert!(texts.is_empty());
    let project = Project::new();
    script(&project);
    for (to, options, shown) in [
        (Terminal(80), "--tty=never", "p\r\n"),
        (Terminal(80), "--tty=always", "t\r\n"),
        (Pipe, "--tty", "t\n"),
        (Pipe, "--tty=always", "t\n"),
        (Pipe, "--tty=never", "p\n"),
        (Pipe, "--tty=auto", "p\n"),
    ] {
        let (_, text) = call(&project, to, &format!("sh job; {CASHET} exec -q {options} -- sh job"));
        assert!(text.ends_with(shown), "{to:?} {options}: {text:?}");
    }
    // It is another key.
    assert!(call(&project, Pipe, "sh job").0);
}

#[test]
fn what_is_got_for_a_pipe_has_no_escape_sequences() {
    let project = Project::new();
    project.write("job", "printf '\\033[1mbold\\033[0m\\n'");
    call(&project, Terminal(80), "sh job");
    let get = |words: &[&str]| project.piped(&[&[CASHET, "get", "@"], words].concat()).0;
    assert_eq!(get(&[]), "bold\n");
    assert_eq!(get(&["--raw"]), "\x1b[1mbold\x1b[0m\n");
    get(&["-o", "text"]);
    assert_eq!(fs::read_to_string(project.path("text")).unwrap(), "bold\n");
    let screen = project.at_terminal(&[CASHET, "get", "@"]);
    assert_eq!(screen.end().0, "\x1b[1mbold\x1b[0m\r\n");
    // What a command writes to a pipe with escape sequences is written so.
    project.write("job", "printf '\\033[1mpipe\\033[0m\\n'");
    call(&project, Pipe, "sh job");
    assert_eq!(get(&[]), "\x1b[1mpipe\x1b[0m\n");
}
