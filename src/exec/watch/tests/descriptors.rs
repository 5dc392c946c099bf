//! Use of standard input and other inherited descriptors.

use super::*;
use crate::exec::{Askers, DescriptorUse};
use std::fmt::Write as _;
use std::os::fd::AsRawFd;

/// Runs a script in a process of its own (this test program again), whose standard input is what `stdin` says: what
/// is inherited by one test may not be seen by the others.
fn in_own_process(test: &str, stdin: std::process::Stdio, script: &str, more: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let own = std::env::current_exe().unwrap();
    // The shell opens what else is to be inherited.
    let line = format!("{more} exec \"$0\" --exact --nocapture --ignored {test}");
    let status = Command::new("sh")
        .args(["-c", &line])
        .arg(own)
        .env("WATCHED_SCRIPT", script)
        .env("WATCHED_REPORT", &report)
        .stdin(stdin)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{script}");
    fs::read_to_string(report).unwrap()
}

const INNER: &str = "exec::watch::linux::tests::descriptors::inner";

#[test]
#[ignore = "is run by the other tests in a process of its own"]
fn inner() {
    let Some(script) = std::env::var_os("WATCHED_SCRIPT") else { return };
    let mut reports = String::new();
    for mechanism in MECHANISMS {
        let mut watched = Watched::sh(mechanism, script.to_str().unwrap());
        watched.stdin = Given::Inherited;
        let trace = watched.run().trace;
        let any = |asked: Askers| asked.interpreters || asked.others;
        let said = |used: DescriptorUse| {
            let asked = any(used.asked) || any(used.placed);
            let words = [
                (asked, "asked "),
                (any(used.terminal), "terminal "),
                (used.polled, "polled "),
                (any(used.named), "named "),
                (used.read, "read "),
                (used.written, "written "),
            ];
            words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect::<String>()
        };
        let mut report = format!("stdin {}", said(trace.stdin));
        for (number, used) in &trace.descriptors {
            write!(report, "{number} {}", said(*used)).unwrap();
        }
        for hazard in &trace.hazards {
            write!(report, "{hazard:?}").unwrap();
        }
        reports.push_str(report.trim_end());
        reports.push('\n');
    }
    fs::write(std::env::var_os("WATCHED_REPORT").unwrap(), reports).unwrap();
}

/// What is reported of `script` with a regular file, a pipe, and `/dev/null` as standard input.
fn check(script: &str, file: &str, pipe: &str, null: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stdin");
    fs::write(&path, "line one\nline two\n").unwrap();
    let twice = |report: &str| format!("{report}\n{report}\n");
    let said = in_own_process(INNER, File::open(&path).unwrap().into(), script, "");
    assert_eq!(said, twice(file), "{script} with a file");
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"line one\nline two\nline three\nline four\n").unwrap();
    drop(writer);
    let said = in_own_process(INNER, reader.into(), script, "");
    assert_eq!(said, twice(pipe), "{script} with a pipe");
    let said = in_own_process(INNER, std::process::Stdio::null(), script, "");
    assert_eq!(said, twice(null), "{script} with /dev/null");
}

#[test]
fn a_command_that_leaves_it_alone_does_not_use_it() {
    check("true", "stdin", "stdin", "stdin");
    check("echo x | cat; cat < /dev/null; sort < /etc/passwd > /dev/null", "stdin", "stdin", "stdin");
    check("while read x; do :; done < /etc/passwd", "stdin", "stdin", "stdin");
}

#[test]
fn every_way_to_read_it_is_seen() {
    check("cat > /dev/null", "stdin asked read", "stdin asked read", "stdin asked read");
    check("read x", "stdin read", "stdin read", "stdin read");
    check("cat /dev/stdin > /dev/null", "stdin read", "stdin read", "stdin read");
    check("cat /proc/self/fd/0 > /dev/null", "stdin read", "stdin read", "stdin read");
    let all = "stdin asked terminal read";
    check("bash -c 'exec 12<&0; cat <&12 > /dev/null'", all, all, all);
    check("exec 7<&0", all, all, all);
}

#[test]
fn asking_its_size_is_told_apart() {
    check("wc -c > /dev/null", "stdin asked", "stdin asked read", "stdin asked read");
}

#[test]
fn other_interpreters_use_it_only_if_they_are_told_to() {
    if !have(&["python3", "perl"]) {
        return;
    }
    // What they ask when they start.
    let (start, all) = ("stdin asked terminal", "stdin asked terminal read");
    check("python3 -S -c pass", start, start, start);
    check("perl -e 1", start, "stdin terminal", "stdin terminal");
    check("python3 -S -c 'import sys; sys.stdin.read()'", all, all, all);
    let mapped = "python3 -S -c 'import mmap; mmap.mmap(0, 0, prot=mmap.PROT_READ)[:3]' 2> /dev/null";
    check(mapped, all, all, all);
    // Test runners save standard input under another number, and do not read it there.
    let saved = "python3 -S -c 'import os; os.dup(0)'";
    check(saved, all, all, all);
}

#[test]
fn a_saved_terminal_is_read_only_if_it_is() {
    if !have(&["python3"]) {
        return;
    }
    let cases = [
        ("import os; os.dup(0)", "stdin"),
        ("import os; os.read(os.dup(0), 1)", "stdin read"),
        ("import os; os.read(0, 1)", "stdin read"),
        ("import os; os.open(os.ttyname(0), os.O_RDWR)", "stdin"),
        ("import os; os.read(os.open(os.ttyname(0), os.O_RDWR), 1)", "stdin read"),
        ("pass", "stdin"),
    ];
    for (code, expected) in cases {
        let (mut user, program) = crate::exec::tests::terminal();
        user.write_all(b"typed\ntyped\ntyped\n").unwrap();
        let script = format!("python3 -S -c '{code}'");
        let said = in_own_process(INNER, program.into(), &script, "");
        // What it asks when it starts.
        let said = said.replace("stdin asked terminal named", "stdin");
        assert_eq!(said, format!("{expected}\n{expected}\n"), "{script}");
    }
}

#[test]
fn the_size_of_a_terminal_is_seen_to_be_asked_for() {
    if !have(&["python3"]) {
        return;
    }
    let cases = [
        ("import os; os.get_terminal_size(0)", "stdin TerminalSize"),
        ("import os; os.get_terminal_size(os.dup(0))", "stdin TerminalSize"),
        ("import os; os.get_terminal_size(os.open(os.ttyname(0), os.O_RDWR))", "stdin TerminalSize"),
        // Of the streams that are none, and of what is not open, nothing is said.
        ("import shutil; shutil.get_terminal_size()", "stdin"),
        ("import fcntl; fcntl.ioctl(0, 0x5401, bytes(64))", "stdin"),
    ];
    for (code, expected) in cases {
        let (_user, program) = crate::exec::tests::terminal();
        let script = format!("python3 -S -c '{code}'");
        let said = in_own_process(INNER, program.into(), &script, "");
        // What it asks when it starts.
        let said = said.replace("stdin asked terminal named", "stdin");
        assert_eq!(said, format!("{expected}\n{expected}\n"), "{script}");
    }
    let refused = "import fcntl\ntry: fcntl.ioctl(0, 0x5413, bytes(8))\nexcept OSError: pass";
    // (Python asks for the size of a file.)
    let start = "stdin asked terminal";
    check(&format!("python3 -S -c '{refused}'"), start, start, start);
}

#[test]
fn others_that_are_inherited_are_seen_by_their_number() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("nine"), "data\n".repeat(1000)).unwrap();
    let open = format!("exec 9< {0}/nine 8>> {0}/eight;", folder.path().display());
    let null = std::process::Stdio::null;
    let cases = [
        ("true", "stdin"),
        ("read x <&9", "stdin9 read"),
        ("cat /dev/fd/9 > /dev/null", "stdin9 read"),
        ("echo x >&8", "stdin8 written"),
    ];
    for (script, expected) in cases {
        let said = in_own_process(INNER, null(), script, &open).replace("asked ", "");
        assert_eq!(said.replace("stdin ", "stdin"), format!("{expected}\n{expected}\n"), "{script}");
    }
    // Make's jobserver is not an input.
    let jobs = format!("{open} export MAKEFLAGS='-j --jobserver-auth=9,8';");
    let said = in_own_process(INNER, null(), "read x <&9; echo x >&8", &jobs);
    assert_eq!(said, "stdin\nstdin\n");
}

#[test]
fn what_is_given_instead_is_not_standard_input() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("given");
        fs::write(&path, "given\n").unwrap();
        let mut watched = Watched::sh(mechanism, "cat");
        let file = File::open(&path).unwrap();
        assert!(file.as_raw_fd() > 2);
        watched.stdin = Given::Other(file.into());
        let ran = watched.run().whole();
        assert_eq!((ran.output.as_str(), ran.trace.stdin), ("given\n", DescriptorUse::default()));
    }
}
