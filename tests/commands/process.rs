//! The program as a process: streams, exit statuses, terminals.

use super::support::{Run, Sandbox, recorded};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

fn cashet(sandbox: &Sandbox) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cashet"));
    command.current_dir(sandbox.root()).env_clear().env("HOME", sandbox.root()).stdin(Stdio::null());
    command
}

fn output(sandbox: &Sandbox, words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = cashet(sandbox).args(words).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn mistakes_are_one_line_and_one_hint_on_stderr() {
    let (sandbox, _) = recorded();
    for (words, status, stderr) in [
        (&["frobnicate"][..], 2, "error: unrecognized subcommand 'frobnicate'\nhint: see 'cashet --help'\n"),
        (&["show", "@{9}"], 1, "error: there is no run '@{9}'\nhint: cashet log lists the runs\n"),
        (&["show", "abc"], 2, "error: 'abc' is too short for a hash\nhint: give at least 4 digits\n"),
        (
            &["--store", "nowhere", "log"],
            1,
            "error: cannot open the store SANDBOX/nowhere: No such file or directory\n\
             hint: paths are relative to the working directory\n",
        ),
    ] {
        let (found, out, err) = output(&sandbox, words);
        let err = err.replace(sandbox.root().to_str().unwrap(), "SANDBOX");
        assert_eq!((found, out.as_str(), err.as_str()), (status, "", stderr));
    }
}

#[test]
fn cashet_alone_and_its_version() {
    let (sandbox, _) = recorded();
    let (status, out, err) = output(&sandbox, &[]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("cashet makes any command remember.\n"), "{out}");
    assert!(out.ends_with("Here: 6 runs, 0 hits, 0 s saved.\n"), "{out}");
    assert_eq!(output(&sandbox, &["--version"]).1, format!("cashet {}\n", env!("CARGO_PKG_VERSION")));
    let (status, out, _) = output(&sandbox, &["log", "--help"]);
    assert_eq!(status, 0);
    assert!(out.contains("--oneline"), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_not_a_failure() {
    let sandbox = Sandbox::new();
    let mut run = Run::new("make", 0);
    run.stdout = vec![b'x'; 4 << 20];
    sandbox.record(&run);
    for words in [&["get", "@"][..], &["--help"]] {
        let mut child =
            cashet(&sandbox).args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_report_is_written_and_opened() {
    let (sandbox, _) = recorded();
    let opened = sandbox.path("opened");
    let browser = sandbox.path("browser");
    std::fs::write(
        &browser,
        format!("#!/bin/sh\nprintf %s \"$1\" > '{0}.new'; mv '{0}.new' '{0}'\n", opened.display()),
    )
    .unwrap();
    std::fs::set_permissions(&browser, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("report.html", sandbox.path("link")).unwrap();
    std::fs::write(sandbox.path("report.html"), "old").unwrap();
    let words = ["report", "train.py", "-o", "link", "--open"];
    let Output { status, stdout, stderr } =
        cashet(&sandbox).env("BROWSER", &browser).args(words).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stdout.as_slice()), (Some(0), &b""[..]), "{stderr}");
    assert!(stderr.starts_with("cashet: 1 run in link ("), "{stderr}");
    while !opened.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let page = std::fs::canonicalize(sandbox.path("report.html")).unwrap();
    assert_eq!(std::fs::read_to_string(&opened).unwrap(), page.to_str().unwrap());
    assert!(std::fs::read_to_string(&page).unwrap().starts_with("<!doctype html>"));
    assert!(sandbox.path("link").is_symlink());
    let Output { status, stderr, .. } =
        cashet(&sandbox).env("PATH", sandbox.path("nowhere")).args(words).output().unwrap();
    let err = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(err.contains("error: no program was found to open the page\nhint: open "), "{err}");
    let (status, _, err) = output(&sandbox, &["report", "-o", "no/such/report.html"]);
    assert_eq!(status, 1);
    assert!(err.starts_with("error: cannot write no/such/report.html: "), "{err}");
}

#[test]
fn a_full_disk_is_reported() {
    let (sandbox, _) = recorded();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let Output { status, stderr, .. } = cashet(&sandbox).arg("log").stdout(full).output().unwrap();
    assert_eq!(status.code(), Some(1));
    let stderr = String::from_utf8(stderr).unwrap();
    let error =
        "error: cannot write to standard output: No space left on device\nhint: free some space there";
    assert!(stderr.starts_with(error), "{stderr}");
}

#[test]
fn a_message_that_cannot_be_written_changes_nothing() {
    let (sandbox, _) = recorded();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status =
        cashet(&sandbox).args(["show", "abc"]).stderr(full()).stdout(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let status = cashet(&sandbox).args(["get", "@"]).stderr(full()).stdout(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn colours_are_asked_for_and_never_alone() {
    let (sandbox, _) = recorded();
    let shown = |variables: &[(&str, &str)]| {
        let mut command = cashet(&sandbox);
        let output = command.args(["log", "--oneline"]).envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = shown(&[]);
    assert!(!plain.contains('\x1b'));
    let coloured = shown(&[("CLICOLOR_FORCE", "1")]);
    assert!(coloured.contains('\x1b'));
    assert_eq!(cashet::ui::colour::stripped(&coloured), plain);
    assert_eq!(shown(&[("NO_COLOR", "1")]), plain);
}

#[test]
fn into_a_pipe_nothing_is_cut_unless_columns_says_so() {
    let sandbox = Sandbox::new();
    sandbox.record(&Run::new(&format!("python3 a.py {}", "long".repeat(100)), 0));
    assert!(output(&sandbox, &["log"]).1.contains(&"long".repeat(100)));
    let narrow = cashet(&sandbox).arg("log").env("COLUMNS", "60").output().unwrap();
    let narrow = String::from_utf8(narrow.stdout).unwrap();
    assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
}

#[test]
fn binary_is_not_written_to_a_terminal() {
    let sandbox = Sandbox::new();
    let mut run = Run::new("make", 0);
    run.stdout = b"\0binary".to_vec();
    sandbox.record(&run);
    let terminal = |call: &str| {
        let line = format!("{} {call}", env!("CARGO_BIN_EXE_cashet"));
        let mut script = Command::new("script");
        let output = script.args(["-qec", &line, "/dev/null"]).current_dir(sandbox.root()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, shown) = terminal("get @");
    assert_eq!(status, Some(2));
    assert!(shown.contains("this is binary") && !shown.contains('\0'), "{shown:?}");
    let (status, shown) = terminal("get @ -o -");
    assert_eq!((status, shown.as_str()), (Some(0), "\0binary"));
    assert_eq!(cashet(&sandbox).args(["get", "@"]).output().unwrap().stdout, b"\0binary");
}

#[test]
fn a_closed_standard_output_is_not_a_panic() {
    let (sandbox, _) = recorded();
    let line =
        format!("{} log >&- 2>&-; {} show @ >&-", env!("CARGO_BIN_EXE_cashet"), env!("CARGO_BIN_EXE_cashet"));
    let status = Command::new("sh").args(["-c", &line]).current_dir(sandbox.root()).status().unwrap();
    assert!(status.code().is_some_and(|code| code < 3), "{status}");
}
