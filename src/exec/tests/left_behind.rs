//! Processes that outlive their command and hold its pipes.

use super::*;
use crate::exec::StreamEnd;
use std::io::Write;
use std::process::Stdio;

watched_or_not!(
    a_pump_passes_on_what_comes_later_and_holds_nothing_else,
    a_pump_for_both_streams_ends_each_by_itself,
);

/// Processes whose command line holds `marker`.
fn processes(marker: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if words.windows(marker.len()).any(|window| window == marker.as_bytes()) {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn what_comes_soon_after_the_end_is_part_of_the_run() {
    let ran = shell("echo first; (sleep 0.03; echo second) &");
    assert_eq!(ran.stdout, b"first\nsecond\n");
    assert_eq!(ran.told.of(Stream::Stdout), ran.stdout);
    assert_eq!(ran.finished.stdout, StreamEnd::Complete);
}

fn a_pump_passes_on_what_comes_later_and_holds_nothing_else(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let (path, fifo) = (folder.path().join("report"), folder.path().join("fifo"));
    let held = folder.path().join("held");
    fs::write(&held, "").unwrap();
    make_fifo(&fifo);
    let mut go_on = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    // The wrapper itself holds descriptor 9, as it might hold a lock; the command closes it.
    let script =
        r#"exec 9<&-; echo now; (read x <"$0"; echo late; read x <"$0"; echo later) 2>/dev/null & exit 5"#;
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec 9<"$1"; shift; exec "$@""#, "sh"]).arg(&held);
    make_wrapper(&mut command, &path, watch);
    command.arg(std::env::current_exe().unwrap());
    command.args(["sh", "-c", script]).arg(&fifo).stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut word = [0; 4];
    stdout.read_exact(&mut word).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert!(began.elapsed() < Duration::from_secs(5), "the wrapper waited for what was left behind");
    let text = report(&path);
    assert!(text.contains("stdout: StillHeld, stderr: Complete"), "{text}");

    let executable = std::env::current_exe().unwrap();
    let pumps: Vec<PathBuf> = processes(fifo.to_str().unwrap())
        .into_iter()
        .filter(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == executable))
        // Watching may leave a process of its own.
        .filter(|process| fs::read_to_string(process.join("comm")).is_ok_and(|name| name != "cashet-watch\n"))
        .collect();
    assert_eq!(pumps.len(), 1, "{pumps:?}");
    let open: Vec<PathBuf> = fs::read_dir(pumps[0].join("fd"))
        .unwrap()
        .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
        .collect();
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(open.iter().all(|target| target.to_str().unwrap().starts_with("pipe:")), "{open:?}");

    go_on.write_all(b"\n").unwrap();
    let mut word = [0; 5];
    stdout.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"late\n");
    go_on.write_all(b"\n").unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "later\n");
    eventually("the end of the pump", || processes(fifo.to_str().unwrap()).is_empty());
}

fn a_pump_for_both_streams_ends_each_by_itself(watch: WatchMode) {
    let folder = tempfile::tempdir().unwrap();
    let (path, fifo) = (folder.path().join("report"), folder.path().join("fifo"));
    make_fifo(&fifo);
    let mut go_on = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let script =
        r#"(exec 9<"$0"; read x <&9; echo out; echo err >&2; exec >&-; read x <&9; echo more >&2) &"#;
    let mut child = wrapper(&path, watch)
        .args(["sh", "-c", script])
        .arg(&fifo)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert!(report(&path).contains("stdout: StillHeld, stderr: StillHeld"));
    go_on.write_all(b"\n").unwrap();
    let mut out = String::new();
    eventually("the first line", || {
        let mut byte = [0];
        let got = child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
        out.extend(byte.iter().take(got).map(|byte| char::from(*byte)));
        out.ends_with('\n')
    });
    assert_eq!(out, "out\n");
    go_on.write_all(b"\n").unwrap();
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(err, "err\nmore\n");
}

#[test]
fn a_chatty_process_left_behind_does_not_hold_us() {
    let ran =
        shell("(trap '' PIPE; i=0; while [ $i -lt 400 ]; do echo x || exit; sleep 0.01; i=$((i+1)); done) &");
    assert_eq!(ran.finished.stdout, StreamEnd::StillHeld);
    assert!(ran.finished.resources.wall < 1_000_000_000, "the command itself was quick");
}
