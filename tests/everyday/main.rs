//! Ordinary commands of `benches/everyday` that need only what the tests need anyway: how many of them are hits, and that
//! none gives what the bare command does not.

use std::path::Path;
use std::process::Command;

/// What has been reached, in percent of the commands that are deterministic and work offline. To be raised, never lowered.
const REACHED: &[(&str, u32)] = &[
    ("second", 98),
    ("third", 98),
    ("deleted", 99),
    ("noticed", 100),
    ("back", 98),
    ("clone", 97),
    ("shared", 95),
];

#[test]
fn ordinary_commands_are_hits_and_none_is_wrong() {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/everyday/run.py");
    let mut run = Command::new("python3");
    run.arg(runner).args(["--part", "ci", "--jobs", "2", "--cashet", env!("CARGO_BIN_EXE_cashet")]);
    run.args(["--work", env!("CARGO_TARGET_TMPDIR")]);
    for (figure, percent) in REACHED {
        run.arg("--bound").arg(format!("{figure}={percent}"));
    }
    let ran = run.output().unwrap();
    println!("{}", String::from_utf8_lossy(&ran.stdout));
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}
